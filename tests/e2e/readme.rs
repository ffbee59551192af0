//! The README's commands, run as they stand there, one after the other, on a fresh cluster.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use kompox_tests::agent::{self, AgentCommand};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::{Folder, copy_tree};
use kompox_tests::kwok::FakeNode;
use kompox_tests::parts::{self, Part};

use crate::world::{LONG, NODE};

/// What the commands see of the repository.
const SEEN: [&str; 2] = ["examples", "deploy"];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_the_readme_says() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane, Part::Kwok]) {
        return Ok(());
    }
    let plane = ControlPlane::start(Options { folder: None, nodes: vec![FakeNode::user(NODE)] }).await?;
    let copy = repository().await?;
    let text = readme()?;
    let commands = blocks(&text, "sh");
    ensure!(commands.iter().any(|command| command.starts_with("kompox-agent apply")), "{commands:?}");
    for command in &commands {
        run(command, copy.path(), plane.kubeconfig()).await?;
    }
    Ok(())
}

#[test]
fn commands_that_no_test_runs_are_known() -> Result<()> {
    let text = readme()?;
    let programs: Vec<String> = blocks(&text, "text")
        .iter()
        .map(|command| command.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let known = [
        "cargo install",
        "docker build",
        "kubectl -n",
        // tests/e2e/views.rs does.
        "kubectl get",
        "age-keygen -o",
        "sops encrypt",
        "kubectl -n",
        "kompox-agent validate",
        "kompox-agent run",
    ];
    ensure!(programs == known, "{programs:?}");
    Ok(())
}

/// Its keys are read; the agent goes on until it looks for the token.
#[tokio::test]
async fn the_configuration_of_the_readme_is_accepted() -> Result<()> {
    let text = readme()?;
    let [yaml] = blocks_whole(&text, "yaml").try_into().ok().context("the README has one agent.yml")?;
    let folder = Folder::temporary("readme")?;
    folder.write("agent.yml", &yaml)?;
    let command = AgentCommand::new(["run", "--once", "--config", "agent.yml", "--kubeconfig", "nowhere"]);
    let said = command.current_dir(folder.path()).run(LONG).await?;
    ensure!(said.code() == Some(1) && said.stderr.contains("nowhere"), "{}", said.stderr);
    ensure!(!said.stderr.contains("agent-config"), "{}", said.stderr);
    Ok(())
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    let text = readme()?;
    let links: Vec<&str> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://"))
        .collect();
    ensure!(!links.is_empty(), "the README has no links");
    for link in links {
        ensure!(root().join(link).exists(), "{link} does not exist");
    }
    Ok(())
}

/// Runs one line. `plan` may say that there are changes; all else must succeed.
async fn run(command: &str, folder: &Path, kubeconfig: &Path) -> Result<()> {
    if let Some(target) = command.strip_prefix("make ") {
        let found = Command::new("make").current_dir(root()).args(["--question", "--dry-run", target]).output()?;
        // 2 is "no such target"; 1 is "there is something to do".
        ensure!(found.status.code() != Some(2), "{command}: {}", told(&found));
        return Ok(());
    }
    let bin = agent::binary().await?.parent().context("a program lies in a folder")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", folder)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .output()
        .context("bash is not installed")?;
    match output.status.code() {
        Some(0) => {}
        Some(2) if command.starts_with("kompox-agent plan ") => {}
        code => bail!("`{command}` ended with {code:?}: {}", told(&output)),
    }
    ensure!(!output.stdout.is_empty(), "`{command}` says nothing");
    Ok(())
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A copy of what the commands see, with the disks of the example in the copy.
async fn repository() -> Result<Folder> {
    let copy = Folder::temporary("readme")?;
    for name in SEEN {
        copy_tree(&root().join(name), &copy.path().join(name))?;
    }
    let disks = copy.path().join("disks").display().to_string();
    let entry = copy.path().join("examples/gitea/kompoxops.yml");
    let text = std::fs::read_to_string(&entry)?;
    let changed = text.replace("driver: local", &format!("driver: local\n  settings: {{LOCAL_ROOT: {disks}}}"));
    ensure!(changed != text, "the example has another driver");
    std::fs::write(entry, changed)?;
    // As the person did who has the agent on the node.
    let made = AgentCommand::new(["disk", "init-root", &disks, "--node", NODE]).run(LONG).await?;
    ensure!(made.code() == Some(0), "{}", made.stderr);
    Ok(copy)
}

/// The commands of every block in this language, one a line.
fn blocks(text: &str, language: &str) -> Vec<String> {
    blocks_whole(text, language).iter().flat_map(|block| block.lines()).map(str::to_owned).collect()
}

/// Every block in this language.
fn blocks_whole(text: &str, language: &str) -> Vec<String> {
    let start = format!("\n```{language}\n");
    text.split(&*start).skip(1).filter_map(|rest| rest.split("\n```").next()).map(str::to_owned).collect()
}

fn readme() -> Result<String> {
    std::fs::read_to_string(root().join("README.md")).context("README.md is missing")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
