//! Every key of KOM does something: another value of it changes the objects, what the App is planned by, or what is
//! said of the file. A key that nothing reads would be accepted and have no effect.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::shape;
use crate::desired::{Terms, desire};
use crate::entry;
use crate::kom::resource::KomKind;
use crate::render::render;
use crate::slots::Slots;
use crate::source::MemoryTree;
use crate::yaml::fields::Findings;
use crate::yaml::shape::{Field, Shape, Type};

const CLUSTER: &str = "/ws/ops/prv/home/cls/one";
const APP: &str = "/ws/ops/prv/home/cls/one/app/shop";

/// Keys of a later version: what matters is whether they are there.
const LATER: [&str; 3] = ["App.deployment.selectors", "App.reconcile.rollback", "App.reconcile.data"];

/// Whether a key is checked and says nothing to the agent: it is for other tools, or of a Box, which is not deployed yet.
fn is_silent(path: &str) -> bool {
    path == "Document.metadata.labels" || path.starts_with("Box.")
}

/// The documents of an entry, by what they are called here.
fn documents() -> BTreeMap<&'static str, Value> {
    let document = |kind: &str, id: &str, spec: Value| {
        let name = id.rsplit('/').next();
        json!({
            "apiVersion": shape::API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "annotations": {shape::ID_ANNOTATION: id}},
            "spec": spec,
        })
    };
    let compose = json!({"services": {
        "web": {"image": "nginx", "ports": ["80:80", "81:81"], "volumes": ["data:/d", "more:/m"]},
        "db": {"image": "db"},
    }});
    let volumes = json!([{"name": "data", "size": "1Gi"}, {"name": "more", "size": "1Gi"}]);
    BTreeMap::from([
        ("Defaults", json!({"apiVersion": shape::API_VERSION, "kind": "Defaults", "spec": {}})),
        ("Workspace", document("Workspace", "/ws/ops", json!({}))),
        ("Provider", document("Provider", "/ws/ops/prv/home", json!({"driver": "local"}))),
        (
            "Cluster",
            document("Cluster", CLUSTER, json!({"ingress": {"domain": "apps.example.com", "certResolver": "le"}})),
        ),
        ("App", document("App", APP, json!({"compose": compose, "volumes": volumes}))),
        (
            "Document",
            document("App", &format!("{CLUSTER}/app/other"), json!({"compose": {"services": {"web": {"image": "i"}}}})),
        ),
        ("Box", document("Box", &format!("{APP}/box/ssh"), json!({}))),
    ])
}

/// What an entry comes to: nothing of it says where something stands.
fn outcome(documents: &BTreeMap<&str, Value>) -> String {
    let text: Vec<String> = documents.values().map(Value::to_string).collect();
    let text = text.join("\n---\n");
    let more = "apiVersion: ops.kompox.dev/v1alpha1\nkind: Workspace\nmetadata: {name: w, annotations: {ops.kompox.dev/id: /ws/w}}\n";
    let tree = MemoryTree::new([(entry::KOM_FILE, text.as_str()), ("one.yml", more), ("two.yml", more), ("a.yml", "")]);
    told(&tree)
}

fn told(tree: &MemoryTree) -> String {
    let findings = Findings::new();
    let found = entry::find(tree, "", &findings);
    let parents = format!("{:?}", super::load(tree, &found.entries[0], &Findings::new()).parents);
    let desired = desire(tree, "", &Terms::default());
    let said: Vec<String> = desired
        .diagnostics
        .iter()
        .map(|found| format!("{} {} {}: {:?}", found.at.file.path, found.severity, found.message, found.help))
        .collect();
    let entry = &desired.entries[0];
    let apps: Vec<_> = entry.apps.iter().map(|made| &made.app).collect();
    let objects: Vec<String> =
        apps.iter().flat_map(|app| render(app, &Slots::default())).map(|object| object.body.to_string()).collect();
    let all = format!("{parents} {:?} {:?} {:?} {objects:?} {said:?}", apps, entry.claims, entry.default_app);
    without_places(&all)
}

/// Takes `file:line:column` away.
fn without_places(text: &str) -> String {
    let mut parts = text.split(".yml:");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit() || character == ':');
        kept.push_str(".yml ");
        kept.push_str(rest);
    }
    kept
}

/// Calls `each` with every key below a shape, its path and itself.
fn walk(shape: &'static Shape, path: &str, each: &mut dyn FnMut(String, &'static Field)) {
    for field in shape.fields() {
        let path = format!("{path}.{}", field.name);
        let (below, of) = match field.of.items() {
            Some(items) => (format!("{path}[]"), items),
            None => (path.clone(), &field.of),
        };
        each(path, field);
        if let Type::Mapping(shape) = of {
            walk(shape, &below, each);
        }
    }
}

/// Two values of a key.
fn values(path: &str, of: &'static Type) -> [Value; 2] {
    let known = [
        ("App.compose", json!({"services": {"web": {"image": "a"}}}), json!({"services": {"web": {"image": "b"}}})),
        ("App.volumes", json!([{"name": "data", "size": "2Gi"}]), json!([{"name": "more", "size": "2Gi"}])),
        ("App.volumes[].name", json!("data"), json!("third")),
        ("App.volumes[].source", json!("disk:a"), json!("disk:b")),
        ("App.ingress.rules[].name", json!("http"), json!("other")),
        ("App.ingress.rules[].port", json!(80), json!(81)),
        ("App.ingress.rules[].hosts", json!(["a.example.org"]), json!(["b.example.org"])),
        ("App.ingress.certResolver", json!("one"), json!("two")),
        ("App.reconcile.dependsOn", json!([format!("{CLUSTER}/app/other")]), json!([format!("{CLUSTER}/app/none")])),
        ("Defaults.komPath", json!(["one.yml"]), json!(["a.yml"])),
        ("Defaults.appId", json!(APP), json!(format!("{CLUSTER}/app/other"))),
        ("Document.kind", json!("App"), json!("Box")),
        ("Document.metadata.name", json!("other"), json!("shop")),
    ];
    if let Some((_, one, two)) = known.into_iter().find(|(known, ..)| *known == path) {
        return [one, two];
    }
    match path.rsplit('.').next().unwrap_or_default() {
        "annotations" => return [json!({shape::ID_ANNOTATION: format!("{CLUSTER}/app/other")}), json!({})],
        "schedule" => return [json!("@daily"), json!("@hourly")],
        "timeZone" => return [json!("Europe/Berlin"), json!("Asia/Tokyo")],
        "service" => return [json!("web"), json!("db")],
        "volumes" => return [json!(["data"]), json!(["more"])],
        "retention" => return [json!({"keepDaily": 1}), json!({"keepDaily": 9})],
        "operator" => return [json!("In"), json!("NotIn")],
        _ => {}
    }
    let filled = |shape: &'static Shape, place: &str| {
        let mut map = json!({});
        fill(&mut map, shape, place);
        map
    };
    match of {
        Type::String | Type::Pattern(_) | Type::Text | Type::LabelValue => [json!("alpha"), json!("gamma")],
        Type::Label(_) => [json!("alpha"), json!("gamma")],
        Type::Domain => [json!("a.example.net"), json!("b.example.net")],
        Type::Boolean => [json!(true), json!(false)],
        Type::Integer(least, _) => [json!(least + 2), json!(least + 3)],
        Type::Word([only]) => [json!(only), json!("neither")],
        Type::Word(words) => [json!(words[words.len() - 1]), json!(words[0])],
        Type::Duration => [json!("1h"), json!("2h")],
        Type::Size => [json!("2Gi"), json!("3Gi")],
        Type::Texts | Type::Labels => [json!({"a": "b"}), json!({"a": "c"})],
        Type::List(items) | Type::Filled(items) => match items {
            Type::Mapping(shape) => [json!([filled(shape, &format!("{path}[]"))]), json!([])],
            items => values("", items).map(|value| json!([value])),
        },
        Type::Mapping(shape) => [filled(shape, path), json!({"neither": 1})],
        Type::Compose | Type::Varies | Type::Any | Type::Later | Type::Reserved => [json!({"a": "b"}), Value::Null],
    }
}

/// Puts the keys that must be there into a mapping, and those without which a key says nothing.
fn fill(map: &mut Value, shape: &'static Shape, path: &str) {
    for field in shape.fields().filter(|field| field.required) {
        if map.get(field.name).is_none() {
            map[field.name] = values(&format!("{path}.{}", field.name), &field.of)[0].clone();
        }
    }
}

/// What must stand beside a key, at the place of the mapping that it is in.
fn beside(path: &str) -> Option<(&'static str, Value)> {
    let policy = path.strip_prefix("App.snapshotPolicies[].")?;
    Some(match policy {
        "on" | "schedule" => return None,
        "required" => ("on", json!("deploy")),
        _ => ("schedule", json!("@daily")),
    })
}

/// The entry with a key at a value, all that it lies in around it; and without the key.
fn plant(path: &str, value: &Value) -> [BTreeMap<&'static str, Value>; 2] {
    let mut documents = documents();
    let mut parts = path.split('.');
    let root = parts.next().unwrap();
    let (name, mut place) = documents.iter_mut().find(|(name, _)| **name == root).unwrap();
    let mut shape = if *name == "Document" {
        &shape::DOCUMENT
    } else {
        place = place.get_mut("spec").unwrap();
        match KomKind::ALL.into_iter().find(|kind| kind.name() == *name) {
            Some(kind) => shape::spec(kind),
            None => &shape::DEFAULTS,
        }
    };
    let mut walked = root.to_owned();
    let mut parts = parts.peekable();
    let key = loop {
        let part = parts.next().unwrap();
        walked = format!("{walked}.{part}");
        if let Some((key, value)) = beside(path)
            && shape.name == "SnapshotPolicy"
            && place.get(key).is_none()
        {
            place[key] = value;
        }
        if parts.peek().is_none() {
            break part;
        }
        let field = shape.field(part.trim_end_matches("[]")).unwrap();
        place = &mut place[field.name];
        let below = match field.of.items() {
            Some(items) => {
                if place.as_array().is_none_or(Vec::is_empty) {
                    *place = json!([{}]);
                }
                place = &mut place[0];
                items
            }
            None => {
                if place.is_null() {
                    *place = json!({});
                }
                &field.of
            }
        };
        let Type::Mapping(inner) = below else { panic!("{walked} is no mapping") };
        shape = inner;
        fill(place, shape, &walked);
    };
    if key == "values" {
        place["operator"] = json!("In");
    } else if key == "operator" || key == "key" {
        place["values"] = json!(["x"]);
    }
    place[key] = value.clone();
    let with = documents.clone();
    let mut without = documents;
    let pointer = path.replace("[]", "/0").replace('.', "/");
    let (root, below) = pointer.split_once('/').unwrap();
    let (outer, key) = below.rsplit_once('/').unwrap_or(("", below));
    let spec = if root == "Document" { String::new() } else { "/spec".to_owned() };
    let outer = if outer.is_empty() { spec } else { format!("{spec}/{outer}") };
    let place = without.get_mut(root).unwrap().pointer_mut(&outer).unwrap();
    place.as_object_mut().unwrap().remove(key).unwrap();
    [with, without]
}

/// Every key with its path.
fn all() -> Vec<(String, &'static Field)> {
    let mut keys = Vec::new();
    let mut each = |path, field| keys.push((path, field));
    walk(&shape::DOCUMENT, "Document", &mut each);
    walk(&shape::DEFAULTS, "Defaults", &mut each);
    for kind in KomKind::ALL {
        walk(shape::spec(kind), kind.name(), &mut each);
    }
    keys
}

#[test]
fn every_key_changes_the_objects_the_app_or_what_is_said() {
    let keys = all();
    assert!(keys.len() > 100, "only {} keys", keys.len());
    let mut wrong = Vec::new();
    for (path, field) in keys.iter().filter(|(path, _)| !is_silent(path)) {
        let [one, two] = values(path, &field.of);
        let [with, without] = plant(path, &one);
        let [other, _] = plant(path, &two);
        let [with, without, other] = [with, without, other].map(|documents| outcome(&documents));
        if with == other && !LATER.contains(&path.as_str()) {
            wrong.push(format!("{path}: {one} and {two} come to the same"));
        }
        if without == with && without == other {
            wrong.push(format!("{path}: with it and without it comes to the same"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} keys:\n{}", wrong.len(), keys.len(), wrong.join("\n"));
}

#[test]
fn no_key_takes_a_value_of_another_type() {
    let mut wrong = Vec::new();
    for (path, field) in all() {
        let value = match field.of {
            Type::Any => continue,
            Type::List(_) | Type::Filled(_) => json!({"a": "b"}),
            _ => json!([["a"]]),
        };
        let said = outcome(&plant(&path, &value)[0]);
        if !said.contains(" error ") {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_entry_around_the_keys_is_sound() {
    let said = outcome(&documents());
    assert!(!said.contains(" error "), "{said}");
}
