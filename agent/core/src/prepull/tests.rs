use k8s_openapi::api::core::v1::{Event, Pod, PodSpec};
use serde_json::{Value, json};

use super::{For, Image, Need, NodeState, PullPolicy, judge, need};
use crate::health::{Health, Outlook};

fn spec(value: Value) -> PodSpec {
    serde_json::from_value(value).unwrap()
}

fn pod(value: Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

/// A Pod on node `n1` that runs `db:1` after `init:1` has ended.
fn running() -> Value {
    json!({
        "metadata": {"name": "web-app-1"},
        "spec": {
            "nodeName": "n1", "nodeSelector": {"kompox.dev/node-pool": "user"},
            "initContainers": [{"name": "init", "image": "init:1"}],
            "containers": [{"name": "db", "image": "db:1"}, {"name": "web", "image": "web:1"}],
        },
        "status": {
            "phase": "Running",
            "initContainerStatuses": [{"name": "init", "image": "init:1", "imageID": "sha256:1", "ready": true,
                "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}],
            "containerStatuses": [
                {"name": "db", "image": "db:1", "imageID": "sha256:2", "ready": true, "restartCount": 0,
                    "state": {"running": {}}},
                {"name": "web", "image": "web:1", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff"}}},
            ],
        },
    })
}

fn next(images: &[(&str, Option<&str>)]) -> PodSpec {
    let container = |(index, (image, policy)): (usize, &(&str, Option<&str>))| json!({"name": format!("c{index}"), "image": image, "imagePullPolicy": policy});
    let containers: Vec<Value> = images.iter().enumerate().map(container).collect();
    spec(json!({"containers": containers, "nodeSelector": {"kompox.dev/node-pool": "user"}}))
}

fn wanted(next: &PodSpec, pods: &[Value]) -> Option<(Vec<String>, Option<String>)> {
    let pods: Vec<Pod> = pods.iter().cloned().map(pod).collect();
    let need = need(next, &pods)?;
    Some((need.images.iter().map(|image| format!("{} {:?}", image.name, image.policy)).collect(), need.node))
}

#[test]
fn new_images_are_wanted_where_the_pod_runs() {
    let next = next(&[("db:2", None), ("init:1", None), ("db:1", None), ("db:2", None)]);
    assert_eq!(wanted(&next, &[running()]), Some((vec!["db:2 IfNotPresent".into()], Some("n1".into()))));
}

#[test]
fn an_image_that_the_old_pod_never_got_is_wanted() {
    let next = next(&[("db:1", None), ("web:1", None)]);
    assert_eq!(wanted(&next, &[running()]), Some((vec!["web:1 IfNotPresent".into()], Some("n1".into()))));
}

#[test]
fn the_pull_policy_is_honoured() {
    let images = [("db:1", Some("Always")), ("db", None), ("db:3", Some("Never")), ("db:latest", Some("IfNotPresent"))];
    let (images, _) = wanted(&next(&images), &[running()]).unwrap();
    assert_eq!(images, ["db Always", "db:1 Always", "db:3 Never", "db:latest IfNotPresent"]);
}

#[test]
fn where_nothing_runs_nothing_is_pulled_ahead() {
    let next = next(&[("db:2", None)]);
    assert_eq!(wanted(&next, &[]), None, "a first deploy");
    let mut ending = running();
    ending["metadata"]["deletionTimestamp"] = json!("2026-11-24T00:00:00Z");
    assert_eq!(wanted(&next, &[ending]), None);
    let mut broken = running();
    broken["status"]["containerStatuses"] = json!([{"name": "db", "image": "db:1", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}}]);
    assert_eq!(wanted(&next, &[broken]), None, "nothing to be interrupted");
}

#[test]
fn another_place_is_left_to_the_scheduler() {
    let mut next = next(&[("db:1", None)]);
    next.node_selector = Some([("kompox.dev/node-pool".to_owned(), "big".to_owned())].into());
    assert_eq!(wanted(&next, &[running()]), Some((vec!["db:1 IfNotPresent".into()], None)), "a node may have nothing");
}

#[test]
fn a_node_that_takes_no_pods_is_not_where_the_next_one_runs() {
    let next = next(&[("db:1", None), ("db:2", None)]);
    let need = need(&next, &[pod(running())]).unwrap();
    assert_eq!(need.names(), "db:2");
    let cordoned = NodeState { takes_pods: false, images: vec!["db:2".to_owned()] };
    for node in [None, Some(&cordoned)] {
        let elsewhere = need.clone().given(node, &next).unwrap();
        assert_eq!((elsewhere.names().as_str(), elsewhere.node), ("db:1, db:2", None));
    }
}

#[test]
fn what_the_node_has_need_not_be_pulled() {
    let image = |name: &str, policy| Image { name: name.to_owned(), policy };
    let need = Need {
        images: vec![
            image("busybox:1.36", PullPolicy::IfNotPresent),
            image("busybox:latest", PullPolicy::Always),
            image("quay.io/a/b:1", PullPolicy::Never),
        ],
        node: Some("n1".to_owned()),
    };
    let on_node: Vec<String> =
        ["docker.io/library/busybox@sha256:1", "docker.io/library/busybox:1.36", "docker.io/library/busybox:latest"]
            .map(str::to_owned)
            .into();
    let node = NodeState { takes_pods: true, images: on_node };
    let next = PodSpec::default();
    let left = need.clone().given(Some(&node), &next).unwrap();
    assert_eq!(left.names(), "busybox:latest, quay.io/a/b:1");
    let known = Need { images: vec![image("busybox:1.36", PullPolicy::IfNotPresent)], ..need };
    assert_eq!(known.given(Some(&node), &next), None);
}

#[test]
fn the_pod_runs_nothing_and_is_nobodys() {
    let mut next = next(&[("db:2", None), ("web:2", Some("Always"))]);
    next.image_pull_secrets = serde_json::from_value(json!([{"name": "web-app--pull"}])).unwrap();
    let pods = [pod(running())];
    let made_for = For { app: "web", namespace: "k4x-1-web-2", deployment_uid: "uid-1", deadline: 600 };
    let need = need(&next, &pods).unwrap();
    let made = need.pod(&next, made_for);
    insta::assert_snapshot!(serde_json::to_string_pretty(&made).unwrap());

    let selector = kompox_manifests::labels::SELECTOR;
    assert!(!made.metadata.labels.as_ref().unwrap().contains_key(selector), "a Service would find it");
    let elsewhere = Need { node: None, ..need.clone() }.pod(&next, made_for).spec.unwrap();
    assert_eq!((elsewhere.node_selector, elsewhere.node_name), (next.node_selector.clone(), None));
    let name = |need: &Need, next: &PodSpec| need.pod(next, made_for).metadata.name;
    assert_eq!(name(&need, &next), name(&need, &next));
    let secrets = std::mem::take(&mut next.image_pull_secrets);
    assert_ne!(name(&need, &next), made.metadata.name, "other credentials may give another answer");
    next.image_pull_secrets = secrets;
    assert_ne!(name(&Need { node: None, ..need.clone() }, &next), made.metadata.name);
}

#[test]
fn the_longest_app_leaves_room_for_the_name() {
    let next = next(&[("db:2", None)]);
    let need = Need { images: vec![Image { name: "a:1".into(), policy: PullPolicy::Always }], node: None };
    let app = "a".repeat(45);
    let made_for = For { app: &app, namespace: "n", deployment_uid: "u", deadline: 1 };
    let name = need.pod(&next, made_for).metadata.name.unwrap();
    assert!(name.len() <= 63 && name.ends_with(|last: char| last.is_ascii_alphanumeric()), "{name}");
}

/// A throw-away Pod of two images.
fn pulling(first: Value, second: Value) -> Pod {
    let status = |name: &str, image_id: &str, state: Value| json!({"name": name, "image": "", "imageID": image_id, "ready": false, "restartCount": 0, "state": state});
    let of = |value: &Value| value["imageID"].as_str().unwrap_or_default().to_owned();
    pod(json!({
        "metadata": {"name": "web--prepull-1", "uid": "u1"},
        "spec": {"nodeName": "n1", "containers": [{"name": "image-0", "image": "db:2"}, {"name": "image-1", "image": "web:2"}]},
        "status": {"phase": "Pending", "containerStatuses": [
            status("image-0", &of(&first), first["state"].clone()), status("image-1", &of(&second), second["state"].clone())]},
    }))
}

fn could_not_start() -> Value {
    json!({"imageID": "sha256:1", "state": {"terminated": {"exitCode": 128, "reason": "StartError"}}})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"state": {"waiting": {"reason": reason, "message": message}}})
}

#[test]
fn a_container_that_cannot_start_has_done_its_work() {
    for done in [
        could_not_start(),
        json!({"state": {"running": {}}}),
        waiting("CreateContainerError", "executable not found"),
        waiting("RunContainerError", "executable not found"),
        waiting("CreateContainerConfigError", "x"),
        json!({"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}),
    ] {
        assert_eq!(judge(&pulling(could_not_start(), done.clone()), &[]), Health::Healthy, "{done}");
    }
}

#[test]
fn one_image_that_is_missing_holds_all_up() {
    let unknown = json!({"state": {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}});
    for state in [waiting("ContainerCreating", ""), json!({"state": {}}), unknown] {
        let health = judge(&pulling(could_not_start(), state), &[]);
        assert_eq!(health.to_string(), "progressing: the image web:2 is being pulled");
    }
    let nothing_yet =
        pod(json!({"metadata": {}, "spec": {"nodeName": "n1", "containers": [{"name": "image-0", "image": "db:2"}]}}));
    assert_eq!(judge(&nothing_yet, &[]).to_string(), "progressing: the image db:2 is being pulled");
}

#[test]
fn an_image_that_cannot_be_had_is_told_with_the_kubelets_words() {
    let words = "Back-off pulling image \"web:2\": not found";
    let health = judge(&pulling(could_not_start(), waiting("ImagePullBackOff", words)), &[]);
    let Health::Degraded { reason } = health else { panic!("{health}") };
    assert_eq!((reason.label, reason.outlook), ("ImagePullBackOff", Outlook::Unlikely));
    assert_eq!(reason.text, format!("the image web:2 cannot be had: {words}"));

    let health = judge(&pulling(waiting("ErrImageNeverPull", ""), waiting("ContainerCreating", "")), &[]);
    assert_eq!(health.to_string(), "degraded: the image db:2 cannot be had: ErrImageNeverPull");
    let health = judge(&pulling(waiting("InvalidImageName", "bad"), could_not_start()), &[]);
    assert_eq!(health.reason().unwrap().outlook, Outlook::Never);
}

#[test]
fn a_pod_that_gets_nowhere_is_told() {
    let with = |status: Value| {
        pod(
            json!({"metadata": {"name": "p", "uid": "u1"}, "spec": {"containers": [{"name": "image-0", "image": "db:2"}]}, "status": status}),
        )
    };
    let over = judge(&with(json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "too long"})), &[]);
    assert_eq!(over.to_string(), "degraded: images cannot be pulled (DeadlineExceeded): too long");
    let homeless = with(json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes are available"}]}));
    assert_eq!(judge(&homeless, &[]).to_string(), "degraded: no node takes Pod p: 0/1 nodes are available");

    let event: Event =
        serde_json::from_value(json!({"metadata": {}, "type": "Warning", "reason": "FailedCreatePodSandBox",
        "message": "no address is left", "involvedObject": {"uid": "u1"}}))
        .unwrap();
    let mut stuck = pulling(waiting("ContainerCreating", ""), waiting("ContainerCreating", ""));
    stuck.metadata.name = Some("p".to_owned());
    assert_eq!(judge(&stuck, &[event]).to_string(), "degraded: Pod p cannot start: no address is left");
}
