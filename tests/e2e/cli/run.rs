//! `run`: the exit codes of `--once`, and configurations that cannot be.

use anyhow::{Result, ensure};

use super::bench::{Bench, CLUSTER, skip};

#[tokio::test(flavor = "multi_thread")]
async fn once_ends_with_what_it_came_to() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    // Each folder is a source of its own: under one name, the second would ask to remove the first one's App.
    let once = async |folder: &str| {
        let config = format!("cluster: {CLUSTER}\nsources:\n  - {{name: {folder}, url: ./{folder}}}\n");
        let config = bench.folder.write(&format!("{folder}.yml"), &config)?;
        bench.run(&["run", "--once", "--config", &config.to_string_lossy()]).await
    };

    bench.app("shop", |entry| entry)?;
    let healthy = once("shop").await?;
    ensure!(healthy.code() == Some(0), "{:?} {}", healthy.code(), healthy.stderr);

    bench.edit("shop/compose.yml", "image:", "imgae:")?;
    let broken = once("shop").await?;
    ensure!(
        broken.code() == Some(1) && broken.stderr.contains("compose.yml:3:5"),
        "{:?} {}",
        broken.code(),
        broken.stderr
    );
    let status = bench.run(&["status"]).await?;
    ensure!(status.stdout.contains("failure") && status.stdout.contains("compose.yml:3:5"), "{}", status.stdout);

    bench.app("stuck", |entry| {
        entry.replace("  compose:", "  deployment: {zone: \"9\"}\n  reconcile: {progressDeadline: 5s}\n  compose:")
    })?;
    let unhealthy = once("stuck").await?;
    ensure!(unhealthy.code() == Some(4), "{:?} {}", unhealthy.code(), unhealthy.stderr);

    bench.app("cloud", |entry| entry.replace("driver: local", "driver: aks"))?;
    let blocked = once("cloud").await?;
    ensure!(blocked.code() == Some(3), "{:?} {}", blocked.code(), blocked.stderr);

    let wrong = bench.run(&["run", "--once", "--cluster", "/ws/acme/prv/home/cls/two", "--source", "shop"]).await?;
    ensure!(wrong.code() == Some(1) && wrong.stderr.contains("acme/home/one, not acme/home/two"), "{}", wrong.stderr);
    Ok(())
}

#[tokio::test]
async fn configurations_that_cannot_be() -> Result<()> {
    let folder = kompox_tests::folder::Folder::temporary("config")?;
    let agent = async |arguments: &[&str]| {
        let command = kompox_tests::agent::AgentCommand::new(arguments).current_dir(folder.path());
        command.run(super::bench::LONG).await
    };
    let none = agent(&["run", "--once"]).await?;
    ensure!(none.code() == Some(1) && none.stderr.contains("--cluster ID and --source"), "{}", none.stderr);
    let half = agent(&["run", "--once", "--source", "."]).await?;
    ensure!(half.code() == Some(1) && half.stderr.contains("--cluster"), "{}", half.stderr);
    let both = agent(&["run", "--config", "a.yml", "--source", "."]).await?;
    ensure!(both.code() == Some(1) && both.stderr.contains("cannot be used with"), "{}", both.stderr);
    let missing = agent(&["run", "--config", "a.yml"]).await?;
    ensure!(missing.code() == Some(1) && missing.stderr.contains("a.yml"), "{}", missing.stderr);

    folder.write("a.yml", "cluster: /ws/acme/prv/home/cls/one\nsourecs: []\n")?;
    let unknown = agent(&["run", "--config", "a.yml"]).await?;
    ensure!(unknown.code() == Some(1) && unknown.stderr.contains("a.yml:2:1"), "{}", unknown.stderr);
    folder.write("a.yml", "cluster: one\nsources:\n  - {name: A, url: ., interval: 1ms, verify: {}}\n")?;
    let several = agent(&["run", "--config", "a.yml"]).await?;
    ensure!(several.code() == Some(1), "{}", several.stderr);
    for place in ["a.yml:1:10", "a.yml:3:12", "a.yml:3:33", "a.yml:3:46"] {
        ensure!(several.stderr.contains(place), "{place} is not in: {}", several.stderr);
    }
    Ok(())
}
