//! The port: what a provider of disks can be asked for.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use kompox_core::disk::{Disk, DiskScope, DiskSpec, OpKey, Presence, Snapshot, SnapshotSpec};
use kompox_manifests::slots::VolumeClass;

use crate::error::DriverError;

/// The result of asking a provider.
pub type Result<T> = std::result::Result<T, DriverError>;

/// A provider of disks and snapshots.
///
/// Every call is short and may be dropped at any point: nothing waits inside, the caller comes
/// again. Every call is made for one App seen from one cluster (the scope). What changes something
/// does so at most once for one operation key, whatever is repeated, lost or killed in between, and
/// acts only on what carries the scope's tags and its cluster's claim.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync {
    /// The driver's name in `Provider.spec.driver`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Asks the provider who we are and what we may do, changing nothing.
    ///
    /// # Errors
    /// What every other call would fail with.
    async fn probe(&self) -> Result<Health>;

    /// All disks of the App, whichever cluster claims them, newest first.
    ///
    /// # Errors
    /// Any doubt whether the list is complete is an error; there is no partial list.
    async fn list_disks(&self, scope: &DiskScope) -> Result<Vec<Disk>>;

    /// All snapshots of the App, whichever cluster claims them, newest first.
    ///
    /// # Errors
    /// As for [`Driver::list_disks`].
    async fn list_snapshots(&self, scope: &DiskScope) -> Result<Vec<Snapshot>>;

    /// One disk of the App. Only what was proved is `Absent`.
    async fn get_disk(&self, scope: &DiskScope, handle: &str) -> Presence<Disk>;

    /// One snapshot of the App. Only what was proved is `Absent`.
    async fn get_snapshot(&self, scope: &DiskScope, handle: &str) -> Presence<Snapshot>;

    /// Makes a disk, claimed and not assigned, or finds the one that `spec.op_key` made before, under
    /// whichever name.
    ///
    /// # Errors
    /// `Conflict(NameTaken)` when another operation made a disk of that name.
    async fn ensure_disk(&self, scope: &DiskScope, spec: &DiskSpec) -> Result<Progress<Disk>>;

    /// Takes a snapshot, claimed, or finds the one that `spec.op_key` took before.
    ///
    /// # Errors
    /// As for [`Driver::ensure_disk`].
    async fn ensure_snapshot(&self, scope: &DiskScope, spec: &SnapshotSpec) -> Result<Progress<Snapshot>>;

    /// Copies a snapshot to where it survives what the original does not.
    ///
    /// # Errors
    /// As for [`Driver::ensure_disk`].
    async fn copy_snapshot(&self, scope: &DiskScope, handle: &str, copy: &SnapshotCopy) -> Result<Progress<Snapshot>>;

    /// Makes a disk larger, to `size` bytes or the next size that the provider has.
    ///
    /// # Errors
    /// `Invalid` for a smaller size: disks only grow.
    async fn resize_disk(&self, scope: &DiskScope, handle: &str, size: u64) -> Result<Progress<Disk>>;

    /// Makes a disk the only assigned one of its volume. A kill in between leaves none or two
    /// assigned where [`Capabilities::atomic_assign`] is false; asking again mends it.
    ///
    /// # Errors
    /// `NotFound` when the volume has no such disk; nothing has changed then.
    async fn set_assigned(&self, scope: &DiskScope, volume: &str, disk: &str) -> Result<()>;

    /// Puts this cluster's claim on a disk. Without `take` only one that nobody claims is claimed;
    /// with it (the commit says `claim: take`) also another cluster's, once it is detached. Where
    /// [`Capabilities::reports_attachment`] is false, the caller proves first that no Pod uses it.
    ///
    /// # Errors
    /// `Conflict(Claimed)` or `Conflict(Attached)`.
    async fn claim_disk(&self, scope: &DiskScope, handle: &str, take: bool) -> Result<Disk>;

    /// Deletes a disk; one that is proved absent is deleted already. Refuses what is not ours,
    /// claimed by another cluster or none, assigned, attached or protected. Where
    /// [`Capabilities::reports_attachment`] is false, the caller proves first that no Pod uses it.
    ///
    /// # Errors
    /// The reason of the refusal.
    async fn delete_disk(&self, scope: &DiskScope, handle: &str) -> Result<Progress<()>>;

    /// Deletes a snapshot, by the same rules.
    ///
    /// # Errors
    /// The reason of the refusal.
    async fn delete_snapshot(&self, scope: &DiskScope, handle: &str) -> Result<Progress<()>>;

    /// How a disk appears in Kubernetes.
    ///
    /// # Errors
    /// `Invalid` when the disk's handle is none of this driver's.
    fn volume_class(&self, disk: &Disk) -> Result<VolumeClass>;

    /// The one way to write a handle, so that handles can be compared and hashed.
    ///
    /// # Errors
    /// `Invalid` when it is none of this driver's.
    fn normalize_handle(&self, handle: &str) -> Result<String>;
}

/// How far something is that takes its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// It is done.
    Ready(T),
    /// The provider is at it; ask again.
    Pending(Pending),
}

/// Something that the provider is still at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Of a snapshot: whether its point in time is fixed, so that the application may write again.
    pub point_in_time_taken: bool,
    /// When it makes sense to ask again.
    pub retry_after: Duration,
}

/// A copy of a snapshot that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotCopy {
    /// Name of the copy.
    pub name: String,
    /// Region or other place, in the provider's words; `None` is the same place, hardened.
    pub target: Option<String>,
    /// Key of the operation.
    pub op_key: OpKey,
}

/// Who the provider says we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What the disks live in (a subscription, a root folder's id): when it changes between two
    /// runs, absence proves nothing.
    pub place: String,
    /// What works but should be known, one sentence each.
    pub notes: Vec<String>,
}

/// What a driver can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Takes snapshots and makes disks from them.
    pub snapshots: bool,
    /// Makes disks from disks without a snapshot.
    pub clones: bool,
    /// Shared file systems (`type: files`).
    pub files: bool,
    /// The size of a disk limits what it holds, and disks grow in place. Where it does not, a
    /// size is a note and stays what it was.
    pub sizes: bool,
    /// The provider says whether a disk is attached.
    pub reports_attachment: bool,
    /// [`Driver::set_assigned`] can never leave none or two assigned.
    pub atomic_assign: bool,
    /// Driver options that mean something here; only a change of these is a change of the disk.
    pub options: &'static [&'static str],
}
