//! `KompoxSnapshot`: a snapshot that a person asks for by creating one.
//!
//! No driver of this version takes snapshots. The object's status says so; nothing is taken, and nothing
//! is left in the dark.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::{Aspect, Condition, Finding, Truth};
use super::{LiveView, View, value};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotSpec {
    /// The disk to take it from.
    pub disk_ref: DiskRef,
}

/// A disk in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskRef {
    /// Name of its `KompoxDisk`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SnapshotStatus {
    /// The generation of the object that this status is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How it is: Ready, Progressing, Degraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// The answer to a snapshot that a person asks for. `known` tells whether a `KompoxDisk` of a name is in
/// its namespace.
#[must_use]
pub fn answer(live: &LiveView, known: impl Fn(&str) -> bool) -> View {
    let disk = SnapshotSpec::deserialize(&live.spec).unwrap_or_default().disk_ref.name;
    let (reason, text) = if known(&disk) {
        let text = format!("nothing was taken of disk {disk}: this version takes no snapshots with any driver");
        ("Unsupported", text)
    } else {
        let text = format!("nothing was taken: there is no KompoxDisk {disk} in the namespace {}", live.key.namespace);
        ("DiskNotFound", text)
    };
    View {
        key: live.key.clone(),
        labels: Default::default(),
        spec: None,
        status: value(&SnapshotStatus::default()),
        findings: [(Aspect::Ready, Truth::False), (Aspect::Progressing, Truth::False), (Aspect::Degraded, Truth::True)]
            .map(|(aspect, truth)| Finding::new(aspect, truth, reason, &text))
            .into(),
        passing: false,
    }
}
