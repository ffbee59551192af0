//! Where output goes: pipes whose reader left, full disks, terminals and colour.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::binary;
use kompox_tests::folder::Folder;

/// A broken entry, so that there is a diagnostic to colour.
fn broken() -> Result<Folder> {
    let folder = Folder::temporary("output")?;
    folder.write("kompoxops.yml", "version: v2\n")?;
    Ok(folder)
}

/// A line of shell with the agent as `$AGENT`.
async fn shell(folder: &Folder, line: &str) -> Result<(Option<i32>, String)> {
    let output = Command::new("bash")
        .args(["-c", line])
        .env("AGENT", binary().await?)
        .env_remove("NO_COLOR")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .context("bash is not installed")?;
    let both = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&both).into_owned()))
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_error() -> Result<()> {
    let folder = Folder::temporary("output")?;
    for verb in ["completions bash", "run --help", "render ."] {
        let line = format!("$AGENT {verb} 2>&1 | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}");
        let (_, text) = shell(&folder, &line).await?;
        ensure!(text.trim() == if verb == "render ." { "1" } else { "0" }, "{verb}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_an_error() -> Result<()> {
    let folder = Folder::temporary("output")?;
    let (code, text) = shell(&folder, "$AGENT completions bash >/dev/full").await?;
    ensure!(code == Some(1) && text.contains("No space left"), "{code:?}: {text}");
    Ok(())
}

#[tokio::test]
async fn nobody_to_talk_to_is_no_crash() -> Result<()> {
    let folder = broken()?;
    for closed in ["2>/dev/full", "2>&-", ">&- 2>&-"] {
        let (code, text) = shell(&folder, &format!("$AGENT validate {closed}")).await?;
        ensure!(code == Some(1), "{closed}: {code:?} {text}");
    }
    // A log line that nobody takes.
    let (code, text) = shell(&folder, "KUBECONFIG=/nowhere $AGENT status 2>/dev/full").await?;
    ensure!(code == Some(1), "{code:?} {text}");
    Ok(())
}

#[tokio::test]
async fn colour_is_for_terminals_only_and_can_be_refused() -> Result<()> {
    let folder = broken()?;
    let (_, piped) = shell(&folder, "$AGENT validate").await?;
    ensure!(piped.contains("version") && !piped.contains('\u{1b}'), "{piped:?}");
    if shell(&folder, "command -v script").await?.0 != Some(0) {
        return Ok(());
    }
    let (_, coloured) = shell(&folder, "script -qec '$AGENT validate' /dev/null </dev/null").await?;
    ensure!(coloured.contains('\u{1b}'), "{coloured:?}");
    let (_, plain) = shell(&folder, "NO_COLOR=1 script -qec '$AGENT validate' /dev/null </dev/null").await?;
    ensure!(plain.contains("version") && !plain.contains('\u{1b}'), "{plain:?}");
    Ok(())
}
