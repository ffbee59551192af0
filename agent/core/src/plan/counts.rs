//! How many of what a plan does.

use serde::{Deserialize, Serialize};

use super::action::{Action, What};

/// The numbers in statuses and summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Objects created.
    pub created: usize,
    /// Objects changed, and PersistentVolumes given back.
    pub changed: usize,
    /// Objects deleted and made anew.
    pub replaced: usize,
    /// Objects deleted.
    pub deleted: usize,
    /// Disks created.
    pub disks_created: usize,
    /// Disks assigned.
    pub disks_assigned: usize,
    /// Things that are left as they are although they should change.
    pub left: usize,
    /// Things that wait for something else.
    pub awaited: usize,
    /// Things that cannot be done.
    pub blocked: usize,
    /// Things that wait for a person.
    pub held: usize,
}

impl Counts {
    /// Counts actions.
    #[must_use]
    pub fn of(actions: &[Action]) -> Self {
        let mut counts = Self::default();
        for action in actions {
            match action.what {
                What::Create { .. } => counts.created += 1,
                What::Change { .. } | What::GiveBack { .. } => counts.changed += 1,
                What::Replace { .. } => counts.replaced += 1,
                What::Delete(_) => counts.deleted += 1,
                What::CreateDisk(_) => counts.disks_created += 1,
                What::AssignDisk(_) => counts.disks_assigned += 1,
                What::Left { .. } => counts.left += 1,
                What::Awaited { .. } => counts.awaited += 1,
                What::Blocked { .. } => counts.blocked += 1,
                What::Held { .. } => counts.held += 1,
                What::Keep(_) | What::Drifted { .. } => {}
            }
        }
        counts
    }

    /// Whether anything was written at all.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.written() > 0
    }

    /// How many things were written.
    #[must_use]
    pub fn written(&self) -> usize {
        let Self {
            created,
            changed,
            replaced,
            deleted,
            disks_created,
            disks_assigned,
            left: _,
            awaited: _,
            blocked: _,
            held: _,
        } = *self;
        created + changed + replaced + deleted + disks_created + disks_assigned
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { created, changed, replaced, deleted, disks_created, disks_assigned, left, awaited, blocked, held } =
            other;
        self.created += created;
        self.changed += changed;
        self.replaced += replaced;
        self.deleted += deleted;
        self.disks_created += disks_created;
        self.disks_assigned += disks_assigned;
        self.left += left;
        self.awaited += awaited;
        self.blocked += blocked;
        self.held += held;
    }
}
