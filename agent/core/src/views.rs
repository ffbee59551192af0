//! Custom resources that show state: `kubectl get kompoxapps -A`.
//!
//! They are *views*: made from what the agent knows, read by people and programs, never asked by the
//! agent what to do. Deleting one, or having no CustomResourceDefinitions at all, loses nothing. The one
//! exception is a [`snapshot`] that a person creates, which asks for something.
//!
//! ```text
//! outcome ─► facts ─► View (spec, status, findings) ─┐
//!                                                    ├─► next_write ─► one request, or none
//! watch ───────────────────────────► LiveView ───────┘
//! ```

pub mod app;
pub mod condition;
pub mod crd;
pub mod disk;
pub mod snapshot;
pub mod source;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use kompox_manifests::names::Names;
use serde::Serialize;
use serde_json::{Map, Value, json};

use condition::{Condition, Finding};

/// API group of the views.
pub const GROUP: &str = "k8s.kompox.dev";
/// API version of the views.
pub const VERSION: &str = "v1alpha1";
/// Value of the label `app.kubernetes.io/managed-by` on every view that the agent writes. (`kompox` is
/// for objects of Apps.)
pub const MANAGER: &str = "kompox-agent";
/// Label of a view: the source that its App comes from.
pub const SOURCE_LABEL: &str = "kompox.dev/source";

/// The kinds of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewKind {
    /// A repository or folder, in the agent's own Namespace.
    Source,
    /// An App, in its Namespace.
    App,
    /// A disk that the provider holds for a volume of an App, in the App's Namespace.
    Disk,
    /// A snapshot that a person asks for, in the App's Namespace.
    Snapshot,
}

impl ViewKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Source, Self::App, Self::Disk, Self::Snapshot];

    /// `kind` as the API server spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "KompoxSource",
            Self::App => "KompoxApp",
            Self::Disk => "KompoxDisk",
            Self::Snapshot => "KompoxSnapshot",
        }
    }

    /// Plural, lower-case resource name of the kind's URL.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Source => "kompoxsources",
            Self::App => "kompoxapps",
            Self::Disk => "kompoxdisks",
            Self::Snapshot => "kompoxsnapshots",
        }
    }

    /// The kind whose CustomResourceDefinition has this name.
    #[must_use]
    pub fn of_definition(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| crd::name(*kind) == name)
    }
}

impl fmt::Display for ViewKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Identity of a view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewKey {
    /// Its kind.
    pub kind: ViewKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ViewKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A view as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Identity.
    pub key: ViewKey,
    /// Labels; empty for a view that a person made, whose labels and spec are the person's.
    pub labels: BTreeMap<String, String>,
    /// `spec`; `None` when it is the person's.
    pub spec: Option<Value>,
    /// `status` without its conditions.
    pub status: Value,
    /// What the conditions shall say.
    pub findings: Vec<Finding>,
    /// The state is on its way to another one: worth a write only when it lasts.
    pub passing: bool,
}

/// A view as the API server returned it.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveView {
    /// Identity.
    pub key: ViewKey,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.generation`, which counts the changes of `spec`.
    pub generation: i64,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec`.
    pub spec: Value,
    /// `status`; null when there is none.
    pub status: Value,
}

/// The next request that brings a view to where it shall be.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The object with its labels and spec is applied; it need not exist.
    Object(Value),
    /// The whole status is applied.
    Status(Value),
}

/// What is to be sent so that the cluster shows the view; `None` when it does already.
///
/// A view that does not exist takes two rounds: the object, then its status.
#[must_use]
pub fn next_write(view: &View, live: Option<&LiveView>, now: Timestamp) -> Option<Write> {
    let live = match live {
        Some(live) if has_object(view, live) => live,
        // A person's object that is gone is not made again.
        None if view.spec.is_none() => return None,
        _ => return Some(Write::Object(object(view))),
    };
    let status = status(view, live, now);
    (status != live.status).then(|| {
        Write::Status(json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": view.key.kind.name(),
            "metadata": {"name": view.key.name, "namespace": view.key.namespace},
            "status": status,
        }))
    })
}

fn has_object(view: &View, live: &LiveView) -> bool {
    let labelled = view.labels.iter().all(|(name, value)| live.labels.get(name) == Some(value));
    labelled && view.spec.as_ref().is_none_or(|spec| *spec == live.spec)
}

fn object(view: &View) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": view.key.kind.name(),
        "metadata": {"name": view.key.name, "namespace": view.key.namespace, "labels": view.labels},
        "spec": view.spec,
    })
}

/// The whole status. Times of conditions move only when the condition does.
fn status(view: &View, live: &LiveView, now: Timestamp) -> Value {
    let mut status = match &view.status {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    let conditions: Vec<Condition> =
        view.findings.iter().map(|finding| finding.over(&live.status, live.generation, now)).collect();
    status.insert("observedGeneration".to_owned(), live.generation.into());
    status.insert("conditions".to_owned(), value(&conditions));
    Value::Object(status)
}

/// A value of our own as JSON. None of them has keys that are no text, so this cannot fail.
fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

/// Labels of what belongs to one App.
fn app_labels(names: &Names, source: &str) -> BTreeMap<String, String> {
    let mut labels = source_labels(source);
    labels.insert("app.kubernetes.io/name".to_owned(), names.app.clone());
    labels.insert(kompox_manifests::labels::INSTANCE_HASH.to_owned(), names.hashes.instance.clone());
    labels
}

fn source_labels(source: &str) -> BTreeMap<String, String> {
    [(kompox_manifests::labels::MANAGED_BY, MANAGER), (SOURCE_LABEL, source)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[cfg(test)]
mod tests;
