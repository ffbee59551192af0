//! One step of a plan, and what it does.

use kompox_manifests::diagnostic::Span;
use kompox_manifests::object::{Object, ObjectKey};
use serde_json::Value;

use super::diff::FieldChange;
use super::hold::HoldDigest;
use super::order::Stage;
use super::released::FormerClaim;
use crate::disk::{Disk, DiskSpec};
use crate::observed::LiveObject;

/// One action with its reason.
#[derive(Clone, Debug)]
pub struct Action {
    /// What is done.
    pub what: What,
    /// Why, in words.
    pub reason: String,
    /// The line of the source that asks for it, where one does.
    pub origin: Option<Span>,
}

/// What an action does.
#[derive(Clone, Debug)]
pub enum What {
    /// A disk is made and assigned to the volume.
    CreateDisk(DiskSpec),
    /// A disk that exists becomes the one that is mounted.
    AssignDisk(Disk),
    /// An object is created.
    Create {
        /// The object.
        object: Object,
        /// It depends on a disk that is made first, so that its final form is known only then, or it cannot be tried
        /// beforehand.
        assumed: bool,
    },
    /// Fields of an object are changed.
    Change {
        /// The object as it shall be.
        object: Object,
        /// What it is now.
        live: LiveObject,
        /// The fields that differ.
        fields: Vec<FieldChange>,
        /// People edited fields that are ours: the `managedFields` under which the next apply
        /// reverts them.
        takeover: Option<Vec<Value>>,
        /// The Pod restarts.
        restarts: bool,
        /// It cannot be tried beforehand; the write itself will tell.
        assumed: bool,
    },
    /// An object is deleted and made anew, because a field differs that never changes in place. Never
    /// an object that stands for data; see [`super::immutable`].
    Replace {
        /// The object as it shall be.
        object: Object,
        /// What it is now, and what is deleted.
        live: LiveObject,
        /// The fields that differ.
        fields: Vec<FieldChange>,
        /// It cannot be tried beforehand; the write itself will tell.
        assumed: bool,
    },
    /// A PersistentVolume whose claim was deleted is made free for the App's claim again: the same disk.
    GiveBack {
        /// The PersistentVolume as it is now.
        live: LiveObject,
        /// The claim that is gone.
        claim: FormerClaim,
    },
    /// An object of ours that the commit no longer asks for is deleted.
    Delete(LiveObject),
    /// Nothing is done on purpose.
    Keep(Subject),
    /// Others have changed an object since it was applied, and it is left so: `reconcile.drift: report`.
    Drifted {
        /// The object.
        key: ObjectKey,
        /// What differs.
        fields: Vec<FieldChange>,
        /// The change that would put it back, where a dry-run can still show that it changes nothing.
        candidate: Option<Box<What>>,
    },
    /// It should be done, and is left undone; nothing else of the App waits for it. The App counts as
    /// degraded.
    Left {
        /// What is left as it is.
        subject: Subject,
        /// What a person can do.
        remedy: String,
    },
    /// It can be done once something else has happened, which needs no person. Until then nothing is
    /// written to the App.
    Awaited {
        /// What waits.
        subject: Subject,
        /// What a person can do if it never happens.
        remedy: String,
    },
    /// It cannot be done; a person must act. Until then nothing is written to the App.
    Blocked {
        /// What cannot be done.
        subject: Subject,
        /// What the person can do.
        remedy: String,
    },
    /// It could be done but waits for a person's word.
    Held {
        /// What waits. When it is the App or a volume, nothing of the App is written; a held object
        /// waits alone.
        subject: Subject,
        /// What the person can do instead of letting it go.
        remedy: String,
        /// What the person accepts to let exactly this go.
        digest: HoldDigest,
        /// The change that is held, where a dry-run may show that it changes nothing: then there is nothing to
        /// hold.
        candidate: Option<Box<What>>,
    },
}

/// What an action is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An object in the cluster.
    Object(ObjectKey),
    /// A volume of the App.
    Volume(String),
    /// The App as a whole.
    App,
}

impl What {
    /// The stage in which the action is carried out.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::CreateDisk(_) | Self::AssignDisk(_) => Stage::Disks,
            Self::Create { object, .. } | Self::Change { object, .. } | Self::Replace { object, .. } => {
                Stage::of(object.key.kind)
            }
            Self::GiveBack { live, .. } | Self::Delete(live) => Stage::of(live.key.kind),
            Self::Drifted { key, .. } => Stage::of(key.kind),
            Self::Keep(subject)
            | Self::Left { subject, .. }
            | Self::Awaited { subject, .. }
            | Self::Blocked { subject, .. }
            | Self::Held { subject, .. } => match subject {
                Subject::Object(key) => Stage::of(key.kind),
                Subject::Volume(_) => Stage::Disks,
                Subject::App => Stage::Namespace,
            },
        }
    }

    /// What the action is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::CreateDisk(spec) => Subject::Volume(spec.volume.clone()),
            Self::AssignDisk(disk) => Subject::Volume(disk.volume.clone()),
            Self::Create { object, .. } | Self::Change { object, .. } | Self::Replace { object, .. } => {
                Subject::Object(object.key.clone())
            }
            Self::GiveBack { live, .. } | Self::Delete(live) => Subject::Object(live.key.clone()),
            Self::Drifted { key, .. } => Subject::Object(key.clone()),
            Self::Keep(subject)
            | Self::Left { subject, .. }
            | Self::Awaited { subject, .. }
            | Self::Blocked { subject, .. }
            | Self::Held { subject, .. } => subject.clone(),
        }
    }

    /// Whether carrying it out changes anything anywhere.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Self::CreateDisk(_)
            | Self::AssignDisk(_)
            | Self::Create { .. }
            | Self::Change { .. }
            | Self::Replace { .. }
            | Self::GiveBack { .. }
            | Self::Delete(_) => true,
            Self::Keep(_)
            | Self::Drifted { .. }
            | Self::Left { .. }
            | Self::Awaited { .. }
            | Self::Blocked { .. }
            | Self::Held { .. } => false,
        }
    }

    /// Whether carrying it out takes something away.
    #[must_use]
    pub fn deletes(&self) -> bool {
        matches!(self, Self::Delete(_) | Self::Replace { .. })
    }

    /// Whether nothing may be written to the App while this stands in its plan.
    #[must_use]
    pub fn stops_the_app(&self) -> bool {
        match self {
            Self::Blocked { .. } | Self::Awaited { .. } => true,
            Self::Held { subject, .. } => !matches!(subject, Subject::Object(_)),
            Self::CreateDisk(_)
            | Self::AssignDisk(_)
            | Self::Create { .. }
            | Self::Change { .. }
            | Self::Replace { .. }
            | Self::GiveBack { .. }
            | Self::Delete(_)
            | Self::Keep(_)
            | Self::Drifted { .. }
            | Self::Left { .. } => false,
        }
    }
}
