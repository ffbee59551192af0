//! Confirm: every write of a plan is tried as a dry-run before anything is written. A candidate that
//! the API server says changes nothing is dropped; one that it refuses stops the whole App, so that
//! a broken commit leaves what is there exactly as it was.
//!
//! Of a new App only what most often is refused is tried, where it shall be: its Deployment and Ingresses, once its
//! Namespace is there and before there is a disk. The rest is assumed, for a dry-run costs as much as the write. What
//! cannot be tried (a webhook that takes no dry-run) is assumed too, and the plan says so.

use futures::stream::{self, StreamExt as _};
use kompox_core::plan::{Action, What};
use kompox_manifests::object::{Kind, Object};

use crate::cluster::ClusterError;
use crate::cluster::error::Cause;
use crate::context::{Agent, Planned};
use crate::failure::Failure;
use crate::give_back;

mod change;
mod create;
mod refusal;
mod rehearsal;

pub(crate) use create::try_in_place;

/// Why something is not tried.
const NO_DRY_RUN: &str = "a webhook of the cluster takes no dry-run";
const NO_ROLE: &str = "it cannot be tried before its Role is there";
/// Why something is done that would be held if it restarted the Pod.
const NO_RESTART: &str =
    "this agent asks for values that are there already, as the cluster's defaults; the Pod goes on";
/// How many dry-runs and writes of one App are under way at once.
pub(crate) const PARALLEL: usize = 6;

/// A plan whose writes the API server accepted in a dry-run. Only this can be applied.
#[derive(Debug)]
pub(crate) struct Confirmed(Planned);

impl Confirmed {
    /// The plan.
    pub(crate) fn planned(&self) -> &Planned {
        &self.0
    }

    /// Takes the plan out.
    pub(crate) fn into_planned(self) -> Planned {
        self.0
    }
}

/// How much of a new App's plan is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Care {
    /// Everything: somebody is shown the plan.
    #[default]
    Whole,
    /// Nothing of it yet: the plan is carried out at once, and tried in its place.
    InPlace,
}

/// Dry-runs one App's plan.
///
/// # Errors
/// The first refusal, in the order of the plan.
pub(crate) async fn confirm(agent: &Agent, mut planned: Planned, care: Care) -> Result<Confirmed, Failure> {
    let namespace = match planned.new_namespace() {
        // Somebody may have made it, without our labels. Whoever carries the plan out finds that in the end.
        Some(namespace) if care == Care::Whole => {
            let found = agent.cluster.get(&namespace.key).await;
            found.map_err(|error| Failure::of_object(&namespace.key, &namespace.origin, &error))?.is_none()
        }
        namespace => namespace.is_some(),
    };
    let ahead = Ahead { namespace, role: planned.plan.created(Kind::Role).next().is_some(), care };
    let force = planned.app.reconcile.force;
    let actions = std::mem::take(&mut planned.plan.actions);
    let confirmed: Vec<Result<Option<Action>, Failure>> = stream::iter(actions)
        .map(|action| confirm_action(agent, action, ahead, force))
        .buffered(PARALLEL)
        .collect()
        .await;
    for action in confirmed {
        planned.plan.actions.extend(action?);
    }
    let Planned { app, observed, settings, plan } = &mut planned;
    plan.guard(app, observed, settings);
    Ok(Confirmed(planned))
}

/// What other objects need and the plan itself makes first, so that no dry-run finds it.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    namespace: bool,
    role: bool,
    care: Care,
}

impl Ahead {
    /// Whether a dry-run was refused only because of what is made first, or is not where it was tried. Who
    /// may not bind any Role (the agent's own account) has a RoleBinding checked against the Role that it
    /// names.
    fn explains(self, elsewhere: bool, object: &Object, error: &ClusterError) -> bool {
        (self.role || elsewhere) && object.key.kind == Kind::RoleBinding && matches!(error.cause, Cause::NotFound(_))
    }

    /// Whether what is created is not tried yet.
    fn assumes(self) -> bool {
        self.care == Care::InPlace && self.namespace
    }
}

/// `None`: the dry-run showed that nothing would change.
async fn confirm_action(
    agent: &Agent,
    mut action: Action,
    ahead: Ahead,
    force: bool,
) -> Result<Option<Action>, Failure> {
    if agent.refuted.drops(&action) {
        return Ok(None);
    }
    let is_held = matches!(action.what, What::Held { .. });
    match &mut action.what {
        What::Create { assumed, .. } if ahead.assumes() => *assumed = true,
        What::Create { .. } => return create::confirm(agent, action, ahead, force).await.map(Some),
        What::Change { .. } => return change::confirm(agent, action, ahead, force).await,
        What::Replace { .. } => return change::confirm_replacement(agent, action, ahead, force).await,
        What::GiveBack { .. } => return give_back::confirm(agent.cluster.as_ref(), action).await.map(Some),
        What::Held { candidate: Some(candidate), .. } | What::Drifted { candidate: Some(candidate), .. } => {
            let tried =
                Action { what: (**candidate).clone(), reason: NO_RESTART.to_owned(), origin: action.origin.clone() };
            match Box::pin(confirm_action(agent, tried, ahead, force)).await {
                Ok(None) => return Ok(None),
                // It is held for what it would do to the Pod.
                Ok(Some(tried)) if is_held && matches!(tried.what, What::Change { restarts: false, .. }) => {
                    return Ok(Some(tried));
                }
                Err(failure) if failure.passes() => return Err(failure),
                // What is refused is told once it is to be done.
                Ok(Some(_)) | Err(_) => {}
            }
        }
        What::CreateDisk(_)
        | What::AssignDisk(_)
        | What::Delete(_)
        | What::Keep(_)
        | What::Drifted { .. }
        | What::Left { .. }
        | What::Awaited { .. }
        | What::Blocked { .. }
        | What::Held { .. } => {}
    }
    Ok(Some(action))
}

/// Marks an action that is not tried; the write itself will tell.
fn assume(assumed: &mut bool, reason: &mut String, why: &str) {
    *assumed = true;
    reason.push_str(&format!("; assumed to be accepted: {why}"));
}

/// A dry-run that was refused, told at the line that asks for the object.
fn failed(object: &Object, error: &ClusterError) -> Failure {
    Failure::of_object(&object.key, &object.origin, error)
}

/// The plan's action with another deed and reason.
fn instead(action: &Action, (what, reason): (What, String)) -> Action {
    Action { what, reason, origin: action.origin.clone() }
}
