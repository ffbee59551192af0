//! `reconcile.rollback: lastHealthy` on the real API server.

use anyhow::{Result, ensure};
use kompox_tests::wait::{Look, until};

use crate::world::{LONG, NODE, World, skip};

const ENTRY: &str = "version: v1
workspace: {name: aks-e2e-gitea-20250925-060355}
provider: {name: aks1, driver: local}
cluster: {name: cluster1, existing: true}
app:
  name: web
  compose: file:compose.yml
  reconcile: {rollback: lastHealthy, progressDeadline: 5s, prepull: false}
";

fn compose(tag: &str) -> String {
    format!("services:\n  web:\n    image: nginx:{tag}\n    ports: [\"80:80\"]\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_become_healthy_gives_way_to_the_one_before() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let agent = world.start_agent().await?;
    let files = [("web/kompoxops.yml".to_owned(), ENTRY.to_owned()), ("web/compose.yml".to_owned(), compose("1.29"))];
    let first = world.push(&files, "Deploy")?;
    world.await_status(&first, "success").await?;

    // No Pod that comes from now on finds a node.
    world.kubectl(&["cordon", NODE])?;
    let second = world.push(&[("web/compose.yml".to_owned(), compose("1.30"))], "A version that does not start")?;
    await_image(&world, "nginx:1.30").await?;
    await_image(&world, "nginx:1.29").await?;
    world.kubectl(&["uncordon", NODE])?;
    let told = world.await_status(&second, "failure").await?;
    until("the status to say that the older version is healthy", LONG, || async {
        let told = world.await_status(&second, "failure").await?;
        let status = world.agent(["status", "web"]).run(LONG).await?.stdout;
        let is_told = status.contains(&format!("rolled back to commit {}, which is healthy", &first[..8]));
        Ok(if is_told { Look::Done(()) } else { Look::NotYet(format!("{told:?} {status}")) })
    })
    .await?;
    ensure!(told.state == "failure", "{told:?}");

    // Another process does not try it again.
    drop(agent);
    world.proxy.forget();
    let agent = world.start_agent().await?;
    world.await_status(&second, "failure").await?;
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    await_image(&world, "nginx:1.29").await?;

    let third = world.push(&[("web/compose.yml".to_owned(), compose("1.31"))], "Mend it")?;
    world.await_status(&third, "success").await?;
    await_image(&world, "nginx:1.31").await?;
    ensure!(agent.exited()?.is_none());
    Ok(())
}

async fn await_image(world: &World, image: &str) -> Result<()> {
    until(&format!("the Deployment to have {image}"), LONG, || async {
        let path = [
            "get",
            "deployments",
            "-A",
            "-l",
            "app.kubernetes.io/name=web",
            "-o",
            "jsonpath={.items[*].spec.template.spec.containers[*].image}",
        ];
        let found = world.kubectl(&path)?;
        Ok(if found == image { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await
}
