//! The page: from a commit to running objects, one call a stage.
//!
//! ```text
//! fetch ─► desire ─► observe ─► plan ─► confirm ─► apply ─► health ─► report
//! ```

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kompox_core::disk::NewDisks;
use kompox_core::observed::ObservedApp;
use kompox_core::ownership::Managers;
use kompox_core::plan::{self, Plan, Settings};
use kompox_manifests::id::ClusterId;
use kompox_manifests::model::App;
use kompox_manifests::source::SourceTree;

use crate::apply::{self, Applied};
use crate::cluster::ClusterApi;
use crate::confirm::{self, Confirmed, Refuted};
use crate::desire::{self, Wanted};
use crate::failure::Failure;
use crate::health;
use crate::memory::Memory;
use crate::observe::{self, Observed};
use crate::outcome::{AppOutcome, Outcome};

/// How many Apps are confirmed and applied at once.
const PARALLEL_APPS: usize = 4;

/// What every reconcile works with.
#[derive(Debug)]
pub struct Agent {
    /// The cluster.
    pub cluster: Arc<dyn ClusterApi>,
    /// Only Apps of this Cluster are ours.
    pub cluster_id: ClusterId,
    /// `newDisks` of the configuration.
    pub new_disks: NewDisks,
    /// Managers whose edits are reverted.
    pub people: Managers,
    /// Candidates that dry-runs refuted.
    pub refuted: Refuted,
    /// Says whether this process may write; see [`crate::cluster`].
    pub lease: Arc<dyn WriteGuard>,
}

/// Whether writes are allowed at this very moment.
pub trait WriteGuard: Send + Sync + std::fmt::Debug {
    /// Asked before every write.
    ///
    /// # Errors
    /// Why nothing may be written, e.g. that another agent holds the Lease.
    fn may_write(&self) -> Result<(), Failure>;
}

/// A commit, or the state of a folder, that is to be deployed.
#[derive(Clone)]
pub struct Commit {
    /// Name of the source that it comes from.
    pub source: String,
    /// Commit id, or hash of the folder's content.
    pub id: String,
    /// When it was made.
    pub time: Timestamp,
    /// Its files.
    pub tree: Arc<dyn SourceTree>,
    /// Entries are looked for below this folder.
    pub path: String,
}

/// The plan of one App with everything that it was made from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The App.
    pub app: App,
    /// What was seen of it.
    pub observed: ObservedApp,
    /// What the agent was told.
    pub settings: Settings,
    /// What is to be done.
    pub plan: Plan,
}

/// Brings the cluster to what a commit asks for, as far as it goes now. What remains (a Pod that
/// starts, a provider that is down) is in the outcome; coming again with the same memory goes on.
///
/// # Errors
/// The cluster cannot be read; nothing was changed.
pub async fn reconcile(agent: &Agent, commit: &Commit, memory: &mut Memory) -> Result<Outcome, Failure> {
    let wanted = desire::desire(commit, &agent.cluster_id); //                               pure
    let observed = observe(agent, commit, &wanted).await?; //                                IO: reads
    let (left_over, planned) = plan(agent, commit, &wanted, observed); //                    pure
    let (confirmed, refused) = confirm(agent, commit, planned, memory).await; //             IO: dry-runs
    let applied = apply(agent, confirmed).await; //                                          IO: writes
    let outcomes = health::look(agent, commit, applied, memory).await; //                    IO: reads
    Ok(Outcome::new(commit, wanted, left_over, refused.into_iter().chain(outcomes).collect()))
}

/// The same path, stopped before anything is written: what a reconcile would do.
///
/// # Errors
/// The cluster cannot be read.
pub async fn preview(agent: &Agent, commit: &Commit) -> Result<Preview, Failure> {
    let wanted = desire::desire(commit, &agent.cluster_id); //                               pure
    let observed = observe(agent, commit, &wanted).await?; //                                IO: reads
    let (left_over, planned) = plan(agent, commit, &wanted, observed); //                    pure
    let (confirmed, refused) = confirm(agent, commit, planned, &mut Memory::default()).await; // IO: dry-runs
    let plans = confirmed.into_iter().map(|confirmed| confirmed.into_planned().plan).collect();
    Ok(Preview { wanted, plans, refused, left_over })
}

/// What a reconcile would do.
pub struct Preview {
    /// What the commit asks for.
    pub wanted: Wanted,
    /// A plan for each App that the API server would accept.
    pub plans: Vec<Plan>,
    /// Apps that it would not accept, and why.
    pub refused: Vec<AppOutcome>,
    /// Apps in the cluster that the commit no longer lists, `W/P/C/A`.
    pub left_over: Vec<String>,
}

async fn observe(agent: &Agent, commit: &Commit, wanted: &Wanted) -> Result<Observed, Failure> {
    let apps: Vec<&App> = wanted.apps.iter().collect();
    observe::observe(agent.cluster.as_ref(), &commit.source, &apps).await
}

fn plan(agent: &Agent, commit: &Commit, wanted: &Wanted, observed: Observed) -> (Vec<String>, Vec<Planned>) {
    let Observed { apps: mut seen, left_over, with_disks } = observed;
    let left_over = left_over.into_iter().filter(|app| !wanted.claims(app)).collect();
    let plans = wanted.apps.iter().map(|app| {
        let observed = seen.remove(&app.id).unwrap_or_default();
        let others = with_disks.iter().filter(|other| **other != app.id);
        let settings = Settings {
            source: commit.source.clone(),
            new_disks: agent.new_disks,
            commit_time: commit.time,
            rebuild: others.map(|other| other.app.clone()).collect(),
            people: agent.people.clone(),
        };
        let plan = plan::plan(app, &observed, &settings);
        Planned { app: app.clone(), observed, settings, plan }
    });
    (left_over, plans.collect())
}

/// Dry-runs every plan. A refusal concerns its App alone, and is remembered: the same commit is not
/// tried again where only a person can help.
async fn confirm(
    agent: &Agent,
    commit: &Commit,
    planned: Vec<Planned>,
    memory: &mut Memory,
) -> (Vec<Confirmed>, Vec<AppOutcome>) {
    let (known, fresh): (Vec<_>, Vec<_>) =
        planned.into_iter().partition(|planned| memory.refusal(&planned.app.id, &commit.id).is_some());
    let mut refused: Vec<AppOutcome> = known
        .into_iter()
        .filter_map(|planned| {
            let failure = memory.refusal(&planned.app.id, &commit.id)?.clone();
            Some(AppOutcome::failed(&planned.app, failure))
        })
        .collect();
    let results: Vec<(App, Result<Confirmed, Failure>)> = stream::iter(fresh)
        .map(|planned| async {
            let app = planned.app.clone();
            (app, confirm::confirm(agent.cluster.as_ref(), &agent.refuted, planned).await)
        })
        .buffered(PARALLEL_APPS)
        .collect()
        .await;
    let mut confirmed = Vec::new();
    for (app, result) in results {
        match result {
            Ok(plan) => confirmed.push(plan),
            Err(failure) => {
                memory.refused(&app.id, &commit.id, &failure);
                refused.push(AppOutcome::failed(&app, failure));
            }
        }
    }
    (confirmed, refused)
}

async fn apply(agent: &Agent, confirmed: Vec<Confirmed>) -> Vec<Applied> {
    stream::iter(confirmed)
        .map(|confirmed| apply::apply(agent, confirmed))
        .buffered(PARALLEL_APPS)
        .collect()
        .await
}

