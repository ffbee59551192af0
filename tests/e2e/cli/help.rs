//! Help, completions, and arguments that cannot be.

use anyhow::{Result, ensure};
use kompox_tests::agent::{AgentCommand, Finished};

use super::bench::LONG;

/// Every verb that has a help of its own.
const VERBS: [&[&str]; 18] = [
    &[],
    &["run"],
    &["plan"],
    &["apply"],
    &["validate"],
    &["render"],
    &["status"],
    &["sync"],
    &["pause"],
    &["resume"],
    &["hold"],
    &["hold", "list"],
    &["hold", "accept"],
    &["history"],
    &["disk"],
    &["disk", "init-root"],
    &["schema"],
    &["completions"],
];

async fn agent(arguments: &[&str]) -> Result<Finished> {
    AgentCommand::new(arguments).run(LONG).await
}

#[tokio::test]
async fn the_help_of_every_verb() -> Result<()> {
    let mut all = String::new();
    for verb in VERBS {
        let help = agent(&[verb, &["--help"]].concat()).await?;
        ensure!(help.code() == Some(0) && help.stderr.is_empty(), "{verb:?}: {}", help.stderr);
        all.push_str(&format!("$ kompox-agent {}\n{}\n", [verb, &["--help"]].concat().join(" "), help.stdout));
    }
    insta::assert_snapshot!(all);
    Ok(())
}

#[tokio::test]
async fn the_version() -> Result<()> {
    let version = agent(&["--version"]).await?;
    ensure!(version.code() == Some(0), "{}", version.stderr);
    ensure!(version.stdout == format!("kompox-agent {}\n", env!("CARGO_PKG_VERSION")), "{}", version.stdout);
    Ok(())
}

/// 2 is `plan`'s word for "there are changes": a typing error must not look like it.
#[tokio::test]
async fn arguments_that_cannot_be_are_an_error() -> Result<()> {
    let cases: [&[&str]; 8] = [
        &[],
        &["paln"],
        &["plan", "--no-such-flag"],
        &["plan", "--source", "apps"],
        &["plan", "--ref", "main"],
        &["plan", "-o", "xml"],
        &["disk"],
        &["disk", "init-root", "/nowhere"],
    ];
    for arguments in cases {
        let finished = agent(arguments).await?;
        ensure!(finished.code() == Some(1), "{arguments:?} ended with {:?}", finished.code());
        ensure!(finished.stdout.is_empty() && !finished.stderr.is_empty(), "{arguments:?}: {}", finished.stdout);
    }
    let meant = agent(&["paln"]).await?;
    ensure!(meant.stderr.contains("'plan'"), "no suggestion: {}", meant.stderr);
    Ok(())
}

#[tokio::test]
async fn completions_know_every_verb() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let script = agent(&["completions", shell]).await?;
        ensure!(script.code() == Some(0), "{shell}: {}", script.stderr);
        for verb in ["run", "plan", "apply", "validate", "render", "status", "schema", "init-root", "volume-handle"] {
            ensure!(script.stdout.contains(verb), "{shell} does not know {verb}");
        }
    }
    ensure!(agent(&["completions", "cmd.exe"]).await?.code() == Some(1));
    Ok(())
}
