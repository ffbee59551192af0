//! The page: from a commit to running objects, one call a stage.
//!
//! ```text
//! fetch ─► desire ─► observe ─► plan ─► confirm ─► apply ─► health ─► report
//!   │        │          │        │         │         │         │         │
//! trigger  desire    observe    core:   confirm   apply     health     report
//! source   manifests: disks     plan    (dry-run) disks     core:      reporter
//!          desired   cluster                      cluster   health     forge
//! ```
//!
//! Fetching and reporting have clocks of their own: [`crate::trigger`] fetches, calls this page with the
//! newest commit, and hands the outcome to [`crate::report`].

use futures::stream::{self, StreamExt as _};
use kompox_core::observed::ObservedApp;
use kompox_core::plan::{self, BY_HAND, Plan, Settings};
use kompox_manifests::model::App;
use kompox_manifests::object::Kind;

use crate::apply::{self, Applied};
use crate::confirm::{self, Confirmed};
use crate::context::{Agent, Commit, Planned};
use crate::desire::{self, Wanted};
use crate::failure::Failure;
use crate::health;
use crate::memory::Memory;
use crate::observe::{self, Observed};
use crate::outcome::{AppOutcome, Outcome};
use crate::rebuild::{self, Rebuilt};

/// How many Apps are confirmed and applied at once.
const PARALLEL_APPS: usize = 4;

/// Brings the cluster to what a commit asks for, as far as it goes now. What remains (a Pod that
/// starts, a provider that is down) is in the outcome; coming again with the same memory goes on.
///
/// # Errors
/// The cluster cannot be read; nothing was changed.
pub(crate) async fn reconcile(agent: &Agent, commit: &Commit, memory: &mut Memory) -> Result<Outcome, Failure> {
    let wanted = desire::desire(commit, &agent.cluster_id); //                               pure
    let (observed, rebuilt) = observe(agent, commit, &wanted).await?; //                     IO: reads
    let (left_over, planned) = plan(agent, commit, &wanted, observed, &rebuilt); //          pure
    let (confirmed, refused) = confirm(agent, commit, planned, memory).await; //             IO: dry-runs
    let applied = apply(agent, confirmed).await; //                                          IO: writes
    let outcomes = health::look(agent, commit, applied, memory).await; //                    IO: reads
    Ok(Outcome::new(wanted, left_over, refused.into_iter().chain(outcomes).collect()))
}

/// The same path, stopped before anything is written: what a reconcile would do.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn preview(agent: &Agent, commit: &Commit) -> Result<Preview, Failure> {
    let wanted = desire::desire(commit, &agent.cluster_id); //                               pure
    let (observed, rebuilt) = observe(agent, commit, &wanted).await?; //                     IO: reads
    let (left_over, planned) = plan(agent, commit, &wanted, observed, &rebuilt); //          pure
    let (confirmed, refused) = confirm(agent, commit, planned, &mut Memory::default()).await; // IO: dry-runs
    let plans = confirmed.into_iter().map(|confirmed| confirmed.into_planned().plan).collect();
    Ok(Preview { wanted, plans, refused, left_over })
}

/// What a reconcile would do.
pub(crate) struct Preview {
    /// What the commit asks for.
    pub(crate) wanted: Wanted,
    /// A plan for each App that the API server would accept.
    pub(crate) plans: Vec<Plan>,
    /// Apps that it would not accept, and why.
    pub(crate) refused: Vec<AppOutcome>,
    /// Apps in the cluster that the commit no longer lists, `W/P/C/A`.
    pub(crate) left_over: Vec<String>,
}

async fn observe(agent: &Agent, commit: &Commit, wanted: &Wanted) -> Result<(Observed, Rebuilt), Failure> {
    let apps: Vec<&App> = wanted.apps.iter().collect();
    let source = commit.source.as_deref();
    let observed = observe::observe(agent.cluster.as_ref(), source, &apps).await?;
    let rebuilt = rebuild::recognize(agent, source, &apps, &observed).await?;
    Ok((observed, rebuilt))
}

fn plan(
    agent: &Agent,
    commit: &Commit,
    wanted: &Wanted,
    observed: Observed,
    rebuilt: &Rebuilt,
) -> (Vec<String>, Vec<Planned>) {
    let Observed { apps: mut seen, left_over, fresh: _ } = observed;
    let left_over = left_over.into_iter().filter(|app| !wanted.may_list(app)).collect();
    let plans = wanted.apps.iter().map(|app| {
        let observed = seen.remove(&app.id).unwrap_or_default();
        let settings = Settings {
            source: source_of(commit, &observed),
            new_disks: agent.new_disks,
            commit_time: commit.time,
            rebuild: rebuilt.against(app),
            people: agent.people.clone(),
        };
        let plan = plan::plan(app, &observed, &settings);
        Planned { app: app.clone(), observed, settings, plan }
    });
    (left_over, plans.collect())
}

/// The source that an App is marked with. What a person applies by hand stays the source's that
/// deployed it.
fn source_of(commit: &Commit, observed: &ObservedApp) -> String {
    let marked = observed.objects.values().find(|live| live.key.kind == Kind::Namespace);
    let marked = marked.and_then(|namespace| namespace.annotation(observe::SOURCE_ANNOTATION));
    commit.source.as_deref().or(marked).unwrap_or(BY_HAND).to_owned()
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
            Ok(plan) => {
                memory.accepted(&app.id, &commit.id);
                confirmed.push(plan);
            }
            Err(failure) => {
                memory.refused(&app.id, &commit.id, &failure);
                refused.push(AppOutcome::failed(&app, failure));
            }
        }
    }
    (confirmed, refused)
}

async fn apply(agent: &Agent, confirmed: Vec<Confirmed>) -> Vec<Applied> {
    stream::iter(confirmed).map(|confirmed| apply::apply(agent, confirmed)).buffered(PARALLEL_APPS).collect().await
}

#[cfg(test)]
mod tests;
