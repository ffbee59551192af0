//! Values of Secrets: in the cluster, and in no output.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::Finished;

use super::bench::{Bench, CLUSTER, LONG, skip};

/// Values from an env_file, from a variable named like a password, from a secret file, and what an
/// operator put into the cluster; each before and after a change.
const CANARIES: [&str; 8] = [
    "canary-env-one",
    "canary-env-two",
    "canary-variable-one",
    "canary-variable-two",
    "canary-file-one",
    "canary-file-two",
    "canary-operator",
    "canary-pull",
];

const COMPOSE: &str = "services:
  web:
    image: nginx:1.29
    env_file: [web.env]
    environment: {DB_PASSWORD: canary-variable-one}
    ports: [\"8080:80\"]
    secrets: [key]
secrets:
  key: {file: ./key.txt}
";

#[tokio::test(flavor = "multi_thread")]
async fn no_output_ever_shows_a_secret() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    let folder = bench.app("shop", |entry| entry)?;
    let write = |file: &str, text: &str| std::fs::write(folder.join(file), text);
    write("compose.yml", COMPOSE)?;
    write("web.env", "SOMETHING=canary-env-one\n")?;
    write("key.txt", "canary-file-one")?;
    everything(&bench, "new").await?;
    apply(&bench).await?;

    let namespace = bench.kubectl(&[
        "get",
        "namespaces",
        "-l",
        "app.kubernetes.io/name=shop",
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ])?;
    for (name, value) in [("shop-app-web-override", "canary-operator"), ("shop-app--pull", "canary-pull")] {
        bench.kubectl(&[
            "-n",
            &namespace,
            "create",
            "secret",
            "generic",
            name,
            &format!("--from-literal=KEY={value}"),
        ])?;
    }
    write("web.env", "SOMETHING=canary-env-two\n")?;
    write("key.txt", "canary-file-two")?;
    write("compose.yml", &COMPOSE.replace("variable-one", "variable-two"))?;
    everything(&bench, "changed").await?;
    apply(&bench).await?;

    // It is no test of secrecy when they never got there.
    let stored =
        bench.kubectl(&["-n", &namespace, "get", "secret", "shop-app-web-base", "-o", "jsonpath={.data.SOMETHING}"])?;
    ensure!(stored == base64_of("canary-env-two"), "{stored}");

    // Mistakes inside the files themselves.
    write("web.env", "SOMETHING=canary-env-one\ncanary-env-two\nQUOTED=\"canary-env-two\n")?;
    everything(&bench, "broken").await?;
    let records = bench.kubectl(&["-n", "k4x-system", "get", "configmaps,leases,events", "-o", "yaml"])?;
    check("the agent's records", &records)
}

/// Every command that says something, at its most talkative.
async fn everything(bench: &Bench, when: &str) -> Result<()> {
    let commands: [&[&str]; 9] = [
        &["validate", "shop"],
        &["validate", "shop", "-o", "json"],
        &["plan", "shop", "--cluster", CLUSTER],
        &["plan", "shop", "--cluster", CLUSTER, "-o", "json"],
        &["plan", "shop", "--cluster", CLUSTER, "-o", "markdown"],
        &["apply", "shop", "--cluster", CLUSTER],
        &["status"],
        &["status", "-o", "json"],
        &["run", "--once", "--cluster", CLUSTER, "--source", "shop"],
    ];
    for arguments in commands {
        let said = bench.command(arguments).env("KOMPOX_LOG", "debug").run(LONG).await?;
        ensure!(said.code() != Some(101), "{arguments:?} panicked: {}", said.stderr);
        silent(&format!("{when}: {arguments:?}"), &said)?;
    }
    Ok(())
}

async fn apply(bench: &Bench) -> Result<()> {
    let said = bench.command(&["apply", "shop", "--yes"]).env("KOMPOX_LOG", "debug").run(LONG).await?;
    ensure!(said.code() == Some(0), "{}", said.stderr);
    silent("apply", &said)
}

fn silent(what: &str, said: &Finished) -> Result<()> {
    check(&format!("{what}, stdout"), &said.stdout)?;
    check(&format!("{what}, stderr"), &said.stderr)
}

fn check(what: &str, text: &str) -> Result<()> {
    found(what, text, &CANARIES)
}

/// Neither as they are nor as the API writes them.
pub(super) fn found(what: &str, text: &str, canaries: &[&str]) -> Result<()> {
    for canary in canaries {
        let found = text.lines().find(|line| line.contains(canary) || line.contains(&base64_of(canary)));
        ensure!(found.is_none(), "{what} shows {canary}: {}", found.context("a line")?);
    }
    Ok(())
}

pub(super) fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
