//! Which Pod was applied: what another version of the agent renders is told from what people edit.

use kompox_core::history::Cause as Why;
use kompox_core::observed::LiveObject;
use serde_json::{Value, json};

use super::*;
use crate::applied::Stored;

/// What another version of the agent would have written down.
const OTHERWISE: &str = "otherwise";
const IMAGE: &str = "/spec/template/spec/containers/0/image";

/// A deployed App.
async fn deployed() -> World {
    let world = World::new();
    world.look(&world.commit(1), &mut Memories::default()).await;
    world
}

async fn stored(world: &World) -> Stored {
    let names = kompox_manifests::names::Names::of(&"/ws/w1/prv/p1/cls/c1/app/shop".parse().unwrap());
    applied::load(&world.cluster.inner, &names).await.unwrap().unwrap()
}

async fn pod(world: &World) -> Option<String> {
    stored(world).await.record.pod
}

/// Another build of the agent has applied the App.
pub(super) async fn applied_by_another(world: &World, pod: Option<&str>) {
    let names = kompox_manifests::names::Names::of(&"/ws/w1/prv/p1/cls/c1/app/shop".parse().unwrap());
    let before = stored(world).await;
    let record = AppliedRecord { pod: pod.map(str::to_owned), ..before.record.clone() };
    let written = (&record, &before.history, &Files::Same);
    applied::save(&world.cluster.inner, &names, written, Some(&before)).await.unwrap();
}

async fn deployment(world: &World) -> LiveObject {
    world.cluster.inner.list_owned(Kind::Deployment).await.unwrap().remove(0)
}

/// The Pod that runs has another image than the one that is rendered.
async fn another_image(world: &World) {
    let mut live = deployment(world).await;
    *live.body.pointer_mut(IMAGE).unwrap() = json!("nginx:0");
    world.cluster.inner.store(&live.key, &live.body);
}

async fn image(world: &World) -> Value {
    deployment(world).await.body.pointer(IMAGE).unwrap().clone()
}

/// How often a record was written over.
fn saved(world: &World) -> usize {
    world.calls("patch").iter().filter(|call| call.contains("last-applied")).count()
}

#[tokio::test]
async fn a_pod_that_is_rendered_otherwise_and_differs_in_nothing_is_written_down_once() {
    for before in [Some(OTHERWISE), None] {
        let world = deployed().await;
        let first = stored(&world).await;
        let applied = world.calls("apply").len();
        applied_by_another(&world, before).await;
        let mut memory = Memories::default();
        let outcome = world.look(&world.commit(1), &mut memory).await;
        assert!(outcome.failures().next().is_none());
        assert!(outcome.apps[0].holds.is_empty(), "a dry-run has shown that nothing would restart");
        assert!(!done(&outcome).wrote() && outcome.apps[0].restored == 0);
        let now = stored(&world).await;
        assert_eq!(now.record, first.record);
        assert_eq!(now.history, first.history, "nothing has happened to the App");
        assert_eq!((saved(&world), world.calls("apply").len()), (1, applied));
        let calls = world.cluster.calls().len();
        look(&world.agent, &world.commit(1), &mut memory).await;
        assert_eq!(world.cluster.calls().len(), calls, "and it is not asked again");
    }
}

#[tokio::test]
async fn what_is_held_is_still_held_at_the_next_look_and_by_another_process() {
    let world = deployed().await;
    let rendered = pod(&world).await;
    applied_by_another(&world, Some(OTHERWISE)).await;
    another_image(&world).await;
    let mut memory = Memories::default();
    let held = world.look(&world.commit(1), &mut memory).await.apps.remove(0).holds;
    assert_eq!(held.len(), 1);
    for memory in [&mut memory, &mut Memories::default()] {
        // Something else of the App is mended, and written down.
        let service_account = world.cluster.inner.list_owned(Kind::ServiceAccount).await.unwrap().remove(0);
        world.cluster.inner.delete_now(&service_account.key);
        let outcome = world.look(&world.commit(1), memory).await;
        assert_eq!((done(&outcome).created, done(&outcome).changed), (1, 0));
        assert_eq!(outcome.apps[0].holds, held);
        assert_eq!(pod(&world).await.as_deref(), Some(OTHERWISE));
    }
    assert_eq!(image(&world).await, "nginx:0");
    // A person's word.
    let digest = held[0].digest.clone();
    let accepted = Commit { accepted: BTreeSet::from([digest]), ..world.commit(1) };
    let outcome = world.look(&accepted, &mut memory).await;
    assert_eq!(done(&outcome).changed, 1);
    assert_eq!((image(&world).await, pod(&world).await), (json!("nginx:1"), rendered));
}

#[tokio::test]
async fn a_new_commit_and_a_person_who_applies_take_the_restart_along() {
    for by_hand in [true, false] {
        let mut world = deployed().await;
        applied_by_another(&world, Some(OTHERWISE)).await;
        another_image(&world).await;
        if !by_hand {
            world.edit("shop/web.env", "A=1", "A=2");
        }
        let commit = Commit { source: (!by_hand).then(|| "ops".to_owned()), ..world.commit(2) };
        let outcome = world.look(&commit, &mut Memories::default()).await;
        assert!(done(&outcome).changed >= 1 && outcome.apps[0].holds.is_empty());
        assert_eq!(image(&world).await, "nginx:1");
        let applied = pod(&world).await;
        assert!(applied.is_some() && applied.as_deref() != Some(OTHERWISE));
        // From now on, what differs is an edit.
        another_image(&world).await;
        let commit = Commit { source: Some("ops".into()), ..commit };
        let outcome = world.look(&commit, &mut Memories::default()).await;
        assert!(outcome.apps[0].restored > 0 && outcome.apps[0].holds.is_empty());
        assert_eq!((image(&world).await, pod(&world).await), (json!("nginx:1"), applied));
        assert_eq!(stored(&world).await.history.entries()[0].cause, Why::Drift);
    }
}

#[tokio::test]
async fn what_cannot_be_tried_now_is_neither_held_nor_written_down() {
    let world = deployed().await;
    applied_by_another(&world, Some(OTHERWISE)).await;
    let tried = world.calls("dry-run").len();
    let mut memory = Memories::default();
    let place = {
        let other = deployed().await;
        let tried = other.calls("dry-run").len();
        other.look(&other.commit(1), &mut Memories::default()).await;
        other.calls("dry-run").iter().skip(tried).position(|call| call.starts_with("Deployment")).unwrap()
    };
    world.cluster.fault_later("dry-run", place, Fault::Refuse(unavailable()));
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(failure(&outcome).passes() && world.calls("dry-run").len() > tried);
    assert_eq!(pod(&world).await.as_deref(), Some(OTHERWISE));
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(outcome.failures().next().is_none() && outcome.apps[0].holds.is_empty());
    assert_ne!(pod(&world).await.as_deref(), Some(OTHERWISE));
}

#[tokio::test]
async fn a_suspended_app_has_the_pod_that_was_applied() {
    let mut world = deployed().await;
    let first = stored(&world).await;
    applied_by_another(&world, Some(OTHERWISE)).await;
    world.edit("shop/kompoxops.yml", "app:\n", "app:\n  reconcile: {suspend: true}\n");
    world.look(&world.commit(2), &mut Memories::default()).await;
    let now = stored(&world).await;
    assert_eq!(now.record, AppliedRecord { pod: Some(OTHERWISE.into()), ..first.record });
}
