//! The whole path over a cluster in memory: what is confirmed, in which order it is written, and what
//! remains when a call fails.

use std::collections::BTreeSet;

use kompox_core::plan::{Counts, NewDisks};
use kompox_manifests::object::ObjectKey;

use super::*;
use crate::cluster::error::{Cause, FieldProblem};
use crate::cluster::faulty::Fault;
use crate::cluster::watch::{Audience as _, Topic};
use crate::cluster::{ClusterApi as _, ClusterError, SYSTEM_NAMESPACE};
use crate::context::Commit;
use crate::failure::Kind as FailureKind;
use crate::outcome::{Outcome, State};
use crate::testing::{Memories, World, look};

mod paused;
mod released;
mod removal;
mod rendering;
mod safety;

fn invalid() -> Cause {
    Cause::Invalid(vec![FieldProblem { field: "spec".into(), message: "wrong".into(), immutable: false }])
}

fn unavailable() -> Cause {
    Cause::Unavailable { message: "busy".into(), after: None }
}

/// The only App's failure.
fn failure(outcome: &Outcome) -> &Failure {
    let mut failures = outcome.failures();
    let first = failures.next().expect("nothing failed");
    assert!(failures.next().is_none());
    first
}

/// Everything that was done.
fn done(outcome: &Outcome) -> Counts {
    let mut sum = Counts::default();
    outcome.apps.iter().for_each(|app| sum += app.done);
    sum
}

#[tokio::test]
async fn of_a_new_app_the_essentials_are_tried_in_its_namespace_before_there_is_anything_in_it() {
    let world = World::new();
    let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
    assert!(outcome.failures().next().is_none());
    let calls = world.cluster.calls();
    let calls: Vec<&str> = calls
        .iter()
        .filter(|call| call.starts_with("dry-run") || call.starts_with("apply"))
        .map(String::as_str)
        .collect();
    let [namespace, tried, rest @ ..] = calls.as_slice() else { panic!("{calls:#?}") };
    assert!(namespace.starts_with("apply Namespace "), "{calls:#?}");
    assert!(tried.starts_with("dry-run Deployment k4x-") && tried.ends_with("-shop-p4a7uq/shop-app"), "{calls:#?}");
    assert!(rest.iter().all(|call| call.starts_with("apply")), "{calls:#?}");
}

#[tokio::test]
async fn a_new_app_that_is_refused_costs_no_disk_and_is_not_tried_again() {
    let world = World::new();
    let mut memory = Memories::default();
    world.cluster.fault_later("dry-run", 0, Fault::Refuse(Cause::Denied("policy: not in this Namespace".into())));
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert_eq!(failure(&outcome).kind, FailureKind::Rejected);
    assert!(failure(&outcome).text.contains("not in this Namespace"), "{}", failure(&outcome));
    for _ in 0..2 {
        assert_eq!((world.calls("apply").len(), world.disks()), (1, 0), "the Namespace alone");
        assert_eq!(world.calls("dry-run").len(), 1);
        let again = world.look(&world.commit(1), &mut memory).await;
        assert_eq!(failure(&again), failure(&outcome));
    }
    // The commit that mends it.
    let mended = world.look(&world.commit(2), &mut memory).await;
    assert!(mended.failures().next().is_none());
    assert_eq!(world.disks(), 1);
}

#[tokio::test]
async fn what_somebody_else_has_made_is_neither_overwritten_nor_adopted() {
    let world = World::new();
    // Made by hand ahead of the App, Namespace and all, under a name that the App is going to need.
    let elsewhere = World::new();
    elsewhere.look(&elsewhere.commit(1), &mut Memories::default()).await;
    let first = async |kind| elsewhere.cluster.inner.list_owned(kind).await.unwrap().into_iter().next().unwrap();
    let (namespace, map) = (first(Kind::Namespace).await, first(Kind::Secret).await);
    let by_hand = |name: &str| {
        serde_json::json!({
            "metadata": {"name": name, "managedFields": [{"manager": "kubectl-create", "operation": "Update",
                "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}]},
            "data": {"PRECIOUS": "eA=="},
        })
    };
    world.cluster.inner.store(&namespace.key, &by_hand(&namespace.key.name));
    let precious = world.cluster.inner.store(&map.key, &by_hand(&map.key.name));
    let mut memory = Memories::default();
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    let preview = preview(&world.agent, &world.commit(1), &BTreeSet::new()).await.unwrap();
    let obstacle = preview.plans[0].obstacle().expect("it shows in the plan");
    assert!(obstacle.reason.contains("the agent has not made it"), "{}", obstacle.reason);
    // The Namespace becomes ours, and then what is in it is seen.
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(
        failure(&outcome).passes() && failure(&outcome).text.contains("was there already"),
        "{}",
        failure(&outcome)
    );
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert_eq!((failure(&outcome).kind, failure(&outcome).label), (FailureKind::Obstacle, "blocked"));
    assert!(failure(&outcome).text.contains("reconcile.force"), "{}", failure(&outcome));
    assert_eq!(world.calls("apply").len(), 1, "the Namespace alone");
    assert_eq!(world.cluster.inner.object(&map.key).unwrap().body, precious.body);
    // No watch shows it: the App is looked at again all the same.
    world.cluster.inner.delete_now(&map.key);
    let outcome = look(&world.agent, &world.commit(1), &mut memory).await;
    assert_eq!(outcome.failures().count(), 0);
    // A person's word for another one.
    let mut world = World::new();
    world.edit("shop/kompoxops.yml", "  compose:", "  reconcile: {force: true}\n  compose:");
    world.cluster.inner.store(&map.key, &by_hand(&map.key.name));
    let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
    assert_eq!(outcome.failures().count(), 0);
}

#[tokio::test]
async fn every_change_is_tried_before_anything_is_written() {
    let mut world = World::new();
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    let (tried, written) = (world.calls("dry-run").len(), world.calls("apply").len());
    world.edit("shop/web.env", "A=1", "A=2");
    let busy = Fault::Refuse(invalid());
    // The Deployment is the last that is tried.
    world.cluster.fault_later("dry-run", world.objects().await.len() - 1, busy);
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(failure(&outcome).kind, FailureKind::Rejected);
    assert!(world.calls("dry-run").len() > tried);
    assert_eq!(world.calls("apply").len(), written);
}

#[tokio::test]
async fn what_is_shown_was_tried_whole() {
    let world = World::new();
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    let preview = preview(&world.agent, &world.commit(1), &BTreeSet::new()).await.unwrap();
    assert_eq!(world.calls("dry-run").len(), preview.plans[0].counts().created);
}

#[tokio::test]
async fn stages_are_written_in_order_and_the_disk_between_them() {
    let world = World::new();
    let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
    let written = world.calls("apply");
    let stage = |call: &String| {
        let kind = Kind::from_name(call.split(' ').next().unwrap()).unwrap();
        kompox_core::plan::order::Stage::of(kind)
    };
    let stages: Vec<_> = written.iter().map(stage).collect();
    assert!(stages.is_sorted(), "{written:#?}");
    assert_eq!((written.len(), world.disks()), (done(&outcome).created, 1));
    assert_eq!(done(&outcome).disks_created, 1);
    assert_eq!(done(&outcome).disks_assigned, 0, "assigning its first disk is part of making it");
}

#[tokio::test]
async fn refuted_candidates_are_neither_written_nor_tried_again() {
    let world = World::new();
    let mut memory = Memories::default();
    let mut counts = Vec::new();
    for _ in 0..3 {
        world.look(&world.commit(1), &mut memory).await;
        counts.push((world.calls("apply").len(), world.calls("dry-run").len()));
    }
    let [(first, tried), (second, tried_again), third] = counts[..] else { panic!() };
    assert_eq!(second, first, "nothing is written twice");
    assert!(tried_again > tried, "this cluster keeps no managed fields: all are candidates");
    assert_eq!(third, (first, tried_again), "what a dry-run refuted is remembered");
}

#[tokio::test]
async fn one_refusal_stops_the_whole_app_until_the_commit_changes() {
    let mut world = World::new();
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    let written = world.calls("apply").len();
    world.edit("shop/web.env", "A=1", "A=2");
    world.cluster.fault_later("dry-run", 0, Fault::Refuse(invalid()));
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(failure(&outcome).kind, FailureKind::Rejected);
    assert!(failure(&outcome).text.contains("kompoxops.yml:"), "{}", failure(&outcome));
    let tried = world.calls("dry-run").len();
    let again = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(failure(&again), failure(&outcome));
    assert_eq!(world.calls("dry-run").len(), tried, "the same commit is not tried again");
    assert_eq!((world.calls("apply").len(), world.disks()), (written, 1));
    let next = world.look(&world.commit(3), &mut memory).await;
    assert!(next.failures().next().is_none());
    assert!(done(&next).wrote());
}

#[tokio::test]
async fn a_refusal_of_one_app_does_not_stop_another() {
    let mut world = World::new();
    world.app("blog");
    world.edit(
        "shop/kompoxops.yml",
        "volumes:\n    - {name: data, size: 1Gi}",
        "volumes: [{name: data, size: 1Gi, type: files}]",
    );
    let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
    assert_eq!(failure(&outcome).kind, FailureKind::Obstacle);
    let states: Vec<bool> = outcome.apps.iter().map(|app| app.done.wrote()).collect();
    assert_eq!(states, [true, false], "blog is written, shop is not");
    assert!(world.calls("apply").iter().all(|call| !call.contains("shop")));
}

#[tokio::test]
async fn a_failed_write_ends_its_stage_and_the_next_reconcile_goes_on() {
    let world = World::new();
    // Namespace, access (4), volumes (2), then the Secret.
    world.cluster.fault_later("apply", 7, Fault::Refuse(unavailable()));
    let mut memory = Memories::default();
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(failure(&outcome).passes(), "{}", failure(&outcome));
    let written = world.calls("apply");
    assert!(written.last().unwrap().starts_with("Secret"), "{written:#?}");
    assert!(!written.iter().any(|call| call.starts_with("Deployment")), "{written:#?}");
    assert_eq!(done(&outcome).created, 7, "what was written before is counted");
    let next = world.look(&world.commit(1), &mut memory).await;
    assert!(next.failures().next().is_none());
    assert!(world.objects().await.iter().any(|object| object.starts_with("Deployment")));
    assert_eq!(world.disks(), 1);
}

#[tokio::test]
async fn a_lost_reply_of_any_write_ends_in_the_same_objects() {
    let straight = World::new();
    straight.look(&straight.commit(1), &mut Memories::default()).await;
    let wanted: Vec<String> = straight.objects().await.iter().map(|object| without_handle(object)).collect();
    for write in 0..straight.calls("apply").len() {
        let world = World::new();
        world.cluster.fault_later("apply", write, Fault::LoseReply);
        let mut memory = Memories::default();
        let first = world.look(&world.commit(1), &mut memory).await;
        assert!(failure(&first).passes(), "{}", failure(&first));
        let second = world.look(&world.commit(1), &mut memory).await;
        assert!(second.failures().next().is_none());
        let objects: Vec<String> = world.objects().await.iter().map(|object| without_handle(object)).collect();
        assert_eq!((objects, world.disks()), (wanted.clone(), 1), "reply {write} lost");
    }
}

/// The folder of disks differs from world to world, and with it the hash in the names of volumes.
fn without_handle(object: &str) -> String {
    if object.starts_with("PersistentVolume") {
        object.rsplit_once('-').unwrap().0.to_owned()
    } else {
        object.to_owned()
    }
}

#[tokio::test]
async fn without_the_lease_no_disk_is_made() {
    let world = World::new();
    world.lose_lease();
    let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
    assert_eq!(failure(&outcome).label, "lease-lost");
    assert_eq!(world.disks(), 0);
    assert!(!world.objects().await.iter().any(|object| object.starts_with("Deployment")));
}

#[tokio::test]
async fn an_unreadable_cluster_is_a_failure_without_a_write() {
    let world = World::new();
    // Not all of it was listed yet.
    world.cluster.fault_later("list-all", 3, Fault::Refuse(unavailable()));
    assert!(world.agent.cache.read_once(world.cluster.as_ref()).await.is_err());
    let outcome = look(&world.agent, &world.commit(1), &mut Memories::default()).await;
    let failure = failure(&outcome);
    assert!(failure.passes() && failure.text.contains("the cluster cannot be seen"), "{failure}");
    assert!(world.calls("apply").is_empty() && world.calls("dry-run").is_empty());
    // It was seen, and is not any more.
    let mut memory = Memories::default();
    let world = World::new();
    world.look(&world.commit(1), &mut memory).await;
    let missing = ClusterError::new("watch", Cause::Forbidden("may not watch secrets".into()));
    world.agent.cache.lost(Topic::Owned(Kind::Secret), &missing);
    let before = world.cluster.calls().len();
    let outcome = look(&world.agent, &world.commit(2), &mut memory).await;
    assert!(outcome.failures().next().unwrap().text.contains("may not watch secrets"));
    assert_eq!(world.cluster.calls().len(), before);
}

#[tokio::test]
async fn a_cache_that_is_behind_never_leads_to_a_disk() {
    let world = World::new();
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    // Somebody brought a volume of the App back; no watch has told it yet.
    let volume = {
        let other = World::on_disks_of(&world);
        other.look(&other.commit(1), &mut Memories::default()).await;
        let volumes = other.cluster.inner.list_owned(Kind::PersistentVolume).await.unwrap();
        volumes.into_iter().next().unwrap()
    };
    assert_eq!(world.disks(), 1);
    world.lose_disks();
    world.cluster.inner.store(&volume.key, &volume.body);
    let mut memory = Memories::default();
    let outcome = look(&world.agent, &world.commit(1), &mut memory).await;
    assert!(failure(&outcome).passes() && failure(&outcome).text.contains("have changed"), "{}", failure(&outcome));
    assert_eq!((world.calls("apply").len(), world.disks()), (0, 0));
    // Once it is known, it stands against a new disk for good.
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert_eq!(failure(&outcome).kind, FailureKind::Obstacle);
    assert_eq!((world.calls("apply").len(), world.disks()), (0, 0));
}

#[tokio::test]
async fn a_webhook_that_cannot_be_asked_does_not_stop_the_app() {
    let world = World::new();
    // The only one that a new App without Ingresses makes.
    world.cluster.fault_later("dry-run", 0, Fault::Refuse(Cause::WebhookNoDryRun("policy".into())));
    let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
    assert_eq!(world.calls("dry-run").len(), 1);
    assert!(outcome.failures().next().is_none());
    assert!(done(&outcome).wrote());
}

#[tokio::test]
async fn of_two_sources_with_one_app_the_first_keeps_it() {
    let world = World::new();
    let ours = world.commit(1);
    let theirs = Commit { source: Some("other".into()), ..ours.clone() };
    let (mut one, mut two) = (Memories::default(), Memories::default());
    // Both at once: neither has seen the other's Namespace when it plans.
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    let (first, second) = tokio::join!(look(&world.agent, &ours, &mut one), look(&world.agent, &theirs, &mut two));
    let stopped = [first, second].iter().map(|outcome| outcome.failures().count()).sum::<usize>();
    assert_eq!(stopped, 1);
    let mut owners = Vec::new();
    for (commit, memory) in [(&ours, &mut one), (&theirs, &mut two)] {
        let outcome = world.look(commit, memory).await;
        match outcome.failures().next() {
            None => owners.push(commit.source.clone().unwrap()),
            Some(failure) => assert!(failure.text.contains("belongs to the source"), "{failure}"),
        }
    }
    assert_eq!(owners.len(), 1);
}

#[tokio::test]
async fn health_is_believed_only_after_a_while_and_watched_on() {
    let world = World::new();
    let mut memory = Memories::default();
    let first = world.look(&world.commit(1), &mut memory).await;
    assert!(first.progressing());
    tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
    let second = world.look(&world.commit(1), &mut memory).await;
    assert_eq!(second.apps[0].state, State::Healthy);
    // Now that it is settled, nothing is asked of anybody.
    let calls = world.cluster.calls().len();
    let third = look(&world.agent, &world.commit(1), &mut memory).await;
    assert_eq!((&third.apps[0].state, world.cluster.calls().len()), (&State::Healthy, calls));
    // A Pod that ends later is seen, and so is that it is back.
    for (healthy, progressing) in [(false, true), (true, true)] {
        world.heal(healthy);
        assert_eq!(world.look(&world.commit(1), &mut memory).await.progressing(), progressing);
    }
    // After a restart nothing is remembered: one more look, nothing written.
    let restarted = world.look(&world.commit(1), &mut Memories::default()).await;
    assert!(restarted.progressing() && !done(&restarted).wrote());
}

#[tokio::test]
async fn a_preview_writes_nothing() {
    let world = World::new();
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    let preview = preview(&world.agent, &world.commit(1), &BTreeSet::new()).await.unwrap();
    assert!(preview.plans[0].writes());
    assert_eq!((world.calls("apply").len(), world.disks()), (0, 0));
}

/// The cluster is gone, the disks are not: all but that of `shop`.
async fn rebuilt() -> (World, World) {
    let mut before = World::new();
    before.files.clear();
    before.app("blog");
    before.look(&before.commit(1), &mut Memories::default()).await;
    let mut after = World::on_disks_of(&before);
    after.app("blog");
    (before, after)
}

#[tokio::test]
async fn in_a_rebuilt_cluster_a_missing_disk_is_held_for_good() {
    let (_before, world) = rebuilt().await;
    // Each time another process.
    for _ in 0..3 {
        let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
        assert!(failure(&outcome).text.contains("rebuilt cluster"), "{}", failure(&outcome));
        assert_eq!(world.disks(), 1);
    }
    assert!(world.calls("apply").iter().any(|call| call.contains("blog")), "the others are brought back");
    assert!(world.calls("apply").iter().all(|call| !call.contains("shop")));
    // An App that comes later is a new one.
    let mut later = world;
    later.app("wiki");
    let outcome = later.look(&later.commit(2), &mut Memories::default()).await;
    assert_eq!((outcome.failures().count(), later.disks()), (1, 2));
    // A person's word.
    let by_hand = Commit { source: None, ..later.commit(2) };
    let outcome = later.look(&by_hand, &mut Memories::default()).await;
    assert_eq!((outcome.failures().count(), later.disks()), (0, 3));
}

#[tokio::test]
async fn a_rebuilt_cluster_that_cannot_be_noted_is_not_written_to() {
    let (_before, world) = rebuilt().await;
    world.cluster.fault_later("create", 0, Fault::Refuse(unavailable()));
    let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
    // The first look fails to note it; the next one does.
    assert!(outcome.failures().any(|failure| failure.text.contains("rebuilt cluster: ")), "{}", failure(&outcome));
    assert!(world.calls("apply").iter().all(|call| !call.contains("shop")));
    assert_eq!(world.disks(), 1);
}

/// The agent is installed, and makes new disks on a person's word only.
fn ask_about_disks(world: &mut World, installation: &str) {
    let key = ObjectKey { kind: Kind::Namespace, namespace: None, name: SYSTEM_NAMESPACE.into() };
    world.cluster.inner.store(&key, &serde_json::json!({"metadata": {"uid": installation}}));
    Arc::get_mut(&mut world.agent).unwrap().new_disks = NewDisks::Hold;
}

/// The commit, which says yes to everything that is held as well.
fn accepting(commit: &Commit, outcome: &Outcome) -> Commit {
    let held: Vec<_> = outcome.apps.iter().flat_map(|app| &app.holds).map(|held| held.digest.clone()).collect();
    assert!(!held.is_empty(), "nothing is held");
    Commit { accepted: commit.accepted.iter().cloned().chain(held).collect(), ..commit.clone() }
}

/// Nothing is left of the Apps and their disks, and nothing that speaks of them.
async fn lose_everything(world: &World) {
    world.lose_disks();
    for kind in Kind::ALL {
        for live in world.cluster.inner.list_owned(kind).await.unwrap() {
            world.cluster.inner.delete_now(&live.key);
        }
    }
}

#[tokio::test]
async fn a_word_for_a_new_disk_makes_no_second_one() {
    let mut world = World::new();
    ask_about_disks(&mut world, "k1");
    let mut memory = Memories::default();
    let mut commit = world.commit(1);
    for _ in 0..3 {
        let outcome = world.look(&commit, &mut memory).await;
        assert!(failure(&outcome).text.contains("`newDisks: hold`") && world.disks() == 0, "{}", failure(&outcome));
        // So does another process say.
        let other = world.look(&commit, &mut Memories::default()).await;
        assert_eq!(other.apps[0].holds, outcome.apps[0].holds);
        commit = accepting(&commit, &outcome);
        let outcome = world.look(&commit, &mut memory).await;
        assert_eq!((outcome.failures().count(), world.disks()), (0, 1));
        lose_everything(&world).await;
    }
}

#[tokio::test]
async fn a_word_for_a_new_disk_is_none_for_a_rebuilt_cluster() {
    let mut before = World::new();
    ask_about_disks(&mut before, "k1");
    let outcome = before.look(&before.commit(1), &mut Memories::default()).await;
    let commit = accepting(&before.commit(1), &outcome);
    assert!(before.look(&commit, &mut Memories::default()).await.failures().next().is_none());
    before.lose_disks();
    let mut after = World::on_disks_of(&before);
    ask_about_disks(&mut after, "k2");
    let outcome = after.look(&commit, &mut Memories::default()).await;
    assert!(failure(&outcome).text.contains("`newDisks: hold`"), "{}", failure(&outcome));
    assert_eq!(after.disks(), 0);
    let outcome = after.look(&accepting(&commit, &outcome), &mut Memories::default()).await;
    assert_eq!((outcome.failures().count(), after.disks()), (0, 1));
}

#[tokio::test]
async fn a_word_counts_until_its_disk_is_made_and_not_a_moment_longer() {
    // What fails: writing down that the word is used, making the Namespace of the disk, writing down that it was made.
    for (verb, disks) in [("create", 0), ("apply", 0), ("patch", 1)] {
        let mut world = World::new();
        ask_about_disks(&mut world, "k1");
        let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
        let commit = accepting(&world.commit(1), &outcome);
        world.cluster.fault_later(verb, 0, Fault::Refuse(unavailable()));
        let outcome = world.look(&commit, &mut Memories::default()).await;
        assert_eq!((outcome.failures().count(), world.disks()), (1, disks), "{verb}");
        // Another process goes on.
        let outcome = world.look(&commit, &mut Memories::default()).await;
        assert_eq!((outcome.failures().count(), world.disks()), (0, 1), "{verb}");
        lose_everything(&world).await;
        let outcome = world.look(&commit, &mut Memories::default()).await;
        assert_eq!((outcome.apps[0].holds.len(), world.disks()), (1, 0), "{verb}");
    }
}
