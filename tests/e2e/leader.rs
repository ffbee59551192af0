//! Two agents for one cluster: one writes, the other waits, and takes over soon.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kompox_tests::agent::Agent;
use kompox_tests::parts::skip_if;
use kompox_tests::wait::{Look, until};

use crate::world::{LONG, World, skip};

/// How long the other one may take when the first one gives the Lease back, and when it cannot any more. A busy
/// machine adds to both.
const HANDED_OVER: Duration = Duration::from_secs(4);
const RUN_OUT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn the_other_one_takes_over() -> Result<()> {
    if skip() || skip_if(kompox_tests::agent::isolation_missing()) {
        return Ok(());
    }
    let world = World::start().await?;
    let first = start(&world).await?;
    let commit = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    world.await_status(&commit, "success").await?;
    let holder = await_holder(&world, "", LONG).await?;

    // It waits, reads, and writes nothing.
    let second = start(&world).await?;
    until("the second agent to wait", LONG, || async {
        let log = second.stderr()?;
        Ok(if log.contains("another agent holds the Lease") { Look::Done(()) } else { Look::NotYet(log) })
    })
    .await?;
    world.proxy.forget();
    tokio::time::sleep(Duration::from_secs(4)).await;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(await_holder(&world, "", LONG).await? == holder, "the second agent has taken the Lease of one that lives");

    // Asked to end, the first one gives the Lease back.
    first.terminate()?;
    let asked = Instant::now();
    let holder = await_holder(&world, &holder, LONG).await?;
    ensure!(asked.elapsed() < HANDED_OVER, "it took {:?}", asked.elapsed());
    let ended = first.finish(LONG).await?;
    ensure!(ended.code() == Some(0), "SIGTERM is an orderly end: {}", ended.stderr);
    let change = |text: &str| text.replace("gitea:1.24.6", "gitea:1.24.7");
    let commit = world.push_change("compose.yml", change, "Update Gitea")?;
    world.await_status(&commit, "success").await?;

    // Killed, it cannot; and from another process namespace nobody sees that it is gone.
    let third = start(&world).await?;
    until("the third agent to wait", LONG, || async {
        let log = third.stderr()?;
        Ok(if log.contains("another agent holds the Lease") { Look::Done(()) } else { Look::NotYet(log) })
    })
    .await?;
    second.kill()?;
    let killed = Instant::now();
    await_holder(&world, &holder, LONG).await?;
    ensure!(killed.elapsed() < RUN_OUT, "it took {:?}", killed.elapsed());
    let change = |text: &str| text.replace("gitea:1.24.7", "gitea:1.24.8");
    let commit = world.push_change("compose.yml", change, "Update Gitea once more")?;
    world.await_status(&commit, "success").await?;
    ensure!(third.exited()?.is_none());
    Ok(())
}

/// Starts an agent as on a machine of its own: it cannot see whether another one's process still exists.
async fn start(world: &World) -> Result<Agent> {
    world.run_command(&[])?.isolated().start().await
}

/// Waits until somebody other than `before` holds the Lease; gives who.
async fn await_holder(world: &World, before: &str, limit: Duration) -> Result<String> {
    until("another holder of the Lease", limit, || async {
        let path = "jsonpath={.spec.holderIdentity}";
        let holder =
            world.kubectl(&["-n", "k4x-system", "get", "lease", "kompox-agent", "-o", path]).unwrap_or_default();
        Ok(if holder.is_empty() || holder == before { Look::NotYet(holder) } else { Look::Done(holder) })
    })
    .await
}
