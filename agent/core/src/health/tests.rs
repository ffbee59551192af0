//! Statuses as the control plane and the kubelet write them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

/// A workload whose rollout waits for its only Pod, with one volume that is bound.
struct Scene {
    deployment: Value,
    replica_sets: Value,
    pods: Value,
    claims: Value,
    events: Value,
}

fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "a"}},
        "spec": {
            "initContainers": [{"name": "setup", "image": "busybox:1.36"}],
            "containers": [{"name": "web", "image": image}, {"name": "db", "image": "postgres:17"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "claim-1"}}],
        },
    })
}

fn replica_set(uid: &str, image: &str) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = json!(uid);
    json!({
        "metadata": {"name": format!("a-{uid}"), "uid": uid,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "d1"}]},
        "spec": {"selector": {}, "template": template},
    })
}

fn pod(name: &str, owner: &str, status: Value) -> Value {
    let mut spec = template("web:2")["spec"].clone();
    spec["nodeName"] = json!("node-1");
    json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": owner}]},
        "spec": spec,
        "status": status,
    })
}

/// Statuses of the containers `setup` (done), `web` (as given) and `db` (ready).
fn containers(web: Value) -> Value {
    let mut web = web;
    web["name"] = json!("web");
    for (field, default) in
        [("ready", json!(false)), ("restartCount", json!(0)), ("image", json!("")), ("imageID", json!(""))]
    {
        if web.get(field).is_none() {
            web[field] = default;
        }
    }
    let done = json!({"name": "setup", "ready": true, "restartCount": 0, "image": "", "imageID": "",
        "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
    let db = json!({"name": "db", "ready": true, "started": true, "restartCount": 0, "image": "", "imageID": "",
        "state": {"running": {}}});
    json!({"phase": "Pending", "initContainerStatuses": [done], "containerStatuses": [web, db]})
}

impl Scene {
    fn new() -> Self {
        let mut of_deployment = template("web:2");
        of_deployment["metadata"]["labels"] = json!({"app": "a"});
        Self {
            deployment: json!({
                "metadata": {"name": "a", "uid": "d1", "generation": 2},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": of_deployment},
                "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1},
            }),
            replica_sets: json!([replica_set("old", "web:1"), replica_set("new", "web:2")]),
            pods: json!([pod(
                "a-1",
                "new",
                containers(json!({"state": {"waiting": {"reason": "ContainerCreating"}}}))
            )]),
            claims: json!([{"metadata": {"name": "claim-1", "uid": "c1"},
                "spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}]),
            events: json!([]),
        }
    }

    fn web(status: Value) -> Self {
        Self { pods: json!([pod("a-1", "new", containers(status))]), ..Self::new() }
    }

    fn status(mut self, status: Value) -> Self {
        self.deployment["status"] = status;
        self
    }

    fn event(mut self, uid: &str, kind: &str, reason: &str, at: &str, message: &str) -> Self {
        let event = json!({"metadata": {}, "involvedObject": {"uid": uid}, "type": kind, "reason": reason,
            "lastTimestamp": at, "message": message});
        self.events.as_array_mut().unwrap().push(event);
        self
    }

    fn assess(self) -> Health {
        assess(&Workload {
            deployment: Some(serde_json::from_value(self.deployment).unwrap()),
            replica_sets: serde_json::from_value(self.replica_sets).unwrap(),
            pods: serde_json::from_value(self.pods).unwrap(),
            claims: serde_json::from_value(self.claims).unwrap(),
            events: serde_json::from_value(self.events).unwrap(),
        })
    }

    /// `label: sentence` of a workload that is not well.
    fn degraded(self) -> String {
        match self.assess() {
            Health::Degraded { reason } => format!("{}: {}", reason.label, reason.text),
            other => panic!("{other:?}"),
        }
    }

    fn progressing(self) -> String {
        match self.assess() {
            Health::Progressing { reason } => format!("{}: {}", reason.label, reason.text),
            other => panic!("{other:?}"),
        }
    }
}

fn rolled_out() -> Value {
    json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1})
}

#[test]
fn a_deployment_that_is_rolled_out_is_healthy() {
    assert_eq!(Scene::new().status(rolled_out()).assess(), Health::Healthy);
}

#[test]
fn a_deployment_scaled_to_nothing_is_healthy() {
    let mut scene = Scene::new().status(json!({"observedGeneration": 2}));
    scene.deployment["spec"]["replicas"] = json!(0);
    scene.pods = json!([]);
    assert_eq!(scene.assess(), Health::Healthy);
}

#[test]
fn an_older_generation_is_no_news() {
    let mut status = rolled_out();
    status["observedGeneration"] = json!(1);
    assert_eq!(
        Scene::new().status(status).progressing(),
        "Observing: the Deployment controller has seen generation 1 of 2"
    );
}

#[test]
fn an_old_pod_that_is_left_keeps_it_from_being_healthy() {
    let mut status = rolled_out();
    status["replicas"] = json!(2);
    assert!(matches!(Scene::new().status(status).assess(), Health::Progressing { .. }));
}

#[test]
fn a_missing_deployment_is_degraded() {
    assert_eq!(assess(&Workload::default()).to_string(), "degraded: the Deployment does not exist");
}

#[test]
fn an_image_that_cannot_be_pulled_is_named() {
    let scene = Scene::web(json!({"state": {"waiting": {"reason": "ImagePullBackOff",
        "message": "Back-off pulling image \"web:2\": ErrImagePull: failed to resolve reference \"docker.io/library/web:2\": not found"}}}));
    insta::assert_snapshot!(scene.degraded(), @r#"ImagePullBackOff: Pod a-1: the image web:2 of container web cannot be had: Back-off pulling image "web:2": ErrImagePull: failed to resolve reference "docker.io/library/web:2": not found"#);
    let first = Scene::web(json!({"state": {"waiting": {"reason": "ErrImagePull"}}}));
    assert!(first.degraded().starts_with("ImagePullBackOff: "), "one label for both, so that patience is not reset");
}

#[test]
fn an_image_name_that_is_none_will_never_do() {
    let scene = Scene::web(
        json!({"state": {"waiting": {"reason": "InvalidImageName", "message": "couldn't parse image name"}}}),
    );
    let health = scene.assess();
    assert_eq!(health.reason().unwrap().outlook, Outlook::Never);
    let limits = Limits::of_app(None, true);
    assert!(matches!(Rollout::new(limits).observe(Duration::ZERO, &health), Verdict::Failed { timed_out: false, .. }));
}

#[test]
fn a_crash_loop_tells_the_last_exit_but_not_what_was_printed() {
    let scene = Scene::web(json!({
        "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 1m20s restarting failed container"}},
        "lastState": {"terminated": {"exitCode": 78, "reason": "Error", "message": "password=hunter2"}},
    }));
    insta::assert_snapshot!(scene.degraded(), @"CrashLoopBackOff: container web of Pod a-1 keeps ending: exit code 78 (restarted 4 times)");
}

#[test]
fn out_of_memory_and_signals_are_told() {
    let ended = |state: Value| Scene::web(json!({"restartCount": 1, "state": {"terminated": state}})).degraded();
    assert_eq!(
        ended(json!({"exitCode": 137, "reason": "OOMKilled"})),
        "CrashLoopBackOff: container web of Pod a-1 ended: out of memory (OOMKilled)"
    );
    assert_eq!(
        ended(json!({"exitCode": 139, "reason": "Error", "signal": 11})),
        "CrashLoopBackOff: container web of Pod a-1 ended: signal 11"
    );
    assert_eq!(
        ended(json!({"exitCode": 128, "reason": "StartError"})),
        "CrashLoopBackOff: container web of Pod a-1 ended: exit code 128 (StartError)"
    );
    assert_eq!(
        ended(json!({"exitCode": 0, "reason": "Completed"})),
        "CrashLoopBackOff: container web of Pod a-1 ended: exit code 0",
        "a main container must not end at all"
    );
}

#[test]
fn a_failing_init_container_is_named() {
    let mut scene = Scene::new();
    scene.pods[0]["status"]["initContainerStatuses"][0] = json!({"name": "setup", "ready": false, "restartCount": 2,
        "image": "", "imageID": "", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}});
    assert_eq!(
        scene.degraded(),
        "CrashLoopBackOff: init container setup of Pod a-1 keeps ending: exit code 1 (restarted 2 times)"
    );
}

#[test]
fn a_running_init_container_and_a_sidecar_that_is_not_ready_are_told_apart() {
    let mut scene = Scene::new();
    let running = json!({"name": "setup", "ready": false, "started": true, "restartCount": 0, "image": "", "imageID": "",
        "state": {"running": {}}});
    scene.pods[0]["status"]["initContainerStatuses"][0] = running.clone();
    assert_eq!(scene.progressing(), "Initializing: Pod a-1: init container setup is running");

    let mut scene = Scene::new();
    scene.pods[0]["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    scene.pods[0]["status"]["initContainerStatuses"][0] = running;
    assert_eq!(scene.progressing(), "NotReady: Pod a-1: sidecar container setup runs and is not ready yet");

    let mut scene = Scene::new();
    scene.pods[0]["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    assert_eq!(
        scene.degraded(),
        "CrashLoopBackOff: sidecar container setup of Pod a-1 ended: exit code 0",
        "a sidecar must not end, not even well"
    );
}

#[test]
fn a_missing_config_is_told_in_the_kubelets_words() {
    let scene = Scene::web(json!({"state": {"waiting": {"reason": "CreateContainerConfigError",
        "message": "secret \"a-app--sec-key\" not found"}}}));
    insta::assert_snapshot!(scene.degraded(), @r#"CreateContainerConfigError: Pod a-1: container web cannot be started: secret "a-app--sec-key" not found"#);
}

#[test]
fn an_unschedulable_pod_has_the_schedulers_words() {
    let mut scene = Scene::new();
    scene.pods[0]["spec"]["nodeName"] = json!(null);
    scene.pods[0]["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."}]});
    insta::assert_snapshot!(scene.degraded(), @"Unschedulable: no node takes Pod a-1: 0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.");
}

fn pending_claim(mut scene: Scene) -> Scene {
    scene.claims[0]["status"]["phase"] = json!("Pending");
    scene.pods[0]["spec"]["nodeName"] = json!(null);
    scene.pods[0]["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."}]});
    scene
}

#[test]
fn a_claim_that_is_not_bound_is_the_cause_not_the_scheduler() {
    assert_eq!(
        pending_claim(Scene::new()).progressing(),
        "VolumeNotBound: the PersistentVolumeClaim claim-1 is not bound to the PersistentVolume pv-1 yet (it is Pending)"
    );
    let warned = pending_claim(Scene::new()).event(
        "c1",
        "Warning",
        "FailedBinding",
        "2026-01-01T00:00:00Z",
        "volume \"pv-1\" already bound to a different claim.",
    );
    assert!(warned.degraded().ends_with("(it is Pending): volume \"pv-1\" already bound to a different claim."));
}

#[test]
fn a_lost_or_missing_volume_degrades_even_a_running_workload() {
    let mut lost = Scene::new().status(rolled_out());
    lost.claims[0]["status"]["phase"] = json!("Lost");
    assert_eq!(lost.degraded(), "VolumeLost: the PersistentVolume pv-1 of the claim claim-1 is gone");
    let mut missing = Scene::new().status(rolled_out());
    missing.claims = json!([]);
    assert_eq!(missing.degraded(), "VolumeMissing: the PersistentVolumeClaim claim-1 does not exist");
}

#[test]
fn the_newest_event_tells_what_a_starting_pod_waits_for() {
    let attach = |scene: Scene| {
        scene.event(
            "uid-a-1",
            "Warning",
            "FailedAttachVolume",
            "2026-01-01T00:00:10Z",
            "Multi-Attach error for volume \"pv-1\"",
        )
    };
    let mut scene = attach(Scene::new());
    scene.pods[0]["status"] = json!({"phase": "Pending"});
    assert_eq!(scene.degraded(), "FailedAttachVolume: Pod a-1 cannot start: Multi-Attach error for volume \"pv-1\"");

    let mut scene =
        attach(Scene::new()).event("uid-a-1", "Normal", "Pulling", "2026-01-01T00:00:20Z", "Pulling image \"web:2\"");
    scene.pods[0]["status"]["containerStatuses"] = json!([]);
    scene.pods[0]["status"]["initContainerStatuses"][0]["state"] = json!({"waiting": {"reason": "PodInitializing"}});
    assert_eq!(scene.progressing(), "Starting: Pod a-1: Pulling image \"web:2\"");
}

#[test]
fn events_of_other_pods_do_not_count() {
    let mut scene = Scene::new().event("uid-other", "Warning", "FailedMount", "2026-01-01T00:00:10Z", "not ours");
    scene.pods[0]["status"] = json!({"phase": "Pending"});
    assert_eq!(scene.progressing(), "Starting: Pod a-1 is being set up on its node");
}

#[test]
fn pods_that_cannot_be_created_are_told() {
    let scene = Scene { pods: json!([]), ..Scene::new() }.status(json!({"observedGeneration": 2, "conditions": [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
         "message": "pods \"a-\" is forbidden: exceeded quota: compute, requested: cpu=2, used: cpu=3, limited: cpu=4"}]}));
    assert!(
        scene
            .degraded()
            .starts_with("ReplicaFailure: Pods cannot be created: pods \"a-\" is forbidden: exceeded quota")
    );
}

#[test]
fn kubernetes_deadline_is_told_when_nothing_better_is_known() {
    let late = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "conditions": [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]});
    let mut scene = Scene::web(json!({"started": true, "state": {"running": {}}})).status(late.clone());
    scene.deployment["spec"]["progressDeadlineSeconds"] = json!(90);
    assert_eq!(scene.degraded(), "ProgressDeadlineExceeded: no progress within 90 s (progressDeadlineSeconds)");
    let scene = Scene::web(json!({"state": {"waiting": {"reason": "ErrImagePull"}}})).status(late);
    assert!(scene.degraded().starts_with("ImagePullBackOff"));
}

#[test]
fn old_pods_are_waited_for_and_their_trouble_is_not_told() {
    let crash = containers(json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}));
    let scene = Scene { pods: json!([pod("a-0", "old", crash.clone())]), ..Scene::new() }
        .status(json!({"observedGeneration": 2, "replicas": 1}));
    assert_eq!(scene.progressing(), "Stopping: waiting for the old Pod to end");
    let mut ending = Scene { pods: json!([pod("a-1", "new", crash)]), ..Scene::new() };
    ending.pods[0]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(ending.progressing(), "Stopping: waiting for the old Pod to end");
}

#[test]
fn a_container_between_two_crashes_is_told() {
    let scene = Scene::web(json!({"restartCount": 1, "started": true, "state": {"running": {}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}));
    assert_eq!(
        scene.progressing(),
        "NotReady: Pod a-1: container web runs again (restarted once; before: exit code 3) and is not ready yet"
    );
}

#[test]
fn a_paused_deployment_that_is_not_rolled_out_is_told() {
    let mut scene = Scene::new();
    scene.deployment["spec"]["paused"] = json!(true);
    assert!(scene.degraded().starts_with("Paused: "));
}

#[test]
fn an_evicted_pod_is_told_until_another_takes_its_place() {
    let mut scene = Scene::new();
    scene.pods[0]["status"] =
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    assert_eq!(scene.degraded(), "PodFailed: Pod a-1 ended (Evicted): The node was low on resource: memory.");
}

#[test]
fn long_messages_are_cut_to_one_line() {
    let scene = Scene::web(
        json!({"state": {"waiting": {"reason": "RunContainerError", "message": format!("a\nb {}", "é".repeat(400))}}}),
    );
    let text = scene.degraded();
    assert!(text.contains(": a b é") && text.ends_with('…') && text.chars().count() < 400, "{text}");
}

mod watching {
    use super::*;

    const LIMITS: Limits = Limits {
        deadline: Duration::from_secs(600),
        patience: Duration::from_secs(180),
        settle: Duration::from_secs(3),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn crash() -> Health {
        Health::degraded("CrashLoopBackOff", Outlook::Unlikely, "keeps ending")
    }

    #[test]
    fn healthy_is_believed_when_it_lasts() {
        let mut rollout = Rollout::new(LIMITS);
        assert_eq!(rollout.observe(at(10), &Health::Healthy), Verdict::Wait);
        assert_eq!(rollout.observe(at(11), &crash()), Verdict::Wait, "ended a moment after its start");
        assert_eq!(rollout.observe(at(20), &Health::Healthy), Verdict::Wait);
        assert_eq!(rollout.observe(at(23), &Health::Healthy), Verdict::Healthy);
    }

    #[test]
    fn trouble_that_comes_and_goes_exhausts_patience() {
        let mut rollout = Rollout::new(LIMITS);
        assert_eq!(rollout.observe(at(10), &crash()), Verdict::Wait);
        assert_eq!(rollout.observe(at(100), &Health::progressing("NotReady", "runs")), Verdict::Wait);
        assert_eq!(rollout.observe(at(189), &crash()), Verdict::Wait);
        assert!(matches!(rollout.observe(at(190), &crash()), Verdict::Failed { timed_out: false, .. }));
    }

    #[test]
    fn what_may_heal_has_until_the_deadline() {
        let unschedulable = Health::degraded("Unschedulable", Outlook::MayHeal, "no node");
        let mut rollout = Rollout::new(LIMITS);
        assert_eq!(rollout.observe(at(0), &unschedulable), Verdict::Wait);
        assert_eq!(rollout.observe(at(599), &unschedulable), Verdict::Wait);
        let Verdict::Failed { reason, timed_out: true } = rollout.observe(at(600), &unschedulable) else { panic!() };
        assert_eq!(reason.text, "no node");
    }

    #[test]
    fn apps_with_volumes_get_more_time() {
        assert_eq!(Limits::of_app(None, false).deadline, at(600));
        assert_eq!(Limits::of_app(None, true).deadline, at(1800));
        assert_eq!(Limits::of_app(Some(42), true).deadline, at(42));
    }
}
