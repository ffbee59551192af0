//! A Git server, a forge or an API server that is away: no crash, the last good state is kept, and
//! everything catches up.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::world::{LONG, NAMESPACE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn without_git_and_forge_the_last_good_commit_is_kept() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (mut world, agent, _) = World::start().await?.deployed().await?;

    world.gitea.stop().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=0"])?;
    replicas(&world, "1").await?;
    ensure!(agent.exited()?.is_none(), "the agent has ended: {}", agent.stderr()?);

    world.gitea.restart().await?;
    let change = |text: &str| text.replace("gitea:1.24.6", "gitea:1.24.7");
    let next = world.push_change("compose.yml", change, "Update Gitea")?;
    world.await_status(&next, "success").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_api_server_nothing_crashes_and_the_status_catches_up() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;

    world.proxy.down(true);
    let change = |text: &str| text.replace("gitea:1.24.6", "gitea:1.24.7");
    let next = world.push_change("compose.yml", change, "Update Gitea")?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(agent.exited()?.is_none(), "the agent has ended: {}", agent.stderr()?);
    let states = world.statuses(&next, "kompox/cluster1").await?;
    ensure!(states.iter().all(|status| status.state != "success"), "{states:?}");

    world.proxy.down(false);
    world.await_status(&next, "success").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_writes_are_tried_again() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    for (write, status) in [(3, 500), (6, 503), (9, 429), (12, 504)] {
        world.proxy.fail_nth_write(write, status)?;
    }
    world.proxy.drop_reply_after(14);
    let (world, agent, _) = world.deployed().await?;
    ensure!(world.disks()?.len() == 1);
    ensure!(agent.exited()?.is_none());
    Ok(())
}

async fn replicas(world: &World, wanted: &str) -> Result<()> {
    until("the replicas to come back", LONG, || async {
        let path = "jsonpath={.spec.replicas}";
        let found = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", path])?;
        Ok(if found == wanted { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_git_and_without_the_cache_apps_are_kept_from_what_lies_in_the_cluster() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let mut world = World::start().await?;
    let agent = world.start_agent().await?;
    world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    let change = |text: &str| text.replace("gitea:1.24.6", "gitea:1.24.7");
    let commit = world.push_change("compose.yml", change, "Update Gitea")?;
    world.await_status(&commit, "success").await?;
    let record = world.kubectl(&["-n", NAMESPACE, "get", "secret/app1--last-applied", "-o", "jsonpath={.data}"])?;
    ensure!(record.contains("files.tar.gz"), "the App's files are not kept: {record}");
    world.forget_when_told().await?;
    let objects = world.kubectl(&["get", "all,ingresses,configmaps,secrets", "-n", NAMESPACE, "-o", "name"])?;

    // Nothing is left of the repository but what the cluster knows.
    agent.kill()?;
    agent.finish(LONG).await?;
    world.gitea.stop().await?;
    std::fs::remove_dir_all(world.folder.path().join("cache"))?;
    world.kubectl(&["-n", NAMESPACE, "delete", "service", "app1-app"])?;
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=0"])?;
    let agent = world.start_agent().await?;
    until("the Service to come back", LONG, || async {
        let services = world.kubectl(&["-n", NAMESPACE, "get", "services", "-o", "name"])?;
        Ok(if services.contains("service/app1-app") { Look::Done(()) } else { Look::NotYet(services) })
    })
    .await?;
    replicas(&world, "1").await?;
    let kept = |text: &str| -> Vec<String> {
        let lasting = text.lines().filter(|name| !name.starts_with("pod/"));
        lasting.map(str::to_owned).collect()
    };
    let now = world.kubectl(&["get", "all,ingresses,configmaps,secrets", "-n", NAMESPACE, "-o", "name"])?;
    ensure!(kept(&now) == kept(&objects), "{objects}\nbecame\n{now}");
    let image = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "jsonpath={..image}"])?;
    ensure!(image.contains("gitea:1.24.7"), "an older commit was taken: {image}");

    // A newer commit's Deployment was written, and the agent ended before it could write that down: an older program
    // on data that the newer one has changed is no way back.
    agent.kill()?;
    agent.finish(LONG).await?;
    // The API server counts whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    write_as_the_agent(&world, "gitea:1.24.7", "gitea:1.24.9")?;
    let agent = world.start_agent().await?;
    until("the App to be left alone", LONG, || async {
        let log = agent.stderr()?;
        Ok(if log.contains("something newer of it was begun") { Look::Done(()) } else { Look::NotYet(log) })
    })
    .await?;
    let image = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "jsonpath={..image}"])?;
    ensure!(image.contains("gitea:1.24.9"), "an older commit was taken: {image}");

    world.gitea.restart().await?;
    let change = |text: &str| text.replace("gitea:1.24.7", "gitea:1.24.8");
    let next = world.push_change("compose.yml", change, "Update Gitea again")?;
    world.await_status(&next, "success").await?;
    ensure!(agent.exited()?.is_none(), "the agent has ended: {}", agent.stderr()?);
    Ok(())
}

/// Changes the image of the Deployment as the agent would.
fn write_as_the_agent(world: &World, from: &str, to: &str) -> Result<()> {
    let live = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "json"])?;
    let mut body: Value = serde_json::from_str(&live.replace(from, to))?;
    let metadata = body["metadata"].as_object_mut().context("no metadata")?;
    metadata.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
    body.as_object_mut().context("no object")?.remove("status");
    let file = world.folder.write("newer.json", &body.to_string())?;
    let file = file.to_string_lossy();
    let manager = "--field-manager=kompox-agent";
    world.kubectl(&["apply", "--server-side", "--force-conflicts", manager, "-f", &file])?;
    Ok(())
}
