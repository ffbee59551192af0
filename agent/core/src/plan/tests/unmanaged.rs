//! What is of no source.

use super::super::unmanaged::{Managed, Unmanaged, unmanaged};
use super::*;

/// What is found when the source `ops` is read, and these Apps are planned.
fn found(objects: &[LiveObject], planned: &[&str]) -> Vec<Unmanaged> {
    let sources = ["ops".to_owned()].into();
    let planned = planned.iter().map(|instance| (*instance).to_owned()).collect();
    unmanaged(objects, Managed { sources: &sources, planned: &planned })
}

/// Everything of a deployed App, and its instance hash.
fn deployed() -> (Vec<LiveObject>, String) {
    let world = World::deployed();
    let objects: Vec<LiveObject> = world.observed.objects.into_values().collect();
    let instance = objects[0].label(labels::INSTANCE_HASH).unwrap().to_owned();
    (objects, instance)
}

fn mark(objects: &mut [LiveObject], source: Option<&str>) {
    let namespace = objects.iter_mut().find(|live| live.key.kind == Kind::Namespace).unwrap();
    namespace.body["metadata"]["annotations"][labels::SOURCE] = source.map_or(Value::Null, |source| json!(source));
}

#[test]
fn an_app_of_no_source_that_is_read_is_listed_whole() {
    let (mut objects, instance) = deployed();
    mark(&mut objects, Some("ops"));
    assert_eq!(found(&objects, &[]), []);
    for (source, reason) in [
        (None, "no source has deployed it"),
        (Some("by-hand"), "a person has applied it by hand"),
        (Some("gone"), "its source `gone` is none that is read"),
    ] {
        mark(&mut objects, source);
        let [only] = <[Unmanaged; 1]>::try_from(found(&objects, &[])).unwrap();
        assert_eq!((only.app.as_deref(), only.reason.as_str()), (Some("w1/p1/cluster1/app1"), reason));
        assert_eq!(only.objects.len(), objects.len(), "its volumes and all");
        assert_eq!(found(&objects, &[&instance]), [], "its plan tells of it");
    }
}

#[test]
fn of_a_sources_app_only_what_strangers_wrote_is_listed() {
    let (mut objects, _) = deployed();
    mark(&mut objects, Some("ops"));
    let write = |objects: &mut [LiveObject], manager: &str| {
        let secret = objects.iter_mut().find(|live| live.key.kind == Kind::Secret).unwrap();
        secret.body["metadata"]["managedFields"][0]["manager"] = json!(manager);
    };
    write(&mut objects, "kompox-converter");
    assert_eq!(found(&objects, &[]), [], "it is adopted once it changes");
    write(&mut objects, "helm");
    let [only] = <[Unmanaged; 1]>::try_from(found(&objects, &[])).unwrap();
    assert_eq!(only.objects.len(), 1);
    let shown = only.to_string();
    assert!(
        shown.starts_with("w1/p1/cluster1/app1: Secret ") && shown.ends_with("not written it; left alone"),
        "{shown}"
    );
}

#[test]
fn what_has_no_namespace_is_of_no_app() {
    let (mut objects, instance) = deployed();
    objects.retain(|live| matches!(live.key.kind, Kind::PersistentVolume | Kind::ServiceAccount));
    let of_none = found(&objects, &[]);
    assert_eq!(of_none.len(), 2, "{of_none:?}");
    assert!(of_none.iter().all(|one| one.app.is_none() && one.reason.contains("no Namespace says")), "{of_none:?}");
    assert_eq!(found(&objects, &[&instance]), []);
}

#[test]
fn a_stranger_in_an_app_is_shown_in_its_plan_and_left_alone() {
    let mut world = World::deployed();
    let mut stranger = world.live(Kind::Secret, "gitea").clone();
    stranger.key.name = "stranger".into();
    stranger.body["metadata"]["managedFields"][0]["manager"] = json!("kompox-converter");
    world.observed.objects.insert(stranger.key.clone(), stranger.clone());
    let plan = world.plan();
    let action = only(&plan);
    assert!(matches!(&action.what, What::Keep(Subject::Object(key)) if *key == stranger.key));
    assert!(action.reason.contains("unmanaged: the agent has not written it"), "{}", action.reason);
    assert!(!plan.writes());
}
