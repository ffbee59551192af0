use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::*;
use crate::yaml::{Dialect, Node, Value, decode, parse};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

static KOM: LazyLock<jsonschema::Validator> = LazyLock::new(|| validator(&kom()));
static KOMPOXOPS: LazyLock<jsonschema::Validator> = LazyLock::new(|| validator(&kompoxops()));

fn validator(schema: &str) -> jsonschema::Validator {
    let schema: Json = serde_json::from_str(schema).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// As an editor sees it.
fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => serde_json::from_str(&value.to_string()).unwrap(),
        Value::Float(value) => serde_json::Number::from_f64(*value).map_or_else(|| json!("nan"), Json::Number),
        Value::String(text) => json!(text),
        Value::Seq(items) => items.iter().map(json_of).collect(),
        Value::Map(map) => map.iter().map(|entry| (entry.key.text.clone(), json_of(&entry.value))).collect(),
    }
}

/// What the schema of the file says against its documents; `None` when it is no YAML.
pub(in crate::kom) fn refusals(path: &str, text: &str) -> Option<Vec<String>> {
    let (file, text) = decode(path, text.as_bytes(), true).ok()?;
    let documents = parse(&file, &text, Dialect::Compose).ok()?;
    let validator = if path.ends_with("kompoxops.yml") { &KOMPOXOPS } else { &KOM };
    let refusals = documents.iter().filter(|document| !document.is_null()).flat_map(|document| {
        let json = json_of(document);
        validator.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect::<Vec<_>>()
    });
    Some(refusals.collect())
}

#[test]
fn the_committed_schemas_are_current() {
    for (name, schema) in [("kom", kom()), ("kompoxops", kompoxops())] {
        let path = root().join(format!("schemas/{name}.schema.json"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == schema, "{} is stale: run the tests with UPDATE_SCHEMAS=1", path.display());
    }
}

/// Every entry file below a folder.
fn entries(folder: &Path, found: &mut Vec<PathBuf>) {
    for child in std::fs::read_dir(folder).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() {
            entries(&path, found);
        } else if path.file_name().is_some_and(|name| name == "kompoxops.yml" || name == "kompoxapp.yml") {
            found.push(path);
        }
    }
}

#[test]
fn examples_and_fixtures_fit() {
    let mut files = Vec::new();
    entries(&root().join("examples"), &mut files);
    entries(&root().join("tests/fixtures"), &mut files);
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let refusals = refusals(&file.to_string_lossy(), &text).unwrap();
        assert_eq!(refusals, [""; 0], "{}", file.display());
    }
}

#[test]
fn examples_name_their_schema() {
    let mut files = Vec::new();
    entries(&root().join("examples"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let schema = text.lines().find_map(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let schema = file.parent().unwrap().join(schema.unwrap_or_else(|| panic!("{} names none", file.display())));
        assert!(schema.is_file(), "{}", schema.display());
    }
}

#[test]
fn a_kind_decides_what_its_document_may_hold() {
    let document = |kind: &str, id: &str, spec: &str| {
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: a, annotations: {{ops.kompox.dev/id: {id}}}}}\n{spec}\n"
        )
    };
    let accepted = |text: &str| refusals("kompoxapp.yml", text).unwrap().is_empty();
    assert!(accepted(&document("Workspace", "/ws/a", "")));
    assert!(accepted(&document("Workspace", "/ws/a", "spec: {settings: {a: 1}}")));
    assert!(!accepted(&document("Workspace", "/ws/a", "spec: {driver: aks}")));
    assert!(!accepted(&document("Workspace", "/ws/a/prv/a", "")));
    assert!(accepted(&document("Provider", "/ws/a/prv/a", "spec: {driver: aks}")));
    assert!(!accepted(&document("Provider", "/ws/a/prv/a", "")));
    assert!(!accepted("apiVersion: ops.kompox.dev/v1alpha1\nkind: Workspace\n"));
    assert!(accepted("apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {komPath: [apps]}\n"));
    assert!(!accepted("apiVersion: v1\nkind: ConfigMap\n"));
}
