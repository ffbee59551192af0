//! A volume whose claim was deleted by hand.

use serde_json::json;

use super::super::*;
use super::world::World;

/// A deployed App whose claim was deleted, as Kubernetes shows it.
fn released() -> World {
    let mut world = World::deployed();
    let claim = world.live(Kind::PersistentVolumeClaim, "").key.clone();
    world.observed.objects.remove(&claim);
    let volume = world.live(Kind::PersistentVolume, "");
    volume.body["status"] = json!({"phase": "Released"});
    // The API server keeps each field of the reference on its own.
    let reference = json!({"f:apiVersion": {}, "f:kind": {}, "f:name": {}, "f:namespace": {}});
    volume.body["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:claimRef"] = reference;
    volume.body["spec"]["claimRef"]["uid"] = json!("gone-1");
    volume.body["spec"]["claimRef"]["resourceVersion"] = json!("7");
    world
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.actions.iter().map(|action| ActionKind::of(&action.what).word()).collect()
}

#[test]
fn it_is_given_back_to_a_claim_that_is_made_anew() {
    let world = released();
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      ~ give back      PersistentVolume k4x-2dmn7i-default-5iyixp-3h0f09  — its claim was deleted and the disk kept; it is bound again, with the same data (kompoxops.yml:27:7)
      + create         PersistentVolumeClaim k4x-2dmn7i-app1-5iyixp/k4x-2dmn7i-default-5iyixp-3h0f09  — the cluster has none (kompoxops.yml:27:7)
    "#);
    let plan = world.plan();
    assert_eq!(plan.counts(), Counts { created: 1, changed: 1, ..Counts::default() });
    assert!(plan.obstacle().is_none() && plan.writes());
    let markdown = markdown::to_markdown(&plan);
    assert!(markdown.contains("| **give back** | PersistentVolume "), "{markdown}");
    let json = serde_json::to_value(view::View::of(&plan)).unwrap();
    assert_eq!((&json["actions"][0]["action"], &json["actions"][0]["stage"]), (&json!("giveBack"), &json!("Volumes")));
}

#[test]
fn the_claim_that_it_was_bound_to_may_have_been_made_anew_already() {
    let mut world = released();
    let rest = world.plan();
    let claim = rest.actions.iter().find_map(|action| match &action.what {
        What::Create { object, .. } => Some(super::world::applied(object)),
        _ => None,
    });
    let claim = claim.unwrap();
    world.observed.objects.insert(claim.key.clone(), claim.clone());
    assert_eq!(kinds(&world.plan()), ["giveBack"]);
    // The very claim: Kubernetes has not seen yet what the volume says.
    world.live(Kind::PersistentVolumeClaim, "").uid = "gone-1".into();
    assert!(kinds(&world.plan()).is_empty(), "{}", world.text());
}

#[test]
fn only_a_released_volume_of_the_apps_own_claim_is() {
    for (pointer, value) in [("/status/phase", "Bound"), ("/status/phase", "Failed")] {
        let mut world = released();
        *world.live(Kind::PersistentVolume, "").body.pointer_mut(pointer).unwrap() = json!(value);
        assert!(!kinds(&world.plan()).contains(&"giveBack"), "{value}: {}", world.text());
    }
    for pointer in ["/spec/claimRef/namespace", "/spec/claimRef/name"] {
        let mut world = released();
        *world.live(Kind::PersistentVolume, "").body.pointer_mut(pointer).unwrap() = json!("elsewhere");
        assert!(!kinds(&world.plan()).contains(&"giveBack"), "{pointer}: {}", world.text());
    }
    let mut free = released();
    free.live(Kind::PersistentVolume, "").body["spec"]["claimRef"].as_object_mut().unwrap().remove("uid");
    assert_eq!(kinds(&free.plan()), ["create"], "{}", free.text());
}

#[test]
fn the_volume_of_a_disk_that_is_no_longer_mounted_is_kept_as_it_is() {
    let mut world = released();
    let volume = world.live(Kind::PersistentVolume, "").clone();
    world.observed.objects.remove(&volume.key);
    let mut older = volume;
    older.key.name = older.key.name.replace("-5iyixp-", "-5iyixp-older");
    older.body["spec"]["claimRef"]["name"] = json!(older.key.name);
    let key = older.key.clone();
    world.observed.objects.insert(key.clone(), older);
    let plan = world.plan();
    let of_it = plan.actions.iter().find(|action| action.what.subject() == Subject::Object(key.clone())).unwrap();
    assert!(matches!(of_it.what, What::Keep(_)), "{}", world.text());
}

#[test]
fn a_read_only_cluster_has_nothing_given_back() {
    let mut world = released();
    world.edit("kompoxops.yml", "cluster:\n", "cluster:\n  protection:\n    installation: readOnly\n");
    let plan = world.plan();
    assert_eq!((plan.counts().blocked, plan.writes()), (2, false), "{}", world.text());
}
