//! Which disk a volume gets, and when it gets none.

use kompox_manifests::names::Names;
use kompox_manifests::object::ObjectKey;

use super::*;

fn with_disks(disks: Vec<Disk>) -> World {
    let mut world = World::gitea();
    for disk in &disks {
        world.observed.bindings.insert(disk.handle.clone(), binding(&disk.handle));
    }
    world.observed.disks = Ok(disks);
    world
}

fn unassigned(name: &str) -> Disk {
    Disk { assigned: false, ..disk(name) }
}

#[test]
fn an_assigned_disk_is_mounted() {
    let plan = with_disks(vec![disk("d1"), unassigned("d2")]).plan();
    assert_eq!(plan.counts(), Counts { created: 15, ..Counts::default() });
    assert!(plan.actions.iter().all(|action| matches!(action.what, What::Create { assumed: false, .. })));
}

#[test]
fn another_disk_of_a_volume_says_which_one_it_was_on() {
    let previous = |world: &World, handle: &str| {
        let name = Names::of(&world.app().id).volume("default", handle);
        let key = ObjectKey { kind: Kind::PersistentVolume, namespace: None, name };
        world.observed.objects[&key].annotation("kompox.dev/volume-handle-previous").map(str::to_owned)
    };
    let mut world = World::deployed();
    assert_eq!(previous(&world, "d1"), None, "the first disk follows no other");
    world.observed.bound.insert("default".into(), binding("d1"));
    world.observed.settle(vec![(disk("d2"), binding("d2"))]);
    world.apply();
    assert_eq!(previous(&world, "d2").as_deref(), Some("d1"));
    // It stays, whatever the volume is bound to by now, and asks for nothing more.
    world.observed.bound.insert("default".into(), binding("d2"));
    assert!(!world.plan().writes(), "{}", world.text());
    assert_eq!(previous(&world, "d1"), None);
    // The claim of the first disk is bound still; the Pod mounts the second one.
    world.observed.bound.insert("default".into(), binding("d1"));
    world.observed.settle(vec![(disk("d3"), binding("d3"))]);
    world.apply();
    assert_eq!(previous(&world, "d3").as_deref(), Some("d2"));
}

#[test]
fn a_half_made_disk_is_finished_and_no_second_one_made() {
    let plan = with_disks(vec![unassigned("d1")]).plan();
    let counts = Counts { created: 15, disks_assigned: 1, ..Counts::default() };
    assert_eq!(plan.counts(), counts, "{}", text::to_text(&plan));
}

#[test]
fn several_disks_and_no_sign_wait_for_a_person() {
    let world = with_disks(vec![unassigned("d1"), unassigned("d2")]);
    stops(&world, (1, 0), &["d1, d2", "kompox-disk-assigned=true"]);
}

#[test]
fn a_disk_of_another_making_is_not_taken_by_guess() {
    stops(&with_disks(vec![Disk { op_key: None, ..unassigned("d1") }]), (1, 0), &["d1"]);
}

#[test]
fn another_clusters_disk_is_left_alone() {
    let foreign = Disk { claim: Some("abcdef".into()), ..disk("d1") };
    stops(&with_disks(vec![foreign.clone()]), (1, 0), &["claimed by another cluster (abcdef)"]);
    stops(&with_disks(vec![Disk { assigned: false, ..foreign }]), (1, 0), &["abcdef"]);
}

#[test]
fn a_failed_disk_is_not_mounted() {
    let failed = Disk { state: DiskState::Failed("no such rack".into()), ..disk("d1") };
    stops(&with_disks(vec![failed]), (1, 0), &["no such rack"]);
}

#[test]
fn a_disk_that_is_going_speaks_of_an_earlier_life() {
    stops(&with_disks(vec![Disk { state: DiskState::Deleting, ..disk("d1") }]), (1, 0), &["disk `d1` exists"]);
}

#[test]
fn a_silent_provider_stops_a_new_app_only() {
    let silent = Err("timeout".to_owned());
    let mut fresh = World::gitea();
    fresh.observed.disks = silent.clone();
    stops(&fresh, (1, 0), &["timeout", "nothing is created on a guess"]);
    let mut running = World::deployed();
    running.observed.disks = silent;
    running.observed.bound.insert("default".into(), binding("d1"));
    running.edit("compose.yml", "postgres:17", "postgres:18");
    assert_eq!(running.plan().counts(), Counts { changed: 1, ..Counts::default() });
}

#[test]
fn a_silence_about_snapshots_makes_no_disk() {
    let mut world = World::gitea();
    world.observed.snapshots = Err("forbidden".into());
    stops(&world, (1, 0), &["snapshots: forbidden"]);
}

#[test]
fn anything_of_an_earlier_life_stands_against_a_new_disk() {
    let gone = |kept: Option<Kind>| {
        let mut world = World::deployed();
        world.observed.disks = Ok(Vec::new());
        world.observed.objects.retain(|key, _| Some(key.kind) == kept);
        world
    };
    stops(&gone(Some(Kind::PersistentVolume)), (1, 0), &["PersistentVolume `k4x-"]);
    stops(&gone(Some(Kind::PersistentVolumeClaim)), (1, 0), &["k4x-"]);
    stops(&gone(Some(Kind::Deployment)), (1, 0), &["was deployed with this volume before (of Deployment"]);
    let mut snapshot = gone(None);
    snapshot.observed.snapshots = Ok(vec![Snapshot {
        name: "s1".into(),
        handle: "s1".into(),
        volume: "default".into(),
        size: 1,
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        state: SnapshotState::Ready,
        claim: None,
        protected: false,
        op_key: None,
        tags: BTreeMap::new(),
    }]);
    stops(&snapshot, (1, 0), &["snapshot `s1` exists"]);
    // Without any of it, the disk is made: what stood against it was the trace.
    assert_eq!(gone(None).plan().counts().disks_created, 1);
}

#[test]
fn a_rebuilt_cluster_and_new_disks_hold_wait_for_a_person() {
    let mut rebuilt = World::gitea();
    rebuilt.settings.rebuild = vec!["shop".into()];
    stops(&rebuilt, (0, 1), &["rebuilt cluster", "(shop)"]);
    let mut held = World::gitea();
    held.settings.new_disks = NewDisks::Hold;
    stops(&held, (0, 1), &["`newDisks: hold`"]);
}

#[test]
fn files_and_sources_are_not_for_this_version() {
    let mut files = World::gitea();
    files.edit("kompoxops.yml", "- name: default\n", "- name: default\n      type: files\n");
    files.edit("kompoxops.yml", "      options:\n        sku: PremiumV2_LRS\n", "");
    stops(&files, (1, 0), &["`type: files`"]);
    let mut source = World::gitea();
    source.edit("kompoxops.yml", "size: 10Gi", "size: 10Gi\n      source: snapshot:latest");
    stops(&source, (1, 0), &["`snapshot:latest`"]);
}

#[test]
fn a_driver_that_makes_no_disks_is_said() {
    let mut world = World::gitea();
    world.observed.prospects.clear();
    stops(&world, (1, 0), &["the driver cannot make disks"]);
}
