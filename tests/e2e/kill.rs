//! The agent is killed before and after every single write of a first deploy; whatever was done by
//! then, the next run ends in the same objects, one disk, and one final status.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use kompox_tests::agent::Agent;
use kompox_tests::proxy::When;

use crate::world::{LONG, World, skip};

/// More writes than a first deploy makes; the loop ends when a run is not killed any more.
const MOST: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_write_ends_in_the_same_state() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let mut killed = 0;
    for (index, when) in [When::Before, When::After].into_iter().enumerate() {
        for n in 1..=MOST {
            let app = format!("k{index}n{n}");
            if !deploy_killed_at(&world, &app, n, when).await? {
                break;
            }
            killed += 1;
        }
    }
    // 15 objects, before and after each; the agent's own records come on top.
    ensure!(killed >= 30, "only {killed} runs were killed");
    Ok(())
}

/// Deploys an app of its own, killing the agent at the `n`th write; whether it was killed.
async fn deploy_killed_at(world: &World, app: &str, n: usize, when: When) -> Result<bool> {
    let files: Vec<(String, String)> = world
        .gitea_fixture()?
        .into_iter()
        .map(|(path, text)| (path, text.replace("name: app1", &format!("name: {app}")).replace("gitea.custom", app)))
        .collect();
    let commit = world.push(&files, &format!("Deploy {app}"))?;
    world.proxy.forget();
    let agent = world.run_command(&["--once"])?.start().await?;
    world.proxy.kill_at_write(n, when, agent.killer());
    let killed = ended_by_kill(agent).await?;
    world.proxy.forget();

    let again = world.run_once().await?;
    ensure!(again.status.success(), "{app}, killed at write {n} ({when:?}): {}", again.stderr);
    check(world, app, &commit, n).await?;

    // And once more: everything is finished.
    world.proxy.forget();
    let idle = world.run_once().await?;
    ensure!(idle.status.success(), "{}", idle.stderr);
    ensure!(world.writes().is_empty(), "{app}: {:?}", world.writes());
    Ok(killed)
}

async fn ended_by_kill(agent: Agent) -> Result<bool> {
    let finished = agent.finish(LONG).await?;
    Ok(kompox_tests::process::was_killed(finished.status))
}

async fn check(world: &World, app: &str, commit: &str, n: usize) -> Result<()> {
    let selector = format!("app.kubernetes.io/name={app}");
    let names = "jsonpath={range .items[*]}{.kind}/{.metadata.name}{\"\\n\"}{end}";
    let kinds = "serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,configmaps,secrets,services,deployments,ingresses";
    let cluster = world.kubectl(&["get", "namespaces,persistentvolumes", "-l", &selector, "-o", names])?;
    let namespaced = world.kubectl(&["get", kinds, "-A", "-l", &selector, "-o", names])?;
    let objects: BTreeSet<&str> = cluster.lines().chain(namespaced.lines()).filter(|line| !line.is_empty()).collect();
    ensure!(objects.len() == 15, "{app}, killed at write {n}: {} objects: {objects:?}", objects.len());

    let disks = world.disks()?;
    let of_app = disks.iter().filter(|disk| disk.to_string_lossy().contains(&format!("{app}-")) || mentions(disk, app));
    let count = of_app.count();
    ensure!(count == 1, "{app}, killed at write {n}: {count} disks: {disks:?}");

    let statuses = world.statuses(commit, "kompox/cluster1").await?;
    let finals = statuses.iter().filter(|status| status.state != "pending").count();
    ensure!(finals == 1, "{app}, killed at write {n}: {statuses:?}");
    ensure!(statuses.last().is_some_and(|last| last.state == "success"), "{app}: {statuses:?}");
    Ok(())
}

/// Whether a disk's metadata names the app.
fn mentions(metadata: &std::path::Path, app: &str) -> bool {
    std::fs::read_to_string(metadata).is_ok_and(|text| text.contains(&format!("\"{app}\"")))
}
