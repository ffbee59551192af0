//! `make demo ARGS=--once`: the story is told to its end, with and without a forge.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::folder::Folder;

use crate::world::skip;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_its_story() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let story = tell(&[])?;
    in_order(
        &story,
        &[
            "NEW EMPTY DISK",
            "is pending",
            "is success: 15 created, 1 disk created",
            "gitea:1.24.6 → docker.gitea.com/gitea:1.24.7",
            "is success: 1 changed",
            "is failure: nothing applied",
            "did you mean `image`?",
            "app demo/home/cluster1/gitea  healthy",
            "export KUBECONFIG=",
            "push to: ",
            "status --watch",
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_its_story_on_a_forge() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let story = tell(&["--forge", "gitea"])?;
    in_order(&story, &["is success: 15 created", "is failure: ", "commits with their statuses: http://127.0.0.1:"])
}

/// Runs the demo in a folder of its own; gives all that it said.
fn tell(arguments: &[&str]) -> Result<String> {
    let folder = Folder::temporary("demo")?;
    let output = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--once", "--folder"])
        .arg(folder.path().join("demo"))
        .args(arguments)
        .output()
        .context("the demo cannot be started")?;
    let story = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{story}");
    Ok(story)
}

fn in_order(story: &str, wanted: &[&str]) -> Result<()> {
    let mut rest = story;
    for text in wanted {
        let at = rest.find(text).with_context(|| format!("`{text}` is missing (or too early) in:\n{story}"))?;
        rest = &rest[at..];
    }
    Ok(())
}
