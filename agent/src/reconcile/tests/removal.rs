//! Apps that leave Git, and what looks like leaving.

use std::collections::BTreeSet;

use kompox_core::plan::HoldDigest;
use kompox_manifests::object::ObjectKey;

use super::*;

/// Seven Apps without volumes and `shop`, which has one; all deployed.
async fn deployed() -> (World, Memories) {
    let mut world = World::new();
    for number in 0..7 {
        let name = format!("a{number}");
        world.app(&name);
        world.edit(&format!("{name}/kompoxops.yml"), "  volumes:\n    - {name: data, size: 1Gi}\n", "");
        world.edit(&format!("{name}/compose.yml"), "    volumes: [\"data:/srv\"]\n", "");
    }
    let mut memory = Memories::default();
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(outcome.failures().next().is_none());
    (world, memory)
}

fn leave(world: &mut World, app: &str) {
    world.files.retain(|file, _| !file.starts_with(&format!("{app}/")));
}

async fn objects_of(world: &World, app: &str) -> Vec<String> {
    let id = format!("/ws/w1/prv/p1/cls/c1/app/{app}").parse().unwrap();
    let namespace = kompox_manifests::names::Names::of(&id).namespace;
    let mut all = world.objects().await;
    let volumes = |object: &str| app == "shop" && object.starts_with("PersistentVolume ");
    all.retain(|object| object.contains(&format!(" {namespace}")) || volumes(object));
    all
}

/// The commit with a person's word for everything that is held in an outcome.
fn accepting(world: &World, number: u32, outcome: &Outcome) -> Commit {
    let accepted: BTreeSet<HoldDigest> = outcome
        .apps
        .iter()
        .filter_map(|app| match &app.state {
            State::Failed(failure) => failure.text.split("Kompox-Accept: ").nth(1)?.get(..16)?.parse().ok(),
            _ => None,
        })
        .collect();
    assert!(!accepted.is_empty());
    Commit { accepted, ..world.commit(number) }
}

fn record_key(app: &str) -> ObjectKey {
    let id = format!("/ws/w1/prv/p1/cls/c1/app/{app}").parse().unwrap();
    let names = kompox_manifests::names::Names::of(&id);
    ObjectKey { kind: Kind::Secret, namespace: Some(names.namespace), name: format!("{app}--last-applied") }
}

#[tokio::test]
async fn an_app_without_disks_goes_but_for_its_namespace() {
    let (mut world, mut memory) = deployed().await;
    leave(&mut world, "a3");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    let a3 = outcome.apps.iter().find(|app| app.id.app == "a3").unwrap();
    assert!(matches!(a3.state, State::Progressing(_)) && a3.done.deleted > 5, "{:?}", a3.state);
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(outcome.apps.iter().find(|app| app.id.app == "a3").unwrap().state, State::Removed);
    let left = objects_of(&world, "a3").await;
    assert!(matches!(left.as_slice(), [only] if only.starts_with("Namespace ")), "{left:?}");
    assert!(world.cluster.inner.object(&record_key("a3")).is_none(), "its record goes with it");
    assert!(!objects_of(&world, "a4").await.is_empty());
    // It comes back as if it had never been there.
    world.app("a3");
    let outcome = world.look(&world.commit(3), &mut Memories::default()).await;
    assert!(outcome.failures().next().is_none());
}

#[tokio::test]
async fn an_app_with_a_disk_waits_for_a_word_and_keeps_the_disk() {
    let (mut world, mut memory) = deployed().await;
    leave(&mut world, "shop");
    let before = objects_of(&world, "shop").await;
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(failure(&outcome).text.contains("has disks"), "{}", failure(&outcome));
    assert_eq!((objects_of(&world, "shop").await, world.calls("delete").len()), (before, 0));
    let commit = accepting(&world, 3, &outcome);
    world.look(&commit, &mut memory).await;
    let outcome = world.look(&commit, &mut memory).await;
    assert!(outcome.failures().next().is_none());
    assert_eq!((objects_of(&world, "shop").await.len(), world.disks()), (1, 1), "Namespace and disk stay");
    // It comes back with the disk that it had.
    world.app("shop");
    let outcome = world.look(&world.commit(4), &mut memory).await;
    assert!(outcome.failures().next().is_none(), "{}", failure(&outcome));
    assert_eq!(world.disks(), 1);
}

#[tokio::test]
async fn a_removal_that_is_cut_short_goes_on_with_the_same_word() {
    let (mut world, mut memory) = deployed().await;
    leave(&mut world, "shop");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    let commit = accepting(&world, 3, &outcome);
    for call in 0..3 {
        world.cluster.fault_later("delete", call, Fault::Refuse(unavailable()));
    }
    for _ in 0..4 {
        // Each time another process.
        world.look(&commit, &mut Memories::default()).await;
    }
    assert_eq!(objects_of(&world, "shop").await.len(), 1);
}

#[tokio::test]
async fn many_at_once_wait_for_one_word() {
    let (mut world, mut memory) = deployed().await;
    for app in ["a0", "a1", "a2"] {
        leave(&mut world, app);
    }
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(outcome.failures().count(), 3);
    assert!(world.calls("delete").is_empty());
    let commit = accepting(&world, 3, &outcome);
    assert_eq!(commit.accepted.len(), 1);
    world.look(&commit, &mut memory).await;
    let outcome = world.look(&commit, &mut memory).await;
    assert!(outcome.failures().next().is_none());
    let removed = outcome.apps.iter().filter(|app| app.state == State::Removed).count();
    assert_eq!(removed, 3);
}

#[tokio::test]
async fn what_cannot_be_read_or_is_wrong_is_not_gone() {
    let (mut world, mut memory) = deployed().await;
    world.edit("a3/kompoxops.yml", "compose:", "komposé:");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!((outcome.rejected.len(), world.calls("delete").len()), (1, 0));
    // Nobody can tell which App the entry is for.
    world.files.insert("a3/kompoxops.yml".into(), ": [".into());
    leave(&mut world, "a4");
    world.look(&world.commit(3), &mut memory).await;
    assert!(world.calls("delete").is_empty(), "while one entry is unreadable, none is gone");
}

#[tokio::test]
async fn faults_of_the_cluster_delete_nothing_that_a_person_has_not_accepted() {
    let (mut world, _) = deployed().await;
    leave(&mut world, "shop");
    for (verb, call) in [("get", 0), ("list-all", 0), ("list-all", 3)] {
        world.cluster.fault_later(verb, call, Fault::Refuse(unavailable()));
        let read = world.agent.cache.read_once(world.cluster.as_ref()).await;
        if read.is_ok() {
            look(&world.agent, &world.commit(2), &mut Memories::default()).await;
        }
        assert!(world.calls("delete").is_empty(), "{verb} {call}");
    }
}

#[tokio::test]
async fn a_renamed_app_waits_on_both_sides_and_gets_no_new_disk() {
    let (mut world, mut memory) = deployed().await;
    world.edit("shop/kompoxops.yml", "name: shop", "name: store");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    let held: Vec<&str> = outcome.failures().map(|failure| failure.label).collect();
    assert_eq!(held, ["held", "held"]);
    assert!(outcome.failures().all(|failure| failure.text.contains("`shop` left Git and `store` comes in its folder")));
    assert_eq!((world.disks(), world.calls("delete").len()), (1, 0));
    assert!(objects_of(&world, "store").await.is_empty());
}

#[tokio::test]
async fn a_renamed_app_waits_also_where_its_new_name_was_used_before() {
    let (mut world, mut memory) = deployed().await;
    world.app("store");
    world.look(&world.commit(2), &mut memory).await;
    leave(&mut world, "store");
    let outcome = world.look(&world.commit(3), &mut memory).await;
    let commit = accepting(&world, 4, &outcome);
    for _ in 0..2 {
        world.look(&commit, &mut memory).await;
    }
    assert_eq!(objects_of(&world, "store").await.len(), 1, "its Namespace stays for ever");
    let before = (world.disks(), world.calls("delete").len(), objects_of(&world, "shop").await);

    world.edit("shop/kompoxops.yml", "name: shop", "name: store");
    let outcome = world.look(&world.commit(5), &mut memory).await;
    assert_eq!(outcome.failures().map(|failure| failure.label).collect::<Vec<_>>(), ["held", "held"]);
    assert_eq!((world.disks(), world.calls("delete").len(), objects_of(&world, "shop").await), before);
    assert_eq!(objects_of(&world, "store").await.len(), 1);
}

#[tokio::test]
async fn an_app_of_nobodys_source_is_left_alone() {
    let (mut world, mut memory) = deployed().await;
    leave(&mut world, "a3");
    // As the older command line writes it: no source.
    let id = "/ws/w1/prv/p1/cls/c1/app/a3".parse().unwrap();
    let key =
        ObjectKey { kind: Kind::Namespace, namespace: None, name: kompox_manifests::names::Names::of(&id).namespace };
    let live = world.cluster.inner.object(&key).unwrap();
    let mut body = live.body;
    body["metadata"]["annotations"].as_object_mut().unwrap().remove("kompox.dev/source");
    world.cluster.inner.store(&key, &body);
    let before = objects_of(&world, "a3").await;
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(outcome.failures().next().is_none());
    assert_eq!((objects_of(&world, "a3").await, world.calls("delete").len()), (before, 0));
}

#[tokio::test]
async fn an_app_that_left_is_left_alone_while_it_is_paused() {
    let (mut world, mut memory) = deployed().await;
    leave(&mut world, "a3");
    let before = objects_of(&world, "a3").await;
    paused::pause(&world, "a3", Some("2999-01-01T00:00:00Z"))();
    let state = |outcome: &Outcome| outcome.apps.iter().find(|app| app.id.app == "a3").unwrap().state.clone();
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(matches!(state(&outcome), State::Paused(_)), "{:?}", state(&outcome));
    // A person means a pause, whatever the agent makes of its end.
    paused::pause(&world, "a3", Some("soon"))();
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(failure(&outcome).kind, FailureKind::Obstacle);
    assert!(failure(&outcome).text.contains("a pause is meant"), "{}", failure(&outcome));
    assert_eq!((objects_of(&world, "a3").await, world.calls("delete").len()), (before, 0));
    for until in ["2020-01-01T00:00:00Z", ""] {
        paused::pause(&world, "a3", Some(until))();
        let outcome = world.look(&world.commit(2), &mut memory).await;
        assert!(outcome.failures().next().is_none(), "{until}");
    }
    assert_eq!(objects_of(&world, "a3").await.len(), 1, "it goes when the pause is over");
}

#[tokio::test]
async fn a_person_who_applies_a_folder_removes_nothing() {
    let (mut world, mut memory) = deployed().await;
    leave(&mut world, "a3");
    let by_hand = Commit { source: None, ..world.commit(2) };
    let outcome = world.look(&by_hand, &mut memory).await;
    assert!(outcome.failures().next().is_none() && world.calls("delete").is_empty());
}

#[tokio::test]
async fn a_word_for_a_removal_is_spent_once_the_app_is_back() {
    let (mut world, mut memory) = deployed().await;
    leave(&mut world, "shop");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    let Commit { accepted, .. } = accepting(&world, 3, &outcome);
    let with_word = |world: &World, number: u32| Commit { accepted: accepted.clone(), ..world.commit(number) };
    // It is put back before the removal has come to its end.
    world.cluster.fault_later("delete", 3, Fault::Refuse(unavailable()));
    world.look(&with_word(&world, 3), &mut memory).await;
    assert!(world.calls("delete").len() > 3);
    world.app("shop");
    let outcome = world.look(&with_word(&world, 4), &mut memory).await;
    assert!(outcome.failures().next().is_none(), "{}", failure(&outcome));
    // Taken away again by mistake.
    leave(&mut world, "shop");
    let deleted = world.calls("delete").len();
    let outcome = world.look(&with_word(&world, 5), &mut memory).await;
    assert!(failure(&outcome).text.contains("has disks"), "{}", failure(&outcome));
    assert_eq!(world.calls("delete").len(), deleted);
}
