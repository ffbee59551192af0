//! Claims and Namespaces that people delete by hand: the data is there afterwards as it was before.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::world::{LONG, NAMESPACE, NODE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_claim_or_namespace_comes_back_with_the_same_disk() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;
    let first = Bound::await_other_than(&world, "").await?;
    let disks = world.disks()?;
    ensure!(disks.len() == 1, "{disks:?}");

    // The claim, while a node still has the disk: two must never write to it.
    let attachment = world.folder.write("attachment.json", &attachment(&first.volume))?;
    world.kubectl(&["create", "-f", &attachment.to_string_lossy()])?;
    world.kubectl(&["-n", NAMESPACE, "delete", "pvc", &first.volume, "--wait=false"])?;
    world.kubectl(&["-n", NAMESPACE, "delete", "deployment", "app1-app"])?;
    await_phase(&world, &first.volume, "Released").await?;
    let plan = until("the plan to wait for the node", LONG, || async {
        let told = plan(&world).await?;
        Ok(if told.contains("attached to") { Look::Done(told) } else { Look::NotYet(told) })
    })
    .await?;
    ensure!(plan.contains(&format!("its disk is still attached to {NODE}")), "{plan}");
    let claims = world.kubectl(&["-n", NAMESPACE, "get", "pvc,deployment", "-o", "name"])?;
    ensure!(claims.is_empty(), "something was written while the disk was attached: {claims}");

    world.kubectl(&["delete", "volumeattachment", "left-over"])?;
    let second = Bound::await_other_than(&world, &first.claim_uid).await?;
    ensure!((&second.volume, &second.path) == (&first.volume, &first.path), "{first:?}, then {second:?}");

    // The Namespace, with all that is in it.
    world.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    let third = Bound::await_other_than(&world, &second.claim_uid).await?;
    ensure!((&third.volume, &third.path) == (&first.volume, &first.path), "{first:?}, then {third:?}");
    world.kubectl(&["-n", NAMESPACE, "rollout", "status", "deployment/app1-app", "--timeout=120s"])?;
    ensure!(world.disks()? == disks, "another disk was made: {:?}", world.disks()?);
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// What the agent would do now.
async fn plan(world: &World) -> Result<String> {
    let work_tree = world.repo.work_tree();
    let planned = world.agent(["plan", &work_tree.to_string_lossy()]).run(LONG).await?;
    Ok(format!("{}{}", planned.stdout, planned.stderr))
}

/// A node that did not let go of a volume.
fn attachment(volume: &str) -> String {
    serde_json::json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "left-over"},
        "spec": {"attacher": "test.example.com", "nodeName": NODE, "source": {"persistentVolumeName": volume}},
    })
    .to_string()
}

/// A claim and the disk that it is bound to.
#[derive(Debug)]
struct Bound {
    claim_uid: String,
    /// The name of the claim and of its volume.
    volume: String,
    /// Where the data lies.
    path: String,
}

impl Bound {
    /// Waits until the App's only claim is bound and is not the one with this UID.
    async fn await_other_than(world: &World, uid: &str) -> Result<Self> {
        until("another claim to be bound", LONG, || async {
            let Ok(text) = world.kubectl(&["-n", NAMESPACE, "get", "pvc", "-o", "json"]) else {
                return Ok(Look::NotYet("no answer".to_owned()));
            };
            let claims: Value = serde_json::from_str(&text)?;
            let claim = &claims["items"][0];
            let found = claim["metadata"]["uid"].as_str().unwrap_or_default();
            if claim["status"]["phase"] != "Bound" || found == uid {
                return Ok(Look::NotYet(claim.to_string()));
            }
            let volume = claim["spec"]["volumeName"].as_str().context("a claim without a volume")?.to_owned();
            let path = world.kubectl(&["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"])?;
            ensure!(!path.is_empty(), "{volume} is no folder");
            Ok(Look::Done(Self { claim_uid: found.to_owned(), volume, path }))
        })
        .await
    }
}

async fn await_phase(world: &World, volume: &str, phase: &str) -> Result<()> {
    until(&format!("{volume} to be {phase}"), LONG, || async {
        let found = world.kubectl(&["get", "pv", volume, "-o", "jsonpath={.status.phase}"])?;
        Ok(if found == phase { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await
}
