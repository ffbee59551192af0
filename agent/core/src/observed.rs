//! What the cluster was seen to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use kompox_manifests::object::{Kind, ObjectKey};
use kompox_manifests::slots::VolumeBinding;
use serde_json::Value;

use crate::disk::{Disk, Known, Snapshot};

/// An object as the API server returned it.
#[derive(Clone, PartialEq)]
pub struct LiveObject {
    /// Identity.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The whole object, `metadata.managedFields` and `status` included. A Secret of an App may be sealed
    /// ([`crate::seal`]).
    pub body: Value,
}

impl fmt::Debug for LiveObject {
    // A Secret's body must never reach a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LiveObject({} at {})", self.key, self.resource_version)
    }
}

impl LiveObject {
    /// `metadata.labels[name]`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.body.pointer("/metadata/labels")?.get(name)?.as_str()
    }

    /// `metadata.annotations[name]`.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.body.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    /// `metadata.managedFields`.
    #[must_use]
    pub fn managed_fields(&self) -> &[Value] {
        self.body.pointer("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.body.pointer("/metadata/deletionTimestamp").is_some()
    }

    /// Since when it is being deleted; `None` when it is not.
    #[must_use]
    pub fn deleted_since(&self) -> Option<Timestamp> {
        self.body.pointer("/metadata/deletionTimestamp")?.as_str()?.parse().ok()
    }

    /// `metadata.finalizers`.
    #[must_use]
    pub fn finalizers(&self) -> Vec<&str> {
        let finalizers = self.body.pointer("/metadata/finalizers").and_then(Value::as_array);
        finalizers.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// Everything that was seen of one App: its objects, and its disks at the provider.
#[derive(Clone, Debug)]
pub struct ObservedApp {
    /// Objects with the App's labels: its Namespace, what is in it, and its PersistentVolumes.
    pub objects: BTreeMap<ObjectKey, LiveObject>,
    /// The App's disks at the provider, all volumes', or why nobody can say.
    pub disks: Known<Vec<Disk>>,
    /// The App's snapshots at the provider, likewise.
    pub snapshots: Known<Vec<Snapshot>>,
    /// How each disk appears in Kubernetes, by its handle.
    pub bindings: BTreeMap<String, VolumeBinding>,
    /// How a new disk of each volume would appear, by volume name; its handle is a placeholder.
    pub prospects: BTreeMap<String, VolumeBinding>,
    /// The disk of the PersistentVolume that each volume's claim is bound to, by volume name.
    pub bound: BTreeMap<String, VolumeBinding>,
    /// Content hashes of objects that Git does not hold; see [`kompox_manifests::slots::Slots`].
    pub external_hashes: BTreeMap<(Kind, String), String>,
    /// The cluster's nodes.
    pub nodes: Vec<Node>,
    /// Paths of the fields of each object that this cluster drops; see [`crate::plan::unsupported`].
    pub dropped: BTreeMap<ObjectKey, BTreeSet<String>>,
}

impl ObservedApp {
    /// Enters disks that were just made or assigned, so that the same observation plans the rest.
    pub fn settle(&mut self, settled: Vec<(Disk, VolumeBinding)>) {
        let mut disks = std::mem::replace(&mut self.disks, Ok(Vec::new())).unwrap_or_default();
        for (disk, binding) in settled {
            disks.retain(|other| other.handle != disk.handle);
            for other in disks.iter_mut().filter(|other| other.volume == disk.volume) {
                other.assigned = false;
            }
            self.bindings.insert(disk.handle.clone(), binding);
            disks.push(disk);
        }
        self.disks = Ok(disks);
    }
}

/// What matters of a node for placing Pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its label `kubernetes.io/hostname`.
    pub hostname: String,
    /// Its label `kompox.dev/node-pool`.
    pub pool: Option<String>,
}

impl Default for ObservedApp {
    /// Nothing in the cluster, and a provider that was not asked.
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            disks: Err("the provider was not asked".to_owned()),
            snapshots: Err("the provider was not asked".to_owned()),
            bindings: BTreeMap::new(),
            prospects: BTreeMap::new(),
            bound: BTreeMap::new(),
            external_hashes: BTreeMap::new(),
            nodes: Vec::new(),
            dropped: BTreeMap::new(),
        }
    }
}
