//! Disks in an open root: finding, making, assigning, claiming and deleting them.

use std::ffi::OsStr;
use std::time::Duration;

use kompox_core::disk::{
    Attachment, ClaimState, Disk, DiskName, DiskScope, DiskSource, DiskSpec, DiskState, VolumeName, by_age, tags,
};
use kompox_manifests::id::is_dns1123_label;

use super::files::{Context, FileOps, Folder};
use super::handle::LocalHandle;
use super::mounts;
use super::record::{self, AssignedRecord, DiskRecord};
use super::root::{PRIVATE, Root};
use super::trash::{self, Removed};
use crate::driver::Result;
use crate::error::{Conflict, DriverError, ErrorKind};

const RECORD: &str = "disk.json";
const DATA: &str = "data";
const ASSIGNED: &str = "assigned.json";
/// Any user of a Pod may write, as in a Docker volume; the private folders above keep others out.
const DATA_MODE: u32 = 0o777;
/// How long old trash may hold up what was asked for.
const OLD_TRASH: Duration = Duration::from_millis(500);
/// How long one call may remove the data of the disk that it deletes.
const OWN_TRASH: Duration = Duration::from_secs(2);

/// The disks of one App in an open root.
pub(crate) struct Store<'a> {
    pub(crate) root: &'a Root,
    pub(crate) files: &'a dyn FileOps,
    /// The kernel's table of mounts.
    pub(crate) mounts: &'a str,
    pub(crate) scope: &'a DiskScope,
}

/// What became of a handle.
pub(crate) enum Located {
    /// The disk of the App.
    Disk(Box<Disk>),
    /// Proved: it is not there.
    Absent {
        /// How its names in the trash begin.
        trash: String,
    },
    /// It is no place for a disk of this App; the reason.
    Elsewhere(String),
}

impl Store<'_> {
    /// All disks of the App.
    pub(crate) fn list(&self) -> Result<Vec<Disk>> {
        let Some(app) = self.app_folder()? else { return Ok(Vec::new()) };
        let mut disks = Vec::new();
        for volume in names::<VolumeName>(&app)? {
            let Some(folder) = self.child(&app, volume.as_str())? else { continue };
            let assigned = self.assigned(&folder)?;
            for name in names::<DiskName>(&folder)? {
                let disk = self.read(&folder, &volume, &name, assigned.as_deref())?;
                disks.extend(disk);
            }
        }
        disks.sort_by(by_age);
        Ok(disks)
    }

    /// Checks that the App has no snapshots here. This version makes none; what a later one made
    /// must not be taken for nothing.
    pub(crate) fn check_no_snapshots(&self) -> Result<()> {
        let Some(app) = self.child(&self.root.snapshots, &self.app_name()?)? else { return Ok(()) };
        let volumes = app.entries(usize::MAX).at("listing snapshots", app.path())?;
        if volumes.is_empty() {
            return Ok(());
        }
        Err(DriverError::unsupported(format!(
            "{} has snapshots that this version cannot read; use the version that made them",
            app.path()
        )))
    }

    /// Makes a disk, or finds the one that the same operation made.
    pub(crate) fn ensure(&self, spec: &DiskSpec) -> Result<Disk> {
        let volume: VolumeName = spec.volume.parse().map_err(invalid)?;
        let name: DiskName = spec.name.parse().map_err(invalid)?;
        self.sweep_leftovers();
        let disks = self.list()?;
        if let Some(made) = disks.iter().find(|disk| disk.op_key.as_ref() == Some(&spec.op_key)) {
            self.check_claim(made)?;
            if made.volume != spec.volume {
                return Err(DriverError::invalid(format!(
                    "the operation {} made disk `{}` of volume `{}` before, not of `{}`",
                    spec.op_key, made.name, made.volume, spec.volume
                )));
            }
            check_usable(made)?;
            return Ok(made.clone());
        }
        if let Some(taken) = disks.iter().find(|disk| disk.volume == spec.volume && disk.name == spec.name) {
            return Err(DriverError::conflict(
                Conflict::NameTaken,
                format!("volume `{}` has another disk `{}` already ({})", taken.volume, taken.name, taken.handle),
            ));
        }
        self.create(&volume, &name, spec)
    }

    /// The disk is made whole in the staging folder and then moved into place, so that it is there
    /// with its data folder and its tags, or not at all.
    fn create(&self, volume: &VolumeName, name: &DiskName, spec: &DiskSpec) -> Result<Disk> {
        let root = self.root;
        let staged = spec.op_key.as_str();
        let mut record = DiskRecord::new(spec.size, spec.source.to_string(), spec.options.clone());
        record.tags = self.scope.tags();
        for (key, value) in
            [(tags::VOLUME, volume.as_str()), (tags::DISK, name.as_str()), (tags::OP, spec.op_key.as_str())]
        {
            record.tags.insert(key.to_owned(), value.to_owned());
        }
        let path = root.staging.path_of(OsStr::new(staged));
        self.files.make_folder(&root.staging, staged, PRIVATE).at("making a disk's folder", &path)?;
        let folder = self.child(&root.staging, staged)?.ok_or_else(|| vanished(&path))?;
        self.files.make_folder(&folder, DATA, DATA_MODE).at("making a disk's data folder", &path)?;
        self.files.write_new(&folder, RECORD, &record::write(&record)?).at("writing a disk's tags", &path)?;
        self.files.sync(&folder).at("making a disk durable", &path)?;

        let app = self.ensure_folder(&root.disks, &self.app_name()?)?;
        let target = self.ensure_folder(&app, volume.as_str())?;
        self.files
            .rename(&root.staging, OsStr::new(staged), &target, name.as_str())
            .at("moving a disk into place", &target.path_of(name.as_str().as_ref()))?;
        self.files.sync(&target).at("making a disk durable", target.path())?;
        let assigned = self.assigned(&target)?;
        self.read(&target, volume, name, assigned.as_deref())?.ok_or_else(|| vanished(target.path()))
    }

    /// Makes a disk its volume's current one.
    pub(crate) fn assign(&self, volume: &str, name: &str) -> Result<()> {
        self.sweep_leftovers();
        let disks = self.list()?;
        let Some(disk) = disks.iter().find(|disk| disk.volume == volume && disk.name == name) else {
            return Err(DriverError::not_found(format!("volume `{volume}` has no disk `{name}` to assign")));
        };
        self.check_claim(disk)?;
        check_usable(disk)?;
        if disk.assigned {
            return Ok(());
        }
        let app = self.ensure_folder(&self.root.disks, &self.app_name()?)?;
        let folder = self.ensure_folder(&app, volume)?;
        self.replace(&folder, ASSIGNED, &record::write(&AssignedRecord::new(name))?)
    }

    /// Puts our claim on a disk.
    pub(crate) fn claim(&self, handle: &LocalHandle, take: bool) -> Result<Disk> {
        self.sweep_leftovers();
        let (volume, name) = match self.locate(handle)? {
            Located::Disk(disk) => {
                match disk.claim_state(&self.scope.cluster_hash) {
                    ClaimState::Ours => return Ok(*disk),
                    ClaimState::Foreign(_) if !take => return Err(claimed(&disk)),
                    ClaimState::Unclaimed | ClaimState::Foreign(_) => check_detached(&disk)?,
                }
                (disk.volume, disk.name)
            }
            Located::Absent { .. } => return Err(DriverError::not_found(format!("there is no disk {handle}"))),
            Located::Elsewhere(reason) => return Err(DriverError::conflict(Conflict::NotOurs, reason)),
        };
        let app = self.ensure_folder(&self.root.disks, &self.app_name()?)?;
        let folder = self.ensure_folder(&self.ensure_folder(&app, &volume)?, &name)?;
        let mut record = self.record(&folder)?;
        record.tags.insert(tags::CLUSTER.to_owned(), self.scope.cluster_hash.clone());
        self.replace(&folder, RECORD, &record::write(&record)?)?;
        match self.locate(handle)? {
            Located::Disk(disk) => Ok(*disk),
            Located::Absent { .. } | Located::Elsewhere(_) => Err(vanished(handle.path())),
        }
    }

    /// Deletes a disk: moved to the trash in one step, then removed a bounded piece at a time.
    pub(crate) fn delete(&self, handle: &LocalHandle) -> Result<Removed> {
        let trash = match self.locate(handle)? {
            Located::Absent { trash } => trash,
            Located::Elsewhere(reason) => return Err(DriverError::conflict(Conflict::NotOurs, reason)),
            Located::Disk(disk) => {
                self.check_deletable(&disk)?;
                let trash = self.trash_prefix(&disk.volume, &disk.name)?;
                let app = self.ensure_folder(&self.root.disks, &self.app_name()?)?;
                let folder = self.ensure_folder(&app, &disk.volume)?;
                trash::discard(self.files, self.root, &folder, OsStr::new(&disk.name), &trash)?;
                trash
            }
        };
        if trash::has(self.root, &trash)? {
            return trash::sweep(self.files, self.root, &trash, OWN_TRASH);
        }
        Ok(Removed::All)
    }

    /// Finds the disk behind a handle.
    pub(crate) fn locate(&self, handle: &LocalHandle) -> Result<Located> {
        if handle.node() != self.root.marker.node {
            return Ok(Located::Elsewhere(format!(
                "{handle} is on node `{}`, and this is node `{}`",
                handle.node(),
                self.root.marker.node
            )));
        }
        let Some((volume, name)) = self.place(handle)? else {
            return Ok(Located::Elsewhere(format!(
                "{handle} is no disk of app `{}` below {}/disks",
                self.scope.app, self.root.path
            )));
        };
        let absent = Located::Absent { trash: self.trash_prefix(volume.as_str(), name.as_str())? };
        let Some(app) = self.app_folder()? else { return Ok(absent) };
        let Some(folder) = self.child(&app, volume.as_str())? else { return Ok(absent) };
        let assigned = self.assigned(&folder)?;
        let disk = self.read(&folder, &volume, &name, assigned.as_deref())?;
        Ok(disk.map_or(absent, |disk| Located::Disk(Box::new(disk))))
    }

    /// The volume and name in a handle of this root and App.
    fn place(&self, handle: &LocalHandle) -> Result<Option<(VolumeName, DiskName)>> {
        let prefix = format!("{}/disks/{}/", self.root.path, self.app_name()?);
        let Some(rest) = handle.path().strip_prefix(&prefix) else { return Ok(None) };
        Ok(match rest.split('/').collect::<Vec<_>>().as_slice() {
            [volume, name, DATA] => volume.parse().ok().zip(name.parse().ok()),
            _ => None,
        })
    }

    /// Removes what earlier runs left. A failure here must not stop what was asked for.
    fn sweep_leftovers(&self) {
        if let Err(error) = trash::sweep(self.files, self.root, "", OLD_TRASH) {
            tracing::warn!(root = self.root.path, %error, "leftovers of deleted disks could not be removed");
        }
    }

    /// Reads one disk; `None` when nothing has its name.
    fn read(
        &self,
        volume_folder: &Folder,
        volume: &VolumeName,
        name: &DiskName,
        assigned: Option<&str>,
    ) -> Result<Option<Disk>> {
        let Some(folder) = self.child(volume_folder, name.as_str())? else { return Ok(None) };
        let path = folder.path().to_owned();
        let record = self.record(&folder)?;
        let mut all = record.tags;
        let says = |key: &str| all.get(key).map(String::as_str);
        if says(tags::VOLUME) != Some(volume.as_str()) || says(tags::DISK) != Some(name.as_str()) {
            return Err(damaged(&path, "its tags name another volume or disk; was it copied or renamed by hand?"));
        }
        self.scope.check_ownership(&all).map_err(|error| damaged(&path, &error.to_string()))?;
        let has_data = self.child(&folder, DATA)?.is_some();
        let assigned = assigned == Some(name.as_str());
        all.insert(tags::ASSIGNED.to_owned(), assigned.to_string());
        let inside = format!("disks/{}/{volume}/{name}/{DATA}", self.app_name()?);
        let data = format!("{}/{inside}", self.root.path);
        let users = mounts::elsewhere(self.mounts, &format!("{}/{inside}", self.root.real_path));
        Ok(Some(Disk {
            name: name.to_string(),
            handle: LocalHandle::new(&self.root.marker.node, &data)?.to_string(),
            volume: volume.to_string(),
            size: record.size_bytes,
            zone: None,
            assigned,
            created: record.created,
            state: if has_data { DiskState::Ready } else { DiskState::Failed(format!("{data} is missing")) },
            attachment: if users.is_empty() { Attachment::NotReported } else { Attachment::Attached(users) },
            claim: all.get(tags::CLUSTER).cloned(),
            protected: all.get(tags::KEEP).is_some_and(|keep| keep == "true"),
            op_key: all.get(tags::OP).and_then(|key| key.parse().ok()),
            source: record.source.parse::<DiskSource>().ok(),
            options: record.options,
            tags: all,
        }))
    }

    fn record(&self, folder: &Folder) -> Result<DiskRecord> {
        let path = folder.path_of(RECORD.as_ref());
        let content = folder.read(RECORD).at("reading a disk's tags", &path)?;
        record::parse(&content.ok_or_else(|| damaged(folder.path(), &format!("it has no {RECORD}")))?, &path)
    }

    /// The name of the volume's current disk.
    fn assigned(&self, volume: &Folder) -> Result<Option<String>> {
        let path = volume.path_of(ASSIGNED.as_ref());
        match volume.read(ASSIGNED).at("reading which disk is assigned", &path)? {
            None => Ok(None),
            Some(content) => Ok(Some(record::parse::<AssignedRecord>(&content, &path)?.disk)),
        }
    }

    /// Writes a file anew and moves it over the old one, so that readers see one or the other.
    fn replace(&self, folder: &Folder, name: &str, content: &[u8]) -> Result<()> {
        let path = folder.path_of(name.as_ref());
        self.files.write_new(&self.root.staging, name, content).at("writing a file", &path)?;
        self.files.rename(&self.root.staging, name.as_ref(), folder, name).at("replacing a file", &path)?;
        self.files.sync(folder).at("making a file durable", &path)
    }

    fn ensure_folder(&self, parent: &Folder, name: &str) -> Result<Folder> {
        if let Some(folder) = self.child(parent, name)? {
            return Ok(folder);
        }
        let path = parent.path_of(name.as_ref());
        self.files.make_folder(parent, name, PRIVATE).at("making a folder", &path)?;
        self.files.sync(parent).at("making a folder durable", &path)?;
        self.child(parent, name)?.ok_or_else(|| vanished(&path))
    }

    fn app_folder(&self) -> Result<Option<Folder>> {
        self.child(&self.root.disks, &self.app_name()?)
    }

    fn child(&self, parent: &Folder, name: &str) -> Result<Option<Folder>> {
        parent.child(name).at("opening a folder", &parent.path_of(name.as_ref()))
    }

    /// The App's folder below `disks`: readable, and apart from every other App's.
    fn app_name(&self) -> Result<String> {
        let DiskScope { app, app_id_hash, .. } = self.scope;
        let hash = !app_id_hash.is_empty() && app_id_hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if hash && is_dns1123_label(app) {
            return Ok(format!("{app}-{app_id_hash}"));
        }
        Err(DriverError::invalid(format!("app `{}` with hash `{}` has no safe name", app.escape_debug(), app_id_hash)))
    }

    /// How the names of a deleted disk begin in the trash. No part has a dot.
    fn trash_prefix(&self, volume: &str, name: &str) -> Result<String> {
        Ok(format!("{}.{volume}.{name}.", self.app_name()?))
    }

    fn check_claim(&self, disk: &Disk) -> Result<()> {
        match disk.claim_state(&self.scope.cluster_hash) {
            ClaimState::Ours => Ok(()),
            ClaimState::Unclaimed | ClaimState::Foreign(_) => Err(claimed(disk)),
        }
    }

    fn check_deletable(&self, disk: &Disk) -> Result<()> {
        self.check_claim(disk)?;
        let Disk { name, volume, .. } = disk;
        if disk.protected {
            return Err(DriverError::new(
                ErrorKind::Protected,
                format!("disk `{name}` of volume `{volume}` carries the tag {}; it is kept", tags::KEEP),
            ));
        }
        if disk.assigned {
            return Err(DriverError::conflict(
                Conflict::Assigned,
                format!("disk `{name}` is the current disk of volume `{volume}`; assign another one first"),
            ));
        }
        check_detached(disk)
    }
}

/// The names of folders that are names of volumes or disks. Files beside them are ours; any other
/// folder or link is something that we do not understand, and so is the whole listing then.
fn names<T: std::str::FromStr<Err = kompox_core::disk::NameError>>(folder: &Folder) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for entry in folder.entries(usize::MAX).at("listing a folder", folder.path())? {
        if entry.name == ASSIGNED {
            continue;
        }
        let path = folder.path_of(&entry.name);
        if !entry.folder {
            return Err(damaged(
                &path,
                "it is not ours: only folders of disks belong here, and links are not followed",
            ));
        }
        let name = entry.name.to_string_lossy();
        found.push(name.parse().map_err(|error| damaged(&path, &format!("it is not ours: {error}")))?);
    }
    Ok(found)
}

fn check_usable(disk: &Disk) -> Result<()> {
    match &disk.state {
        DiskState::Failed(reason) => Err(DriverError::conflict(
            Conflict::Damaged,
            format!("disk `{}` of volume `{}` cannot be used: {reason}", disk.name, disk.volume),
        )),
        DiskState::Creating | DiskState::Ready | DiskState::Deleting => Ok(()),
    }
}

fn check_detached(disk: &Disk) -> Result<()> {
    match &disk.attachment {
        Attachment::Attached(users) => Err(DriverError::conflict(
            Conflict::Attached,
            format!("disk `{}` of volume `{}` is still mounted at {}", disk.name, disk.volume, users.join(", ")),
        )),
        Attachment::Detached | Attachment::NotReported => Ok(()),
    }
}

fn claimed(disk: &Disk) -> DriverError {
    let by = disk.claim.as_ref().map_or_else(|| "by no cluster".to_owned(), |hash| format!("by cluster {hash}"));
    DriverError::conflict(
        Conflict::Claimed,
        format!(
            "disk `{}` of volume `{}` is claimed {by} (tag {}), not by this one; it is left alone until that cluster \
             gives it up",
            disk.name,
            disk.volume,
            tags::CLUSTER
        ),
    )
}

fn damaged(path: &str, why: &str) -> DriverError {
    DriverError::conflict(Conflict::Damaged, format!("{path}: {why} Move it away, or mend it."))
}

fn vanished(path: &str) -> DriverError {
    DriverError::transient(format!("{path} vanished while it was being worked on"))
}

fn invalid(error: kompox_core::disk::NameError) -> DriverError {
    DriverError::invalid(error.to_string())
}
