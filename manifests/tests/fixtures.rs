//! The fixtures of the repository, from their files to their expected objects.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kompox_manifests::desired::{Terms, desire};
use kompox_manifests::model::App;
use kompox_manifests::object::{Kind, Object};
use kompox_manifests::render::{missing_volumes, render, to_yaml};
use kompox_manifests::slots::{PvSource, Slots, VolumeBinding, VolumeClass};
use kompox_manifests::source::MemoryTree;
use serde_json::Value;

type Files = BTreeMap<String, Vec<u8>>;

fn folder(fixture: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(fixture)
}

fn read(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

/// The files of a fixture, without what is expected of them.
fn files(fixture: &str) -> Files {
    let mut files = Files::new();
    read(&folder(fixture), "", &mut files);
    files.remove("expected.yaml").unwrap();
    files
}

fn load(files: &Files) -> App {
    let desired = desire(&MemoryTree::new(files.clone()), "", &Terms::default());
    assert!(desired.is_sound(), "{:#?}", desired.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut apps = desired.apps();
    let app = apps.next().unwrap().clone();
    assert_eq!(apps.next(), None);
    app
}

/// Every volume on a managed disk of its name.
fn slots(app: &App) -> Slots {
    let disks =
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg1/providers/Microsoft.Compute/disks";
    let binding = |name: &str| {
        let handle = format!("{disks}/{name}");
        let attributes = BTreeMap::from([("fsType".to_owned(), "ext4".to_owned())]);
        let source = PvSource::Csi { driver: "disk.csi.azure.com".to_owned(), handle: handle.clone(), attributes };
        let class = VolumeClass {
            storage_class: "managed-csi".to_owned(),
            access_modes: vec!["ReadWriteOnce".to_owned()],
            source,
            node_affinity: Vec::new(),
        };
        VolumeBinding { handle, size: None, class }
    };
    let volumes = app.volumes.iter().map(|volume| (volume.name.clone(), binding(&volume.name))).collect();
    Slots { volumes, ..Slots::default() }
}

fn render_fixture(files: &Files) -> Vec<Object> {
    let app = load(files);
    let slots = slots(&app);
    assert!(missing_volumes(&app, &slots).is_empty());
    render(&app, &slots)
}

/// Takes away what may stand on top of the expected objects.
fn strip_additions(kind: Kind, body: &mut Value) {
    let remove = |body: &mut Value, pointer: &str, keys: &[&str]| {
        if let Some(Value::Object(map)) = body.pointer_mut(pointer) {
            keys.iter().for_each(|key| drop(map.remove(*key)));
        }
    };
    match kind {
        Kind::PersistentVolume => {
            assert_eq!(body.pointer("/spec/claimRef/uid"), None);
            remove(body, "/spec", &["claimRef", "nodeAffinity"]);
            remove(body, "/metadata/annotations", &["kompox.dev/app", "kompox.dev/source"]);
        }
        Kind::Namespace => {
            remove(body, "/metadata/annotations", &["kompox.dev/source"]);
            remove(body, "/metadata/labels", &["pod-security.kubernetes.io/enforce"]);
        }
        Kind::Service if body.pointer("/spec/clusterIP").is_some() => {
            remove(body, "/spec", &["publishNotReadyAddresses"]);
        }
        Kind::Deployment => {
            remove(body, "/spec/template/metadata/annotations", &["kompox.dev/compose-content-hash"]);
        }
        _ => {}
    }
}

/// An empty value and an absent one are the same; lists with names have no order.
fn normalize(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(normalize);
            map.retain(|_, value| !is_empty(value));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(normalize);
            if items.iter().all(|item| item.get("name").is_some()) {
                items.sort_by_key(|item| (item["name"].to_string(), item.get("mountPath").map(Value::to_string)));
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn expected(fixture: &str) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(folder(fixture).join("expected.yaml")).unwrap();
    // A variable is called `N`, which is no boolean here.
    let options = serde_saphyr::options! { strict_booleans: true };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(&text, options).unwrap();
    let key =
        |body: &Value| format!("{} {}", body["kind"].as_str().unwrap(), body["metadata"]["name"].as_str().unwrap());
    let normalized = documents.into_iter().map(|mut body| {
        normalize(&mut body);
        (key(&body), body)
    });
    normalized.collect()
}

fn assert_renders_as_expected(fixture: &str, count: usize) {
    let mut expected = expected(fixture);
    assert_eq!(expected.len(), count);
    for Object { key, mut body, .. } in render_fixture(&files(fixture)) {
        strip_additions(key.kind, &mut body);
        normalize(&mut body);
        let expected =
            expected.remove(&format!("{} {}", key.kind, key.name)).unwrap_or_else(|| panic!("unexpected {key}"));
        assert_eq!(body, expected, "{key}");
    }
    assert!(expected.is_empty(), "missing {:?}", expected.keys());
}

#[test]
fn gitea_renders_to_its_expected_objects() {
    assert_renders_as_expected("gitea", 15);
}

#[test]
fn webapp_renders_to_its_expected_objects() {
    assert_renders_as_expected("webapp", 18);
}

#[test]
fn a_size_is_rounded_up_to_mebibytes() {
    let mut files = files("gitea");
    let entry = String::from_utf8(files["kompoxops.yml"].clone()).unwrap();
    files.insert("kompoxops.yml".to_owned(), entry.replace("size: 10Gi", "size: 5G").into_bytes());
    let objects = render_fixture(&files);
    let claim = objects.iter().find(|object| object.key.kind == Kind::PersistentVolumeClaim).unwrap();
    assert_eq!(claim.body["spec"]["resources"]["requests"]["storage"], "4769Mi");
}

#[test]
fn the_order_of_services_does_not_change_a_byte() {
    let files = files("gitea");
    let compose = String::from_utf8(files["compose.yml"].clone()).unwrap();
    let (head, services) = compose.split_at("services:\n".len());
    let (gitea, postgres) = services.split_at(services.find("  postgres:").unwrap());
    let mut permuted = files.clone();
    permuted.insert("compose.yml".to_owned(), [head, postgres, gitea].concat().into_bytes());
    assert_ne!(files, permuted);
    assert_eq!(to_yaml(&render_fixture(&files)), to_yaml(&render_fixture(&permuted)));
}

#[test]
fn the_same_files_render_the_same_bytes() {
    for fixture in ["gitea", "webapp"] {
        let files = files(fixture);
        assert_eq!(to_yaml(&render_fixture(&files)), to_yaml(&render_fixture(&files)));
    }
}

#[test]
fn the_printed_manifests_read_back_as_the_objects() {
    for fixture in ["gitea", "webapp"] {
        let objects = render_fixture(&files(fixture));
        let documents: Vec<Value> = serde_saphyr::from_multiple(&to_yaml(&objects)).unwrap();
        assert_eq!(documents, objects.into_iter().map(|object| object.body).collect::<Vec<_>>());
    }
}

#[test]
fn every_object_points_at_the_line_that_asks_for_it() {
    let objects = render_fixture(&files("gitea"));
    let origin = |kind, name: &str| {
        let object =
            objects.iter().find(|object| object.key.kind == kind && object.key.name.starts_with(name)).unwrap();
        object.origin.to_string()
    };
    assert_eq!(origin(Kind::Service, "postgres"), "compose.yml:13:3");
    assert_eq!(origin(Kind::Secret, "app1-app-postgres-base"), "compose.yml:13:3");
    assert_eq!(origin(Kind::Deployment, "app1-app"), "compose.yml:2:3");
    assert!(origin(Kind::PersistentVolume, "k4x-").starts_with("kompoxops.yml:38:"));
    assert!(origin(Kind::Ingress, "app1-app-custom").starts_with("kompoxops.yml:32:"));
    assert!(origin(Kind::Namespace, "k4x-").starts_with("kompoxops.yml:27:"));
}

#[test]
fn the_manifests_of_the_web_app() {
    insta::assert_snapshot!(to_yaml(&render_fixture(&files("webapp"))));
}
