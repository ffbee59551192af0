//! A commit that waits for health is left for a newer one, and still gets its last word.

use anyhow::{Result, ensure};
use kompox_tests::wait::{Look, until};

use crate::world::{LONG, NAMESPACE, NODE, World, skip};

/// The status of a source.
const CONTEXT: &str = "kompox/cluster1";

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_commit_ends_the_wait_for_an_older_one_also_over_a_restart() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;

    // No Pod that comes from now on finds a node, and the App has half an hour for it. The first update waits for
    // its image, with the old Pod running.
    world.kubectl(&["cordon", NODE])?;
    let second = update(&world, "1.24.6", "1.24.7")?;
    world.await_status(&second, "pending").await?;
    let unasked = |text: &str| text.replace("  name: app1\n", "  name: app1\n  reconcile: {prepull: false}\n");
    let third = world.push_change("kompoxops.yml", unasked, "Pull no image before")?;
    await_wait(&world, "1.24.7").await?;
    superseded(&world, &second, &third).await?;

    // The second one is applied, and its Pod cannot start.
    let fourth = update(&world, "1.24.7", "1.24.8")?;
    await_wait(&world, "1.24.8").await?;
    superseded(&world, &third, &fourth).await?;

    // Killed while it waits; the next process finds a newer commit, and the older one in its record.
    agent.kill()?;
    agent.finish(LONG).await?;
    let fifth = update(&world, "1.24.8", "1.24.9")?;
    let agent = world.start_agent().await?;
    superseded(&world, &fourth, &fifth).await?;
    await_wait(&world, "1.24.9").await?;

    world.kubectl(&["uncordon", NODE])?;
    world.await_status(&fifth, "success").await?;
    for (commit, last) in [(&second, "error"), (&third, "error"), (&fourth, "error"), (&fifth, "success")] {
        let statuses = world.statuses(commit, CONTEXT).await?;
        let states: Vec<&str> = statuses.iter().map(|status| status.state.as_str()).collect();
        ensure!(states == ["pending", last], "{commit} was told {statuses:?}");
    }
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// Waits for the last word on a commit that another one replaced.
async fn superseded(world: &World, commit: &str, by: &str) -> Result<()> {
    let ended = world.await_status(commit, "error").await?;
    ensure!(ended.description == format!("superseded by {}", &by[..8]), "{ended:?}");
    Ok(())
}

fn update(world: &World, from: &str, to: &str) -> Result<String> {
    let (from, to) = (format!("gitea:{from}"), format!("gitea:{to}"));
    world.push_change("compose.yml", |text| text.replace(&from, &to), &format!("Update to {to}"))
}

/// Waits until a version is applied; its Pod cannot start.
async fn await_wait(world: &World, version: &str) -> Result<()> {
    until(&format!("Gitea {version} to be applied"), LONG, || async {
        let path = "jsonpath={..image} {.status.readyReplicas}";
        let found = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", path])?;
        let waits = found.contains(&format!("gitea:{version}")) && found.ends_with(' ');
        Ok(if waits { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await
}
