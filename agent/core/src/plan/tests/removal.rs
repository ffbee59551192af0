//! An App leaves Git.

use kompox_manifests::model::Protection;
use serde_json::json;

use super::super::*;
use super::world::World;
use crate::observed::LiveObject;

/// A deployed App, recorded as applied. Its PersistentVolume is kept when it is deleted.
fn recorded() -> World {
    let mut world = World::deployed();
    world.record();
    world
}

fn remove(world: &World) -> Plan {
    remove_with(world, Vec::new(), Protection::None)
}

fn remove_with(world: &World, holds: Vec<Hold>, protection: Protection) -> Plan {
    let id = world.app().id;
    let departed = Departed { id: &id, observed: &world.observed, applied: world.settings.applied.as_ref() };
    let Settings { source, accepted, now, .. } = &world.settings;
    removal(departed, Leave { source, holds, protection, accepted, now: *now })
}

fn accept(world: &mut World) {
    for action in remove(world).actions {
        if let What::Held { digest, .. } = action.what {
            world.settings.accepted.insert(digest);
        }
    }
}

fn deleted(plan: &Plan) -> Vec<Kind> {
    let deleted = plan.actions.iter().filter_map(|action| match &action.what {
        What::Delete(live) => Some(live.key.kind),
        _ => None,
    });
    deleted.collect()
}

#[test]
fn an_app_with_disks_is_held_and_then_keeps_what_holds_data() {
    let mut world = recorded();
    let plan = remove(&world);
    assert!(plan.obstacle().is_some_and(|action| matches!(action.what, What::Held { .. })), "{}", text::to_text(&plan));
    assert!(text::to_text(&plan).contains("has disks"));
    accept(&mut world);
    let plan = remove(&world);
    let shown = text::to_text(&plan);
    assert!(plan.obstacle().is_none(), "{shown}");
    let kinds = deleted(&plan);
    assert_eq!(kinds.len(), world.observed.objects.len() - 1, "{shown}");
    assert!(!kinds.contains(&Kind::Namespace), "{shown}");
    assert!(shown.contains("stops the Pod") && shown.contains("its disk stays"), "{shown}");
}

#[test]
fn the_word_holds_until_the_last_object_is_gone_and_for_no_other_life() {
    let mut world = recorded();
    accept(&mut world);
    // One after the other goes; a run may be cut short after each.
    while let Some(kind) = deleted(&remove(&world)).pop() {
        assert!(remove(&world).obstacle().is_none());
        let key = world.observed.objects.keys().find(|key| key.kind == kind).unwrap().clone();
        world.observed.objects.remove(&key);
    }
    assert!(remove(&world).actions.is_empty(), "what has been removed says nothing more");
    // The App comes back with another commit and leaves once more.
    let mut again = recorded();
    again.settings.accepted = world.settings.accepted.clone();
    assert!(remove(&again).obstacle().is_none());
    again.settings.applied.as_mut().unwrap().commit = "c9".into();
    assert!(remove(&again).obstacle().is_some());
}

#[test]
fn a_volume_whose_disk_would_go_with_it_stays() {
    let mut world = recorded();
    accept(&mut world);
    for policy in [json!("Delete"), json!("Recycle"), json!(null)] {
        world.live(Kind::PersistentVolume, "").body["spec"]["persistentVolumeReclaimPolicy"] = policy;
        let plan = remove(&world);
        let kinds = deleted(&plan);
        assert!(!kinds.contains(&Kind::PersistentVolume) && !kinds.contains(&Kind::PersistentVolumeClaim));
        assert!(kinds.contains(&Kind::Deployment));
        assert_eq!(text::to_text(&plan).matches("its disk would go with it").count(), 2);
    }
    // A claim of which nobody knows the volume.
    world.observed.objects.retain(|key, _| key.kind != Kind::PersistentVolume);
    assert!(!deleted(&remove(&world)).contains(&Kind::PersistentVolumeClaim));
}

#[test]
fn what_the_agent_did_not_write_stays() {
    let mut world = recorded();
    accept(&mut world);
    world.live(Kind::Secret, "gitea").body["metadata"]["managedFields"][0]["manager"] = json!("kubectl-create");
    let mut elsewhere: LiveObject = world.live(Kind::Secret, "postgres").clone();
    elsewhere.key.namespace = Some("kube-system".into());
    world.observed.objects.insert(elsewhere.key.clone(), elsewhere);
    let plan = remove(&world);
    let secrets = deleted(&plan).into_iter().filter(|kind| *kind == Kind::Secret).count();
    assert_eq!(secrets, 1, "{}", text::to_text(&plan));
    assert!(text::to_text(&plan).contains("the agent has not written it"));
}

#[test]
fn only_the_apps_own_namespace_of_this_source_counts() {
    for (annotation, value) in [("kompox.dev/source", "other"), ("kompox.dev/app", "w1/p1/cluster1/app2")] {
        let mut world = recorded();
        world.live(Kind::Namespace, "").body["metadata"]["annotations"][annotation] = json!(value);
        assert!(remove(&world).actions.is_empty(), "{annotation}");
    }
    let mut gone = recorded();
    gone.observed.objects.retain(|key, _| key.kind != Kind::Namespace);
    assert!(remove(&gone).actions.is_empty());
    let mut going = recorded();
    going.live(Kind::Namespace, "").body["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:00Z");
    assert!(remove(&going).actions.is_empty());
}

#[test]
fn without_a_record_nothing_goes_unasked() {
    let mut world = recorded();
    accept(&mut world);
    world.settings.applied = None;
    let text = text::to_text(&remove(&world));
    assert!(text.contains("nothing is known of what was applied last"), "{text}");
    assert!(remove(&world).obstacle().is_some());
}

#[test]
fn a_deletion_policy_takes_no_disk_without_a_final_snapshot() {
    let mut world = World::deployed();
    world.edit("kompoxops.yml", "size: 10Gi", "size: 10Gi\n      deletionPolicy: Delete");
    world.record();
    accept(&mut world);
    let plan = remove(&world);
    let shown = text::to_text(&plan);
    assert!(
        shown.contains("LEFT           volume default") && shown.contains("a final snapshot must be taken first"),
        "{shown}"
    );
    assert!(plan.obstacle().is_none());
    assert!(plan.actions.iter().all(|action| !matches!(action.what, What::CreateDisk(_) | What::AssignDisk(_))));
    // It must have stood in the last applied commit; what a later one said is not known any more.
    let mut late = recorded();
    accept(&mut late);
    assert!(!text::to_text(&remove(&late)).contains("deletionPolicy"));
}

#[test]
fn protection_keeps_everything() {
    let mut world = recorded();
    accept(&mut world);
    for protection in [Protection::CannotDelete, Protection::ReadOnly] {
        let plan = remove_with(&world, Vec::new(), protection);
        assert!(!plan.writes() && plan.counts().blocked > 0);
    }
}

#[test]
fn a_finalizer_that_holds_on_is_said_and_keeps_nothing_else() {
    let mut world = recorded();
    accept(&mut world);
    let service = world.live(Kind::Service, "postgres");
    service.body["metadata"]["finalizers"] = json!(["example.com/never"]);
    service.body["metadata"]["deletionTimestamp"] = json!("2026-01-02T02:00:00Z");
    let plan = remove(&world);
    let shown = text::to_text(&plan);
    assert!(shown.contains("the finalizer example.com/never keeps it") && plan.obstacle().is_none(), "{shown}");
    assert!(deleted(&plan).contains(&Kind::Deployment));
    // Also when everything else has gone.
    world.observed.objects.retain(|key, live| key.kind == Kind::Namespace || live.is_terminating());
    assert_eq!(remove(&world).undone().count(), 1);
}
