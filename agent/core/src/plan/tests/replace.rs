//! Fields that never change in place.

use serde_json::json;

use super::super::*;
use super::world::World;

#[test]
fn a_deployment_with_another_selector_is_made_anew_and_says_what_it_costs() {
    let mut world = World::deployed();
    world.live(Kind::Deployment, "app").body["spec"]["selector"]["matchLabels"]["app"] = json!("older");
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      ± REPLACE        Deployment k4x-2dmn7i-app1-5iyixp/app1-app (restarts the Pod: down for at most 30 s until it has stopped, then until the new one is ready)  — spec.selector differs; spec.selector never changes in place (compose.yml:2:3)
            spec.selector: {"matchLabels":{"app":"older"}} → {"matchLabels":{"app":"app1-app"}}
    "#);
    let plan = world.plan();
    assert_eq!(plan.counts(), Counts { replaced: 1, ..Counts::default() });
    assert!(plan.writes() && plan.obstacle().is_none());
}

#[test]
fn a_service_that_becomes_headless_is_made_anew() {
    let mut world = World::deployed();
    world.live(Kind::Service, "postgres").body["spec"]["clusterIP"] = json!("10.0.0.7");
    let plan = world.plan();
    let [Action { what: What::Replace { live, .. }, .. }] = plan.actions.as_slice() else { panic!("{}", world.text()) };
    assert_eq!(live.key.kind, Kind::Service);
}

#[test]
fn a_volumes_objects_are_never_made_anew() {
    for (kind, pointer) in
        [(Kind::PersistentVolume, "/spec/local/path"), (Kind::PersistentVolumeClaim, "/spec/storageClassName")]
    {
        let mut world = World::deployed();
        *world.live(kind, "").body.pointer_mut(pointer).unwrap() = json!("/elsewhere");
        let plan = world.plan();
        let shown = text::to_text(&plan);
        assert_eq!((plan.counts().blocked, plan.writes()), (1, false), "{shown}");
        assert!(shown.contains("never changes in place") && shown.contains("put it back in Git"), "{shown}");
    }
}

#[test]
fn a_protected_cluster_has_nothing_replaced() {
    let mut world = World::deployed();
    world.edit("kompoxops.yml", "cluster:\n", "cluster:\n  protection:\n    installation: cannotDelete\n");
    world.live(Kind::Deployment, "app").body["spec"]["selector"]["matchLabels"]["app"] = json!("older");
    assert_eq!(world.plan().counts(), Counts { blocked: 1, ..Counts::default() }, "{}", world.text());
}

mod finalizers {
    use super::*;

    #[test]
    fn a_leftover_that_does_not_go_is_said_and_stops_nothing() {
        let mut world = World::deployed();
        let mut stray = world.live(Kind::Service, "postgres").clone();
        stray.key.name = "stray".into();
        stray.body["metadata"]["finalizers"] = json!(["example.com/never", "example.com/later"]);
        stray.body["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:00:00Z");
        world.observed.objects.insert(stray.key.clone(), stray);
        assert!(world.plan().actions.is_empty(), "five minutes are no reason to worry: {}", world.text());
        world.settings.now = "2026-01-02T03:30:00Z".parse().unwrap();
        let plan = world.plan();
        let shown = text::to_text(&plan);
        assert!(plan.obstacle().is_none() && plan.undone().count() == 1, "{shown}");
        assert!(
            shown.contains("being deleted for 30 minutes; the finalizer example.com/never, example.com/later"),
            "{shown}"
        );
        world.edit("compose.yml", "postgres:17", "postgres:18");
        assert_eq!(world.plan().counts().changed, 1);
    }
}
