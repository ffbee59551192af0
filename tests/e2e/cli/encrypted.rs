//! Values of encrypted files: in Secrets of the cluster, and in no output.

use anyhow::{Result, ensure};
use kompox_tests::parts::{self, Part};

use super::bench::{Bench, CLUSTER, LONG, skip};
use super::secrets::{base64_of, found};
use crate::sops::Sops;

/// In an env_file, in a variable, in a secret file and in the Compose file; each before and after a change.
const CANARIES: [&str; 8] = [
    "canary-file-one",
    "canary-file-two",
    "canary-variable-one",
    "canary-variable-two",
    "canary-secret-one",
    "canary-secret-two",
    "canary-compose-one",
    "canary-compose-two",
];

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_values_reach_secrets_and_no_output() -> Result<()> {
    if skip() || parts::skip_without(&[Part::Sops]) {
        return Ok(());
    }
    let (bench, sops) = (Bench::start().await?, Sops::ready().await?);
    let folder = bench.app("shop", |entry| entry)?;
    let write = |which: &str| -> Result<()> {
        let files = [
            (".env", format!("DB_PASSWORD=canary-variable-{which}\n")),
            ("web.env", format!("SOMETHING=canary-file-{which}\n")),
            ("key.txt", format!("canary-secret-{which}")),
        ];
        for (name, plain) in files {
            std::fs::write(folder.join(name), sops.encrypt(name, plain.as_bytes(), &[])?)?;
        }
        let compose = format!(
            "services:\n  web:\n    image: nginx:1.29\n    env_file: [web.env]\n    ports: [\"8080:80\"]\n    secrets: [key]\n    \
             environment:\n      URL: \"postgres://shop:$DB_PASSWORD@db/shop\"\n      TOKEN_SECRET: \
             canary-compose-{which}\n      MODE: plain\nsecrets:\n  key: {{file: ./key.txt}}\n"
        );
        let encrypted = sops.encrypt("compose.yml", compose.as_bytes(), &["--encrypted-regex=SECRET"])?;
        Ok(std::fs::write(folder.join("compose.yml"), encrypted)?)
    };
    write("one")?;
    everything(&bench, &sops, "new").await?;
    apply(&bench, &sops).await?;
    write("two")?;
    everything(&bench, &sops, "changed").await?;
    apply(&bench, &sops).await?;

    // It is no test of secrecy when they never got there.
    let namespace = bench.kubectl(&[
        "get",
        "namespaces",
        "-l",
        "app.kubernetes.io/name=shop",
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ])?;
    for (secret, key, value) in [
        ("shop-app-web-base", "SOMETHING", "canary-file-two"),
        ("shop-app-web-base", "URL", "postgres://shop:canary-variable-two@db/shop"),
        ("shop-app-web-base", "TOKEN_SECRET", "canary-compose-two"),
        ("shop-app--sec-key", "key\\.txt", "canary-secret-two"),
    ] {
        let path = format!("jsonpath={{.data.{key}}}");
        let stored = bench.kubectl(&["-n", &namespace, "get", "secret", secret, "-o", &path])?;
        ensure!(stored == base64_of(value), "{secret} {key}: {stored}");
    }
    let others = bench.kubectl(&["get", "deployments,pods,configmaps,events,leases", "-A", "-o", "yaml"])?;
    silent("the cluster", &others)?;
    let deployment = bench.kubectl(&["-n", &namespace, "get", "deployment", "-o", "yaml"])?;
    ensure!(deployment.contains("plain") && !deployment.contains("postgres://"), "{deployment}");

    // A value where it does not belong, and a file that was changed.
    let compose =
        "services: {web: {image: \"nginx:$DB_PASSWORD\", labels: {a: $DB_PASSWORD}, command: \"$DB_PASSWORD\"}}\n";
    std::fs::write(folder.join("compose.yml"), compose)?;
    everything(&bench, &sops, "misplaced").await?;
    let mixed = sops.encrypt("web.env", b"SOMETHING=canary-file-one\nOTHER=x\n", &[])?;
    std::fs::write(folder.join("web.env"), String::from_utf8(mixed)?.replace("OTHER=", "THE_OTHER="))?;
    std::fs::write(folder.join("compose.yml"), "services: {web: {image: nginx, env_file: [web.env]}}\n")?;
    everything(&bench, &sops, "changed by hand").await
}

/// Every command that says something, at its most talkative; with the key and without.
async fn everything(bench: &Bench, sops: &Sops, when: &str) -> Result<()> {
    let commands: [&[&str]; 11] = [
        &["validate", "shop"],
        &["validate", "shop", "-o", "json"],
        &["render", "shop"],
        &["render", "shop", "-o", "json"],
        &["plan", "shop", "--cluster", CLUSTER],
        &["plan", "shop", "--cluster", CLUSTER, "-o", "json"],
        &["plan", "shop", "--cluster", CLUSTER, "-o", "markdown"],
        &["apply", "shop", "--cluster", CLUSTER],
        &["status"],
        &["status", "-o", "json"],
        &["run", "--once", "--cluster", CLUSTER, "--source", "shop"],
    ];
    for arguments in commands {
        let mut command = bench.command(arguments).env("KOMPOX_LOG", "debug");
        // `status` reads no files.
        if arguments[0] != "status" {
            command = command.env("KOMPOX_AGENT_AGE_KEYS_FILE", sops.keys_file());
        }
        let said = command.run(LONG).await?;
        ensure!(said.code() != Some(101), "{arguments:?} panicked: {}", said.stderr);
        silent(&format!("{when}: {arguments:?}, stdout"), &said.stdout)?;
        silent(&format!("{when}: {arguments:?}, stderr"), &said.stderr)?;
    }
    let without = bench.run(&["validate", "shop"]).await?;
    let wanted = when == "new" || when == "changed";
    ensure!(!wanted || without.stderr.contains("no keys are given to read it with"), "{}", without.stderr);
    Ok(())
}

async fn apply(bench: &Bench, sops: &Sops) -> Result<()> {
    let command = bench.command(&["apply", "shop", "--yes"]).env("KOMPOX_LOG", "debug");
    let said = command.env("KOMPOX_AGENT_AGE_KEYS_FILE", sops.keys_file()).run(LONG).await?;
    ensure!(said.code() == Some(0), "{}", said.stderr);
    silent("apply, stdout", &said.stdout)?;
    silent("apply, stderr", &said.stderr)
}

fn silent(what: &str, text: &str) -> Result<()> {
    found(what, text, &CANARIES)
}
