//! What a commit cannot know. Rendering takes these from the caller: the agent fills them from the
//! cluster and the provider, `kompox-agent render` from its flags.

use std::collections::BTreeMap;

use crate::object::Kind;

/// The named slots of one App.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Name of the source that the App comes from (annotation `kompox.dev/source`); `None` leaves it out.
    pub source: Option<String>,
    /// By volume name: the assigned disk. A volume without one renders no PV, PVC or Pod mount and
    /// is therefore never rendered for applying; the plan creates the disk first.
    pub volumes: BTreeMap<String, VolumeBinding>,
    /// By volume name: the handle of the disk that it was on before this one, when there was one.
    pub previous_handles: BTreeMap<String, String>,
    /// Content hash of every ConfigMap and Secret that exists in the cluster but not in Git
    /// (`-override`, `--pull`, and `external` ones), by kind and name. What is missing does not exist.
    pub external_hashes: BTreeMap<(Kind, String), String>,
    /// Whether the cluster labels its nodes with `kompox.dev/node-pool`; when it does not, the pool
    /// selector is left out.
    pub node_pools: NodePools,
}

/// What is known of the label `kompox.dev/node-pool` in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodePools {
    /// Some node carries it, or nobody looked (offline): the selector is written.
    #[default]
    Labelled,
    /// No node carries it: the selector is left out.
    Unlabelled,
}

/// The disk that a volume is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeBinding {
    /// The driver's own identifier of the disk.
    pub handle: String,
    /// Size of the disk in bytes, when the provider knows it; else the App's size is used.
    pub size: Option<u64>,
    /// How Kubernetes mounts it.
    pub class: VolumeClass,
}

/// How a driver's disks appear in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeClass {
    /// `storageClassName` of PV and PVC.
    pub storage_class: String,
    /// `accessModes` of PV and PVC.
    pub access_modes: Vec<String>,
    /// The PV's volume source.
    pub source: PvSource,
    /// Required node affinity of the PV: every label must have one of its values.
    pub node_affinity: Vec<(String, Vec<String>)>,
}

/// The volume source of a PersistentVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PvSource {
    /// `csi`
    Csi {
        /// Name of the CSI driver.
        driver: String,
        /// `volumeHandle`.
        handle: String,
        /// `volumeAttributes`.
        attributes: BTreeMap<String, String>,
    },
    /// `local`
    Local {
        /// Absolute path on the node.
        path: String,
    },
}
