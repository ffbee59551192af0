//! From observed to desired: the ordered list of actions, each with its reason.
//!
//! [`plan`] is a pure function of one App, what was observed of it, and the agent's settings. It
//! decides everything; applying a plan decides nothing.

mod action;
mod applied;
mod counts;
pub mod diff;
mod digest;
mod fight;
mod hold;
pub mod immutable;
mod kind;
pub mod markdown;
pub mod mask;
mod mounts;
mod objects;
pub mod order;
mod placement;
mod released;
mod removal;
pub mod restart;
pub mod sweep;
pub mod text;
pub mod unmanaged;
pub mod unsupported;
pub mod view;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kompox_manifests::diagnostic::Span;
use kompox_manifests::id::AppId;
use kompox_manifests::labels;
use kompox_manifests::model::{App, Protection};
use kompox_manifests::object::{Kind, Object, ObjectKey};
use kompox_manifests::slots::{Slots, VolumeBinding};

use crate::observed::ObservedApp;
use crate::ownership::Managers;
use crate::pause::Pause;

pub use action::{Action, Subject, What};
use applied::Rendered;
pub use applied::{AppliedRecord, MountRecord, ProtectionRecord, Refused};
pub use counts::Counts;
pub use digest::PlanDigest;
pub use fight::Corrections;
pub use hold::{Hold, HoldCause, HoldDigest, NoHoldDigest};
pub use kind::ActionKind;
pub use released::FormerClaim;
pub use removal::{Departed, Leave, is_deployed, removal};
pub use volumes::new_disk_hold;

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
    /// Names the installation of the agent, which ends with its cluster. What was said of a new disk in another one
    /// does not count in this one.
    pub installation: String,
    /// The words on which the last disks of volumes were made, by volume: each was good for one disk.
    pub spent: BTreeMap<String, HoldDigest>,
    /// Managers whose edits are reverted.
    pub people: Managers,
    /// The time of planning.
    pub now: Timestamp,
    /// Holds that a person has accepted.
    pub accepted: BTreeSet<HoldDigest>,
    /// Digest of everything that the commit says about the App; `None` where nobody knows it.
    pub inputs: Option<String>,
    /// What was applied last; `None` where nobody knows it.
    pub applied: Option<AppliedRecord>,
    /// What was seen of the source as a whole that must be accepted before the App is deployed; see
    /// [`sweep`].
    pub holds: Vec<Hold>,
    /// Sources that this agent reads, that could be read completely, and that do not list the App: what
    /// one of them has deployed may be taken over.
    pub given_up_by: BTreeSet<String>,
    /// What was put back lately of what others change.
    pub corrections: Corrections,
    /// The Pod may restart although the commit asks for nothing new: a person applies by hand, or a
    /// window of `reconcile.windows` is open.
    pub may_restart: bool,
}

impl Settings {
    /// Whether a source that an App's Namespace names is another one, which has not given the App up. What a person
    /// has applied by hand is whose turn it is.
    #[must_use]
    pub fn belongs_to_another(&self, owner: &str) -> bool {
        owner != self.source && owner != BY_HAND && !self.given_up_by.contains(owner)
    }
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
    /// Where the App stands in the source; `None` for one that left it.
    pub origin: Option<Span>,
    /// The actions, sorted by stage.
    pub actions: Vec<Action>,
    /// Digests of what is rendered; none where nothing is.
    rendered: Rendered,
}

impl Plan {
    /// Counts the actions.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(&self.actions)
    }

    /// Names exactly this plan.
    #[must_use]
    pub fn digest(&self) -> PlanDigest {
        PlanDigest::of(self)
    }

    /// Whether carrying the plan out changes anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.actions.iter().any(|action| action.what.writes())
    }

    /// Digest of the Pod, where the Deployment is as it is rendered once the plan is carried out, but for edits that are
    /// left on purpose; `None` where it waits for something.
    fn applied_pod(&self) -> Option<&str> {
        let waits = self.waiting().any(|key| restart::runs_the_pod(&key));
        self.rendered.pod.as_deref().filter(|_| self.obstacle().is_none() && !waits)
    }

    /// Whether an object (see [`Rendered::name`]) is not as it is rendered once the plan is carried out.
    fn leaves_waiting(&self, name: &str) -> bool {
        self.obstacle().is_some() || self.waiting().any(|key| Rendered::name(&key) == name)
    }

    /// The objects of which something is left undone.
    fn waiting(&self) -> impl Iterator<Item = ObjectKey> {
        let is_done = |what: &What| what.writes() || matches!(what, What::Keep(_) | What::Drifted { .. });
        self.actions.iter().filter(move |action| !is_done(&action.what)).filter_map(|action| {
            match action.what.subject() {
                Subject::Object(key) => Some(key),
                Subject::Volume(_) | Subject::App => None,
            }
        })
    }

    /// Whether an action puts an object back to what was applied before.
    #[must_use]
    pub fn puts_back(&self, action: &Action, applied: Option<&AppliedRecord>) -> bool {
        match &action.what {
            What::Create { object, .. } | What::Change { object, .. } | What::Replace { object, .. } => {
                self.rendered.is_as_applied(&object.key, applied) == Some(true)
            }
            _ => false,
        }
    }

    /// Holds, leaves or forbids what must not be done now, once more: a trial on the API server makes a replacement of a
    /// change that never happens in place, and does at once what was held for a restart that turns out to be none.
    pub fn guard(&mut self, app: &App, observed: &ObservedApp, settings: &Settings) {
        guard(app, observed, settings, &self.rendered, &mut self.actions);
    }

    /// What others have changed and is left so.
    pub fn drift(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(|action| matches!(action.what, What::Drifted { .. }))
    }

    /// Objects of a kind that the cluster has none of.
    pub fn created(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.actions.iter().filter_map(move |action| match &action.what {
            What::Create { object, .. } if object.key.kind == kind => Some(object),
            _ => None,
        })
    }

    /// What keeps everything from being written, if anything does; what needs a person comes first.
    #[must_use]
    pub fn obstacle(&self) -> Option<&Action> {
        let mut obstacles = self.actions.iter().filter(|action| action.what.stops_the_app());
        let waits = |action: &&Action| matches!(action.what, What::Awaited { .. });
        obstacles.clone().find(|action| !waits(action)).or_else(|| obstacles.next())
    }

    /// What is left undone without keeping anything else from being written.
    pub fn undone(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(|action| match action.what {
            What::Left { .. } => true,
            What::Held { .. } => !action.what.stops_the_app(),
            _ => false,
        })
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
        return Plan { app: app.id.clone(), origin: Some(app.at.clone()), actions, rendered: Rendered::default() };
    }
    if let Some(pause) = paused(observed, settings.now, Some(&app.at)) {
        return Plan {
            app: app.id.clone(),
            origin: Some(app.at.clone()),
            actions: vec![pause],
            rendered: Rendered::default(),
        };
    }
    if let Some(foreign) = of_another_source(app, observed, settings) {
        return Plan {
            app: app.id.clone(),
            origin: Some(app.at.clone()),
            actions: vec![foreign],
            rendered: Rendered::default(),
        };
    }
    let waiting = settings.holds.iter().filter(|hold| !hold.is_accepted(&settings.accepted));
    actions.extend(waiting.map(|hold| hold.clone().action(Subject::App, Some(app.at.clone()))));
    let volumes = volumes::decide(app, observed, settings, &mut actions);
    let slots = Slots {
        source: Some(settings.source.clone()),
        previous_handles: volumes::previous_handles(app, &volumes.bindings, observed),
        volumes: volumes.bindings,
        external_hashes: observed.external_hashes.clone(),
        node_pools: placement::node_pools(&observed.nodes),
    };
    placement::decide(app, &observed.nodes, &mut actions);
    let rendered = objects::decide(app, &slots, &volumes.unsettled, observed, settings, &mut actions);
    mounts::guard(app, observed, settings, &mut actions);
    guard(app, observed, settings, &rendered, &mut actions);
    actions.sort_by_key(|action| action.what.stage());
    Plan { app: app.id.clone(), origin: Some(app.at.clone()), actions, rendered }
}

/// Holds, leaves or forbids what must not be done now.
fn guard(app: &App, observed: &ObservedApp, settings: &Settings, rendered: &Rendered, actions: &mut Vec<Action>) {
    restart::guard(rendered.pod.as_deref(), observed, settings, actions);
    fight::guard(&settings.corrections, settings.now, actions);
    protect(app.cluster.installation_protection, actions);
}

/// Leaves an App alone that a person has paused.
fn paused(observed: &ObservedApp, now: Timestamp, origin: Option<&Span>) -> Option<Action> {
    let (what, reason) = match Pause::of_app(observed, now) {
        Ok(None) => return None,
        Ok(Some(pause)) => (What::Keep(Subject::App), format!("{pause}; until then nothing is written to this App")),
        Err(unreadable) => {
            let reason = format!("a pause is meant, but {unreadable}");
            (What::Blocked { subject: Subject::App, remedy: unreadable.remedy() }, reason)
        }
    };
    Some(Action { what, reason, origin: origin.cloned() })
}

/// Blocks an App that another source has deployed: two sources would undo each other's writes for ever.
fn of_another_source(app: &App, observed: &ObservedApp, settings: &Settings) -> Option<Action> {
    let namespace = observed.objects.values().find(|live| live.key.kind == Kind::Namespace)?;
    let owner = namespace.annotation(labels::SOURCE)?;
    if !settings.belongs_to_another(owner) {
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
fn protect(protection: Protection, actions: &mut [Action]) {
    for action in actions {
        let (forbidden, level) = match protection {
            Protection::None => return,
            Protection::CannotDelete => (action.what.deletes(), "cannotDelete"),
            Protection::ReadOnly => (action.what.writes(), "readOnly"),
        };
        if !forbidden {
            continue;
        }
        let remedy = format!("lift `protection.installation: {level}` of the Cluster in Git first");
        action.what = What::Blocked { subject: action.what.subject(), remedy };
        action.reason = format!("the Cluster's protection.installation is {level}");
    }
}

/// The bindings of volumes by name.
type Bindings = BTreeMap<String, VolumeBinding>;

#[cfg(test)]
mod tests;
