//! A push becomes objects, a disk and a status; a change writes what changed; no change writes nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::expected;
use crate::world::{LONG, NAMESPACE, World, skip};

/// Kinds of the 15 objects, as kubectl names them.
const NAMESPACED: &str = "serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,configmaps,secrets,services,deployments,ingresses";

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_fifteen_objects_a_disk_and_a_success() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let agent = world.start_agent().await?;
    let commit = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;

    let success = world.await_status(&commit, "success").await?;
    ensure!(success.description.contains("15 created"), "{}", success.description);
    ensure!(success.description.contains("1 disk created"), "{}", success.description);
    let states: Vec<String> =
        world.statuses(&commit, "kompox/cluster1").await?.into_iter().map(|status| status.state).collect();
    ensure!(states == ["pending", "success"], "{states:?}");
    let of_app = world.statuses(&commit, "kompox/cluster1/app1").await?;
    ensure!(of_app.last().is_some_and(|status| status.state == "success"), "{of_app:?}");

    check_objects(&world)?;
    let available = world.kubectl(&["-n", NAMESPACE, "get", "deployment", "app1-app", "-o", AVAILABLE])?;
    ensure!(available == "True", "Available is {available}");
    ensure!(world.disks()?.len() == 1, "{:?}", world.disks()?);

    nothing_changed(&world).await?;
    image_change(&world).await?;
    drop(agent);
    Ok(())
}

const AVAILABLE: &str = "jsonpath={.status.conditions[?(@.type==\"Available\")].status}";

fn check_objects(world: &World) -> Result<()> {
    let ours = "app.kubernetes.io/managed-by=kompox";
    let list = |arguments: &[&str]| -> Result<Vec<Value>> {
        let text = world.kubectl(&[arguments, &["-l", ours, "-o", "json"]].concat())?;
        let list: Value = serde_json::from_str(&text)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    };
    let mut live = list(&["get", "namespaces,persistentvolumes"])?;
    live.extend(list(&["-n", NAMESPACE, "get", NAMESPACED])?);
    let volume = live
        .iter()
        .find(|object| object["kind"] == "PersistentVolume")
        .and_then(|object| object["metadata"]["name"].as_str())
        .context("no PersistentVolume")?
        .to_owned();
    let expected = expected::on_local_disks(expected::objects()?, &volume);
    ensure!(expected.len() == 15, "the fixture has {} objects", expected.len());
    ensure!(live.len() == 15, "the cluster has {} objects", live.len());
    for expected in &expected {
        let (kind, name) = (&expected["kind"], &expected["metadata"]["name"]);
        let found = live.iter().find(|object| object["kind"] == *kind && object["metadata"]["name"] == *name);
        let found = found.with_context(|| format!("{kind} {name} is missing"))?;
        expected::check(found, expected, &format!("{kind} {name}"))?;
    }
    let pv = live.iter().find(|object| object["kind"] == "PersistentVolume").context("no PersistentVolume")?;
    ensure!(pv["status"]["phase"] == "Bound", "the PersistentVolume is {}", pv["status"]["phase"]);
    let path = pv["spec"]["local"]["path"].as_str().context("no local path")?;
    ensure!(std::path::Path::new(path).is_dir(), "{path} is no folder");
    Ok(())
}

/// Several polls of the same commit: not one write, the agent's own records included.
async fn nothing_changed(world: &World) -> Result<()> {
    world.forget_when_told().await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let lists = world.proxy.requests().len();
    ensure!(lists > 0, "the agent has not looked at the cluster meanwhile");
    ensure!(world.proxy.writes().is_empty(), "{:?}", world.proxy.writes());
    Ok(())
}

/// A new image: it is pulled by a Pod that goes again, then exactly one object is written.
async fn image_change(world: &World) -> Result<()> {
    world.proxy.forget();
    let change = |text: &str| text.replace("gitea:1.24.6", "gitea:1.24.7");
    let commit = world.push_change("compose.yml", change, "Update Gitea")?;
    let success = world.await_status(&commit, "success").await?;
    ensure!(success.description.contains("1 changed"), "{}", success.description);
    let writes = world.writes();
    let [made, thrown_away, changed] = writes.as_slice() else { bail!("{writes:?}") };
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    ensure!(made.method == "POST" && made.path == pods, "{made:?}");
    let pod = format!("{pods}/app1--prepull-");
    ensure!(thrown_away.method == "DELETE" && thrown_away.path.starts_with(&pod), "{thrown_away:?}");
    ensure!(changed.path == format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/app1-app"), "{changed:?}");
    let image = world.kubectl(&["-n", NAMESPACE, "get", "pods", "-o", "jsonpath={..image}"])?;
    ensure!(image.contains("gitea:1.24.7"), "{image}");
    Ok(())
}

/// The line of a commit message that would let a hold go, as the agent tells it.
fn accept_line(told: &str) -> Option<&str> {
    let from = told.find("Kompox-Accept: ")?;
    told[from..].split(['`', '\n']).next()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_the_commit_leaves_the_cluster_but_never_a_volume() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    let first = world.run_once().await?;
    ensure!(first.status.success(), "{}", first.stderr);

    world.push_change(
        "kompoxops.yml",
        |text| text.replace("hosts: [gitea.custom.exp.kompox.dev]", "hosts: []"),
        "No host",
    )?;
    let second = world.run_once().await?;
    ensure!(second.status.success(), "{}", second.stderr);
    let ingresses = world.kubectl(&["-n", NAMESPACE, "get", "ingresses", "-o", "name"])?;
    ensure!(ingresses.trim() == "ingress.networking.k8s.io/app1-app-default", "{ingresses}");

    // The whole App leaves: that is held, and nothing goes, until commits accept it: that the source has no entry
    // at all any more, and that an App with a disk goes.
    world.repo.commit_removal(&["kompoxops.yml"], "Remove the app")?;
    world.repo.push("main")?;
    for held in ["the commit holds no entry at all", "the App left Git and has disks"] {
        let run = world.run_once().await?;
        ensure!(run.status.code() == Some(3) && run.stderr.contains(held), "{:?} {}", run.status, run.stderr);
        let accept = accept_line(&run.stderr).with_context(|| format!("no way out is told: {}", run.stderr))?;
        world.kubectl(&["-n", NAMESPACE, "get", "deployment", "app1-app"])?;
        world.repo.publish(&[("README.md", &format!("After: {held}\n"))], &format!("Let it go\n\n{accept}"))?;
    }
    let accepted = world.run_once().await?;
    ensure!(accepted.status.success(), "{:?} {}", accepted.status, accepted.stderr);
    until("the Pod to be gone too", LONG, || async {
        let left = world.kubectl(&["-n", NAMESPACE, "get", "deployments,services,ingresses,pods", "-o", "name"])?;
        Ok(if left.trim().is_empty() { Look::Done(()) } else { Look::NotYet(left) })
    })
    .await?;
    // What holds data stays.
    world.kubectl(&["get", "namespace", NAMESPACE])?;
    ensure!(world.disks()?.len() == 1);
    Ok(())
}
