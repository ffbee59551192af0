//! A driver that fails by script: the network and the provider at their worst.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kompox_core::disk::{Disk, DiskScope, DiskSpec, Presence, Snapshot, SnapshotSpec};
use kompox_manifests::slots::VolumeClass;

use crate::driver::{Capabilities, Driver, Health, Progress, Result, SnapshotCopy};
use crate::error::DriverError;

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`Driver::probe`]
    Probe,
    /// [`Driver::list_disks`]
    ListDisks,
    /// [`Driver::list_snapshots`]
    ListSnapshots,
    /// [`Driver::get_disk`]
    GetDisk,
    /// [`Driver::get_snapshot`]
    GetSnapshot,
    /// [`Driver::ensure_disk`]
    EnsureDisk,
    /// [`Driver::ensure_snapshot`]
    EnsureSnapshot,
    /// [`Driver::copy_snapshot`]
    CopySnapshot,
    /// [`Driver::resize_disk`]
    ResizeDisk,
    /// [`Driver::set_assigned`]
    SetAssigned,
    /// [`Driver::claim_disk`]
    ClaimDisk,
    /// [`Driver::delete_disk`]
    DeleteDisk,
    /// [`Driver::delete_snapshot`]
    DeleteSnapshot,
}

/// What happens to one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request never arrives.
    Refused(DriverError),
    /// The request is carried out, but its reply is lost.
    ReplyLost(DriverError),
    /// The request is carried out, and the reply comes after this long.
    Late(Duration),
    /// The request never arrives and nothing ever answers.
    Hangs,
    /// Nothing happens to it.
    None,
}

/// A driver in front of another one. Each call takes the next fault of its operation's script; with
/// an empty script it goes through.
#[derive(Clone, Debug)]
pub struct FaultyDriver {
    inner: Arc<dyn Driver>,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    faults: BTreeMap<Operation, VecDeque<Fault>>,
    calls: BTreeMap<Operation, usize>,
}

impl FaultyDriver {
    /// Puts the decorator in front of a driver.
    #[must_use]
    pub fn new(inner: Arc<dyn Driver>) -> Self {
        Self { inner, script: Arc::default() }
    }

    /// Adds a fault at the end of an operation's script.
    pub fn fail(&self, operation: Operation, fault: Fault) {
        self.with(|script| script.faults.entry(operation).or_default().push_back(fault));
    }

    /// How often an operation was called, faults included.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> usize {
        self.with(|script| script.calls.get(&operation).copied().unwrap_or_default())
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Script) -> T) -> T {
        use_it(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next(&self, operation: Operation) -> Fault {
        self.with(|script| {
            *script.calls.entry(operation).or_default() += 1;
            script.faults.get_mut(&operation).and_then(VecDeque::pop_front).unwrap_or(Fault::None)
        })
    }

    async fn pass<T: Send>(&self, operation: Operation, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self.next(operation) {
            Fault::None => call.await,
            Fault::Refused(error) => Err(error),
            Fault::ReplyLost(error) => call.await.and(Err(error)),
            Fault::Late(delay) => {
                let reply = call.await;
                tokio::time::sleep(delay).await;
                reply
            }
            Fault::Hangs => std::future::pending().await,
        }
    }

    /// As [`FaultyDriver::pass`], for calls whose errors are "unknown".
    async fn look<T: Send>(&self, operation: Operation, call: impl Future<Output = Presence<T>> + Send) -> Presence<T> {
        let seen = self.pass(operation, async { Ok(call.await) }).await;
        seen.unwrap_or_else(|error| Presence::Unknown(error.to_string()))
    }
}

#[async_trait]
impl Driver for FaultyDriver {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn probe(&self) -> Result<Health> {
        self.pass(Operation::Probe, self.inner.probe()).await
    }

    async fn list_disks(&self, scope: &DiskScope) -> Result<Vec<Disk>> {
        self.pass(Operation::ListDisks, self.inner.list_disks(scope)).await
    }

    async fn list_snapshots(&self, scope: &DiskScope) -> Result<Vec<Snapshot>> {
        self.pass(Operation::ListSnapshots, self.inner.list_snapshots(scope)).await
    }

    async fn get_disk(&self, scope: &DiskScope, handle: &str) -> Presence<Disk> {
        self.look(Operation::GetDisk, self.inner.get_disk(scope, handle)).await
    }

    async fn get_snapshot(&self, scope: &DiskScope, handle: &str) -> Presence<Snapshot> {
        self.look(Operation::GetSnapshot, self.inner.get_snapshot(scope, handle)).await
    }

    async fn ensure_disk(&self, scope: &DiskScope, spec: &DiskSpec) -> Result<Progress<Disk>> {
        self.pass(Operation::EnsureDisk, self.inner.ensure_disk(scope, spec)).await
    }

    async fn ensure_snapshot(&self, scope: &DiskScope, spec: &SnapshotSpec) -> Result<Progress<Snapshot>> {
        self.pass(Operation::EnsureSnapshot, self.inner.ensure_snapshot(scope, spec)).await
    }

    async fn copy_snapshot(&self, scope: &DiskScope, handle: &str, copy: &SnapshotCopy) -> Result<Progress<Snapshot>> {
        self.pass(Operation::CopySnapshot, self.inner.copy_snapshot(scope, handle, copy)).await
    }

    async fn resize_disk(&self, scope: &DiskScope, handle: &str, size: u64) -> Result<Progress<Disk>> {
        self.pass(Operation::ResizeDisk, self.inner.resize_disk(scope, handle, size)).await
    }

    async fn set_assigned(&self, scope: &DiskScope, volume: &str, disk: &str) -> Result<()> {
        self.pass(Operation::SetAssigned, self.inner.set_assigned(scope, volume, disk)).await
    }

    async fn claim_disk(&self, scope: &DiskScope, handle: &str, take: bool) -> Result<Disk> {
        self.pass(Operation::ClaimDisk, self.inner.claim_disk(scope, handle, take)).await
    }

    async fn delete_disk(&self, scope: &DiskScope, handle: &str) -> Result<Progress<()>> {
        self.pass(Operation::DeleteDisk, self.inner.delete_disk(scope, handle)).await
    }

    async fn delete_snapshot(&self, scope: &DiskScope, handle: &str) -> Result<Progress<()>> {
        self.pass(Operation::DeleteSnapshot, self.inner.delete_snapshot(scope, handle)).await
    }

    fn volume_class(&self, disk: &Disk) -> Result<VolumeClass> {
        self.inner.volume_class(disk)
    }

    fn normalize_handle(&self, handle: &str) -> Result<String> {
        self.inner.normalize_handle(handle)
    }
}

#[cfg(test)]
mod tests;
