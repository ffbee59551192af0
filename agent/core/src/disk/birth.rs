//! Whether a volume may get a new empty disk. This is where an application could start without its
//! data, so everything that speaks of an earlier life of the volume stands against it.

use std::fmt;

use super::name::{OpKey, VolumeName};
use super::{Disk, Snapshot};

/// Something that was looked up: what it is, or why nobody can say.
pub type Known<T> = Result<T, String>;

/// `newDisks` of the agent's configuration: what happens when a volume needs its first disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewDisks {
    /// It is created, when nothing speaks of an earlier life.
    #[default]
    Allow,
    /// It waits for a person's word.
    Hold,
}

/// Everything that could speak of an earlier life of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePast {
    /// Disks of the App at the provider, of whichever cluster, old tags included.
    pub disks: Known<Vec<Disk>>,
    /// Snapshots of the App at the provider, likewise.
    pub snapshots: Known<Vec<Snapshot>>,
    /// Names of the PersistentVolumes of the volume in the cluster.
    pub persistent_volumes: Known<Vec<String>>,
    /// Names of the KompoxDisk objects of the volume in the cluster.
    pub disk_objects: Known<Vec<String>>,
    /// The commit of an earlier successful deploy of the App with this volume.
    pub deployed: Known<Option<String>>,
    /// The App that this one seems to be, under its former name.
    pub suspected_rename: Option<String>,
    /// On the first start in an empty cluster: the other Apps of the source that do have disks.
    pub rebuild: Vec<String>,
    /// What the agent's configuration says.
    pub new_disks: NewDisks,
}

/// One thing that speaks of an earlier life of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A disk at the provider.
    Disk {
        /// Its name.
        name: String,
        /// The cluster that claims it.
        claim: Option<String>,
    },
    /// A snapshot at the provider.
    Snapshot(String),
    /// A PersistentVolume in the cluster.
    PersistentVolume(String),
    /// A KompoxDisk in the cluster.
    DiskObject(String),
    /// An earlier successful deploy, by its commit.
    Deployed(String),
    /// The App looks like another one that was renamed.
    Rename(String),
    /// The cluster is new, and other Apps of the source have disks.
    Rebuild(Vec<String>),
    /// The agent's configuration holds new disks.
    Configured,
}

/// What the plan may do for a volume without a current disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewEmptyDisk {
    /// Nothing speaks of an earlier life: NEW EMPTY DISK.
    Create,
    /// This very operation made it already; asking again finishes it.
    Resume(Box<Disk>),
    /// It would be created, but waits for a person's word.
    Held(Vec<Evidence>),
    /// The volume has lived before: a person must say which data it gets.
    Blocked(Vec<Evidence>),
    /// Something could not be looked up; the reasons. Nothing is created until it can.
    Unknown(Vec<String>),
}

/// Decides whether `volume`, which has no current disk, may get a new empty one by the operation
/// `op`. `cluster_hash` is this cluster's claim. `op` must be the same at every attempt, whichever
/// commit asks for it: derive it from the volume's identity and a fixed generation.
#[must_use]
pub fn new_empty_disk(past: &VolumePast, volume: &VolumeName, op: &OpKey, cluster_hash: &str) -> NewEmptyDisk {
    let (lived, unknown) = earlier_life(past, volume);
    let begun = begun(past, volume, op, cluster_hash);
    // The key stays the same for the volume's whole life, so a disk that carries it may also be an
    // old one: it is half-made only when nothing but itself speaks of an earlier life.
    if lived.len() > usize::from(begun.is_some()) {
        return NewEmptyDisk::Blocked(lived);
    }
    if !unknown.is_empty() {
        return NewEmptyDisk::Unknown(unknown);
    }
    if let Some(disk) = begun {
        return NewEmptyDisk::Resume(Box::new(disk.clone()));
    }
    let held = reasons_to_hold(past);
    if held.is_empty() { NewEmptyDisk::Create } else { NewEmptyDisk::Held(held) }
}

/// The disk that the same operation began to make before a crash.
fn begun<'a>(past: &'a VolumePast, volume: &VolumeName, op: &OpKey, cluster_hash: &str) -> Option<&'a Disk> {
    past.disks.as_ref().ok()?.iter().find(|disk| {
        disk.volume == *volume && disk.op.as_ref() == Some(op) && disk.claim.as_deref() == Some(cluster_hash)
    })
}

fn earlier_life(past: &VolumePast, volume: &VolumeName) -> (Vec<Evidence>, Vec<String>) {
    // Without `..`: a new kind of evidence must not be forgotten here.
    let VolumePast {
        disks,
        snapshots,
        persistent_volumes,
        disk_objects,
        deployed,
        suspected_rename: _,
        rebuild: _,
        new_disks: _,
    } = past;
    let mut lived = Vec::new();
    let mut unknown = Vec::new();
    match disks {
        Ok(disks) => lived.extend(
            disks
                .iter()
                .filter(|disk| disk.volume == *volume)
                .map(|disk| Evidence::Disk { name: disk.name.to_string(), claim: disk.claim.clone() }),
        ),
        Err(reason) => unknown.push(format!("disks: {reason}")),
    }
    match snapshots {
        Ok(snapshots) => lived.extend(
            snapshots
                .iter()
                .filter(|snapshot| snapshot.volume == *volume)
                .map(|snapshot| Evidence::Snapshot(snapshot.name.to_string())),
        ),
        Err(reason) => unknown.push(format!("snapshots: {reason}")),
    }
    match persistent_volumes {
        Ok(names) => lived.extend(names.iter().cloned().map(Evidence::PersistentVolume)),
        Err(reason) => unknown.push(format!("PersistentVolumes: {reason}")),
    }
    match disk_objects {
        Ok(names) => lived.extend(names.iter().cloned().map(Evidence::DiskObject)),
        Err(reason) => unknown.push(format!("KompoxDisks: {reason}")),
    }
    match deployed {
        Ok(commit) => lived.extend(commit.iter().cloned().map(Evidence::Deployed)),
        Err(reason) => unknown.push(format!("earlier deploys: {reason}")),
    }
    (lived, unknown)
}

fn reasons_to_hold(past: &VolumePast) -> Vec<Evidence> {
    let mut held: Vec<Evidence> = past.suspected_rename.iter().cloned().map(Evidence::Rename).collect();
    if !past.rebuild.is_empty() {
        held.push(Evidence::Rebuild(past.rebuild.clone()));
    }
    if past.new_disks == NewDisks::Hold {
        held.push(Evidence::Configured);
    }
    held
}

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { name, claim: Some(cluster) } => {
                write!(formatter, "disk `{name}` exists (claimed by cluster {cluster})")
            }
            Self::Disk { name, claim: None } => write!(formatter, "disk `{name}` exists (claimed by no cluster)"),
            Self::Snapshot(name) => write!(formatter, "snapshot `{name}` exists"),
            Self::PersistentVolume(name) => write!(formatter, "PersistentVolume `{name}` exists"),
            Self::DiskObject(name) => write!(formatter, "KompoxDisk `{name}` exists"),
            Self::Deployed(commit) => write!(formatter, "the app was deployed with this volume before ({commit})"),
            Self::Rename(app) => write!(formatter, "the app looks like `{app}` under a new name"),
            Self::Rebuild(apps) => write!(
                formatter,
                "the cluster is new, but other apps of the source have disks at the provider: {}",
                apps.join(", ")
            ),
            Self::Configured => formatter.write_str("`newDisks: hold` in the agent's configuration"),
        }
    }
}
