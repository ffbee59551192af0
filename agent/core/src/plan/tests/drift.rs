//! What people and controllers edit.

use super::*;

const REPLICAS: &str = r#"{"f:spec": {"f:replicas": {}}}"#;

/// Somebody set the Deployment's replicas.
fn scaled(by: &str) -> World {
    let mut world = World::deployed();
    let fields = serde_json::from_str(REPLICAS).unwrap();
    set_by(world.live(Kind::Deployment, "app"), by, "/spec/replicas", json!(0), fields);
    world
}

#[test]
fn people_are_reverted() {
    let world = scaled("kubectl-scale");
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      ~ change         Deployment k4x-2dmn7i-app1-5iyixp/app1-app  — edited by kubectl-scale; spec.replicas differs (compose.yml:2:3)
            spec.replicas: 0 → 1
    "#);
    let plan = world.plan();
    let What::Change { takeover: Some(managed), restarts: false, .. } = &only(&plan).what else { panic!() };
    assert_eq!(managed.len(), 1);
}

#[test]
fn what_people_add_goes() {
    let mut world = World::deployed();
    let fields = json!({"f:metadata": {"f:labels": {"f:team": {}}}});
    let live = world.live(Kind::Deployment, "app");
    live.body["metadata"]["labels"]["team"] = json!("");
    set_by(live, "kubectl-edit", "/metadata/labels/team", json!("a"), fields);
    let plan = world.plan();
    let What::Change { fields, .. } = &only(&plan).what else { panic!() };
    assert_eq!((fields[0].path.as_str(), fields[0].after.as_deref()), ("metadata.labels.team", None));
}

#[test]
fn others_are_a_conflict_that_is_not_taken_over() {
    let plan = scaled("some-autoscaler").plan();
    let What::Change { takeover: None, fields, .. } = &only(&plan).what else { panic!() };
    assert_eq!(fields[0].path, "spec.replicas");
}

#[test]
fn a_report_keeps_it_and_says_so() {
    let mut world = scaled("kubectl");
    world.in_app("  reconcile: {drift: report}\n");
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:19:9)
      = keep           Deployment k4x-2dmn7i-app1-5iyixp/app1-app  — edited by kubectl; spec.replicas differs; `reconcile.drift: report` leaves it (compose.yml:2:3)
            spec.replicas: 0 → 1
    "#);
}

#[test]
fn what_people_remove_is_reported_of_every_kind() {
    for kind in [Kind::Deployment, Kind::Service, Kind::NetworkPolicy] {
        let mut world = World::deployed();
        world.in_app("  reconcile: {drift: report}\n");
        world.record();
        let live = world.observed.objects.values_mut().find(|live| live.key.kind == kind).unwrap();
        let labels = live.body["metadata"]["labels"].as_object_mut().unwrap();
        labels.remove("app.kubernetes.io/name").unwrap();
        let plan = world.plan();
        let What::Drifted { key, fields, candidate: Some(_) } = &only(&plan).what else { panic!("{}", world.text()) };
        assert_eq!((key.kind, fields.len()), (kind, 1));
        assert!(!plan.writes() && plan.obstacle().is_none());
    }
}

#[test]
fn what_people_put_back_themselves_is_no_drift() {
    let mut world = World::deployed();
    world.in_app("  reconcile: {drift: report}\n");
    world.record();
    // Nobody holds the field any more, but it has the value that it should have.
    let live = world.live(Kind::Deployment, "app");
    let ours = live.body.pointer_mut("/metadata/managedFields/0/fieldsV1/f:spec").unwrap();
    ours.as_object_mut().unwrap().remove("f:replicas").unwrap();
    assert!(world.plan().actions.is_empty(), "{}", world.text());
}

#[test]
fn off_says_nothing() {
    let mut world = scaled("kubectl");
    world.in_app("  reconcile: {drift: off}\n");
    assert!(world.plan().actions.is_empty(), "{}", world.text());
}

#[test]
fn a_report_never_keeps_a_commit_from_being_applied() {
    for drift in ["report", "off"] {
        let mut world = scaled("kubectl");
        world.in_app(&format!("  reconcile: {{drift: {drift}}}\n"));
        world.edit("compose.yml", "postgres:17", "postgres:18");
        let plan = world.plan();
        let What::Change { fields, takeover: Some(_), .. } = &only(&plan).what else { panic!() };
        assert!(fields.iter().any(|field| field.path.ends_with("[postgres].image")), "{fields:?}");
    }
}

#[test]
fn what_people_put_back_by_hand_is_no_wish_of_the_commit() {
    let mut world = scaled("kubectl");
    world.in_app("  reconcile: {drift: report}\n");
    let image =
        json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"postgres\"}": {"f:image": {}}}}}}});
    let live = world.live(Kind::Deployment, "app");
    let pointer = "/spec/template/spec/containers/1/image";
    let same = live.body.pointer(pointer).unwrap().clone();
    set_by(live, "kubectl-set", pointer, same, image);
    assert!(matches!(only(&world.plan()).what, What::Drifted { .. }), "{}", world.text());
}

#[test]
fn an_older_deployment_is_adopted_whatever_the_policy() {
    let mut world = World::deployed();
    world.in_app("  reconcile: {drift: off}\n");
    for live in world.observed.objects.values_mut() {
        live.body["metadata"]["managedFields"][0]["manager"] = json!("kompox-converter");
        live.body["metadata"]["managedFields"][0]["operation"] = json!("Update");
    }
    world.edit("compose.yml", "postgres:17", "postgres:18");
    let plan = world.plan();
    assert_eq!(plan.counts(), Counts { changed: 1, ..Counts::default() }, "{}", text::to_text(&plan));
}

#[test]
fn what_is_put_back_again_and_again_is_left_and_tried_later() {
    let mut world = scaled("kubectl-scale");
    let start = world.settings.now;
    let at = |minutes: i64| start.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
    for minute in 0..3 {
        world.settings.now = at(minute);
        let plan = world.plan();
        assert!(matches!(only(&plan).what, What::Change { .. }), "minute {minute}");
        assert_eq!(world.settings.corrections.over_at(at(minute)), None);
        world.settings.corrections.note(&plan.actions, at(minute));
    }
    world.settings.now = at(3);
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      ! LEFT           Deployment k4x-2dmn7i-app1-5iyixp/app1-app  — edited by kubectl-scale; spec.replicas differs; spec.replicas was put back 3 times in 10 minutes and is changed again: two write it by turns (compose.yml:2:3)
            to do: stop the other one, or take the field out of Git; it is put back again when some of that time has passed, and with the App's next commit
    "#);
    assert_eq!(world.settings.corrections.over_at(at(3)), Some(at(10)));
    // Other objects are none of that.
    let label = "app.kubernetes.io/name";
    world.live(Kind::Service, "postgres").body["metadata"]["labels"][label] = json!("mine");
    let counts = world.plan().counts();
    assert_eq!((counts.changed, counts.left), (1, 1));
    world.live(Kind::Service, "postgres").body["metadata"]["labels"][label] = json!("app1");
    // The first time is so long ago that it does not count any more.
    world.settings.now = at(10);
    assert!(matches!(only(&world.plan()).what, What::Change { .. }));
}

#[test]
fn what_is_gone_again_and_again_is_left_and_made_anew_later() {
    let mut world = World::deployed();
    world.record();
    let start = world.settings.now;
    let at = |minutes: i64| start.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
    let gone = |world: &mut World, kind: Kind, name: &str| {
        let key = world.live(kind, name).key.clone();
        world.observed.objects.remove(&key);
    };
    for minute in 0..3 {
        gone(&mut world, Kind::Service, "postgres");
        world.settings.now = at(minute);
        let plan = world.plan();
        assert!(matches!(only(&plan).what, What::Create { .. }), "minute {minute}");
        world.apply();
        world.settings.corrections.note(&plan.actions, at(minute));
    }
    assert_eq!(world.plan().actions.len(), 0, "it is there");
    gone(&mut world, Kind::Service, "postgres");
    world.settings.now = at(3);
    insta::assert_snapshot!(world.text(), @r"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      ! LEFT           Service k4x-2dmn7i-app1-5iyixp/postgres  — the cluster has none; it was made anew 3 times in 10 minutes and is gone again: something deletes it, nothing here tells what (compose.yml:13:3)
            to do: find out what deletes it (the API server's audit log names it) and stop that, or take it out of Git; it is put back again when some of that time has passed, and with the App's next commit
    ");
    assert_eq!(world.settings.corrections.over_at(at(3)), Some(at(10)));
    // What is gone for the first time comes back at once, however the other one is.
    gone(&mut world, Kind::Deployment, "app");
    let counts = world.plan().counts();
    assert_eq!((counts.created, counts.left), (1, 1));
    world.settings.now = at(10);
    assert_eq!(world.plan().counts(), Counts { created: 2, ..Counts::default() });
}

#[test]
fn a_namespace_that_is_gone_again_and_again_keeps_everything_else_from_being_written() {
    let mut world = World::deployed();
    let now = world.settings.now;
    world.observed.objects.retain(|key, _| key.kind != Kind::Namespace && key.namespace.is_none());
    let plan = world.plan();
    let namespace = |action: &&Action| action.what.stage() == order::Stage::Namespace;
    for _ in 0..3 {
        world.settings.corrections.note(plan.actions.iter().filter(namespace), now);
    }
    let plan = world.plan();
    assert!(plan.obstacle().is_some_and(|obstacle| matches!(obstacle.what, What::Blocked { .. })), "{}", world.text());
    // What would be in it is not even tried.
    assert_eq!(plan.actions.len(), 1, "{}", world.text());
}

#[test]
fn what_is_replaced_again_and_again_is_left() {
    let mut world = World::deployed();
    let now = world.settings.now;
    world.live(Kind::Service, "postgres").body["spec"]["clusterIP"] = json!("10.0.0.7");
    for _ in 0..3 {
        let plan = world.plan();
        assert!(matches!(only(&plan).what, What::Replace { .. }), "{}", text::to_text(&plan));
        world.settings.corrections.note(&plan.actions, now);
    }
    let plan = world.plan();
    assert!(matches!(only(&plan).what, What::Left { .. }), "{}", text::to_text(&plan));
    assert!(only(&plan).reason.contains("spec.clusterIP was put back 3 times"), "{}", only(&plan).reason);
}
