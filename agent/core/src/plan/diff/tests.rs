//! The managed fields below are what a real API server writes (Kubernetes 1.36).

use std::sync::Arc;

use kompox_manifests::diagnostic::{SourceFile, Span};
use kompox_manifests::object::ObjectKey;
use serde_json::json;

use super::*;

fn desired(body: Value) -> Object {
    let kind = Kind::from_name(body["kind"].as_str().unwrap()).unwrap();
    let key = ObjectKey { kind, namespace: Some("ns".into()), name: "app1-app".into() };
    let file = Arc::new(SourceFile { path: "compose.yml".into(), text: String::new() });
    Object { key, body, origin: Span::file(&file) }
}

fn live(body: Value, ours: Value) -> LiveObject {
    let mut body = body;
    body["metadata"]["managedFields"] = json!([
        {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
        {"manager": "kompox-agent", "operation": "Apply", "fieldsV1": ours},
    ]);
    let kind = Kind::from_name(body["kind"].as_str().unwrap()).unwrap();
    LiveObject {
        key: ObjectKey { kind, namespace: Some("ns".into()), name: "app1-app".into() },
        uid: "u".into(),
        resource_version: "1".into(),
        body,
    }
}

fn wanted_deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "app1-app", "namespace": "ns", "labels": {"app": "app1-app"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "app1-app"}},
            "template": {"spec": {"containers": [{
                "name": "web", "image": "nginx:1.27",
                "env": [{"name": "EMPTY", "value": ""}, {"name": "TZ", "value": "Asia/Tokyo"}],
                "ports": [{"containerPort": 80}],
            }]}},
        },
    })
}

/// What the API server makes of it: defaults added, the empty value dropped.
fn found_deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "app1-app", "namespace": "ns", "labels": {"app": "app1-app"}, "generation": 1},
        "spec": {
            "replicas": 1, "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "app1-app"}},
            "template": {"metadata": {"creationTimestamp": null}, "spec": {"restartPolicy": "Always", "containers": [{
                "name": "web", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "EMPTY"}, {"name": "TZ", "value": "Asia/Tokyo"}],
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
            }]}},
        },
    })
}

fn own_deployment_fields() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:env": {
                    "k:{\"name\":\"EMPTY\"}": {".": {}, "f:name": {}, "f:value": {}},
                    "k:{\"name\":\"TZ\"}": {".": {}, "f:name": {}, "f:value": {}},
                },
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            }}}},
        },
    })
}

fn compared(desired: Object, live: LiveObject) -> Vec<FieldChange> {
    compare(&desired, &live, live.managed_fields())
}

fn change(path: &str, before: Option<&str>, after: Option<&str>) -> FieldChange {
    FieldChange { path: path.into(), before: before.map(Into::into), after: after.map(Into::into) }
}

#[test]
fn defaults_and_dropped_empties_are_no_difference() {
    let changes = compared(desired(wanted_deployment()), live(found_deployment(), own_deployment_fields()));
    assert_eq!(changes, []);
}

#[test]
fn a_changed_image_is_one_field() {
    let mut wanted = wanted_deployment();
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.28");
    let changes = compared(desired(wanted), live(found_deployment(), own_deployment_fields()));
    let path = "spec.template.spec.containers[web].image";
    assert_eq!(changes, [change(path, Some("nginx:1.27"), Some("nginx:1.28"))]);
}

#[test]
fn list_items_are_matched_by_their_keys_not_by_place() {
    let mut wanted = wanted_deployment();
    let containers = &mut wanted["spec"]["template"]["spec"]["containers"];
    containers[0]["env"] = json!([{"name": "TZ", "value": "Asia/Tokyo"}, {"name": "NEW", "value": "1"}]);
    containers.as_array_mut().unwrap().insert(0, json!({"name": "db", "image": "postgres:17"}));
    let changes = compared(desired(wanted), live(found_deployment(), own_deployment_fields()));
    let at = "spec.template.spec.containers";
    assert_eq!(
        changes,
        [
            change(&format!("{at}[db]"), None, Some(r#"{"image":"postgres:17","name":"db"}"#)),
            change(&format!("{at}[web].env[EMPTY]"), Some(r#"{"name":"EMPTY"}"#), None),
            change(&format!("{at}[web].env[NEW]"), None, Some(r#"{"name":"NEW","value":"1"}"#)),
        ]
    );
}

/// The Deployment's container with variables in this order, wanted and found; and our field set of it.
fn ordered(wanted: &[&str], found: &[&str], owned: &[&str]) -> (Object, LiveObject) {
    let with = |mut body: Value, names: &[&str]| {
        let env: Vec<Value> = names.iter().map(|name| json!({"name": name, "value": "1"})).collect();
        body["spec"]["template"]["spec"]["containers"][0]["env"] = env.into();
        body
    };
    let mut ours = own_deployment_fields();
    let item = |name: &&str| (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:name": {}, "f:value": {}}));
    let containers = &mut ours["f:spec"]["f:template"]["f:spec"]["f:containers"];
    containers["k:{\"name\":\"web\"}"]["f:env"] = Value::Object(owned.iter().map(item).collect());
    (desired(with(wanted_deployment(), wanted)), live(with(found_deployment(), found), ours))
}

#[test]
fn variables_in_another_order_are_one_difference() {
    let (wanted, found) = ordered(&["A", "C", "B", "D"], &["A", "B", "C", "D"], &["A", "B", "C", "D"]);
    let path = "spec.template.spec.containers[web].env";
    assert_eq!(compared(wanted, found), [change(path, Some("B, C"), Some("C, B"))]);
}

#[test]
fn what_others_put_in_between_is_no_other_order() {
    let (wanted, found) = ordered(&["A", "B"], &["X", "A", "Y", "B"], &["A", "B"]);
    assert_eq!(compared(wanted, found), []);
    // Nor is what comes and what goes.
    let (wanted, found) = ordered(&["NEW", "A", "B"], &["A", "OLD", "B"], &["A", "OLD", "B"]);
    let paths: Vec<String> = compared(wanted, found).into_iter().map(|change| change.path).collect();
    let env = "spec.template.spec.containers[web].env";
    assert_eq!(paths, [format!("{env}[NEW]"), format!("{env}[OLD]")]);
    let (wanted, found) = ordered(&["B", "A"], &["X", "A", "Y", "B"], &["A", "B"]);
    assert_eq!(compared(wanted, found), [change(env, Some("A, B"), Some("B, A"))]);
}

#[test]
fn init_containers_in_another_order_restart_the_pod() {
    let with = |mut body: Value, names: [&str; 2]| {
        let containers = names.map(|name| json!({"name": name, "image": "i"}));
        body["spec"]["template"]["spec"]["initContainers"] = json!(containers);
        body
    };
    let mut ours = own_deployment_fields();
    let item = json!({".": {}, "f:name": {}, "f:image": {}});
    ours["f:spec"]["f:template"]["f:spec"]["f:initContainers"] =
        json!({"k:{\"name\":\"a\"}": item, "k:{\"name\":\"b\"}": item});
    let wanted = desired(with(wanted_deployment(), ["b", "a"]));
    let changes = compared(wanted.clone(), live(with(found_deployment(), ["a", "b"]), ours));
    assert_eq!(changes, [change("spec.template.spec.initContainers", Some("a, b"), Some("b, a"))]);
    assert!(crate::plan::restart::restarts(&wanted, &changes));
}

#[test]
fn ports_in_another_order_are_told_by_their_whole_keys() {
    let port = |number: u16, protocol: &str| json!({"containerPort": number, "protocol": protocol});
    let mut wanted = wanted_deployment();
    let mut found = found_deployment();
    let ports = |body: &mut Value, ports: Value| body["spec"]["template"]["spec"]["containers"][0]["ports"] = ports;
    ports(&mut wanted, json!([port(53, "UDP"), {"containerPort": 53}, {"containerPort": 80}]));
    ports(&mut found, json!([port(53, "TCP"), port(53, "UDP"), port(80, "TCP")]));
    let mut ours = own_deployment_fields();
    let own = &mut ours["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"]["f:ports"];
    own["k:{\"containerPort\":53,\"protocol\":\"TCP\"}"] = json!({".": {}, "f:containerPort": {}});
    own["k:{\"containerPort\":53,\"protocol\":\"UDP\"}"] = json!({".": {}, "f:containerPort": {}, "f:protocol": {}});
    let changes = compared(desired(wanted.clone()), live(found.clone(), ours.clone()));
    let path = "spec.template.spec.containers[web].ports";
    assert_eq!(changes, [change(path, Some("53/TCP, 53/UDP"), Some("53/UDP, 53/TCP"))]);
    ports(&mut wanted, json!([{"containerPort": 53}, port(53, "UDP"), {"containerPort": 80}]));
    assert_eq!(compared(desired(wanted), live(found, ours)), []);
}

#[test]
fn what_we_own_and_want_no_longer_goes() {
    let mut wanted = wanted_deployment();
    wanted["metadata"]["labels"] = json!({});
    wanted["spec"].as_object_mut().unwrap().remove("replicas");
    let changes = compared(desired(wanted), live(found_deployment(), own_deployment_fields()));
    assert_eq!(
        changes,
        [change("metadata.labels", Some(r#"{"app":"app1-app"}"#), None), change("spec.replicas", Some("1"), None)]
    );
}

#[test]
fn a_field_that_another_manager_took_is_a_candidate_even_with_our_value() {
    let mut ours = own_deployment_fields();
    ours["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    let mut found = found_deployment();
    found["spec"]["replicas"] = json!(0);
    let changes = compared(desired(wanted_deployment()), live(found, ours));
    assert_eq!(changes, [change("spec.replicas", Some("0"), Some("1"))]);
}

#[test]
fn an_object_that_we_never_applied_is_a_candidate() {
    let mut found = live(found_deployment(), json!({}));
    found.body["metadata"]["managedFields"] = json!([]);
    assert!(!compared(desired(wanted_deployment()), found).is_empty());
}

#[test]
fn atomic_lists_are_compared_whole_but_for_added_defaults() {
    let wanted = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a", "namespace": "ns"},
        "spec": {"ingress": [{"ports": [{"port": 9090}]}], "policyTypes": ["Ingress"]},
    });
    let ours = json!({"f:spec": {"f:ingress": {}, "f:policyTypes": {}}});
    let mut found = wanted.clone();
    found["spec"]["ingress"][0]["ports"][0]["protocol"] = json!("TCP");
    assert_eq!(compared(desired(wanted.clone()), live(found.clone(), ours.clone())), []);

    found["spec"]["ingress"][0]["ports"][0]["port"] = json!(9091);
    let changes = compared(desired(wanted), live(found, ours));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].path, "spec.ingress");
}

#[test]
fn what_leaves_an_atomic_map_is_a_difference() {
    let wanted = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "ns"},
        "spec": {"selector": {"app": "a"}},
    });
    let mut found = wanted.clone();
    found["spec"]["selector"] = json!({"app": "a", "zone": "1"});
    let changes = compared(desired(wanted), live(found, json!({"f:spec": {"f:selector": {}}})));
    assert_eq!(changes, [change("spec.selector", Some(r#"{"app":"a","zone":"1"}"#), Some(r#"{"app":"a"}"#))]);
}

#[test]
fn secret_data_never_shows() {
    let wanted = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "ns"},
        "data": {"PASSWORD": "bmV3"}, "type": "Opaque",
    });
    let mut found = wanted.clone();
    found["data"]["PASSWORD"] = json!("b2xk");
    let ours = json!({"f:data": {"f:PASSWORD": {}}, "f:type": {}});
    let changes = compared(desired(wanted), live(found, ours));
    assert_eq!(changes, [change("data.PASSWORD", Some("(secret)"), Some("(secret)"))]);
}

#[test]
fn only_bookkeeping_differs_after_a_refuted_dry_run() {
    let one = live(found_deployment(), own_deployment_fields()).body;
    let mut other = one.clone();
    other["metadata"]["resourceVersion"] = json!("2");
    other["metadata"]["managedFields"][1]["time"] = json!("2026-01-01T00:00:00Z");
    assert!(same_but_for_bookkeeping(&one, &other));
    other["spec"]["replicas"] = json!(2);
    assert!(!same_but_for_bookkeeping(&one, &other));
}

#[test]
fn a_sealed_secret_is_compared_by_hashes() {
    let body = |value: &str| json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"password": value}});
    let ours = json!({"f:data": {".": {}, "f:password": {}}});
    let mut sealed = live(body("aHVudGVyMg=="), ours);
    crate::seal::seal(&mut sealed.body);
    let changes = |value: &str| compare(&desired(body(value)), &sealed, sealed.managed_fields());
    assert_eq!(changes("aHVudGVyMg=="), []);
    let changed = changes("aHVudGVyMw==");
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].path.as_str(), changed[0].after.as_deref()), ("data.password", Some("(secret)")));
    assert_eq!(changed[0].before.as_deref(), Some("(secret)"));
}
