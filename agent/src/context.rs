//! What the stages of a reconcile hand to each other and work with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kompox_core::observed::ObservedApp;
use kompox_core::ownership::Managers;
use kompox_core::plan::{Hold, HoldDigest, NewDisks, Plan, PlanDigest, Refused, Settings};
use kompox_manifests::desired::Terms;
use kompox_manifests::id::{AppId, ClusterId};
use kompox_manifests::model::App;
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, Object};
use kompox_manifests::source::SourceTree;

use crate::births::Births;
use crate::cluster::ClusterApi;
use crate::cluster::cache::Cache;
use crate::cluster::lease::LostSignal;
use crate::disks::Listings;
use crate::failure::Failure;
use crate::kept::MadeOf;
use crate::meter::Meter;
use crate::outcome::State;
use crate::refuted::Refuted;
use crate::restart::{self, Turns};
use crate::unsupported::Unsupported;

/// What every reconcile works with.
pub(crate) struct Agent {
    /// The cluster, to write to it.
    pub(crate) cluster: Arc<dyn ClusterApi>,
    /// What is in the cluster.
    pub(crate) cache: Arc<Cache>,
    /// What providers said of disks.
    pub(crate) listings: Listings,
    /// Only Apps of this Cluster are ours.
    pub(crate) cluster_id: ClusterId,
    /// `newDisks` of the configuration.
    pub(crate) new_disks: NewDisks,
    /// Managers whose edits are reverted.
    pub(crate) people: Managers,
    /// Candidates that dry-runs refuted.
    pub(crate) refuted: Refuted,
    /// Fields that dry-runs have shown the cluster to drop.
    pub(crate) unsupported: Unsupported,
    /// How long trouble with images is borne.
    pub(crate) pulling: restart::Timing,
    /// Whose Pod may be stopped when.
    pub(crate) turns: Turns,
    /// Where what it takes is counted.
    pub(crate) meter: Arc<Meter>,
    /// Who makes the Namespace of a new App.
    pub(crate) births: Births,
    /// Tells when this process may no longer write; `None` where nothing is ever written. Writes to
    /// the cluster are fenced by themselves, those to providers ask here.
    pub(crate) lost: Option<LostSignal>,
    /// The plans that may be carried out; `None` where nobody is asked.
    pub(crate) review: Option<Review>,
}

/// The plans that a person has seen and agreed to, by App.
#[derive(Clone, Debug, Default)]
pub(crate) struct Review(BTreeMap<AppId, PlanDigest>);

impl Review {
    /// Agrees to exactly these plans.
    pub(crate) fn of<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Self {
        Self(plans.into_iter().map(|plan| (plan.app.clone(), PlanDigest::of(plan))).collect())
    }

    /// Whether a plan is one of them.
    pub(crate) fn covers(&self, plan: &Plan) -> bool {
        self.0.get(&plan.app) == Some(&PlanDigest::of(plan))
    }
}

impl Agent {
    /// Asked before every write to a provider.
    ///
    /// # Errors
    /// The Lease is lost: another agent may be writing.
    pub(crate) fn may_write(&self) -> Result<(), Failure> {
        match &self.lost {
            Some(lost) if !lost.is_lost() => Ok(()),
            _ => Err(Failure::retry("lease-lost", "the Lease is not held any more: another agent may be writing")),
        }
    }
}

/// A commit, or the state of a folder, that is to be deployed.
#[derive(Clone)]
pub(crate) struct Commit {
    /// Name of the source that it comes from; `None` for a working tree that a person applies.
    pub(crate) source: Option<String>,
    /// Commit id, or hash of the folder's content.
    pub(crate) id: String,
    /// When it was made.
    pub(crate) time: Timestamp,
    /// Holds that a person has accepted.
    pub(crate) accepted: BTreeSet<HoldDigest>,
    /// Its files.
    pub(crate) tree: Arc<dyn SourceTree>,
    /// Entries are looked for below this folder.
    pub(crate) path: String,
    /// What the operators of the agent say about it.
    pub(crate) terms: Terms,
}

/// Which commit something is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitRef {
    /// Commit id, or hash of a folder's content.
    pub(crate) id: String,
    /// When it was made.
    pub(crate) time: Timestamp,
    /// Holds that a person has accepted, with this commit or before.
    pub(crate) accepted: BTreeSet<HoldDigest>,
}

impl CommitRef {
    /// Refers to a commit.
    pub(crate) fn of(commit: &Commit) -> Self {
        Self { id: commit.id.clone(), time: commit.time, accepted: commit.accepted.clone() }
    }
}

/// What is asked for: one App of one commit.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Name of the source that it comes from; `None` for a working tree that a person applies.
    pub(crate) source: Option<Arc<str>>,
    /// The commit.
    pub(crate) commit: Arc<CommitRef>,
    /// The App.
    pub(crate) app: Arc<App>,
    /// The names that are derived from it.
    pub(crate) names: Arc<Names>,
    /// Hash of all files that the App was made from. It tells whether another commit asks for the same.
    pub(crate) digest: Arc<str>,
    /// What the App was made of.
    pub(crate) made_of: MadeOf,
    /// It stands for a newer commit's wish that did not become healthy.
    pub(crate) instead_of: Option<Arc<Refused>>,
}

/// How an App stands among all that the sources list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What was seen of its source as a whole that must be accepted first.
    pub(crate) holds: Vec<Hold>,
    /// Sources that do not list it, and say so for certain.
    pub(crate) given_up_by: BTreeSet<String>,
    /// What it waits for before it is deployed: an App that it depends on and that is not healthy.
    pub(crate) waits: Option<State>,
}

/// The plan of one App with everything that it was made from.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// The App.
    pub(crate) app: Arc<App>,
    /// What was seen of it.
    pub(crate) observed: ObservedApp,
    /// What the agent was told.
    pub(crate) settings: Settings,
    /// What is to be done.
    pub(crate) plan: Plan,
}

impl Planned {
    /// The Namespace of a new App, which the plan makes.
    pub(crate) fn new_namespace(&self) -> Option<&Object> {
        self.plan.created(Kind::Namespace).next()
    }
}
