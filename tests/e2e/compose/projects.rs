//! Projects that the reference's loader and the agent's own read: what they make of them agrees, or the difference is
//! one that was decided.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::folder::Folder;
use kompox_tests::parts::{self, Part};

use super::corpus::{CORPUS, Outcome, Project};
use super::reference::{Reference, Verdict};
use super::{normal, ours};

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_read_as_the_reference_reads_them() -> Result<()> {
    if parts::skip_without(&[Part::Compose]) {
        return Ok(());
    }
    let reference = Reference::find().await?;
    let base = Folder::temporary("projects")?;
    let mut folders = Vec::new();
    for (at, project) in CORPUS.iter().enumerate() {
        let folder = base.subfolder(&at.to_string())?;
        for (path, text) in project.files() {
            let target = folder.join(path);
            std::fs::create_dir_all(target.parent().context("a file without a folder")?)?;
            std::fs::write(target, text)?;
        }
        // The reference insists on it; the agent does not.
        if !folder.join(".env").exists() {
            std::fs::write(folder.join(".env"), "")?;
        }
        folders.push(folder);
    }
    let verdicts = reference.load(&folders).await?;
    let mut wrong = Vec::new();
    for ((project, folder), verdict) in CORPUS.iter().zip(&folders).zip(verdicts) {
        let compared = compare(project, folder, verdict).with_context(|| project.name.to_owned());
        wrong.extend(compared.err().map(|error| format!("{error:#}")));
    }
    ensure!(wrong.is_empty(), "{} of {} projects:\n{}", wrong.len(), CORPUS.len(), wrong.join("\n"));
    Ok(())
}

fn compare(project: &Project, folder: &std::path::Path, verdict: Verdict) -> Result<()> {
    let read = ours::read(project.compose, project.beside);
    let errors: Vec<String> =
        read.diagnostics.iter().filter(|found| found.severity.name() == "error").map(ToString::to_string).collect();
    match project.outcome {
        Outcome::Refused => {
            ensure!(verdict.error.is_some(), "the reference takes it");
            ensure!(!errors.is_empty(), "ours takes it: {:?}", verdict.error);
        }
        Outcome::RefusedByUs(why, part) => {
            ensure!(verdict.error.is_none(), "the reference refuses it too ({why}): {:?}", verdict.error);
            ensure!(errors.iter().any(|error| error.contains(part)), "ours does not say {part}: {errors:?}");
        }
        Outcome::RefusedByReference(why) => {
            ensure!(verdict.error.is_some(), "the reference takes it after all ({why})");
            ensure!(errors.is_empty(), "ours refuses it: {errors:?}");
        }
        Outcome::Same | Outcome::Differs(..) => {
            let theirs = verdict.project.with_context(|| format!("the reference refuses it: {:?}", verdict.error))?;
            let mut theirs = normal::reference(&theirs, folder)?;
            let app = read.app.with_context(|| format!("ours refuses it: {errors:?}"))?;
            let own = normal::ours(&app);
            if let Outcome::Differs(why, pointer, value) = project.outcome {
                let slot = theirs.pointer_mut(pointer).with_context(|| format!("{pointer} is not there"))?;
                ensure!(own.pointer(pointer) != Some(slot), "there is no difference any more ({why})");
                *slot = serde_json::from_str(value)?;
            }
            ensure!(own == theirs, "\n   ours {own}\n theirs {theirs}");
        }
    }
    Ok(())
}
