//! The CustomResourceDefinitions of the views, made from their types.
//!
//! The schemas are structural, as the API server wants them: every type is said at its place, and nothing
//! has a default (a defaulted field would differ from what the agent writes, for ever).

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::app::{AppSpec, AppStatus};
use super::disk::{DiskSpec, DiskStatus};
use super::snapshot::{SnapshotSpec, SnapshotStatus};
use super::source::{SourceSpec, SourceStatus};
use super::{GROUP, VERSION, ViewKind};

/// Name of the label by which the agent finds its definitions.
pub const LABEL: &str = "app.kubernetes.io/name";
/// Value of [`LABEL`].
pub const LABEL_VALUE: &str = "kompox-agent";

/// Name of a kind's definition.
#[must_use]
pub fn name(kind: ViewKind) -> String {
    format!("{}.{GROUP}", kind.plural())
}

/// Every definition, as the manifest that operators apply.
#[must_use]
pub fn manifest() -> String {
    let header = "# Custom resources that show what the agent knows: `kubectl get kompoxapps -A`. They are views, so\n\
                  # the agent works without them too.\n\
                  # Made from agent/core/src/views; a test fails when this file is stale, and says what to run.\n";
    let documents: Vec<String> =
        ViewKind::ALL.iter().map(|kind| kompox_manifests::render::to_document(&definition(*kind))).collect();
    format!("{header}{}", documents.join("---\n"))
}

/// The definition of a kind.
#[must_use]
pub fn definition(kind: ViewKind) -> Value {
    let singular = kind.name().to_ascii_lowercase();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name(kind), "labels": {LABEL: LABEL_VALUE}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name(),
                "listKind": format!("{}List", kind.name()),
                "plural": kind.plural(),
                "singular": singular,
                "categories": ["kompox"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": whole(kind)},
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(kind),
            }],
        },
    })
}

fn whole(kind: ViewKind) -> Value {
    let (doc, mut spec, status) = match kind {
        ViewKind::Source => (
            "A repository or folder that the agent deploys from. A view: the agent writes it.",
            schema::<SourceSpec>(),
            schema::<SourceStatus>(),
        ),
        ViewKind::App => {
            ("An App and how it is. A view: the agent writes it.", schema::<AppSpec>(), schema::<AppStatus>())
        }
        ViewKind::Disk => (
            "A disk that the provider holds for a volume of an App. A view: deleting it deletes no disk.",
            schema::<DiskSpec>(),
            schema::<DiskStatus>(),
        ),
        ViewKind::Snapshot => (
            "A snapshot of a disk, taken when a person creates this object.",
            schema::<SnapshotSpec>(),
            schema::<SnapshotStatus>(),
        ),
    };
    if kind == ViewKind::Snapshot {
        spec["x-kubernetes-validations"] = json!([{"rule": "self == oldSelf", "message": "a snapshot is of one disk for ever: create another object"}]);
    }
    json!({
        "description": doc,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    })
}

/// The columns of `kubectl get`; those of priority 1 only with `-o wide`.
fn columns(kind: ViewKind) -> Value {
    let column = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    let wide = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path, "priority": 1});
    let condition =
        |name: &str, aspect: &str| column(name, &format!(".status.conditions[?(@.type==\"{aspect}\")].status"));
    let message = wide("Message", ".status.conditions[?(@.type==\"Ready\")].message");
    let ready = condition("Ready", "Ready");
    let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
    match kind {
        ViewKind::Source => json!([
            ready,
            column("Commit", ".status.shortCommit"),
            column("Applied", ".status.shortAppliedCommit"),
            age,
            wide("URL", ".spec.url"),
            message,
        ]),
        ViewKind::App => json!([
            ready,
            condition("Synced", "Synced"),
            column("Commit", ".status.shortCommit"),
            age,
            wide("Source", ".spec.source"),
            message,
        ]),
        ViewKind::Disk => json!([
            ready,
            column("Volume", ".spec.volume"),
            json!({"name": "Assigned", "type": "boolean", "jsonPath": ".status.assigned"}),
            column("Size", ".status.size"),
            json!({"name": "Age", "type": "date", "jsonPath": ".status.created"}),
            wide("Zone", ".status.zone"),
            wide("Attached", ".status.attachment"),
            wide("Handle", ".status.handle"),
            message,
        ]),
        ViewKind::Snapshot => json!([
            ready,
            column("Disk", ".spec.diskRef.name"),
            column("Reason", ".status.conditions[?(@.type==\"Ready\")].reason"),
            age,
            message,
        ]),
    }
}

/// The structural schema of a type.
fn schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    structural(&mut schema);
    schema
}

/// Takes out what the API server does not accept in a structural schema, or should not act on.
fn structural(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for unwanted in ["title", "default", "nullable"] {
                // A property may have such a name: then it is a schema, no keyword.
                if fields.get(unwanted).is_some_and(|value| !value.is_object()) {
                    fields.remove(unwanted);
                }
            }
            words(fields);
            fields.values_mut().for_each(structural);
        }
        Value::Array(items) => items.iter_mut().for_each(structural),
        _ => {}
    }
}

/// A choice of words, each with a description of its own, becomes a plain list of words: alternatives may
/// not have types.
fn words(fields: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = fields.get("oneOf") else { return };
    let word = |alternative: &Value| alternative.get("enum")?.as_array()?.first().cloned();
    let Some(words) = alternatives.iter().map(word).collect::<Option<Vec<Value>>>() else { return };
    fields.remove("oneOf");
    fields.insert("type".to_owned(), json!("string"));
    fields.insert("enum".to_owned(), Value::Array(words));
}
