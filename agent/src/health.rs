//! Health: how the Apps are whose plans were applied. One look, no waiting: a reconcile that finds
//! something still on its way comes again soon, so a newer commit takes over at once.

use kompox_core::health::{Limits, Verdict, assess};
use kompox_manifests::names::Names;

use crate::apply::Applied;
use crate::context::{Agent, Commit};
use crate::failure::{Failure, Kind};
use crate::memory::Memory;
use crate::outcome::{AppOutcome, State};

/// Looks at every App that something was written to, or that has not been seen healthy at this
/// commit yet.
pub(crate) async fn look(
    agent: &Agent,
    commit: &Commit,
    applied: Vec<Applied>,
    memory: &mut Memory,
) -> Vec<AppOutcome> {
    let mut outcomes = Vec::with_capacity(applied.len());
    for applied in applied {
        outcomes.push(look_at(agent, commit, applied, memory).await);
    }
    outcomes
}

async fn look_at(agent: &Agent, commit: &Commit, applied: Applied, memory: &mut Memory) -> AppOutcome {
    let Applied { planned, done, stopped } = applied;
    let app = &planned.app;
    let outcome = |state| AppOutcome { id: app.id.clone(), done, state };
    if let Some(failure) = stopped {
        memory.unsettled(&app.id);
        return outcome(State::Failed(failure));
    }
    if app.reconcile.suspend {
        return outcome(State::Suspended);
    }
    let limits = Limits::of_app(app.reconcile.progress_deadline, !app.volumes.is_empty());
    let watched = memory.rollout(&app.id, &commit.id, done.wrote(), limits);
    if watched.settled {
        return outcome(State::Healthy);
    }
    let names = Names::of(&app.id);
    let health = match agent.cluster.workload(&names.namespace, &names.workload()).await {
        Ok(workload) => assess(&workload),
        Err(error) => return outcome(State::Failed(Failure::of_cluster("its Pods cannot be read", &error))),
    };
    match watched.rollout.observe(watched.began.elapsed(), &health) {
        Verdict::Healthy => {
            watched.settled = true;
            outcome(State::Healthy)
        }
        Verdict::Wait => {
            let reason = health.reason().map_or_else(|| "settling".to_owned(), |reason| reason.text.clone());
            outcome(State::Progressing(reason))
        }
        Verdict::Failed { reason, timed_out } => {
            let late = if timed_out { " (the progress deadline is over)" } else { "" };
            let text = format!("{}: {}{late}", reason.label, reason.text);
            outcome(State::Failed(Failure { text, label: reason.label, kind: Kind::Unhealthy }))
        }
    }
}
