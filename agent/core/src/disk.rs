//! Disks and what is known of them.
//!
//! A *volume* is what an App names; a *disk* is what a provider holds for it. A volume can have
//! several disks, exactly one of them is *assigned* and mounted. Names and tags at the provider are
//! the record: everything here is derived from them, from the cluster and from Git, never from
//! memory. Drivers (crate `kompox-drivers`) produce these values, the plan decides with them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use kompox_manifests::model::{Volume, VolumeKind};

mod assign;
mod name;
mod past;
mod source;
mod tag;

pub use assign::{AssignHints, Assigned, RepairReason, choose_assigned};
pub use name::{DiskName, NameError, OpKey, SnapshotName, VolumeName, unnamed_disk_name};
pub use past::{EarlierLife, Known, Trace, VolumePast, earlier_life};
pub use source::{DiskSource, SourceError};
pub use tag::{DiskScope, ForeignTags, tags};

/// A disk as its provider reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its name, unique in the volume.
    pub name: String,
    /// The driver's own identifier, normalised: what a PersistentVolume refers to and what PV names
    /// are hashed from.
    pub handle: String,
    /// The volume that it belongs to.
    pub volume: String,
    /// Size in bytes.
    pub size: u64,
    /// The zone that it is tied to; `None` when any zone (or the only node) can use it.
    pub zone: Option<String>,
    /// Whether it is the volume's current disk.
    pub assigned: bool,
    /// When the provider made it.
    pub created: Timestamp,
    /// What it is doing.
    pub state: DiskState,
    /// Who uses it.
    pub attachment: Attachment,
    /// Hash of the cluster that claims it (`clsHASH`); `None` when nobody does.
    pub claim: Option<String>,
    /// Whether it must not be deleted: a lock at the provider, or the tag `kompox-keep`.
    pub protected: bool,
    /// Key of the operation that made it.
    pub op_key: Option<OpKey>,
    /// What it was made from, as recorded when it was made; `None` when nobody recorded it.
    pub source: Option<DiskSource>,
    /// Driver options that it was made with.
    pub options: BTreeMap<String, String>,
    /// Every tag, as the provider has them.
    pub tags: BTreeMap<String, String>,
}

impl Disk {
    /// Whose the disk is, seen from a cluster.
    #[must_use]
    pub fn claim_state(&self, cluster_hash: &str) -> ClaimState<'_> {
        claim_state(self.claim.as_deref(), cluster_hash)
    }
}

/// A snapshot as its provider reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name, unique in the volume.
    pub name: String,
    /// The driver's own identifier, normalised.
    pub handle: String,
    /// The volume that it belongs to.
    pub volume: String,
    /// Size in bytes of the smallest disk that it can be restored to.
    pub size: u64,
    /// The point in time that it holds.
    pub created: Timestamp,
    /// How far it is.
    pub state: SnapshotState,
    /// Hash of the cluster that claims it; `None` when nobody does. A foreign one is read-only.
    pub claim: Option<String>,
    /// Whether it must not be deleted: a lock at the provider, or the tag `kompox-keep`.
    pub protected: bool,
    /// Key of the operation that made it.
    pub op_key: Option<OpKey>,
    /// Every tag, as the provider has them.
    pub tags: BTreeMap<String, String>,
}

impl Snapshot {
    /// Whose the snapshot is, seen from a cluster.
    #[must_use]
    pub fn claim_state(&self, cluster_hash: &str) -> ClaimState<'_> {
        claim_state(self.claim.as_deref(), cluster_hash)
    }
}

fn claim_state<'a>(claim: Option<&'a str>, cluster_hash: &str) -> ClaimState<'a> {
    match claim {
        None => ClaimState::Unclaimed,
        Some(hash) if hash == cluster_hash => ClaimState::Ours,
        Some(hash) => ClaimState::Foreign(hash),
    }
}

/// Whose a disk or snapshot is. Two clusters with the same App see the same disks; each acts only
/// on those that it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState<'a> {
    /// This cluster's.
    Ours,
    /// Nobody's: an older deployment made it.
    Unclaimed,
    /// Another cluster's, named by its hash.
    Foreign(&'a str),
}

/// What a disk is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// The provider is still making it.
    Creating,
    /// It can be mounted.
    Ready,
    /// It is being removed.
    Deleting,
    /// It cannot be used; the provider's reason.
    Failed(String),
}

/// How far a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// Being made. Its point in time is already fixed.
    Creating,
    /// A disk can be made from it.
    Ready,
    /// Ready, and it survives the loss of the zone or node that holds the disk.
    Durable,
    /// It is being removed.
    Deleting,
    /// It cannot be used; the provider's reason.
    Failed(String),
}

/// Who uses a disk, as far as the provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Proved: nobody.
    Detached,
    /// These nodes (or mount points) use it.
    Attached(Vec<String>),
    /// The provider cannot tell. Only the cluster (Pods, VolumeAttachments) can.
    NotReported,
}

/// What is known of one thing at the provider. "Not found" is never taken for "absent" unless the
/// place where it would be was readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence<T> {
    /// It is there.
    Present(T),
    /// Proved: it is not there.
    Absent,
    /// Nobody can say; the reason in words.
    Unknown(String),
}

impl<T> Presence<T> {
    /// The thing, when it is known to be there.
    #[must_use]
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }
}

/// A disk that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpec {
    /// The volume that it is for.
    pub volume: String,
    /// Its name; [`unnamed_disk_name`] when nobody chose one.
    pub name: String,
    /// One writer, or a shared file system.
    pub kind: VolumeKind,
    /// Size in bytes; drivers round up to what the provider sells.
    pub size: u64,
    /// The zone that it must be in; `None` leaves it to the driver.
    pub zone: Option<String>,
    /// Driver options (`sku`, …).
    pub options: BTreeMap<String, String>,
    /// What it is made from.
    pub source: DiskSource,
    /// Key of the operation that makes it: asked for again, it gives the same disk.
    pub op_key: OpKey,
}

impl DiskSpec {
    /// A volume's first disk: empty, and named after the commit that asks for it (its time in Unix
    /// seconds) and the operation.
    #[must_use]
    pub fn first(volume: &Volume, op_key: OpKey, commit_time: i64) -> Self {
        Self {
            volume: volume.name.clone(),
            name: unnamed_disk_name(commit_time, &op_key).to_string(),
            kind: volume.kind,
            size: volume.size,
            zone: None,
            options: volume.options.clone(),
            source: DiskSource::Empty,
            op_key,
        }
    }
}

/// A snapshot that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSpec {
    /// The volume that it is of.
    pub volume: String,
    /// Its name.
    pub name: String,
    /// Handle of the disk to take it from.
    pub disk: String,
    /// Tags on top of those that say whose it is (`kompox-policy`, `kompox-tick`, `kompox-set`).
    pub tags: BTreeMap<String, String>,
    /// Key of the operation that takes it: asked for again, it gives the same snapshot.
    pub op_key: OpKey,
}

/// Newest first, then by volume and name: the order of every list of disks.
#[must_use]
pub fn by_age(left: &Disk, right: &Disk) -> Ordering {
    let key = |disk: &Disk| (std::cmp::Reverse(disk.created), disk.volume.clone(), disk.name.clone());
    key(left).cmp(&key(right))
}

/// Newest first, then by volume and name: the order of every list of snapshots.
#[must_use]
pub fn snapshots_by_age(left: &Snapshot, right: &Snapshot) -> Ordering {
    let key =
        |snapshot: &Snapshot| (std::cmp::Reverse(snapshot.created), snapshot.volume.clone(), snapshot.name.clone());
    key(left).cmp(&key(right))
}

impl fmt::Display for Attachment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detached => formatter.write_str("not attached"),
            Self::Attached(users) => write!(formatter, "attached to {}", users.join(", ")),
            Self::NotReported => formatter.write_str("attachment not known to the provider"),
        }
    }
}

#[cfg(test)]
mod tests;
