//! The reference reader of Compose files, as a program.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::parts::Part;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What the reference says of a document or a project.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    /// The project in its canonical form.
    pub(super) project: Option<Value>,
    /// Why it is refused.
    pub(super) error: Option<String>,
}

/// The program.
pub(super) struct Reference(PathBuf);

impl Reference {
    pub(super) async fn find() -> Result<Self> {
        Ok(Self(Part::Compose.binary().await?))
    }

    /// The official JSON schema.
    pub(super) async fn schema(&self) -> Result<Value> {
        let text = self.run(&["schema"], Vec::new()).await?;
        serde_json::from_str(&text).context("the schema is no JSON")
    }

    /// What the schema says of each document.
    pub(super) async fn validate(&self, documents: &[Value]) -> Result<Vec<Verdict>> {
        let mut lines = Vec::new();
        for document in documents {
            serde_json::to_writer(&mut lines, document)?;
            lines.push(b'\n');
        }
        let answers = self.run(&["validate"], lines).await?;
        verdicts(&answers, documents.len())
    }

    /// What the loader makes of each folder's `compose.yml`.
    pub(super) async fn load(&self, folders: &[PathBuf]) -> Result<Vec<Verdict>> {
        let folders: Vec<&str> = folders.iter().filter_map(|folder| folder.to_str()).collect();
        let arguments: Vec<&str> = std::iter::once("load").chain(folders.iter().copied()).collect();
        let answers = self.run(&arguments, Vec::new()).await?;
        verdicts(&answers, folders.len())
    }

    async fn run(&self, arguments: &[&str], input: Vec<u8>) -> Result<String> {
        let mut command = Command::new(&self.0);
        // Variables of the test's own environment must not get into a project.
        command.args(arguments).env_clear().current_dir(Path::new("/"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", self.0.display()))?;
        let mut stdin = process.stdin.take().context("no standard input")?;
        // Both ends at once: the answers may fill their pipe before all of the input is written.
        let write = async move { stdin.write_all(&input).await };
        let (written, output) = tokio::join!(write, process.wait_with_output());
        let output = output.context("the reference reader was broken off")?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        written.context("the reference reader did not read everything")?;
        String::from_utf8(output.stdout).context("the answer is no text")
    }
}

fn verdicts(answers: &str, wanted: usize) -> Result<Vec<Verdict>> {
    let verdicts: Result<Vec<Verdict>, _> = answers.lines().map(serde_json::from_str).collect();
    let verdicts = verdicts.context("an answer is no JSON")?;
    ensure!(verdicts.len() == wanted, "{} answers to {wanted} questions", verdicts.len());
    Ok(verdicts)
}
