//! What is deleted, and what is not, whatever the API server answers.

use kompox_manifests::names::Names;

use super::*;
use crate::cluster::error::FieldConflict;

/// A world whose App is deployed, and a commit that changes its Service's port.
async fn deployed() -> (World, Memories) {
    let mut world = World::new();
    world.edit("shop/compose.yml", "    env_file", "    ports: [\"80:80\"]\n    env_file");
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    world.edit("shop/compose.yml", "80:80", "81:80");
    (world, memory)
}

fn immutable() -> Cause {
    let message = "field is immutable".to_owned();
    Cause::Invalid(vec![FieldProblem { field: "spec.clusterIP".into(), message, immutable: true }])
}

/// Whether a dry-run is of an object where none of its name is.
fn is_rehearsal(call: &str) -> bool {
    call.ends_with("/kompox-rehearsal")
}

/// How many dry-runs come before one.
fn before(world: &World, earlier: usize, is_tried: impl Fn(&str) -> bool) -> usize {
    world.calls("dry-run").iter().skip(earlier).position(|call| is_tried(call)).unwrap()
}

/// Dry-runs of the second commit before its first Service.
async fn place_of_service() -> usize {
    let (world, mut memory) = deployed().await;
    let earlier = world.calls("dry-run").len();
    world.look(&world.commit(2), &mut memory).await;
    before(&world, earlier, |call| call.starts_with("Service "))
}

#[tokio::test]
async fn what_never_changes_in_place_is_deleted_and_made_anew() {
    let place = place_of_service().await;
    let (world, mut memory) = deployed().await;
    world.cluster.fault_later("dry-run", place, Fault::Refuse(immutable()));
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(outcome.failures().next().is_none());
    assert_eq!(done(&outcome).replaced, 1);
    let calls = world.cluster.calls();
    let deleted = calls.iter().position(|call| call.starts_with("delete Service")).unwrap();
    let name = calls[deleted].strip_prefix("delete ").unwrap();
    assert!(calls.iter().skip(deleted).any(|call| call.strip_prefix("apply ") == Some(name)), "{calls:#?}");
    // It was tried where nothing was in its way, before anything was deleted.
    let tried = calls.iter().position(|call| is_rehearsal(call)).unwrap();
    assert!(tried < deleted);
}

#[tokio::test]
async fn what_takes_its_time_to_go_holds_no_worker_up() {
    let place = place_of_service().await;
    let (world, mut memory) = deployed().await;
    let services = world.cluster.inner.list_owned(Kind::Service).await.unwrap();
    let service = services.into_iter().next().unwrap();
    let mut body = service.body.clone();
    body["metadata"]["finalizers"] = serde_json::json!(["kompox.dev/test"]);
    world.cluster.inner.store(&service.key, &body);
    world.cluster.fault_later("dry-run", place, Fault::Refuse(immutable()));
    let (deleted, key) = (world.calls("delete").len(), service.key.to_string());
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!((failure(&outcome).label, failure(&outcome).passes()), ("terminating", true));
    assert!(failure(&outcome).text.contains("made anew once it is gone"), "{}", failure(&outcome));
    assert_eq!(world.calls("delete").get(deleted..), Some([key.clone()].as_slice()));
    assert!(!world.calls("get").contains(&key), "nobody asks whether it is gone");
    // The cache has it before any watch tells: what follows waits, and deletes nothing again.
    let outcome = look(&world.agent, &world.commit(2), &mut memory).await;
    assert!(failure(&outcome).passes() && failure(&outcome).text.contains("being deleted"), "{}", failure(&outcome));
    assert_eq!(world.calls("delete").len(), deleted + 1);
    world.cluster.inner.delete_now(&service.key);
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!((outcome.failures().count(), done(&outcome).created), (0, 1));
}

#[tokio::test]
async fn what_no_webhook_can_try_is_shown_as_assumed() {
    let no_dry_run = || Fault::Refuse(Cause::WebhookNoDryRun("policy".into()));
    let plan = async |faults: Vec<(usize, Fault)>| {
        let (world, _) = deployed().await;
        world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
        for (place, fault) in faults {
            world.cluster.fault_later("dry-run", place, fault);
        }
        let earlier = world.calls("dry-run").len();
        let preview = preview(&world.agent, &world.commit(2), &BTreeSet::new()).await.unwrap();
        assert_eq!(preview.refused.len(), 0);
        let view = kompox_core::plan::view::View::of(&preview.plans[0]);
        let assumed: Vec<_> = view.actions.into_iter().filter(|action| action.assumed).collect();
        (assumed, world.calls("dry-run").split_off(earlier))
    };
    let (none, tried) = plan(Vec::new()).await;
    assert!(none.is_empty());
    let place = tried.iter().position(|call| call.starts_with("Service ")).unwrap();
    let (changed, _) = plan(vec![(place, no_dry_run())]).await;
    let (_, tried) = plan(vec![(place, Fault::Refuse(immutable()))]).await;
    let rehearsal = tried.iter().position(|call| is_rehearsal(call)).unwrap();
    let (replaced, _) = plan(vec![(place, Fault::Refuse(immutable())), (rehearsal, no_dry_run())]).await;
    for (assumed, action) in [(changed, "change"), (replaced, "replace")] {
        let [only] = assumed.as_slice() else { panic!("{assumed:?}") };
        assert_eq!((only.action.word(), only.subject.split(' ').next()), (action, Some("Service")));
        assert!(only.reason.ends_with("; assumed to be accepted: a webhook of the cluster takes no dry-run"));
    }
}

#[tokio::test]
async fn a_plan_that_changed_after_it_was_shown_is_not_carried_out() {
    let (mut world, mut memory) = deployed().await;
    world.edit("shop/web.env", "A=1", "A=2");
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    let shown = preview(&world.agent, &world.commit(2), &BTreeSet::new()).await.unwrap();
    let agent = Arc::get_mut(&mut world.agent).unwrap();
    agent.review = Some(crate::context::Review::of(&shown.plans));
    let services = world.cluster.inner.list_owned(Kind::Service).await.unwrap();
    world.cluster.inner.delete_now(&services[0].key);
    let written = world.calls("apply").len();
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!((failure(&outcome).kind, failure(&outcome).label), (FailureKind::Obstacle, "plan-changed"));
    assert_eq!(world.calls("apply").len(), written);
    // As it was when it was shown.
    world.cluster.inner.store(&services[0].key, &services[0].body);
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(outcome.failures().count(), 0);
    assert!(done(&outcome).wrote());
    // What follows is the rest of it, whatever happens meanwhile.
    world.cluster.inner.delete_now(&services[0].key);
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!((outcome.failures().count(), done(&outcome).created), (0, 1));
}

#[tokio::test]
async fn what_would_be_refused_anew_is_not_deleted() {
    let place = place_of_service().await;
    let (world, mut memory) = deployed().await;
    world.cluster.fault_later("dry-run", place, Fault::Refuse(immutable()));
    // The rehearsals come after all that is under way.
    let (probe, mut probed) = deployed().await;
    probe.cluster.fault_later("dry-run", place, Fault::Refuse(immutable()));
    let earlier = probe.calls("dry-run").len();
    probe.look(&probe.commit(2), &mut probed).await;
    let rehearsal = before(&probe, earlier, is_rehearsal);
    world.cluster.fault_later("dry-run", rehearsal, Fault::Refuse(invalid()));
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(failure(&outcome).kind, FailureKind::Rejected);
    assert!(world.calls("delete").is_empty());
}

#[tokio::test]
async fn a_conflict_degrades_the_app_and_writes_nothing() {
    let place = place_of_service().await;
    let (world, mut memory) = deployed().await;
    let writes = world.calls("apply").len();
    let conflict = FieldConflict { field: ".spec.ports".into(), manager: "meshd".into(), subresource: None };
    world.cluster.fault_later("dry-run", place, Fault::Refuse(Cause::Conflict(vec![conflict])));
    let outcome = world.look(&world.commit(2), &mut memory).await;
    let failure = failure(&outcome);
    assert_eq!((failure.kind, failure.label), (FailureKind::Obstacle, "blocked"));
    for words in ["meshd", ".spec.ports", "compose.yml", "reconcile.force"] {
        assert!(failure.text.contains(words), "{failure}");
    }
    assert_eq!(world.calls("apply").len(), writes);
    // Nothing has changed: it is not asked again. Something has: the other one may have let go of it.
    let tried = world.calls("dry-run").len();
    let again = world.look(&world.commit(2), &mut memory).await;
    assert_eq!((again.failures().count(), world.calls("dry-run").len()), (1, tried));
    world.heal(true);
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(outcome.failures().next().is_none());
}

#[tokio::test]
async fn a_controller_behind_a_persons_edit_is_found_before_the_first_write() {
    // A person and a controller both hold something of the Service.
    let edited = async || {
        let (world, memory) = deployed().await;
        let service = world.cluster.inner.list_owned(Kind::Service).await.unwrap().remove(0);
        let mut body = service.body;
        body["spec"]["selector"] = serde_json::json!({"app": "mine"});
        let entries = body["metadata"]["managedFields"].as_array_mut().unwrap();
        for (manager, field) in [("kubectl-edit", "f:selector"), ("meshd", "f:clusterIP")] {
            entries.push(serde_json::json!({"manager": manager, "operation": "Update", "apiVersion": "v1",
                "fieldsV1": {"f:spec": {field: {}}}}));
        }
        world.cluster.inner.store(&service.key, &body);
        (world, memory)
    };
    let (probe, mut probed) = edited().await;
    let earlier = probe.calls("dry-run").len();
    probe.look(&probe.commit(2), &mut probed).await;
    let place = before(&probe, earlier, |call| call.starts_with("Service "));
    let (world, mut memory) = edited().await;
    let conflict =
        |manager: &str| FieldConflict { field: ".spec.selector".into(), manager: manager.into(), subresource: None };
    let both = vec![conflict("kubectl-edit"), conflict("meshd")];
    world.cluster.fault_later("dry-run", place, Fault::Refuse(Cause::Conflict(both)));
    let written = world.calls("apply").len();
    let outcome = world.look(&world.commit(2), &mut memory).await;
    let failure = failure(&outcome);
    assert_eq!((failure.kind, failure.label), (FailureKind::Obstacle, "blocked"));
    assert!(failure.text.contains("meshd") && !failure.text.contains("kubectl-edit"), "{failure}");
    assert_eq!(world.calls("apply").len(), written);
}

/// A world with two objects that the next commit no longer asks for.
async fn with_leftovers() -> (World, Memories) {
    let mut world = World::new();
    let more =
        "    env_file: [web.env]\n  extra:\n    image: nginx:1\n    ports: [\"80:80\"]\n    env_file: [web.env]\n";
    world.edit("shop/compose.yml", "    env_file: [web.env]\n", more);
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    world.edit(
        "shop/compose.yml",
        "  extra:\n    image: nginx:1\n    ports: [\"80:80\"]\n    env_file: [web.env]\n",
        "",
    );
    (world, memory)
}

#[tokio::test]
async fn a_refused_deletion_is_said_and_keeps_no_other_from_going() {
    let webhook = Cause::Denied("admission webhook \"keep.example.com\" denied the request: not today".into());
    let cases = [
        (webhook, FailureKind::Obstacle, "not today"),
        (
            Cause::Forbidden("it may not delete services".into()),
            FailureKind::Fault(kompox_core::next::Next::Stalled),
            "may not",
        ),
        (Cause::Changed, FailureKind::Fault(kompox_core::next::Next::Retry { after: None }), "changed it"),
    ];
    let (plain, mut memory) = with_leftovers().await;
    plain.look(&plain.commit(2), &mut memory).await;
    let all = plain.calls("delete");
    assert!(all.len() >= 2, "{all:?}");
    let all = &all;
    let cases = cases.map(|(cause, kind, words)| async move {
        let (world, mut memory) = with_leftovers().await;
        world.cluster.fault_later("delete", 0, Fault::Refuse(cause.clone()));
        let outcome = world.look(&world.commit(2), &mut memory).await;
        assert_eq!(&world.calls("delete"), all, "the others were tried");
        assert_eq!(done(&outcome).deleted, all.len() - 1);
        // Everything else is as asked: that is written down, and the App's health goes on being watched.
        assert!(outcome.progressing());
        let names = Names::of(&outcome.apps[0].id);
        let stored = applied::load(world.cluster.as_ref(), &names).await.unwrap().unwrap();
        assert_eq!(stored.record.commit, world.commit(2).id);
        world.cluster.fault_later("delete", 0, Fault::Refuse(cause));
        tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
        let outcome = world.look(&world.commit(2), &mut memory).await;
        let failure = failure(&outcome);
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.text.contains(words) && failure.text.contains("does not go"), "{failure}");
        // Nothing has to be done but to look again.
        let again = world.look(&world.commit(2), &mut memory).await;
        assert_eq!((again.failures().count(), done(&again).deleted), (0, 1));
    });
    futures::future::join_all(cases).await;
}

#[tokio::test]
async fn whatever_fails_before_the_end_nothing_is_deleted() {
    let (plain, mut memory) = with_leftovers().await;
    let (tried, written) = (plain.calls("dry-run").len(), plain.calls("apply").len());
    plain.look(&plain.commit(2), &mut memory).await;
    let (tries, writes) = (plain.calls("dry-run").len() - tried, plain.calls("apply").len() - written);
    assert!(tries > 0 && writes > 0);
    let faults = (0..tries).map(|call| ("dry-run", call)).chain((0..writes).map(|call| ("apply", call)));
    for (verb, call) in faults {
        let (world, mut memory) = with_leftovers().await;
        world.cluster.fault_later(verb, call, Fault::Refuse(unavailable()));
        let outcome = world.look(&world.commit(2), &mut memory).await;
        assert!(outcome.failures().next().is_some(), "{verb} {call}");
        assert!(world.calls("delete").is_empty(), "{verb} {call}");
    }
}

/// Somebody changes a label of the Service.
async fn meddle(world: &World) {
    let service = world.cluster.inner.list_owned(Kind::Service).await.unwrap().remove(0);
    let mut body = service.body;
    body["metadata"]["labels"]["app.kubernetes.io/name"] = serde_json::json!("mine");
    world.cluster.inner.store(&service.key, &body);
}

#[tokio::test]
async fn a_field_is_not_fought_over_and_a_commit_begins_anew() {
    let mut world = World::new();
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    for round in 0..3 {
        meddle(&world).await;
        let outcome = world.look(&world.commit(1), &mut memory).await;
        assert!(outcome.failures().next().is_none(), "round {round}");
        assert_eq!((done(&outcome).changed, outcome.apps[0].restored), (1, 1), "round {round}");
    }
    meddle(&world).await;
    let written = world.calls("apply").len();
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert_eq!((done(&outcome).changed, world.calls("apply").len()), (0, written));
    // What a commit changes is no fight.
    world.edit("shop/web.env", "A=1", "A=2");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(outcome.failures().next().is_none());
    // The Service is put back with it.
    assert!(done(&outcome).changed >= 2 && outcome.apps[0].restored == 1);
}

#[tokio::test]
async fn what_is_to_be_reported_only_is_told_and_left() {
    let mut world = World::new();
    world.edit("shop/kompoxops.yml", "  compose:", "  reconcile: {drift: report}\n  compose:");
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert!(outcome.apps[0].drift.is_empty(), "what a dry-run refutes is none: {:?}", outcome.apps[0].drift);
    meddle(&world).await;
    let written = world.calls("apply").len();
    for process in 0..2 {
        let outcome = world.look(&world.commit(1), &mut memory).await;
        let [drift] = outcome.apps[0].drift.as_slice() else { panic!("{:?}", outcome.apps[0].drift) };
        assert!(drift.starts_with("Service ") && drift.contains("labels"), "{drift}");
        assert_eq!((outcome.failures().count(), world.calls("apply").len()), (0, written), "process {process}");
        memory = Memories::default();
    }
    // A commit that asks for something else of the object is applied, and nobody is told of drift any more.
    world.edit("shop/kompoxops.yml", "drift: report", "drift: correct");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(outcome.apps[0].drift.is_empty() && outcome.apps[0].restored == 1);
}

/// Somebody deletes the only object of a kind.
async fn remove(world: &World, kind: Kind) {
    let found = world.cluster.inner.list_owned(kind).await.unwrap();
    world.cluster.inner.delete_now(&found.first().unwrap().key);
}

#[tokio::test]
async fn what_is_deleted_again_and_again_is_left_and_said_and_a_commit_begins_anew() {
    for kind in [Kind::Deployment, Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::Secret] {
        let mut world = World::new();
        let mut memory = Memories::default();
        world.look(&world.commit(1), &mut memory).await;
        for round in 0..3 {
            remove(&world, kind).await;
            let outcome = world.look(&world.commit(1), &mut memory).await;
            assert!(outcome.failures().next().is_none(), "{kind} {round}");
            assert_eq!((done(&outcome).created, outcome.apps[0].restored), (1, 1), "{kind} {round}");
        }
        remove(&world, kind).await;
        let written = world.calls("apply").len();
        // At once and for as long as it is left, whatever it means for the Pod.
        for _ in 0..2 {
            let outcome = world.look(&world.commit(1), &mut memory).await;
            let failure = failure(&outcome);
            assert_eq!((failure.label, failure.kind), ("left", FailureKind::Obstacle), "{kind}: {failure}");
            assert!(failure.text.contains("made anew 3 times in 10 minutes and is gone again"), "{kind}: {failure}");
            assert_eq!((world.calls("apply").len(), world.disks()), (written, 1), "{kind}");
        }
        world.edit("shop/web.env", "A=1", "A=2");
        let outcome = world.look(&world.commit(2), &mut memory).await;
        assert_eq!((outcome.failures().count(), done(&outcome).created), (0, 1), "{kind}");
        assert_eq!(world.disks(), 1, "{kind}");
    }
}

#[tokio::test]
async fn a_namespace_that_is_deleted_again_and_again_is_not_made_for_ever() {
    let world = World::new();
    let mut memory = Memories::default();
    for _ in 0..2 {
        world.look(&world.commit(1), &mut memory).await;
    }
    let remove_all = async || {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::PersistentVolume) {
            let found = world.cluster.inner.list_owned(kind).await.unwrap();
            found.iter().for_each(|object| world.cluster.inner.delete_now(&object.key));
        }
    };
    for round in 0..3 {
        remove_all().await;
        let outcome = world.look(&world.commit(1), &mut memory).await;
        assert!(outcome.failures().next().is_none() && done(&outcome).created > 1, "round {round}");
    }
    remove_all().await;
    let (written, tried) = (world.calls("apply").len(), world.calls("dry-run").len());
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert_eq!((failure(&outcome).label, failure(&outcome).kind), ("blocked", FailureKind::Obstacle));
    assert!(failure(&outcome).text.contains("Namespace "), "{}", failure(&outcome));
    assert_eq!((world.calls("apply").len(), world.calls("dry-run").len(), world.disks()), (written, tried, 1));
}

#[tokio::test]
async fn only_what_was_really_made_anew_counts() {
    let world = World::new();
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    remove(&world, Kind::Deployment).await;
    for round in 0..3 {
        // The Secret comes back, and the Deployment behind it does not.
        remove(&world, Kind::Secret).await;
        world.cluster.fault_later("apply", 1, Fault::Refuse(unavailable()));
        let outcome = world.look(&world.commit(1), &mut memory).await;
        assert_eq!((outcome.failures().count(), done(&outcome).created), (1, 1), "round {round}");
    }
    let outcome = world.look(&world.commit(1), &mut memory).await;
    assert_eq!((outcome.failures().count(), done(&outcome).created), (0, 1));
}

#[tokio::test]
async fn a_window_lets_a_restart_go_that_no_commit_asks_for() {
    for (window, restarts) in [("", false), ("{schedule: '* * * * *', duration: 1h}", true)] {
        let mut world = World::new();
        world.edit(
            "shop/kompoxops.yml",
            "  volumes:\n",
            &format!("  reconcile: {{windows: [{window}]}}\n  volumes:\n"),
        );
        world.look(&world.commit(1), &mut Memories::default()).await;
        // An older renderer has written another template.
        rendering::applied_by_another(&world, Some("otherwise")).await;
        let deployment = world.cluster.inner.list_owned(Kind::Deployment).await.unwrap().remove(0);
        let mut body = deployment.body;
        body["spec"]["template"]["spec"]["containers"][0]["image"] = serde_json::json!("nginx:0");
        world.cluster.inner.store(&deployment.key, &body);
        let outcome = world.look(&world.commit(1), &mut Memories::default()).await;
        assert_eq!((done(&outcome).changed == 1, outcome.apps[0].holds.is_empty()), (restarts, restarts), "{window}");
    }
}

#[tokio::test]
async fn a_change_that_turns_out_to_be_a_replacement_is_forbidden_where_nothing_may_be_deleted() {
    let protection = "{name: c1, existing: true, protection: {installation: cannotDelete}}";
    let place = place_of_service().await;
    let (mut world, mut memory) = deployed().await;
    world.edit("shop/kompoxops.yml", "{name: c1, existing: true}", protection);
    world.cluster.fault_later("dry-run", place, Fault::Refuse(immutable()));
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(failure(&outcome).text.contains("cannotDelete"), "{}", failure(&outcome));
    assert!(world.calls("delete").is_empty());
    assert!(!done(&outcome).wrote());
}

#[tokio::test]
async fn a_namespace_without_the_label_by_which_it_is_watched_gets_it_back() {
    let (world, mut memory) = deployed().await;
    let namespace = || async { world.cluster.inner.list_owned(Kind::Namespace).await.unwrap() };
    let mut live = namespace().await.remove(0);
    let labels = live.body.pointer_mut("/metadata/labels").and_then(serde_json::Value::as_object_mut).unwrap();
    labels.remove("app.kubernetes.io/managed-by").unwrap();
    world.cluster.inner.store(&live.key, &live.body);
    assert!(namespace().await.is_empty());
    world.look(&world.commit(2), &mut memory).await;
    assert_eq!(namespace().await.len(), 1, "it was written");
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert!(outcome.failures().next().is_none(), "{}", failure(&outcome));
    assert_eq!(world.disks(), 1);
}

#[tokio::test]
async fn a_leftover_that_does_not_end_is_told_though_nothing_else_happens() {
    let (mut world, mut memory) = with_leftovers().await;
    // Nothing makes it ask a provider again.
    world.edit("shop/kompoxops.yml", "  volumes:\n    - {name: data, size: 1Gi}\n", "");
    world.edit("shop/compose.yml", "    volumes: [\"data:/srv\"]\n", "");
    let service = world.cluster.inner.list_owned(Kind::Service).await.unwrap().remove(0);
    let since = Timestamp::now() - std::time::Duration::from_secs(10 * 60 - 9);
    let mut body = service.body.clone();
    body["metadata"]["deletionTimestamp"] = serde_json::json!(since.to_string());
    body["metadata"]["finalizers"] = serde_json::json!(["example.com/hook"]);
    world.cluster.inner.store(&service.key, &body);
    world.look(&world.commit(2), &mut memory).await;
    tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!(outcome.apps[0].state, State::Healthy);
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    let outcome = look(&world.agent, &world.commit(2), &mut memory).await;
    assert!(failure(&outcome).text.contains("example.com/hook"), "{}", failure(&outcome));
}
