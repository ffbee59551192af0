//! An App that left Git: what goes, what stays, and what a person must say first.
//!
//! What runs goes: Deployment, Services, Ingresses, configuration and access. What holds data stays:
//! disks and snapshots always, the Namespace too; a PersistentVolume and its claim go only where the
//! disk survives them (`Retain`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use kompox_manifests::id::AppId;
use kompox_manifests::labels;
use kompox_manifests::model::Protection;
use kompox_manifests::names::Names;
use kompox_manifests::object::Kind;
use serde_json::Value;

use super::action::{Action, Subject, What};
use super::applied::{AppliedRecord, Rendered};
use super::hold::{Hold, HoldCause, HoldDigest};
use super::objects::{STUCK, stuck};
use super::{Plan, protect};
use crate::observed::{LiveObject, ObservedApp};
use crate::ownership;

/// An App that is in the cluster and that its source lists no more.
#[derive(Clone, Copy, Debug)]
pub struct Departed<'a> {
    /// The App.
    pub id: &'a AppId,
    /// What was seen of it.
    pub observed: &'a ObservedApp,
    /// What was applied last; `None` where nobody knows it.
    pub applied: Option<&'a AppliedRecord>,
}

impl Departed<'_> {
    /// What would go, but for what is going already.
    fn content(&self) -> impl Iterator<Item = &LiveObject> {
        let namespace = Names::of(self.id).namespace;
        self.observed.objects.values().filter(move |live| {
            let is_ours = live.key.namespace.as_ref().is_none_or(|of| *of == namespace);
            live.key.kind != Kind::Namespace
                && is_ours
                && ownership::is_applied_by_agent(live)
                && !live.is_terminating()
                && self.may_go(live)
        })
    }

    /// Whether anything of it is left that would go: an App of which nothing is left has been removed.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.content().next().is_some()
    }

    /// Whether its Namespace says that it is this App and of this source, and is not going itself. An
    /// annotation that somebody wrote elsewhere takes nothing away.
    #[must_use]
    pub fn belongs_to(&self, source: &str) -> bool {
        let names = Names::of(self.id);
        let mut namespaces = self.observed.objects.values().filter(|live| live.key.kind == Kind::Namespace);
        namespaces.any(|live| {
            live.key.name == names.namespace
                && live.annotation(labels::SOURCE) == Some(source)
                && live.annotation(labels::APP) == Some(self.id.slashed())
                && !live.is_terminating()
        })
    }

    /// Its own hosts, as they were meant and as they are.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        let meant = self.applied.into_iter().flat_map(|applied| applied.hosts.iter().cloned());
        let ingresses = self.observed.objects.values().filter(|live| live.key.kind == Kind::Ingress);
        let rules = ingresses.filter_map(|live| live.body.pointer("/spec/rules")?.as_array()).flatten();
        let hosts = rules.filter_map(|rule| rule.get("host").and_then(Value::as_str).map(str::to_owned));
        meant.chain(hosts).collect()
    }

    /// Whether the disk behind an object survives its deletion; what stands for no disk may always go.
    fn may_go(&self, live: &LiveObject) -> bool {
        match live.key.kind {
            Kind::PersistentVolume => is_retained(live),
            Kind::PersistentVolumeClaim => self.volume_of(live).is_some_and(is_retained),
            _ => true,
        }
    }

    /// The PersistentVolume of a claim.
    fn volume_of(&self, claim: &LiveObject) -> Option<&LiveObject> {
        let name = claim.body.pointer("/spec/volumeName").and_then(Value::as_str).unwrap_or(&claim.key.name);
        let volumes = self.observed.objects.values().filter(|live| live.key.kind == Kind::PersistentVolume);
        volumes.into_iter().find(|volume| volume.key.name == name)
    }

    /// Everything that speaks of disks.
    fn disks(&self) -> BTreeSet<String> {
        let volumes =
            |live: &&LiveObject| matches!(live.key.kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim);
        let objects = self.observed.objects.values().filter(volumes).map(|live| live.key.to_string());
        let recorded = self.applied.into_iter().flat_map(|applied| &applied.volumes);
        objects.chain(recorded.map(|volume| format!("volume {volume}"))).collect()
    }
}

/// Whether an App is deployed: something of it is there that the agent has applied and that is not going, beside its
/// Namespace, which stays for ever, and what stands for its disks.
///
/// An App that left with its disks kept is not: where it is listed again, it comes, and to its own disk. It comes back
/// to what it had, but whoever only renamed another App to it would find that one's data no more and this one's
/// instead, so that a rename is to be suspected as with an App that never was there.
#[must_use]
pub fn is_deployed(id: &AppId, observed: &ObservedApp) -> bool {
    let stands_for_data = |kind| matches!(kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim);
    Departed { id, observed, applied: None }.content().any(|live| !stands_for_data(live.key.kind))
}

/// Under what terms an App leaves.
#[derive(Clone, Debug)]
pub struct Leave<'a> {
    /// Name of the source that lists it no more.
    pub source: &'a str,
    /// What was seen of the source as a whole that must be accepted first; see [`super::sweep`].
    pub holds: Vec<Hold>,
    /// What its Cluster forbids.
    pub protection: Protection,
    /// Holds that a person has accepted.
    pub accepted: &'a BTreeSet<HoldDigest>,
    /// The time of planning.
    pub now: Timestamp,
}

/// A deleted PersistentVolume of any other policy takes its disk with it.
fn is_retained(volume: &LiveObject) -> bool {
    volume.body.pointer("/spec/persistentVolumeReclaimPolicy").and_then(Value::as_str) == Some("Retain")
}

/// Plans the removal of an App.
///
/// The caller has made sure that the source could be read completely, lists the App nowhere, and that no
/// other source does.
#[must_use]
pub fn removal(departed: Departed<'_>, leave: Leave<'_>) -> Plan {
    let mut actions = Vec::new();
    if let Some(pause) = super::paused(departed.observed, leave.now, None) {
        actions.push(pause);
    } else if departed.belongs_to(leave.source) {
        let protection = leave.protection;
        decide(departed, leave, &mut actions);
        protect(protection, &mut actions);
    }
    actions.sort_by_key(|action| action.what.stage());
    Plan { app: departed.id.clone(), origin: None, actions, rendered: Rendered::default() }
}

fn decide(departed: Departed<'_>, leave: Leave<'_>, actions: &mut Vec<Action>) {
    let Leave { holds, accepted, now, .. } = leave;
    let going: Vec<&LiveObject> = departed.content().collect();
    actions.extend(departed.observed.objects.values().filter_map(|live| {
        let (what, reason) = left_behind(live, now)?;
        Some(Action { what, reason, origin: None })
    }));
    if going.is_empty() {
        return;
    }
    let own = own_holds(departed);
    let waiting = holds.into_iter().chain(own).filter(|hold| !hold.is_accepted(accepted));
    actions.extend(waiting.map(|hold| hold.action(Subject::App, None)));
    actions.extend(departed.observed.objects.values().filter_map(|live| {
        let (what, reason) = kept(departed, live)?;
        Some(Action { what, reason, origin: None })
    }));
    actions.extend(going.into_iter().map(|live| {
        let reason = match live.key.kind {
            Kind::PersistentVolume | Kind::PersistentVolumeClaim => "the App left Git; its disk stays",
            _ => "the App left Git",
        };
        Action { what: What::Delete(live.clone()), reason: reason.to_owned(), origin: None }
    }));
    for volume in departed.applied.into_iter().flat_map(|applied| &applied.deleted_with_app) {
        let remedy = "delete the disk at the provider by hand once its data is needed no more".to_owned();
        let reason =
            "`deletionPolicy: Delete` asks for its disks to go, but a final snapshot must be taken first, and \
                      this version takes none: they stay"
                .to_owned();
        actions.push(Action {
            what: What::Left { subject: Subject::Volume(volume.clone()), remedy },
            reason,
            origin: None,
        });
    }
}

/// An object whose deletion does not end.
fn left_behind(live: &LiveObject, now: Timestamp) -> Option<(What, String)> {
    let reason = stuck(live, now)?;
    Some((What::Left { subject: Subject::Object(live.key.clone()), remedy: STUCK.to_owned() }, reason))
}

/// Why an object stays.
fn kept(departed: Departed<'_>, live: &LiveObject) -> Option<(What, String)> {
    let reason = if live.key.kind == Kind::Namespace {
        "Namespaces are never deleted"
    } else if live.is_terminating() {
        return None;
    } else if !ownership::is_applied_by_agent(live) {
        "unmanaged: the agent has not written it"
    } else if !departed.may_go(live) {
        "its disk would go with it"
    } else {
        return None;
    };
    Some((What::Keep(Subject::Object(live.key.clone())), reason.to_owned()))
}

/// What the App itself is reason enough to ask about.
fn own_holds(departed: Departed<'_>) -> Vec<Hold> {
    // The same until the last object is gone, and another one if the App should come back and leave again.
    let namespace = departed.observed.objects.values().find(|live| live.key.kind == Kind::Namespace);
    let facts = vec![
        departed.id.to_string(),
        namespace.map(|live| live.uid.clone()).unwrap_or_default(),
        departed.applied.map(|applied| applied.commit.clone()).unwrap_or_default(),
    ];
    let remedy = "put the App back into Git to keep it running".to_owned();
    let mut holds = Vec::new();
    let disks = departed.disks();
    if !disks.is_empty() {
        let reason = format!("the App left Git and has disks ({}), which stay", in_words(&disks));
        holds.push(Hold { cause: HoldCause::Removal, facts: facts.clone(), reason, remedy: remedy.clone() });
    }
    if departed.applied.is_none() {
        let reason =
            "the App left Git, and nothing is known of what was applied last: its disks, its deletion policies \
                      and what its Cluster forbids"
                .to_owned();
        holds.push(Hold { cause: HoldCause::Unrecorded, facts, reason, remedy });
    }
    holds
}

/// The first few of a list.
fn in_words(items: &BTreeSet<String>) -> String {
    const MOST: usize = 3;
    let mut words = items.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if items.len() > MOST {
        words.push_str(&format!(" and {} more", items.len() - MOST));
    }
    words
}
