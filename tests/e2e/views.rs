//! What the agent shows in the cluster: custom resources and Events, and that nothing hangs on them.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::kubectl;
use serde_json::Value;

use crate::world::{LONG, NAMESPACE, World, skip};

pub(crate) const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/manifests/05-crds.yaml");

#[tokio::test(flavor = "multi_thread")]
async fn a_life_is_shown_and_what_is_deleted_is_written_again() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    world.kubectl(&["apply", "-f", DEFINITIONS])?;
    let (world, agent, first) = world.deployed().await?;

    // As people look at it.
    let row = shows(&world, "the App to be ready", &["get", "kompoxapps", "-A", "--no-headers"], |text| {
        text.split_whitespace().collect::<Vec<_>>().starts_with(&[NAMESPACE, "app1", "True", "True", &first[..8]])
    })
    .await?;
    ensure!(row.lines().count() == 1, "{row}");
    let all = world.kubectl(&["get", "kompoxapps,kompoxdisks,kompoxsources", "--all-namespaces"])?;
    ensure!(["kompoxapp.", "kompoxdisk.", "kompoxsource."].iter().all(|kind| all.contains(kind)), "{all}");
    let header = world.kubectl(&["get", "kompoxapps", "-A"])?;
    let columns: Vec<&str> = header.lines().next().unwrap_or_default().split_whitespace().collect();
    ensure!(columns == ["NAMESPACE", "NAME", "READY", "SYNCED", "COMMIT", "AGE"], "{columns:?}");
    shows(&world, "the source to be deployed", &["get", "kompoxsources", "-A", "--no-headers"], |text| {
        let cells: Vec<&str> = text.split_whitespace().collect();
        cells.starts_with(&["k4x-system", "apps", "True", &first[..8], &first[..8]])
    })
    .await?;
    let app = get(&world, "kompoxapp/app1")?;
    ensure!(app["status"]["observedGeneration"] == app["metadata"]["generation"], "{app}");
    ensure!(app["spec"]["id"].as_str().is_some_and(|id| id.ends_with("/app/app1")), "{app}");
    let disks = world.kubectl(&["-n", NAMESPACE, "get", "kompoxdisks", "-o", "json"])?;
    let disks: Value = serde_json::from_str(&disks)?;
    let handles: Vec<&str> =
        disks["items"].as_array().into_iter().flatten().filter_map(|disk| disk["status"]["handle"].as_str()).collect();
    ensure!(handles.len() == world.disks()?.len() && !handles.is_empty(), "{disks}");
    // `kubectl describe` finds Events by the UID.
    let told = world.kubectl(&["-n", NAMESPACE, "describe", "kompoxapp", "app1"])?;
    for reason in ["DiskCreated", "Applied"] {
        ensure!(told.contains(reason), "no Event `{reason}` in {told}");
    }

    // A view is no more than that.
    let disks_before = world.disks()?;
    let pods = ["-n", NAMESPACE, "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"];
    let pods_before = world.kubectl(&pods)?;
    world.kubectl(&["delete", "kompoxapps,kompoxdisks,kompoxsources", "-A", "--all"])?;
    for (what, list, number) in
        [("App", "kompoxapps", 1), ("disks", "kompoxdisks", disks_before.len()), ("source", "kompoxsources", 1)]
    {
        shows(&world, &format!("the view of the {what} again"), &["get", list, "-A", "--no-headers"], |text| {
            text.lines().filter(|line| line.contains("True")).count() == number
                || (list == "kompoxdisks" && text.lines().count() == number)
        })
        .await?;
    }
    ensure!(
        world.disks()? == disks_before && world.kubectl(&pods)? == pods_before,
        "a view's deletion took more with it"
    );
    // Somebody else's word in it does not stay.
    let said = r#"{"status":{"lastApplied":"by hand"}}"#;
    world.kubectl(&[
        "-n",
        NAMESPACE,
        "patch",
        "kompoxapp",
        "app1",
        "--subresource=status",
        "--type=merge",
        "-p",
        said,
    ])?;
    shows(
        &world,
        "the status to be the agent's again",
        &["-n", NAMESPACE, "get", "kompoxapp", "app1", "-o", "yaml"],
        |text| !text.contains("by hand"),
    )
    .await?;

    // What is wrong is shown where people look.
    let wrong = world.push_change(
        "compose.yml",
        |text| text.replace("    ports:\n", "    portz: []\n    ports:\n"),
        "A typing error",
    )?;
    world.await_status(&wrong, "failure").await?;
    let source = ["-n", "k4x-system", "get", "kompoxsource", "apps", "-o", "json"];
    let source = shows(&world, "the source to be degraded", &source, |text| text.contains("portz")).await?;
    let source: Value = serde_json::from_str(&source)?;
    ensure!(source["status"]["appliedCommit"] == first.as_str(), "{source}");
    ensure!(
        source["status"]["rejected"][0]["path"].as_str().is_some_and(|path| path.contains("kompoxops.yml")),
        "{source}"
    );
    // The App runs as before, so it is not shown as broken.
    ensure!(get(&world, "kompoxapp/app1")?["status"]["commit"] == first.as_str());
    drop(agent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_definitions_events_are_told_of_the_deployment() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;
    let events = ["-n", NAMESPACE, "get", "events", "--field-selector", "reason=Applied", "-o", "json"];
    let events = shows(&world, "the Event", &events, |text| text.contains("app1-app")).await?;
    let events: Value = serde_json::from_str(&events)?;
    let event = &events["items"][0];
    ensure!(
        event["involvedObject"]["kind"] == "Deployment" && event["reportingComponent"] == "k8s.kompox.dev/kompox-agent",
        "{event}"
    );
    ensure!(!agent.stderr()?.contains("a view is not written"), "{}", agent.stderr()?);
    // Installed later, they are filled without a restart.
    world.kubectl(&["apply", "-f", DEFINITIONS])?;
    shows(&world, "the App", &["get", "kompoxapps", "-A", "--no-headers"], |text| text.contains("True")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_somebody_asks_for_is_answered() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    world.kubectl(&["apply", "-f", DEFINITIONS])?;
    let (world, agent, _) = world.deployed().await?;
    let disk = ["-n", NAMESPACE, "get", "kompoxdisks", "-o", "jsonpath={.items[0].metadata.name}"];
    let disk = shows(&world, "the disk", &disk, |text| !text.is_empty()).await?;
    for (name, disk, reason) in [("before-upgrade", disk.as_str(), "Unsupported"), ("wrong", "nowhere", "DiskNotFound")]
    {
        let metadata = serde_json::json!({"name": name, "namespace": NAMESPACE});
        let spec = serde_json::json!({"diskRef": {"name": disk}});
        let asked = serde_json::json!({
            "apiVersion": "k8s.kompox.dev/v1alpha1", "kind": "KompoxSnapshot", "metadata": metadata, "spec": spec,
        });
        let file = world.folder.write(&format!("{name}.json"), &asked.to_string())?;
        world.kubectl(&["create", "-f", &file.to_string_lossy()])?;
        let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}/{.status.conditions[?(@.type==\"Ready\")].reason}";
        let answer = ["-n", NAMESPACE, "get", "kompoxsnapshot", name, "-o", ready];
        shows(&world, "the answer", &answer, |text| text == format!("False/{reason}")).await?;
    }
    ensure!(!agent.stderr()?.contains("a view is not written"), "{}", agent.stderr()?);
    Ok(())
}

fn get(world: &World, object: &str) -> Result<Value> {
    let text = world.kubectl(&["-n", NAMESPACE, "get", object, "-o", "json"])?;
    serde_json::from_str(&text).with_context(|| format!("{object} is no JSON"))
}

/// Waits until what kubectl prints is good; gives it.
async fn shows(world: &World, what: &str, arguments: &[&str], good: impl Fn(&str) -> bool) -> Result<String> {
    kubectl::shows(world.plane.kubeconfig(), arguments, what, LONG, good).await
}
