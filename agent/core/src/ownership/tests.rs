//! `testdata/` holds objects as a real API server (1.36) returned them after real `kubectl` calls.

use kompox_manifests::object::{Kind, ObjectKey};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Applied by the agent, then `kubectl set env`, `set image`, `scale`, `rollout restart`, `label`,
/// `annotate` and `edit`.
const EDITED: &str = include_str!("testdata/deployment-edited.json");
/// Created with `kubectl apply`.
const CLIENT_SIDE: &str = include_str!("testdata/deployment-client-side-apply.json");
/// Applied server-side by the older command line.
const LEGACY: &str = include_str!("testdata/deployment-legacy.json");

fn live(body: Value) -> LiveObject {
    LiveObject {
        key: ObjectKey { kind: Kind::Deployment, namespace: Some("demo".into()), name: "app1-app".into() },
        uid: "u".into(),
        resource_version: "1".into(),
        body,
    }
}

fn read(text: &str) -> LiveObject {
    live(serde_json::from_str(text).unwrap())
}

fn entry<'a>(takeover: &'a Takeover, manager: &str) -> Option<&'a Value> {
    takeover.managed_fields.iter().find(|entry| entry["manager"] == manager)
}

fn taken(takeover: &Takeover) -> String {
    takeover.taken.iter().map(|field| format!("{} {}\n", field.manager, field.path)).collect()
}

#[test]
fn edits_of_people_are_taken_and_the_restart_is_kept() {
    let takeover = takeover(&read(EDITED), &json!({}), &Managers::default()).unwrap();
    insta::assert_snapshot!(taken(&takeover), @r#"
    kubectl .spec.replicas
    kubectl-edit .spec.template.spec.containers[name="gitea"].ports[containerPort=3001,protocol="TCP"].containerPort
    kubectl-edit .spec.template.spec.containers[name="gitea"].ports[containerPort=3001,protocol="TCP"].protocol
    kubectl-edit .spec.template.spec.terminationGracePeriodSeconds
    kubectl-label .metadata.labels.team
    kubectl-set .spec.template.spec.containers[name="gitea"].env[name="EXTRA"].name
    kubectl-set .spec.template.spec.containers[name="gitea"].env[name="EXTRA"].value
    kubectl-set .spec.template.spec.containers[name="gitea"].env[name="USER_GID"].value
    kubectl-set .spec.template.spec.containers[name="postgres"].image
    "#);
    let managers: Vec<&str> = takeover.managed_fields.iter().map(|entry| entry["manager"].as_str().unwrap()).collect();
    assert_eq!(managers, ["kompox-agent", "kube-controller-manager", "kubectl-annotate", "kubectl-rollout"]);
}

#[test]
fn entries_that_are_not_touched_stay_byte_for_byte() {
    let before = read(EDITED);
    let takeover = takeover(&before, &json!({}), &Managers::default()).unwrap();
    for manager in ["kube-controller-manager", "kubectl-annotate", "kubectl-rollout"] {
        let old = managed_fields(&before).iter().find(|entry| entry["manager"] == manager);
        assert_eq!(entry(&takeover, manager), old, "{manager}");
    }
}

#[test]
fn the_agents_entry_holds_its_own_fields_and_the_taken_ones() {
    let takeover = takeover(&read(EDITED), &json!({}), &Managers::default()).unwrap();
    let ours = entry(&takeover, FIELD_MANAGER).unwrap();
    assert_eq!(ours["operation"], "Apply");
    let gitea = &ours["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"gitea\"}"];
    assert_eq!(gitea["f:image"], json!({}), "was the agent's before");
    assert_eq!(
        gitea["f:env"],
        json!({
            "k:{\"name\":\"EXTRA\"}": {".": {}, "f:name": {}, "f:value": {}},
            "k:{\"name\":\"USER_GID\"}": {".": {}, "f:name": {}, "f:value": {}},
        })
    );
    assert_eq!(ours["fieldsV1"]["f:spec"]["f:replicas"], json!({}));
    assert!(ours["time"].is_string(), "the time of the last apply stays");
}

#[test]
fn an_annotation_is_taken_only_when_the_agent_sets_it() {
    let desired = json!({"metadata": {"annotations": {"note": "ours"}}});
    let takeover = takeover(&read(EDITED), &desired, &Managers::default()).unwrap();
    assert!(taken(&takeover).contains("kubectl-annotate .metadata.annotations.note\n"));
    assert_eq!(entry(&takeover, "kubectl-annotate"), None, "an emptied entry is dropped");
}

#[test]
fn a_second_takeover_has_nothing_to_do() {
    let mut object = read(EDITED);
    let first = takeover(&object, &json!({}), &Managers::default()).unwrap();
    object.body["metadata"]["managedFields"] = Value::Array(first.managed_fields);
    assert_eq!(takeover(&object, &json!({}), &Managers::default()), None);
}

#[test]
fn objects_of_the_older_command_line_are_adopted() {
    let object = read(LEGACY);
    assert!(is_legacy(&object));
    assert!(!is_applied_by_agent(&object));
    let takeover = takeover(&object, &json!({}), &Managers::people(Vec::<String>::new())).unwrap();
    assert_eq!(entry(&takeover, "kompox-converter"), None);
    let ours = entry(&takeover, FIELD_MANAGER).unwrap();
    assert_eq!((ours["operation"].as_str(), ours["apiVersion"].as_str()), (Some("Apply"), Some("apps/v1")));
    let old = managed_fields(&object).iter().find(|entry| entry["manager"] == "kompox-converter").unwrap();
    assert_eq!(ours["fieldsV1"], old["fieldsV1"]);
}

#[test]
fn client_side_apply_gives_up_everything_but_foreign_annotations() {
    let takeover = takeover(&read(CLIENT_SIDE), &json!({}), &Managers::default()).unwrap();
    assert_eq!(
        entry(&takeover, "kubectl-client-side-apply").unwrap()["fieldsV1"],
        json!({"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}}})
    );
}

#[test]
fn controllers_and_status_are_left_alone() {
    let fields = json!({"f:spec": {"f:replicas": {}}, "f:status": {"f:replicas": {}}});
    let object = live(json!({"apiVersion": "apps/v1", "metadata": {"managedFields": [
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "apps/v1",
         "subresource": "scale", "fieldsV1": fields},
        {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "apps/v1",
         "subresource": "status", "fieldsV1": fields},
        {"manager": "keda", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": fields},
    ]}}));
    assert_eq!(takeover(&object, &json!({}), &Managers::default()), None);
}

#[test]
fn metadata_other_than_labels_is_never_taken() {
    let object = live(json!({"apiVersion": "v1", "metadata": {"managedFields": [
        {"manager": "kubectl-patch", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:metadata": {
            "f:finalizers": {".": {}, "v:\"example.com/keep\"": {}}, "f:ownerReferences": {}}}},
    ]}}));
    assert_eq!(takeover(&object, &json!({}), &Managers::default()), None);
}

#[test]
fn entries_in_an_unknown_form_or_version_stay() {
    let odd = json!([
        {"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": "no tree"},
        {"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1beta1", "fieldsV1": {"f:spec": {}}},
        "no entry",
        {"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:paused": {}}}},
    ]);
    let object = live(json!({"apiVersion": "apps/v1", "metadata": {"managedFields": odd}}));
    let takeover = takeover(&object, &json!({}), &Managers::default()).unwrap();
    assert_eq!(takeover.managed_fields[..3], odd.as_array().unwrap()[..3]);
    assert_eq!(takeover.managed_fields.len(), 4, "three left and the agent's new one");
}

#[test]
fn an_object_without_managed_fields_has_nothing_to_take() {
    assert_eq!(takeover(&live(json!({"apiVersion": "v1", "metadata": {}})), &json!({}), &Managers::default()), None);
    assert_eq!(takeover(&live(json!("no object")), &json!({}), &Managers::default()), None);
}

#[test]
fn the_agents_own_updates_become_part_of_its_apply() {
    let object = live(json!({"apiVersion": "v1", "metadata": {"managedFields": [
        {"manager": FIELD_MANAGER, "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:a": {}}}},
    ]}}));
    let takeover = takeover(&object, &json!({}), &Managers::people(Vec::<String>::new())).unwrap();
    assert_eq!(takeover.managed_fields.len(), 1);
    assert_eq!(takeover.managed_fields[0]["operation"], "Apply");
}

#[test]
fn managers_match_by_pattern_without_case() {
    let managers = Managers::default();
    for person in ["kubectl", "kubectl-edit", "kubectl-client-side-apply", "K9s", "Lens", "Mozilla", "kompox-runtime"] {
        assert!(managers.contains(person), "{person}");
    }
    for controller in ["kubectlx", "kube-controller-manager", "helm", "kompox-agent", ""] {
        assert!(!managers.contains(controller), "{controller}");
    }
    let own = Managers::people(["helm"]);
    assert!(own.contains("helm") && own.contains("kompox-converter") && !own.contains("kubectl"));
}

#[test]
fn other_owners_are_named_for_a_conflicting_field() {
    let object = read(EDITED);
    let name = |path| {
        other_owners(&object, path)
            .into_iter()
            .map(|owner| format!("{}/{}", owner.manager, owner.subresource.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    assert_eq!(name(".spec.replicas"), ["kubectl/scale"]);
    assert_eq!(name(".spec.template.spec.containers[name=\"gitea\"].env[name=\"USER_GID\"].value"), ["kubectl-set/"]);
    assert_eq!(name(".metadata.annotations.deployment.kubernetes.io/revision"), ["kube-controller-manager/status"]);
    assert_eq!(name(".spec.template.spec.containers"), ["kubectl-edit/", "kubectl-set/"]);
    assert_eq!(name(".spec.repl"), Vec::<String>::new(), "no prefix of a name");
    assert_eq!(name(".spec.selector"), Vec::<String>::new(), "the agent's own");
}

#[test]
fn values_are_found_by_the_paths_of_conflict_messages() {
    let object = read(EDITED);
    let at = |path| value_at(&object.body, path).cloned();
    assert_eq!(at(".spec.replicas"), Some(json!(3)));
    assert_eq!(at(".spec.template.spec.containers[name=\"gitea\"].env[name=\"EXTRA\"].value"), Some(json!("1")),);
    assert_eq!(
        at(".spec.template.spec.containers[name=\"gitea\"].ports[containerPort=3001,protocol=\"TCP\"].containerPort"),
        Some(json!(3001)),
    );
    assert_eq!(at(".metadata.annotations.deployment.kubernetes.io/revision"), Some(json!("3")));
    assert_eq!(at(".spec.template.spec.containers[1].name"), Some(json!("postgres")));
    for wrong in [".spec.nothing", "spec", ".spec.template.spec.containers[name=]", ".spec.replicas.more", "[0", "."] {
        assert_eq!(at(wrong), None, "{wrong}");
    }
    let desired = json!({"ports": [{"containerPort": 80}], "set": ["a", "b"]});
    assert!(value_at(&desired, ".ports[containerPort=80,protocol=\"TCP\"]").is_some(), "the protocol is defaulted");
    assert!(value_at(&desired, ".ports[containerPort=81,protocol=\"TCP\"]").is_none());
    assert_eq!(value_at(&desired, ".set[=\"b\"]"), Some(&json!("b")));
}

#[test]
fn a_leaf_and_its_children_unite_to_both() {
    let leaf = FieldSet::parse(&json!({"f:spec": {"f:env": {}}})).unwrap();
    let deep = FieldSet::parse(&json!({"f:spec": {"f:env": {"k:{\"name\":\"A\"}": {"f:value": {}}}}})).unwrap();
    let mut union = deep.clone();
    union.extend(&leaf);
    assert_eq!(union.to_value(), json!({"f:spec": {"f:env": {".": {}, "k:{\"name\":\"A\"}": {"f:value": {}}}}}));
}

fn field_set() -> impl Strategy<Value = Value> {
    let leaf = Just(json!({}));
    let step = prop_oneof!["f:[a-c]", Just("k:{\"name\":\"x\"}".to_owned()), Just("v:\"y\"".to_owned())];
    let tree = leaf.prop_recursive(4, 24, 3, move |inner| {
        (prop::collection::btree_map(step.clone(), inner, 1..4), any::<bool>()).prop_map(|(children, member)| {
            let mut object: Map<String, Value> = children.into_iter().collect();
            if member {
                object.insert(".".into(), json!({}));
            }
            Value::Object(object)
        })
    });
    tree.prop_map(|tree| json!({"f:spec": tree}))
}

proptest! {
    #[test]
    fn what_is_read_is_written_again(value in field_set()) {
        prop_assert_eq!(FieldSet::parse(&value).unwrap().to_value(), value);
    }

    #[test]
    fn the_parts_of_a_split_unite_to_the_whole(value in field_set(), letter in "[a-c]") {
        let whole = FieldSet::parse(&value).unwrap();
        let step = format!("f:{letter}");
        let (mut taken, left) = whole.partition(&|path| path.contains(&step.as_str()));
        let text = format!(".{letter}");
        prop_assert!(left.paths().iter().all(|path| !path.contains(&text)));
        taken.extend(&left);
        prop_assert_eq!(taken, whole);
    }

    #[test]
    fn union_has_no_order_and_repeats_nothing(one in field_set(), other in field_set()) {
        let (one, other) = (FieldSet::parse(&one).unwrap(), FieldSet::parse(&other).unwrap());
        let (mut forth, mut back) = (one.clone(), other.clone());
        forth.extend(&other);
        back.extend(&one);
        prop_assert_eq!(&forth, &back);
        let again = forth.clone();
        forth.extend(&one);
        prop_assert_eq!(forth, again);
    }

    #[test]
    fn any_path_is_answered(path in ".{0,40}") {
        let object = read(EDITED);
        let _ = value_at(&object.body, &path);
        let _ = other_owners(&object, &path);
    }
}

#[test]
fn further_managers_are_people_beside_the_known_but_never_the_agent() {
    let people = Managers::beside_the_known(&["Rancher-*".to_owned(), "kompox*".to_owned()]);
    for name in ["kubectl-edit", "rancher-ui", "kompox-runtime"] {
        assert!(people.contains(name), "{name}");
    }
    for name in ["kube-controller-manager", FIELD_MANAGER] {
        assert!(!people.contains(name), "{name}");
    }
    assert!(!Managers::default().contains("rancher-ui"));
}
