//! Which disk of a volume is the current one.

use super::name::OpKey;
use super::{Disk, DiskState};

/// What else points at the right disk when the `assigned` tags do not say exactly one.
#[derive(Clone, Copy, Debug, Default)]
pub struct AssignHints<'a> {
    /// Handle of the PersistentVolume that the volume's claim is bound to: the data that the Pod
    /// has been using.
    pub bound_handle: Option<&'a str>,
    /// Key of the operation that was making the disk when the agent stopped.
    pub op_key: Option<&'a OpKey>,
}

/// The current disk of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned<'a> {
    /// The volume has no disk.
    NoDisk,
    /// Exactly one is assigned.
    One(&'a Disk),
    /// The tags name none or several, but something else names one: assigning it again mends them.
    Repair {
        /// The disk to assign.
        disk: &'a Disk,
        /// What named it.
        because: RepairReason,
    },
    /// Nothing says which one; a person must choose among these (newest first).
    Undecided(Vec<&'a Disk>),
}

/// What names the disk when the tags do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairReason {
    /// The volume's claim is bound to it.
    Bound,
    /// It is the only disk, and the operation that is being resumed made it.
    SameOperation,
}

/// Finds the current disk of a volume among all disks of an App.
///
/// Tags of several disks cannot be changed at once: a kill between two writes leaves none or two
/// assigned. Neither is ever settled by guessing (by age, say): the wrong disk is the wrong data.
#[must_use]
pub fn choose_assigned<'a>(disks: &'a [Disk], volume: &str, hints: AssignHints<'_>) -> Assigned<'a> {
    let mut candidates: Vec<&Disk> =
        disks.iter().filter(|disk| disk.volume == volume && disk.state != DiskState::Deleting).collect();
    candidates.sort_by(|left, right| super::by_age(left, right));
    let assigned: Vec<&Disk> = candidates.iter().copied().filter(|disk| disk.assigned).collect();
    match assigned.as_slice() {
        [only] => return Assigned::One(only),
        [] if candidates.is_empty() => return Assigned::NoDisk,
        [] => {}
        several => candidates = several.to_vec(),
    }
    // The bound disk first: it is what the Pod wrote to.
    let bound = |disk: &&Disk| hints.bound_handle == Some(disk.handle.as_str());
    if let Some(disk) = candidates.iter().copied().find(bound) {
        return Assigned::Repair { disk, because: RepairReason::Bound };
    }
    match candidates.as_slice() {
        // Beside another disk, the key proves nothing: the first disk keeps its key for ever.
        [only] if hints.op_key.is_some() && only.op_key.as_ref() == hints.op_key => {
            Assigned::Repair { disk: only, because: RepairReason::SameOperation }
        }
        _ => Assigned::Undecided(candidates),
    }
}
