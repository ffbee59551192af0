//! What the cluster was seen to hold.

use std::collections::BTreeMap;
use std::fmt;

use kompox_manifests::object::ObjectKey;
use kompox_manifests::slots::{NodePools, VolumeBinding};
use serde_json::Value;

use crate::disk::Disk;

/// An object as the API server returned it.
#[derive(Clone, PartialEq)]
pub struct LiveObject {
    /// Identity.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The whole object, `metadata.managedFields` and `status` included.
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
}

/// Everything that was seen of one App: its objects, and its volumes' disks at the provider.
#[derive(Clone, Debug, Default)]
pub struct ObservedApp {
    /// Objects with the App's labels: its Namespace, what is in it, and its PersistentVolumes.
    pub objects: BTreeMap<ObjectKey, LiveObject>,
    /// What the provider said of each volume, by volume name.
    pub volumes: BTreeMap<String, ObservedVolume>,
    /// Content hashes of objects that Git does not hold; see [`kompox_manifests::slots::Slots`].
    pub external_hashes: BTreeMap<String, String>,
    /// Whether the cluster's nodes carry the pool label.
    pub node_pools: NodePools,
}

/// What the provider said of one volume.
#[derive(Clone, Debug)]
pub enum ObservedVolume {
    /// The provider was asked and its answer is complete.
    Known {
        /// The volume's disks that are ours, newest first.
        disks: Vec<ObservedDisk>,
        /// How a new disk would appear in Kubernetes; its handle is a placeholder.
        prospect: VolumeBinding,
    },
    /// The provider could not be asked; nothing may be concluded from it.
    Unknown {
        /// Why.
        reason: String,
        /// The disk of the bound PersistentVolume, when there is one.
        bound: Option<VolumeBinding>,
    },
}

/// A disk together with how it appears in Kubernetes.
#[derive(Clone, Debug)]
pub struct ObservedDisk {
    /// The disk.
    pub disk: Disk,
    /// Its PersistentVolume source and class.
    pub binding: VolumeBinding,
}
