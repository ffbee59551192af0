//! Health: how an App is whose plan was applied. One look, no waiting: what is still on its way is looked
//! at again when something of it changes or a deadline passes, so a newer commit takes over at once.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kompox_core::health::{Limits, Rollout, Verdict, Workload, assess};
use kompox_core::observed::ObservedApp;
use kompox_core::plan::{Action, Refused, Subject, What};
use kompox_manifests::object::{Kind as ObjectKind, ObjectKey};
use tokio::time::Instant;
use tracing::debug;

use crate::apply::Applied;
use crate::context::{Agent, Wish};
use crate::failure::{Failure, Kind};
use crate::memory::{Memory, Watched};
use crate::outcome::{AppOutcome, State};

/// Events say why something takes long; they are asked for when it does, and not more often than this.
const EVENTS: Duration = Duration::from_secs(10);

/// How an App is, and when that may change without anything being heard.
pub(crate) struct Look {
    /// How it is.
    pub(crate) outcome: AppOutcome,
    /// Another look makes sense after this time.
    pub(crate) again: Option<Duration>,
    /// What was healthy before is to be deployed again.
    pub(crate) roll_back: Option<RollBack>,
    /// It waits for another App, and nothing is under way of it.
    pub(crate) waits: bool,
}

/// A way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RollBack {
    /// The commit that was healthy last.
    pub(crate) to: String,
    /// What is given up for it.
    pub(crate) refused: Refused,
}

impl Look {
    /// A look that needs no other one.
    pub(crate) fn last(outcome: AppOutcome) -> Self {
        Self { outcome, again: None, roll_back: None, waits: false }
    }
}

/// Looks at an App.
pub(crate) async fn look(agent: &Agent, wish: &Wish, applied: Applied, memory: &mut Memory) -> Look {
    let Applied { planned, done, stopped, left, .. } = applied;
    let app = &planned.app;
    let outcome = |state| AppOutcome::of(wish, done, state);
    // The App is as well as it can be, but not as the commit asks.
    let undone = || planned.plan.undone().filter(|action| matches!(action.what, What::Left { .. }));
    let degraded = left.or_else(|| undone().next().map(Failure::of_obstacle));
    let healthy = || degraded.clone().map_or(State::Healthy, State::Failed);
    if let Some(failure) = stopped {
        memory.unsettled();
        return Look::last(outcome(State::Failed(failure)));
    }
    if app.reconcile.suspend {
        return Look::last(outcome(State::Suspended));
    }
    let limits = Limits::of_app(app.reconcile.progress_deadline, !app.volumes.is_empty());
    let watched = memory.rollout(&wish.digest, done.wrote(), limits);
    // Waiting for what is not made again would say that the App is on its way.
    if let Some(left) = undone().find(|left| is_missing(left, &planned.observed)) {
        return Look::last(outcome(State::Failed(Failure::of_obstacle(left))));
    }
    let mut workload = match workload(agent, wish) {
        Ok(workload) => workload,
        Err(failure) => return Look::last(outcome(State::Failed(failure))),
    };
    workload.events = events(agent, watched, &workload).await;
    let health = assess(&workload);
    if watched.settled {
        if health.reason().is_none() {
            return Look::last(outcome(healthy()));
        }
        // It was healthy and is not any more.
        watched.settled = false;
        watched.began = Instant::now();
        watched.rollout = Rollout::new(limits);
    }
    let elapsed = watched.began.elapsed();
    let state = match watched.rollout.observe(elapsed, &health) {
        Verdict::Healthy => {
            watched.settled = true;
            return Look::last(outcome(healthy()));
        }
        Verdict::Wait => {
            let reason = health.reason().map_or_else(|| "settling".to_owned(), |reason| reason.text.clone());
            State::Progressing(reason)
        }
        Verdict::Failed { reason, timed_out } => {
            let late = if timed_out { " (the progress deadline is over)" } else { "" };
            let text = format!("{}: {}{late}", reason.label, reason.text);
            State::Failed(Failure { text, label: reason.label, kind: Kind::Unhealthy })
        }
    };
    let mut again = watched.rollout.next_look(elapsed);
    if matches!(state, State::Progressing(_)) && !asked_about(&workload).is_empty() {
        again = Some(again.map_or(EVENTS, |again| again.min(EVENTS)));
    }
    Look { again, ..Look::last(outcome(state)) }
}

/// Whether an action leaves an object away that the cluster has none of.
fn is_missing(left: &Action, observed: &ObservedApp) -> bool {
    matches!(left.what.subject(), Subject::Object(key) if !observed.objects.contains_key(&key))
}

fn workload(agent: &Agent, wish: &Wish) -> Result<Workload, Failure> {
    let names = wish.names.as_ref();
    let deployment =
        ObjectKey { kind: ObjectKind::Deployment, namespace: Some(names.namespace.clone()), name: names.workload() };
    agent.cache.workload(&names.hashes.instance, &deployment)
}

/// UIDs of what Events are asked about: Pods that do not start and claims that are not bound.
fn asked_about(workload: &Workload) -> Vec<String> {
    workload.with_events().map(str::to_owned).collect()
}

/// What Events say, as far as somebody wants to know.
async fn events(agent: &Agent, watched: &mut Watched, workload: &Workload) -> Vec<Event> {
    let uids = asked_about(workload);
    let namespace = workload.deployment.as_ref().and_then(|deployment| deployment.metadata.namespace.clone());
    let (Some(namespace), false) = (namespace, uids.is_empty() || watched.began.elapsed() < EVENTS) else {
        return watched.events.iter().flat_map(|(_, events)| events.clone()).collect();
    };
    if watched.events.as_ref().is_none_or(|(read, _)| read.elapsed() >= EVENTS) {
        match agent.cluster.events(&namespace, &uids).await {
            Ok(events) => watched.events = Some((Instant::now(), events)),
            // They would only have said more.
            Err(error) => debug!(%error, "Events cannot be read"),
        }
    }
    watched.events.iter().flat_map(|(_, events)| events.clone()).collect()
}
