//! From observed to desired: the ordered list of actions, each with its reason.
//!
//! [`plan`] is a pure function of one App, what was observed of it, and the agent's settings. It
//! decides everything; applying a plan decides nothing.

pub mod diff;
pub mod mask;
mod objects;
pub mod order;
mod placement;
pub mod text;
mod volumes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use kompox_manifests::diagnostic::Span;
use kompox_manifests::id::AppId;
use kompox_manifests::labels;
use kompox_manifests::model::{App, Protection};
use kompox_manifests::object::{Kind, Object, ObjectKey};
use kompox_manifests::slots::{Slots, VolumeBinding};
use serde_json::Value;

use crate::disk::{Disk, DiskSpec};
use crate::observed::{LiveObject, ObservedApp};
use crate::ownership::Managers;
use diff::FieldChange;
use order::Stage;

/// The source of Apps that only a person has applied so far. Any source may take them over.
pub const BY_HAND: &str = "by-hand";

/// What the agent was told, as far as it bears on plans.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the source (annotation `kompox.dev/source`).
    pub source: String,
    /// `newDisks`: whether new empty disks are made without a person's word.
    pub new_disks: NewDisks,
    /// Time of the commit; unnamed disks are named after it.
    pub commit_time: Timestamp,
    /// Set when this looks like a rebuilt cluster (nothing of the source is in it): the other Apps
    /// of the source that do have disks at the provider.
    pub rebuild: Vec<String>,
    /// Managers whose edits are reverted.
    pub people: Managers,
}

/// `newDisks` of the agent's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewDisks {
    /// Made when nothing speaks of an earlier life of the volume.
    #[default]
    Allow,
    /// Always held for a person.
    Hold,
}

/// What is to be done for one App, in order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The App.
    pub app: AppId,
    /// Where the App stands in the source.
    pub origin: Span,
    /// The actions, sorted by stage.
    pub actions: Vec<Action>,
}

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
        /// It depends on a disk that is made first; its final form is known only then.
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
    },
    /// An object of ours that the commit no longer asks for is deleted.
    Delete(LiveObject),
    /// Nothing is done on purpose.
    Keep(Subject),
    /// It cannot be done; a person must act.
    Blocked {
        /// What cannot be done.
        subject: Subject,
        /// What the person can do.
        remedy: String,
    },
    /// It could be done but waits for a person's word.
    Held {
        /// What waits.
        subject: Subject,
        /// How to let it go.
        remedy: String,
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
            Self::Create { object, .. } | Self::Change { object, .. } => Stage::of(object.key.kind),
            Self::Delete(live) => Stage::of(live.key.kind),
            Self::Keep(subject) | Self::Blocked { subject, .. } | Self::Held { subject, .. } => match subject {
                Subject::Object(key) => Stage::of(key.kind),
                Subject::Volume(_) => Stage::Disks,
                Subject::App => Stage::Namespace,
            },
        }
    }

    /// Whether carrying it out changes anything anywhere.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Self::CreateDisk(_) | Self::AssignDisk(_) | Self::Create { .. } | Self::Change { .. } | Self::Delete(_) => {
                true
            }
            Self::Keep(_) | Self::Blocked { .. } | Self::Held { .. } => false,
        }
    }
}

/// How many of what a plan does; the numbers in statuses and summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Objects created.
    pub created: usize,
    /// Objects changed.
    pub changed: usize,
    /// Objects deleted.
    pub deleted: usize,
    /// Disks created.
    pub disks_created: usize,
    /// Disks assigned.
    pub disks_assigned: usize,
    /// Things that cannot be done.
    pub blocked: usize,
    /// Things that wait for a person.
    pub held: usize,
}

impl Counts {
    /// Whether anything was written at all.
    #[must_use]
    pub fn wrote(&self) -> bool {
        let Self { created, changed, deleted, disks_created, disks_assigned, blocked: _, held: _ } = *self;
        created + changed + deleted + disks_created + disks_assigned > 0
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { created, changed, deleted, disks_created, disks_assigned, blocked, held } = other;
        self.created += created;
        self.changed += changed;
        self.deleted += deleted;
        self.disks_created += disks_created;
        self.disks_assigned += disks_assigned;
        self.blocked += blocked;
        self.held += held;
    }
}

impl Plan {
    /// Counts the actions.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for action in &self.actions {
            match action.what {
                What::Create { .. } => counts.created += 1,
                What::Change { .. } => counts.changed += 1,
                What::Delete(_) => counts.deleted += 1,
                What::CreateDisk(_) => counts.disks_created += 1,
                What::AssignDisk(_) => counts.disks_assigned += 1,
                What::Blocked { .. } => counts.blocked += 1,
                What::Held { .. } => counts.held += 1,
                What::Keep(_) => {}
            }
        }
        counts
    }

    /// Whether carrying the plan out changes anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.actions.iter().any(|action| action.what.writes())
    }

    /// The first thing that stops the App from being as the commit asks, if any.
    #[must_use]
    pub fn obstacle(&self) -> Option<&Action> {
        self.actions.iter().find(|action| matches!(action.what, What::Blocked { .. } | What::Held { .. }))
    }
}

/// Plans one App.
///
/// A volume that is blocked or held stops everything that its Pod needs: the Deployment and what
/// comes after it stay as they are.
#[must_use]
pub fn plan(app: &App, observed: &ObservedApp, settings: &Settings) -> Plan {
    let mut actions = Vec::new();
    if app.reconcile.suspend {
        let reason = "reconcile.suspend is set: nothing is written to this App".to_owned();
        actions.push(Action { what: What::Keep(Subject::App), reason, origin: Some(app.at.clone()) });
        return Plan { app: app.id.clone(), origin: app.at.clone(), actions };
    }
    if let Some(foreign) = of_another_source(app, observed, settings) {
        return Plan { app: app.id.clone(), origin: app.at.clone(), actions: vec![foreign] };
    }
    let volumes = volumes::decide(app, observed, settings, &mut actions);
    let slots = Slots {
        source: Some(settings.source.clone()),
        volumes: volumes.bindings,
        external_hashes: observed.external_hashes.clone(),
        node_pools: placement::node_pools(&observed.nodes),
    };
    placement::decide(app, &observed.nodes, &mut actions);
    objects::decide(app, &slots, &volumes.unsettled, observed, settings, &mut actions);
    protect(app, &mut actions);
    actions.sort_by_key(|action| action.what.stage());
    Plan { app: app.id.clone(), origin: app.at.clone(), actions }
}

/// Blocks an App that another source has deployed: two sources would undo each other's writes for ever.
fn of_another_source(app: &App, observed: &ObservedApp, settings: &Settings) -> Option<Action> {
    let namespace = observed.objects.values().find(|live| live.key.kind == Kind::Namespace)?;
    let owner = namespace.annotation(labels::SOURCE)?;
    if owner == settings.source || owner == BY_HAND {
        return None;
    }
    let Settings { source, .. } = settings;
    let name = &namespace.key.name;
    let remedy = format!(
        "take the App out of one of the two sources; to hand it over to `{source}`: kubectl annotate namespace {name} \
         {}={source} --overwrite",
        labels::SOURCE
    );
    let reason = format!("the App belongs to the source `{owner}` (Namespace {name}), and `{source}` lists it too");
    Some(Action { what: What::Blocked { subject: Subject::App, remedy }, reason, origin: Some(app.at.clone()) })
}

/// Replaces what `Cluster.spec.protection.installation` forbids by its refusal.
fn protect(app: &App, actions: &mut [Action]) {
    let protection = app.cluster.installation_protection;
    for action in actions {
        let (forbidden, level) = match protection {
            Protection::None => return,
            Protection::CannotDelete => (matches!(action.what, What::Delete(_)), "cannotDelete"),
            Protection::ReadOnly => (action.what.writes(), "readOnly"),
        };
        if !forbidden {
            continue;
        }
        let subject = match &action.what {
            What::Create { object, .. } | What::Change { object, .. } => Subject::Object(object.key.clone()),
            What::Delete(live) => Subject::Object(live.key.clone()),
            What::CreateDisk(spec) => Subject::Volume(spec.volume.to_string()),
            What::AssignDisk(disk) => Subject::Volume(disk.volume.to_string()),
            What::Keep(_) | What::Blocked { .. } | What::Held { .. } => continue,
        };
        let remedy = format!("lift `protection.installation: {level}` of the Cluster in Git first");
        action.what = What::Blocked { subject, remedy };
        action.reason = format!("the Cluster's protection.installation is {level}");
    }
}

/// The bindings of volumes by name.
type Bindings = BTreeMap<String, VolumeBinding>;

#[cfg(test)]
mod tests;
