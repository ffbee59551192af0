//! Before a Pod that runs is stopped: its successor's images are pulled, and not too many Pods of one source
//! are down at once.
//!
//! Nothing here blocks. A look that finds something still to be waited for ends as *on its way*, so a newer
//! commit takes over at once, and a process that was killed goes on where the cluster shows it.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;
use kompox_core::health::{self, Limits};
use kompox_core::plan::What;
use kompox_core::prepull::{self, For, Need};
use kompox_manifests::id::AppId;
use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::Value;
use tracing::info;

use crate::context::{Agent, Planned, Wish};
use crate::failure::{Failure, Kind as FailureKind};
use crate::health::Look;
use crate::memory::Memory;
use crate::outcome::{AppOutcome, State};
use crate::reconcile::Siblings;

mod pull;
mod turns;

use pull::{Pull, Sight};
pub(crate) use pull::{Timing, sweep};
pub(crate) use turns::Turns;

/// What is remembered of a restart that is being prepared.
#[derive(Debug)]
pub(crate) struct Preparation {
    /// The Pod that shall come: another one is another restart.
    next: PodSpec,
    images: Images,
}

/// How far the images are.
#[derive(Debug)]
enum Images {
    /// They are being pulled.
    Pulling(Box<Pull>),
    /// They are there, or need not be pulled.
    Ready,
}

/// A restart that a plan asks for.
struct Restart {
    /// The Pod that shall come.
    next: PodSpec,
    /// UID of the Deployment.
    deployment: String,
}

impl Restart {
    /// The restart that a plan asks for, when a Pod is running that it would stop.
    fn of(agent: &Agent, wish: &Wish, planned: &Planned) -> Result<Option<(Self, Option<Need>)>, Failure> {
        let found = planned.plan.actions.iter().find_map(|action| match &action.what {
            What::Change { object, live, restarts: true, .. } => Some((object, live)),
            What::Replace { object, live, .. } if object.key.kind == Kind::Deployment => Some((object, live)),
            _ => None,
        });
        let Some((object, live)) = found.filter(|_| planned.plan.obstacle().is_none()) else { return Ok(None) };
        let next = object.body.pointer("/spec/template/spec").cloned().unwrap_or(Value::Null);
        let Ok(next) = serde_json::from_value::<PodSpec>(next) else { return Ok(None) };
        let workload = agent.cache.workload(&wish.names.hashes.instance, &live.key)?;
        if !prepull::is_anything_running(&workload.pods) {
            return Ok(None);
        }
        let need = prepull::need(&next, &workload.pods).filter(|_| wish.app.reconcile.prepull);
        Ok(Some((Self { next, deployment: live.uid.clone() }, need)))
    }
}

/// Goes on with a restart that is being prepared. `None`: the plan can be carried on with, now.
///
/// Asked before anything is tried on the API server, so that waiting costs no dry-runs.
pub(crate) async fn under_way(
    agent: &Agent,
    wish: &Wish,
    siblings: &Siblings<'_>,
    planned: &Planned,
    memory: &mut Memory,
) -> Result<Option<Look>, Failure> {
    let Some(preparation) = &mut memory.preparation else { return Ok(None) };
    let is_ready = matches!(preparation.images, Images::Ready);
    match Restart::of(agent, wish, planned)? {
        Some((restart, need)) if restart.next == preparation.next && (is_ready || need.is_some()) => {}
        _ => {
            // Something else is asked for by now, or the same without pulling.
            abandon(agent, wish, memory).await?;
            return Ok(None);
        }
    }
    if let Images::Pulling(pull) = &mut preparation.images {
        match pull.look(agent).await? {
            Sight::Pulled => preparation.images = Images::Ready,
            Sight::Waiting { reason, again } => return Ok(Some(waiting(wish, reason, Some(again)))),
            Sight::Failed { reason, label, again } => return Ok(Some(failed(wish, reason, label, again))),
        }
    }
    Ok(turn(agent, wish, siblings))
}

/// Begins to prepare the restart that a plan asks for. `None`: nothing needs to be waited for.
pub(crate) async fn prepare(
    agent: &Agent,
    wish: &Wish,
    siblings: &Siblings<'_>,
    planned: &Planned,
    memory: &mut Memory,
) -> Result<Option<Look>, Failure> {
    if memory.preparation.is_some() {
        // It was waited for, before this plan was tried.
        memory.preparation = None;
        return Ok(None);
    }
    let Some((Restart { next, deployment }, need)) = Restart::of(agent, wish, planned)? else { return Ok(None) };
    let need = match need {
        Some(need) => pull::still_needed(agent, need, &next).await?,
        None => None,
    };
    let Some(need) = need else {
        let look = turn(agent, wish, siblings);
        memory.preparation = look.is_some().then_some(Preparation { next, images: Images::Ready });
        return Ok(look);
    };
    let limits = Limits::of_app(wish.app.reconcile.progress_deadline, !wish.app.volumes.is_empty());
    let made_for = For {
        app: &wish.names.app,
        namespace: &wish.names.namespace,
        deployment_uid: &deployment,
        deadline: limits.deadline.as_secs(),
    };
    info!(app = %wish.app.id, images = need.names(), node = need.node, "pulling images before the Pod is replaced");
    let pull = Pull::begin(agent, need.pod(&next, made_for), limits).await?;
    let reason = format!("pulling {} before the Pod is replaced", need.names());
    memory.preparation = Some(Preparation { next, images: Images::Pulling(Box::new(pull)) });
    Ok(Some(waiting(wish, reason, Some(pull::SOON))))
}

/// Gives up what was prepared.
async fn abandon(agent: &Agent, wish: &Wish, memory: &mut Memory) -> Result<(), Failure> {
    agent.turns.leave(wish.source.as_deref(), &wish.app.id);
    if let Some(Preparation { images: Images::Pulling(pull), .. }) = &memory.preparation {
        pull.end(agent).await?;
    }
    memory.preparation = None;
    Ok(())
}

/// Takes a turn at being down; what to say when others are.
fn turn(agent: &Agent, wish: &Wish, siblings: &Siblings<'_>) -> Option<Look> {
    let others = siblings.wishes.iter().filter(|other| other.app.id != wish.app.id);
    let others = others.map(|other| (&other.app.id, || is_between_pods(agent, other)));
    match agent.turns.take(wish.source.as_deref(), &wish.app.id, others) {
        Ok(()) => None,
        Err(others) => {
            let others: Vec<&str> = others.iter().map(|app| app.app.as_str()).collect();
            let reason = format!("waits for its turn to be interrupted (maxDisruptions), behind {}", others.join(", "));
            Some(waiting(wish, reason, None))
        }
    }
}

/// Notes how a look at an App ended. Gives the Apps of its source that may be interrupted now. One that `waits` for
/// another App keeps none from being interrupted, which may be that other one.
pub(crate) fn judged(agent: &Agent, wish: &Wish, state: &State, waits: bool) -> Vec<AppId> {
    let (source, app) = (wish.source.as_deref(), &wish.app.id);
    let next = agent.turns.looked(source, app);
    let goes_on = match state {
        State::Progressing(_) => !waits,
        // Also where the Deployment was deleted to be made anew, and is not yet.
        State::Failed(failure) => {
            failure.passes() && deployment(agent, wish).is_none_or(|deployment| health::is_between_pods(&deployment))
        }
        State::Healthy | State::Suspended | State::Paused(_) | State::Removed => false,
    };
    if goes_on {
        agent.turns.goes_on(source, app, || is_between_pods(agent, wish));
        return next;
    }
    next.into_iter().chain(agent.turns.ended(source, app)).collect()
}

/// Whether an App's Pod was replaced and the new one is not available yet.
fn is_between_pods(agent: &Agent, wish: &Wish) -> bool {
    deployment(agent, wish).is_some_and(|deployment| health::is_between_pods(&deployment))
}

/// An App's Deployment as the cache has it.
fn deployment(agent: &Agent, wish: &Wish) -> Option<Deployment> {
    let names = wish.names.as_ref();
    let key = ObjectKey { kind: Kind::Deployment, namespace: Some(names.namespace.clone()), name: names.workload() };
    let workload = agent.cache.workload(&names.hashes.instance, &key);
    workload.ok().and_then(|workload| workload.deployment)
}

fn waiting(wish: &Wish, reason: String, again: Option<Duration>) -> Look {
    Look { again, ..Look::last(AppOutcome::untouched(wish, State::Progressing(reason))) }
}

fn failed(wish: &Wish, reason: String, label: &'static str, again: Duration) -> Look {
    let services = wish.app.project.services.iter();
    let named = services.map(|service| &service.image).find(|image| reason.contains(image.value.as_str()));
    let at = named.map_or(&wish.app.at, |image| &image.at);
    let text = format!("{at}: {reason}; the Pod that runs was left alone");
    let failure = Failure { text, label, kind: FailureKind::Rejected };
    Look { again: Some(again), ..Look::last(AppOutcome::untouched(wish, State::Failed(failure))) }
}

#[cfg(test)]
mod tests;
