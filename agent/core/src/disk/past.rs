//! Whether a volume has lived before. A volume that has must never get a new empty disk: this is
//! where an application could start without its data.

use std::fmt;

use super::name::OpKey;
use super::{ClaimState, Disk, Snapshot};

/// Something that was looked up: what it is, or why nobody can say.
pub type Known<T> = Result<T, String>;

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
    /// What shows an earlier deploy of the App with this volume: its commit, or an object of it.
    pub deployed: Known<Option<String>>,
}

/// One thing that speaks of an earlier life of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
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
    /// An earlier deploy, by what shows it.
    Deployed(String),
}

/// What is known of an earlier life of a volume that has no current disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EarlierLife {
    /// Proved: there was none. Only now may it get a new empty disk.
    None,
    /// None but this disk, which the very operation that asks made before a crash: asking again
    /// finishes it.
    HalfMade(Box<Disk>),
    /// There was one: a person must say which data it gets.
    Traces(Vec<Trace>),
    /// Something could not be looked up; the reasons. Nothing is created until it can.
    Unknown(Vec<String>),
}

/// Whether `volume` has lived before the operation `op_key` that wants to make its first disk.
///
/// `op_key` must be the same at every attempt, whichever commit asks: derive it from the volume's
/// identity and a fixed generation. `cluster_hash` is this cluster's claim.
#[must_use]
pub fn earlier_life(past: &VolumePast, volume: &str, op_key: &OpKey, cluster_hash: &str) -> EarlierLife {
    let (traces, unknown) = traces(past, volume);
    let half_made = half_made(past, volume, op_key, cluster_hash);
    // The key stays the same for the volume's whole life, so a disk that carries it may also be an
    // old one: it is half-made only when nothing but itself speaks of an earlier life.
    if traces.len() > usize::from(half_made.is_some()) {
        EarlierLife::Traces(traces)
    } else if !unknown.is_empty() {
        EarlierLife::Unknown(unknown)
    } else {
        half_made.map_or(EarlierLife::None, |disk| EarlierLife::HalfMade(Box::new(disk.clone())))
    }
}

fn half_made<'a>(past: &'a VolumePast, volume: &str, op_key: &OpKey, cluster_hash: &str) -> Option<&'a Disk> {
    past.disks.as_ref().ok()?.iter().find(|disk| {
        disk.volume == volume
            && disk.op_key.as_ref() == Some(op_key)
            && !disk.assigned
            && disk.claim_state(cluster_hash) == ClaimState::Ours
    })
}

fn traces(past: &VolumePast, volume: &str) -> (Vec<Trace>, Vec<String>) {
    // Without `..`: a new kind of trace must not be forgotten here.
    let VolumePast { disks, snapshots, persistent_volumes, disk_objects, deployed } = past;
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    match disks {
        Ok(disks) => found.extend(
            disks
                .iter()
                .filter(|disk| disk.volume == volume)
                .map(|disk| Trace::Disk { name: disk.name.clone(), claim: disk.claim.clone() }),
        ),
        Err(reason) => unknown.push(format!("disks: {reason}")),
    }
    match snapshots {
        Ok(snapshots) => found.extend(
            snapshots
                .iter()
                .filter(|snapshot| snapshot.volume == volume)
                .map(|snapshot| Trace::Snapshot(snapshot.name.clone())),
        ),
        Err(reason) => unknown.push(format!("snapshots: {reason}")),
    }
    match persistent_volumes {
        Ok(names) => found.extend(names.iter().cloned().map(Trace::PersistentVolume)),
        Err(reason) => unknown.push(format!("PersistentVolumes: {reason}")),
    }
    match disk_objects {
        Ok(names) => found.extend(names.iter().cloned().map(Trace::DiskObject)),
        Err(reason) => unknown.push(format!("KompoxDisks: {reason}")),
    }
    match deployed {
        Ok(commit) => found.extend(commit.iter().cloned().map(Trace::Deployed)),
        Err(reason) => unknown.push(format!("earlier deploys: {reason}")),
    }
    (found, unknown)
}

impl fmt::Display for Trace {
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
        }
    }
}
