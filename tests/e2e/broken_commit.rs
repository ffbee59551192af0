//! A broken commit leaves the cluster exactly as it was and gets a failure with its place.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::world::{NAMESPACE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_loaded_changes_nothing() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let agent = world.start_agent().await?;
    let good = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    world.await_status(&good, "success").await?;
    let before = state(&world)?;

    world.proxy.forget();
    let broken = world.push_change(
        "compose.yml",
        |text| text.replace("    image: postgres:17", "    imgae: postgres:17"),
        "Typo",
    )?;
    let failure = world.await_status(&broken, "failure").await?;
    ensure!(failure.description.contains("compose.yml:14:5"), "no place in: {}", failure.description);
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(state(&world)? == before, "the cluster has changed");

    let log = agent.stderr()?;
    ensure!(log.contains("imgae"), "the log does not quote the line: {log}");

    let mended = world.push_change("compose.yml", |text| text.replace("imgae", "image"), "Mend")?;
    world.await_status(&mended, "success").await?;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_server_refuses_changes_nothing_and_is_not_tried_again() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let agent = world.start_agent().await?;
    // Loads, but no API server takes a mount path that holds a colon.
    let refused = |text: &str| {
        text.replace(
            "volumes:\n      - ./data/gitea:/data",
            "x-kompox: {resources: {memory: 2Gi}, limits: {memory: 1Gi}}\n    volumes:\n      - ./data/gitea:/data",
        )
    };
    let files: Vec<(String, String)> = world
        .gitea_fixture()?
        .into_iter()
        .map(|(path, text)| if path == "compose.yml" { (path, refused(&text)) } else { (path, text) })
        .collect();

    // As the very first commit: not even the namespace is made.
    let first = world.push(&files, "Asks for more than its limit")?;
    let failure = world.await_status(&first, "failure").await?;
    ensure!(failure.description.contains("compose.yml:"), "no place in: {}", failure.description);
    ensure!(world.kubectl(&["get", "namespace", NAMESPACE]).is_err(), "the namespace was made");
    ensure!(world.disks()?.is_empty(), "a disk was made");
    ensure!(world.writes().is_empty(), "{:?}", world.writes());

    world.proxy.forget();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let patches = world.proxy.requests().into_iter().filter(|request| request.method == "PATCH").count();
    ensure!(patches == 0, "the refused commit was tried again: {patches} dry-runs");

    // On top of a good commit.
    let good = world.push(&world.gitea_fixture()?, "Good")?;
    world.await_status(&good, "success").await?;
    let before = state(&world)?;
    world.proxy.forget();
    let again = world.push(&files, "Bad again")?;
    world.await_status(&again, "failure").await?;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(state(&world)? == before, "the cluster has changed");
    drop(agent);
    Ok(())
}

/// Name and version of every object of the app.
fn state(world: &World) -> Result<String> {
    let kinds = "serviceaccounts,roles,networkpolicies,persistentvolumeclaims,configmaps,secrets,services,ingresses";
    let columns = "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
    let versions = world.kubectl(&["-n", NAMESPACE, "get", kinds, "-o", columns])?;
    let generation =
        world.kubectl(&["-n", NAMESPACE, "get", "deployments", "-o", "jsonpath={..metadata.generation}"])?;
    Ok(format!("{versions}deployment generation {generation}"))
}
