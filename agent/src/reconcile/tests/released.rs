//! A volume whose claim was deleted is given back, but only when nothing else can have the disk.

use kompox_manifests::object::ObjectKey;
use serde_json::json;

use super::*;

/// A deployed App whose claim a person has deleted; gives the volume's key.
async fn released() -> (World, Memories, ObjectKey) {
    let world = World::new();
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    let cluster = &world.cluster.inner;
    let volume = cluster.list_owned(Kind::PersistentVolume).await.unwrap().remove(0);
    let claim = cluster.list_owned(Kind::PersistentVolumeClaim).await.unwrap().remove(0);
    cluster.delete_now(&claim.key);
    let mut body = volume.body;
    body["spec"]["claimRef"]["uid"] = json!(claim.uid);
    body["spec"]["claimRef"]["resourceVersion"] = json!("1");
    body["status"] = json!({"phase": "Released"});
    cluster.store(&volume.key, &body);
    (world, memory, volume.key)
}

#[tokio::test]
async fn a_released_volume_is_given_back_and_no_disk_is_made() {
    let (world, mut memory, volume) = released().await;
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(outcome.failures().next().is_none());
    assert_eq!(world.calls("give-back"), [volume.to_string()]);
    let reference = world.cluster.inner.object(&volume).unwrap().body["spec"]["claimRef"].clone();
    assert_eq!((reference.get("uid"), reference.get("resourceVersion")), (None, None));
    assert_eq!((done(&outcome).created, done(&outcome).disks_created, world.disks()), (1, 0, 1));
}

#[tokio::test]
async fn a_disk_that_a_node_still_has_is_waited_for() {
    let (world, mut memory, volume) = released().await;
    world.cluster.inner.attach(&volume.name, Some("n1"));
    let written = world.calls("apply").len();
    let outcome = world.look(&world.commit(1), &mut memory).await;
    let failure = failure(&outcome);
    assert!(failure.passes() && failure.text.contains("its disk is still attached to n1"), "{failure}");
    assert_eq!((world.calls("give-back").len(), world.calls("apply").len()), (0, written));
    world.cluster.inner.attach(&volume.name, None);
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(outcome.failures().next().is_none());
    assert_eq!(world.calls("give-back").len(), 1);
}

#[tokio::test]
async fn a_claim_that_exists_after_all_keeps_its_volume() {
    let (world, mut memory, volume) = released().await;
    let uid = world.cluster.inner.object(&volume).unwrap().body["spec"]["claimRef"]["uid"].clone();
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    // The watch has not told of it: what was seen is no proof.
    let commit = world.commit(1);
    let claim = claim_of(&world, &volume);
    let ours = json!({"manager": "kompox-agent", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:spec": {}}});
    let body = json!({
        "metadata": {"uid": uid, "name": claim.name, "namespace": claim.namespace, "managedFields": [ours]},
    });
    world.cluster.inner.store(&claim, &body);
    let outcome = look(&world.agent, &commit, &mut memory).await;
    assert!(failure(&outcome).text.contains("still exists"), "{}", failure(&outcome));
    assert!(world.calls("give-back").is_empty());
}

#[tokio::test]
async fn a_volume_that_has_changed_meanwhile_is_looked_at_again() {
    let (world, mut memory, _) = released().await;
    world.cluster.fault_later("give-back", 0, Fault::Refuse(Cause::Changed));
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(failure(&outcome).passes(), "{}", failure(&outcome));
    assert!(world.look(&world.commit(1), &mut memory).await.failures().next().is_none());
}

#[tokio::test]
async fn who_cannot_be_asked_for_attachments_gives_nothing_back() {
    let (world, mut memory, _) = released().await;
    world.cluster.fault_later("attachments", 0, Fault::Refuse(unavailable()));
    let written = world.calls("apply").len();
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(failure(&outcome).text.contains("cannot be given back to its claim"), "{}", failure(&outcome));
    assert_eq!((world.calls("give-back").len(), world.calls("apply").len()), (0, written));
}

fn claim_of(world: &World, volume: &ObjectKey) -> ObjectKey {
    let reference = world.cluster.inner.object(volume).unwrap().body["spec"]["claimRef"].clone();
    let text = |name: &str| reference[name].as_str().unwrap().to_owned();
    ObjectKey { kind: Kind::PersistentVolumeClaim, namespace: Some(text("namespace")), name: text("name") }
}
