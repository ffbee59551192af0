//! Disks as folders below a root on one node.
//!
//! A disk is a folder with its data and, beside the data and out of a Pod's reach, its tags. Every
//! change is made aside and then moved into place in one step, so that a kill at any moment leaves
//! either the old state or the new one, and something in the staging folder or the trash that the
//! next call removes. A lock on the root's marker keeps processes apart. The layout is drawn in
//! [`root`].

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use kompox_core::disk::{Disk, DiskScope, DiskSpec, Presence, Snapshot, SnapshotSpec};
use kompox_manifests::slots::VolumeClass;
use tokio::sync::Semaphore;

use crate::class;
use crate::driver::{Capabilities, Driver, Health, Pending, Progress, Result, SnapshotCopy};
use crate::error::{Conflict, DriverError};

mod files;
pub mod handle;
mod mounts;
mod record;
pub mod root;
pub mod settings;
mod spec;
mod store;
mod trash;

use files::{Context, FileOps, RealFiles};
use handle::LocalHandle;
use root::{Access, Root};
pub use root::{Prepared, RootMarker, init_root};
use store::{Located, Store};
use trash::Removed;

/// How soon to ask again for the rest of a deletion.
const REST_OF_DELETION: Duration = Duration::from_secs(1);

/// How much work on roots is under way at once. A file system that hangs keeps its thread, whoever has stopped waiting
/// for it; what else the process does on such threads must go on.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(3)));

/// The driver `local`.
#[derive(Clone, Debug)]
pub struct LocalDriver {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: String,
    node: String,
    files: Box<dyn FileOps>,
    /// Where the kernel's table of mounts is read.
    mounts: String,
}

impl LocalDriver {
    /// A driver for the root folder `root` of the node whose label `kubernetes.io/hostname` is
    /// `node`. Nothing is touched yet.
    ///
    /// # Errors
    /// `Invalid` for a path or node that cannot be one.
    pub fn new(root: &str, node: &str) -> Result<Self> {
        Self::with(root, node, Box::new(RealFiles), mounts::TABLE)
    }

    fn with(root: &str, node: &str, files: Box<dyn FileOps>, mounts: &str) -> Result<Self> {
        // Both end up in handles, so both must be what a handle can hold.
        let handle = LocalHandle::new(node, root)?;
        let (root, node) = (handle.path().to_owned(), handle.node().to_owned());
        Ok(Self { inner: Arc::new(Inner { root, node, files, mounts: mounts.to_owned() }) })
    }

    /// Runs `work` on the open root, on a thread that may block.
    async fn open<T: Send + 'static>(
        &self,
        access: Access,
        work: impl FnOnce(&Root, &Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        // It is never closed.
        let place = PLACES.clone().acquire_owned().await;
        let session = move || {
            let _place = place;
            work(&Root::open(&inner.root, &inner.node, access)?, &inner)
        };
        tokio::task::spawn_blocking(session)
            .await
            .map_err(|error| DriverError::transient(format!("the work on the root folder was cut short: {error}")))?
    }

    /// Runs `work` on the disks of one App.
    async fn store<T: Send + 'static>(
        &self,
        access: Access,
        scope: &DiskScope,
        work: impl FnOnce(&Store<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let scope = scope.clone();
        self.open(access, move |root, inner| {
            // Without the table nothing is known to be mounted elsewhere; the cluster is asked anyway.
            let mounts = std::fs::read_to_string(&inner.mounts).unwrap_or_default();
            work(&Store { root, files: inner.files.as_ref(), mounts: &mounts, scope: &scope })
        })
        .await
    }

    fn no_snapshots<T>(&self) -> Result<T> {
        Err(DriverError::unsupported(
            "the driver `local` takes no snapshots in this version: they need the application to be stopped (quiesce)",
        ))
    }
}

#[async_trait]
impl Driver for LocalDriver {
    fn name(&self) -> &'static str {
        class::DriverName::Local.as_str()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            snapshots: false,
            clones: false,
            files: false,
            sizes: false,
            reports_attachment: false,
            atomic_assign: true,
            options: &[],
        }
    }

    async fn probe(&self) -> Result<Health> {
        self.open(Access::Shared, |root, inner| {
            for folder in [&root.disks, &root.staging, &root.trash] {
                folder.check_writable().at("looking whether it can be written", folder.path())?;
            }
            Ok(Health {
                place: format!("root {} of node {}", root.marker.id, root.marker.node),
                notes: vec![format!(
                    "sizes of disks are not enforced: every disk may fill the file system of {}",
                    inner.root
                )],
            })
        })
        .await
    }

    async fn list_disks(&self, scope: &DiskScope) -> Result<Vec<Disk>> {
        self.store(Access::Shared, scope, |store| store.list()).await
    }

    async fn list_snapshots(&self, scope: &DiskScope) -> Result<Vec<Snapshot>> {
        self.store(Access::Shared, scope, |store| store.check_no_snapshots().map(|()| Vec::new())).await
    }

    async fn get_disk(&self, scope: &DiskScope, handle: &str) -> Presence<Disk> {
        let handle: LocalHandle = match handle.parse() {
            Ok(handle) => handle,
            Err(error) => return Presence::Unknown(error.to_string()),
        };
        match self.store(Access::Shared, scope, move |store| store.locate(&handle)).await {
            Ok(Located::Disk(disk)) => Presence::Present(*disk),
            Ok(Located::Absent { .. }) => Presence::Absent,
            Ok(Located::Elsewhere(reason)) => Presence::Unknown(reason),
            Err(error) => Presence::Unknown(error.to_string()),
        }
    }

    async fn get_snapshot(&self, _scope: &DiskScope, handle: &str) -> Presence<Snapshot> {
        Presence::Unknown(format!(
            "the driver `local` has no snapshots in this version, so nothing is known of {handle}"
        ))
    }

    async fn ensure_disk(&self, scope: &DiskScope, spec: &DiskSpec) -> Result<Progress<Disk>> {
        spec::check(spec)?;
        let spec = spec.clone();
        self.store(Access::Exclusive, scope, move |store| store.ensure(&spec)).await.map(Progress::Ready)
    }

    async fn ensure_snapshot(&self, _scope: &DiskScope, _spec: &SnapshotSpec) -> Result<Progress<Snapshot>> {
        self.no_snapshots()
    }

    async fn copy_snapshot(
        &self,
        _scope: &DiskScope,
        _handle: &str,
        _copy: &SnapshotCopy,
    ) -> Result<Progress<Snapshot>> {
        self.no_snapshots()
    }

    async fn resize_disk(&self, scope: &DiskScope, handle: &str, size: u64) -> Result<Progress<Disk>> {
        let located: LocalHandle = handle.parse()?;
        let disk = match self.store(Access::Shared, scope, move |store| store.locate(&located)).await? {
            Located::Disk(disk) => disk,
            Located::Absent { .. } => {
                return Err(DriverError::not_found(format!("there is no disk {handle} to resize")));
            }
            Located::Elsewhere(reason) => return Err(DriverError::conflict(Conflict::NotOurs, reason)),
        };
        match size.cmp(&disk.size) {
            std::cmp::Ordering::Equal => Ok(Progress::Ready(*disk)),
            std::cmp::Ordering::Less => Err(DriverError::invalid(format!(
                "disk `{}` has {} bytes and cannot shrink to {size}",
                disk.name, disk.size
            ))),
            std::cmp::Ordering::Greater => Err(DriverError::unsupported(format!(
                "disk `{}` keeps the size that was noted for it: the driver `local` does not enforce sizes, and the \
                 disk may use all the space of its file system already",
                disk.name
            ))),
        }
    }

    async fn set_assigned(&self, scope: &DiskScope, volume: &str, disk: &str) -> Result<()> {
        let (volume, disk) = (volume.to_owned(), disk.to_owned());
        self.store(Access::Exclusive, scope, move |store| store.assign(&volume, &disk)).await
    }

    async fn claim_disk(&self, scope: &DiskScope, handle: &str, take: bool) -> Result<Disk> {
        let handle: LocalHandle = handle.parse()?;
        self.store(Access::Exclusive, scope, move |store| store.claim(&handle, take)).await
    }

    async fn delete_disk(&self, scope: &DiskScope, handle: &str) -> Result<Progress<()>> {
        let handle: LocalHandle = handle.parse()?;
        let removed = self.store(Access::Exclusive, scope, move |store| store.delete(&handle)).await?;
        Ok(match removed {
            Removed::All => Progress::Ready(()),
            Removed::Partly => Progress::Pending(Pending { point_in_time_taken: false, retry_after: REST_OF_DELETION }),
        })
    }

    async fn delete_snapshot(&self, _scope: &DiskScope, _handle: &str) -> Result<Progress<()>> {
        self.no_snapshots()
    }

    fn volume_class(&self, disk: &Disk) -> Result<VolumeClass> {
        let handle: LocalHandle = disk.handle.parse()?;
        Ok(class::local_class(&handle))
    }

    fn normalize_handle(&self, handle: &str) -> Result<String> {
        handle.parse::<LocalHandle>().map(|handle| handle.to_string())
    }
}

#[cfg(test)]
mod tests;
