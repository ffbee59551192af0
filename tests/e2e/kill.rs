//! The agent is killed before and after every single write of a first deploy; whatever was done by
//! then, the runs that follow end in the same objects, one disk, and one final status.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use kompox_tests::proxy::When;

use crate::world::{LONG, World, skip};

/// More runs than a first deploy has writes, the records of the agent itself included, also when each is killed
/// at its first.
const MOST: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_after_one_write_each_it_still_arrives() -> Result<()> {
    if skip() {
        return Ok(());
    }
    // Every run does one write more and never learns that it was done.
    deploy_killed_at(1, When::After).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_before_its_second_write_it_still_arrives() -> Result<()> {
    if skip() {
        return Ok(());
    }
    // Every run does one write and dies with the next one on its lips.
    deploy_killed_at(2, When::Before).await
}

/// Deploys the fixture with run after run, each killed at its `n`th write, until one is not.
async fn deploy_killed_at(n: usize, when: When) -> Result<()> {
    let world = World::start().await?;
    let commit = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    let mut killed = 0;
    loop {
        world.proxy.forget();
        let agent = world.run_command(&["--once"])?.start().await?;
        world.proxy.kill_at_write(n, when, agent.killer());
        let finished = agent.finish(LONG).await?;
        if !kompox_tests::process::was_killed(finished.status) {
            ensure!(finished.status.success(), "after {killed} kills: {}", finished.stderr);
            break;
        }
        killed += 1;
        ensure!(killed < MOST, "it never arrives: {}", finished.stderr);
    }
    // Writes of one stage go out together: killed at one of them, a run may have done the others too. There are
    // eight stages, with the disk's.
    ensure!(killed >= 8, "only {killed} runs were killed");
    check(&world, "app1", &commit, killed).await?;

    world.proxy.forget();
    let idle = world.run_once().await?;
    ensure!(idle.status.success(), "{}", idle.stderr);
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    Ok(())
}

async fn check(world: &World, app: &str, commit: &str, killed: usize) -> Result<()> {
    let selector = format!("app.kubernetes.io/name={app}");
    let names = "jsonpath={range .items[*]}{.kind}/{.metadata.name}{\"\\n\"}{end}";
    let kinds = "serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,configmaps,secrets,services,deployments,ingresses";
    let cluster = world.kubectl(&["get", "namespaces,persistentvolumes", "-l", &selector, "-o", names])?;
    let namespaced = world.kubectl(&["get", kinds, "-A", "-l", &selector, "-o", names])?;
    let objects: BTreeSet<&str> = cluster.lines().chain(namespaced.lines()).filter(|line| !line.is_empty()).collect();
    ensure!(objects.len() == 15, "after {killed} kills: {} objects: {objects:?}", objects.len());

    let disks = world.disks()?;
    ensure!(disks.len() == 1, "after {killed} kills: {disks:?}");

    let statuses = world.statuses(commit, "kompox/cluster1").await?;
    let said: Vec<&str> = statuses.iter().map(|status| status.state.as_str()).collect();
    ensure!(said == ["pending", "success"], "after {killed} kills: {statuses:?}");
    Ok(())
}
