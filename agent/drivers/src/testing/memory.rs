//! A provider in memory: a cloud that answers at once or late, tags disks one by one, and knows
//! what is attached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use kompox_core::disk::{
    Attachment, ClaimState, Disk, DiskName, DiskScope, DiskSource, DiskSpec, DiskState, Presence, Snapshot,
    SnapshotName, SnapshotSpec, SnapshotState, VolumeName, by_age, snapshots_by_age, tags,
};
use kompox_manifests::model::VolumeKind;
use kompox_manifests::slots::{PvSource, VolumeClass};

use crate::driver::{Capabilities, Driver, Health, Pending, Progress, Result, SnapshotCopy};
use crate::error::{Conflict, DriverError, ErrorKind};

const GIB: u64 = 1 << 30;
const SCHEME: &str = "memory:";

/// The driver; a clone is another process at the same provider.
#[derive(Clone, Debug, Default)]
pub struct MemoryDriver {
    provider: Arc<Mutex<Provider>>,
}

#[derive(Debug, Default)]
struct Provider {
    outage: Option<DriverError>,
    disks: Vec<Held<Disk>>,
    snapshots: Vec<Held<Snapshot>>,
    /// Counts everything ever made; the clock too.
    made: i64,
    slowness: u32,
    writes_left: Option<u32>,
}

/// Something that may still be in the making.
#[derive(Debug)]
struct Held<T> {
    thing: T,
    /// How many more questions are answered with "not yet".
    not_yet: u32,
}

/// What disks and snapshots have in common.
trait Thing: Clone {
    fn tags(&self) -> &BTreeMap<String, String>;
    fn handle(&self) -> &str;
    fn claim_state(&self, cluster: &str) -> ClaimState<'_>;
    fn ready(&mut self);
}

impl Thing for Disk {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }
    fn handle(&self) -> &str {
        &self.handle
    }
    fn claim_state(&self, cluster: &str) -> ClaimState<'_> {
        self.claim_state(cluster)
    }
    fn ready(&mut self) {
        self.state = DiskState::Ready;
    }
}

impl Thing for Snapshot {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }
    fn handle(&self) -> &str {
        &self.handle
    }
    fn claim_state(&self, cluster: &str) -> ClaimState<'_> {
        self.claim_state(cluster)
    }
    fn ready(&mut self) {
        self.state = SnapshotState::Durable;
    }
}

impl MemoryDriver {
    /// An empty provider that does everything at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on everything that is made stays in the making for this many questions.
    pub fn slow_down(&self, questions: u32) {
        self.lock().slowness = questions;
    }

    /// From now on every call fails so; `None` ends the outage.
    pub fn outage(&self, error: Option<DriverError>) {
        self.lock().outage = error;
    }

    /// Stops [`Driver::set_assigned`] after this many more tags have been written.
    pub fn stop_after_tags(&self, writes: Option<u32>) {
        self.lock().writes_left = writes;
    }

    /// Changes a disk behind everybody's back; `false` when there is no such disk. Its tags follow
    /// from its fields.
    pub fn tamper(&self, handle: &str, change: impl FnOnce(&mut Disk)) -> bool {
        let mut provider = self.lock();
        let Some(held) = provider.disks.iter_mut().find(|held| held.thing.handle == handle) else { return false };
        change(&mut held.thing);
        retag(&mut held.thing);
        true
    }

    /// How many disks there are, whoever owns them.
    #[must_use]
    pub fn disk_count(&self) -> usize {
        self.lock().disks.len()
    }

    /// How many snapshots there are, whoever owns them.
    #[must_use]
    pub fn snapshot_count(&self) -> usize {
        self.lock().snapshots.len()
    }

    fn lock(&self) -> MutexGuard<'_, Provider> {
        self.provider.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reach(&self) -> Result<MutexGuard<'_, Provider>> {
        let provider = self.lock();
        match &provider.outage {
            Some(error) => Err(error.clone()),
            None => Ok(provider),
        }
    }
}

impl Provider {
    fn next(&mut self) -> (String, Timestamp) {
        self.made += 1;
        (format!("{SCHEME}{}", self.made), Timestamp::from_second(self.made).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    fn make_disk(&mut self, scope: &DiskScope, spec: &DiskSpec) -> Result<Progress<Disk>> {
        check_spec(spec)?;
        let own = |held: &Held<Disk>| scope.check_ownership(&held.thing.tags).is_ok();
        let by_operation = |held: &&mut Held<Disk>| held.thing.op_key.as_ref() == Some(&spec.op_key) && own(held);
        if let Some(held) = self.disks.iter_mut().find(by_operation) {
            check_claim(&held.thing, scope)?;
            if held.thing.volume != spec.volume {
                return Err(DriverError::invalid("the operation made a disk of another volume before"));
            }
            return Ok(progress(held));
        }
        let of_name = |held: &Held<Disk>| {
            (held.thing.volume.as_str(), held.thing.name.as_str()) == (&spec.volume, &spec.name) && own(held)
        };
        if self.disks.iter().any(of_name) {
            return Err(DriverError::conflict(
                Conflict::NameTaken,
                format!("volume `{}` has another disk `{}`", spec.volume, spec.name),
            ));
        }
        let smallest = self.source_size(scope, &spec.source)?;
        let (handle, created) = self.next();
        let mut disk = Disk {
            name: spec.name.clone(),
            handle,
            volume: spec.volume.clone(),
            size: spec.size.max(smallest).div_ceil(GIB) * GIB,
            zone: spec.zone.clone(),
            assigned: false,
            created,
            state: DiskState::Creating,
            attachment: Attachment::Detached,
            claim: Some(scope.cluster_hash.clone()),
            protected: false,
            op_key: Some(spec.op_key.clone()),
            source: Some(spec.source.clone()),
            options: spec.options.clone(),
            tags: scope.tags(),
        };
        retag(&mut disk);
        let mut held = Held { thing: disk, not_yet: self.slowness };
        let answer = progress(&mut held);
        self.disks.push(held);
        Ok(answer)
    }

    /// The least size that a copy of the source needs.
    fn source_size(&self, scope: &DiskScope, source: &DiskSource) -> Result<u64> {
        let missing = || DriverError::not_found(format!("there is no `{source}` to make a disk from"));
        let own = |found: &BTreeMap<String, String>| scope.check_ownership(found).is_ok();
        match source {
            DiskSource::Empty => Ok(0),
            DiskSource::Disk(name) => {
                let mut disks = self.disks.iter().map(|held| &held.thing);
                let of_name = disks.find(|disk| disk.name == name.as_str() && own(&disk.tags));
                Ok(of_name.ok_or_else(missing)?.size)
            }
            DiskSource::Snapshot(name) => {
                let mut snapshots = self.snapshots.iter().map(|held| &held.thing);
                let of_name = snapshots.find(|snapshot| snapshot.name == name.as_str() && own(&snapshot.tags));
                Ok(of_name.ok_or_else(missing)?.size)
            }
            DiskSource::LatestSnapshot { .. } | DiskSource::Existing(_) | DiskSource::Native(_) => {
                Err(DriverError::invalid(format!("the source `{source}` means nothing here")))
            }
        }
    }

    fn make_snapshot(&mut self, scope: &DiskScope, template: Snapshot) -> Result<Progress<Snapshot>> {
        template.name.parse::<SnapshotName>().map_err(|error| DriverError::invalid(error.to_string()))?;
        let own = |held: &Held<Snapshot>| scope.check_ownership(&held.thing.tags).is_ok();
        let by_operation = |held: &&mut Held<Snapshot>| held.thing.op_key == template.op_key && own(held);
        if let Some(held) = self.snapshots.iter_mut().find(by_operation) {
            check_claim(&held.thing, scope)?;
            return Ok(progress(held));
        }
        let of_name = |held: &Held<Snapshot>| {
            (&held.thing.volume, &held.thing.name) == (&template.volume, &template.name) && own(held)
        };
        if self.snapshots.iter().any(of_name) {
            return Err(DriverError::conflict(
                Conflict::NameTaken,
                format!("volume `{}` has another snapshot `{}`", template.volume, template.name),
            ));
        }
        let (handle, created) = self.next();
        let snapshot = Snapshot { handle, created, ..template };
        let mut held = Held { thing: snapshot, not_yet: self.slowness };
        let answer = progress(&mut held);
        self.snapshots.push(held);
        Ok(answer)
    }

    /// Writes one `assigned` tag, unless the script stops here.
    fn write_assigned(&mut self, index: usize, assigned: bool) -> Result<()> {
        match &mut self.writes_left {
            Some(0) => return Err(DriverError::transient("the connection broke between two tags")),
            Some(left) => *left -= 1,
            None => {}
        }
        let disk = &mut self.disks[index].thing;
        disk.assigned = assigned;
        retag(disk);
        Ok(())
    }
}

fn own<'a, T: Thing>(held: &'a mut [Held<T>], scope: &DiskScope, handle: &str) -> Result<Option<&'a mut Held<T>>> {
    let Some(found) = held.iter_mut().find(|held| held.thing.handle() == handle) else { return Ok(None) };
    match scope.check_ownership(found.thing.tags()) {
        Ok(()) => Ok(Some(found)),
        Err(error) => Err(DriverError::conflict(Conflict::NotOurs, format!("{handle}: {error}"))),
    }
}

fn present<T: Thing>(held: Result<Option<&mut Held<T>>>) -> Presence<T> {
    match held {
        Ok(Some(held)) => Presence::Present(held.thing.clone()),
        Ok(None) => Presence::Absent,
        Err(error) => Presence::Unknown(error.to_string()),
    }
}

/// One question: a step nearer to being ready.
fn progress<T: Thing>(held: &mut Held<T>) -> Progress<T> {
    if held.not_yet > 0 {
        held.not_yet -= 1;
        return Progress::Pending(Pending { point_in_time_taken: true, retry_after: Duration::from_millis(1) });
    }
    held.thing.ready();
    Progress::Ready(held.thing.clone())
}

fn check_claim<T: Thing>(thing: &T, scope: &DiskScope) -> Result<()> {
    match thing.claim_state(&scope.cluster_hash) {
        ClaimState::Ours => Ok(()),
        ClaimState::Unclaimed | ClaimState::Foreign(_) => {
            Err(DriverError::conflict(Conflict::Claimed, format!("{} is not claimed by this cluster", thing.handle())))
        }
    }
}

fn check_spec(spec: &DiskSpec) -> Result<()> {
    let invalid = |error: kompox_core::disk::NameError| DriverError::invalid(error.to_string());
    spec.volume.parse::<VolumeName>().map_err(invalid)?;
    spec.name.parse::<DiskName>().map_err(invalid)?;
    if spec.kind == VolumeKind::Files {
        return Err(DriverError::unsupported("there are no shared file systems in memory"));
    }
    if spec.size == 0 {
        return Err(DriverError::invalid("a disk of size 0"));
    }
    Ok(())
}

fn retag(disk: &mut Disk) {
    let Disk { name, volume, assigned, claim, protected, op_key, tags: all, .. } = disk;
    let mut set = |key: &str, value: Option<String>| match value {
        Some(value) => drop(all.insert(key.to_owned(), value)),
        None => drop(all.remove(key)),
    };
    set(tags::VOLUME, Some(volume.clone()));
    set(tags::DISK, Some(name.clone()));
    set(tags::ASSIGNED, Some(assigned.to_string()));
    set(tags::CLUSTER, claim.clone());
    set(tags::KEEP, protected.then(|| "true".to_owned()));
    set(tags::OP, op_key.as_ref().map(ToString::to_string));
}

#[async_trait]
impl Driver for MemoryDriver {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            snapshots: true,
            clones: true,
            files: false,
            sizes: true,
            reports_attachment: true,
            atomic_assign: false,
            options: &["sku"],
        }
    }

    async fn probe(&self) -> Result<Health> {
        self.reach().map(|_| Health { place: "memory".to_owned(), notes: Vec::new() })
    }

    async fn list_disks(&self, scope: &DiskScope) -> Result<Vec<Disk>> {
        let provider = self.reach()?;
        let all = provider.disks.iter().map(|held| held.thing.clone());
        let mut disks: Vec<Disk> = all.filter(|disk| scope.check_ownership(&disk.tags).is_ok()).collect();
        disks.sort_by(by_age);
        Ok(disks)
    }

    async fn list_snapshots(&self, scope: &DiskScope) -> Result<Vec<Snapshot>> {
        let provider = self.reach()?;
        let all = provider.snapshots.iter().map(|held| held.thing.clone());
        let mut snapshots: Vec<Snapshot> = all.filter(|one| scope.check_ownership(&one.tags).is_ok()).collect();
        snapshots.sort_by(snapshots_by_age);
        Ok(snapshots)
    }

    async fn get_disk(&self, scope: &DiskScope, handle: &str) -> Presence<Disk> {
        match self.reach() {
            Ok(mut provider) => present(own(&mut provider.disks, scope, handle)),
            Err(error) => Presence::Unknown(error.to_string()),
        }
    }

    async fn get_snapshot(&self, scope: &DiskScope, handle: &str) -> Presence<Snapshot> {
        match self.reach() {
            Ok(mut provider) => present(own(&mut provider.snapshots, scope, handle)),
            Err(error) => Presence::Unknown(error.to_string()),
        }
    }

    async fn ensure_disk(&self, scope: &DiskScope, spec: &DiskSpec) -> Result<Progress<Disk>> {
        self.reach()?.make_disk(scope, spec)
    }

    async fn ensure_snapshot(&self, scope: &DiskScope, spec: &SnapshotSpec) -> Result<Progress<Snapshot>> {
        let mut provider = self.reach()?;
        let missing = || DriverError::not_found(format!("there is no disk {} to take a snapshot of", spec.disk));
        let disk = own(&mut provider.disks, scope, &spec.disk)?.ok_or_else(missing)?.thing.clone();
        check_claim(&disk, scope)?;
        let mut all = scope.tags();
        all.extend(spec.tags.clone());
        all.insert(tags::VOLUME.to_owned(), spec.volume.clone());
        all.insert(tags::SNAPSHOT.to_owned(), spec.name.clone());
        all.insert(tags::OP.to_owned(), spec.op_key.to_string());
        let template = Snapshot {
            name: spec.name.clone(),
            handle: String::new(),
            volume: spec.volume.clone(),
            size: disk.size,
            created: Timestamp::UNIX_EPOCH,
            state: SnapshotState::Creating,
            claim: Some(scope.cluster_hash.clone()),
            protected: false,
            op_key: Some(spec.op_key.clone()),
            tags: all,
        };
        provider.make_snapshot(scope, template)
    }

    async fn copy_snapshot(&self, scope: &DiskScope, handle: &str, copy: &SnapshotCopy) -> Result<Progress<Snapshot>> {
        let mut provider = self.reach()?;
        let missing = || DriverError::not_found(format!("there is no snapshot {handle} to copy"));
        let original = own(&mut provider.snapshots, scope, handle)?.ok_or_else(missing)?.thing.clone();
        let mut template = Snapshot {
            name: copy.name.clone(),
            state: SnapshotState::Creating,
            claim: Some(scope.cluster_hash.clone()),
            op_key: Some(copy.op_key.clone()),
            ..original
        };
        template.tags.insert(tags::SNAPSHOT.to_owned(), copy.name.clone());
        template.tags.insert(tags::OP.to_owned(), copy.op_key.to_string());
        template.tags.insert(tags::CLUSTER.to_owned(), scope.cluster_hash.clone());
        provider.make_snapshot(scope, template)
    }

    async fn resize_disk(&self, scope: &DiskScope, handle: &str, size: u64) -> Result<Progress<Disk>> {
        let mut provider = self.reach()?;
        let missing = || DriverError::not_found(format!("there is no disk {handle} to resize"));
        let held = own(&mut provider.disks, scope, handle)?.ok_or_else(missing)?;
        check_claim(&held.thing, scope)?;
        if size < held.thing.size {
            return Err(DriverError::invalid(format!("{handle} cannot shrink")));
        }
        held.thing.size = size.div_ceil(GIB) * GIB;
        Ok(Progress::Ready(held.thing.clone()))
    }

    async fn set_assigned(&self, scope: &DiskScope, volume: &str, disk: &str) -> Result<()> {
        let mut provider = self.reach()?;
        let of_volume =
            |held: &Held<Disk>| held.thing.volume == volume && scope.check_ownership(&held.thing.tags).is_ok();
        let wanted = provider.disks.iter().position(|held| of_volume(held) && held.thing.name == disk);
        let wanted = wanted.ok_or_else(|| DriverError::not_found(format!("volume `{volume}` has no disk `{disk}`")))?;
        check_claim(&provider.disks[wanted].thing, scope)?;
        // The others first: a kill in between leaves none, which nobody mounts, rather than two.
        for index in 0..provider.disks.len() {
            if index != wanted && of_volume(&provider.disks[index]) && provider.disks[index].thing.assigned {
                provider.write_assigned(index, false)?;
            }
        }
        if !provider.disks[wanted].thing.assigned {
            provider.write_assigned(wanted, true)?;
        }
        Ok(())
    }

    async fn claim_disk(&self, scope: &DiskScope, handle: &str, take: bool) -> Result<Disk> {
        let mut provider = self.reach()?;
        let missing = || DriverError::not_found(format!("there is no disk {handle}"));
        let disk = &mut own(&mut provider.disks, scope, handle)?.ok_or_else(missing)?.thing;
        match disk.claim_state(&scope.cluster_hash) {
            ClaimState::Ours => return Ok(disk.clone()),
            ClaimState::Foreign(_) if !take => {
                return Err(DriverError::conflict(Conflict::Claimed, format!("{handle} has another claim")));
            }
            ClaimState::Foreign(_) | ClaimState::Unclaimed => {}
        }
        check_detached(disk)?;
        disk.claim = Some(scope.cluster_hash.clone());
        retag(disk);
        Ok(disk.clone())
    }

    async fn delete_disk(&self, scope: &DiskScope, handle: &str) -> Result<Progress<()>> {
        let mut provider = self.reach()?;
        let Some(held) = own(&mut provider.disks, scope, handle)? else { return Ok(Progress::Ready(())) };
        let disk = &held.thing;
        check_claim(disk, scope)?;
        if disk.protected {
            return Err(DriverError::new(ErrorKind::Protected, format!("{handle} is protected")));
        }
        if disk.assigned {
            return Err(DriverError::conflict(Conflict::Assigned, format!("{handle} is assigned")));
        }
        check_detached(disk)?;
        provider.disks.retain(|held| held.thing.handle != handle);
        Ok(Progress::Ready(()))
    }

    async fn delete_snapshot(&self, scope: &DiskScope, handle: &str) -> Result<Progress<()>> {
        let mut provider = self.reach()?;
        let Some(held) = own(&mut provider.snapshots, scope, handle)? else { return Ok(Progress::Ready(())) };
        check_claim(&held.thing, scope)?;
        if held.thing.protected {
            return Err(DriverError::new(ErrorKind::Protected, format!("{handle} is protected")));
        }
        provider.snapshots.retain(|held| held.thing.handle != handle);
        Ok(Progress::Ready(()))
    }

    fn volume_class(&self, disk: &Disk) -> Result<VolumeClass> {
        Ok(VolumeClass {
            storage_class: "memory".to_owned(),
            access_modes: vec!["ReadWriteOnce".to_owned()],
            source: PvSource::Csi {
                driver: "memory.example".to_owned(),
                handle: self.normalize_handle(&disk.handle)?,
                attributes: BTreeMap::new(),
            },
            node_affinity: Vec::new(),
        })
    }

    fn normalize_handle(&self, handle: &str) -> Result<String> {
        let number = handle.strip_prefix(SCHEME).and_then(|number| number.parse::<u64>().ok());
        let number = number.ok_or_else(|| DriverError::invalid(format!("`{handle}` is no handle of this driver")))?;
        Ok(format!("{SCHEME}{number}"))
    }
}

fn check_detached(disk: &Disk) -> Result<()> {
    match &disk.attachment {
        Attachment::Detached => Ok(()),
        attached => Err(DriverError::conflict(Conflict::Attached, format!("{} is {attached}", disk.handle))),
    }
}

#[cfg(test)]
mod tests;
