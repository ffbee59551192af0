//! Confirm: every write of a plan is tried as a dry-run before anything is written. A candidate that
//! the API server says changes nothing is dropped; one that it refuses stops the whole App, so that
//! a broken commit leaves the cluster exactly as it was.
//!
//! Of a new App only what most often is refused is tried before it is written: the Deployment and the
//! Ingresses. The rest is assumed, for a dry-run costs as much as the write. What cannot be tried (a webhook
//! that takes no dry-run) is assumed too, and the plan says so.

use futures::stream::{self, StreamExt as _};
use kompox_core::observed::LiveObject;
use kompox_core::plan::diff::{self, same_but_for_bookkeeping};
use kompox_core::plan::unsupported::leave_out;
use kompox_core::plan::{Action, What, immutable, restart};
use kompox_manifests::object::{Kind, Object};

use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError, SYSTEM_NAMESPACE};
use crate::context::{Agent, Planned};
use crate::failure::Failure;
use crate::give_back;

mod refusal;

/// The namespace that every cluster has.
const DEFAULT_NAMESPACE: &str = "default";
/// Why something is not tried.
const NO_DRY_RUN: &str = "a webhook of the cluster takes no dry-run";
const NO_ROLE: &str = "it cannot be tried before its Role is there";
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
    /// What most often is refused: the plan is carried out at once.
    Essentials,
}

/// Dry-runs one App's plan.
///
/// # Errors
/// The first refusal, in the order of the plan.
pub(crate) async fn confirm(agent: &Agent, mut planned: Planned, care: Care) -> Result<Confirmed, Failure> {
    let creates = |kind: Kind| {
        let of_kind = |action: &Action| matches!(&action.what, What::Create { object, .. } if object.key.kind == kind);
        planned.plan.actions.iter().any(of_kind)
    };
    let ahead = Ahead { namespace: creates(Kind::Namespace), role: creates(Kind::Role), care };
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

    /// Whether an object that is created is not tried.
    fn assumes(self, object: &Object) -> bool {
        let is_essential = matches!(object.key.kind, Kind::Deployment | Kind::Ingress);
        self.care == Care::Essentials && self.namespace && !is_essential
    }
}

/// `None`: the dry-run showed that nothing would change.
async fn confirm_action(
    agent: &Agent,
    mut action: Action,
    ahead: Ahead,
    force: bool,
) -> Result<Option<Action>, Failure> {
    let Agent { cluster, refuted, unsupported, .. } = agent;
    let cluster = cluster.as_ref();
    let failed = |object: &Object, error: ClusterError| Failure::of_object(&object.key, &object.origin, &error);
    if refuted.drops(&action) {
        return Ok(None);
    }
    match &mut action.what {
        What::Create { object, assumed } if ahead.assumes(object) => *assumed = true,
        What::Create { object, assumed } => {
            // A namespace that does not exist yet takes no dry-runs; the agent's own stands in for it, where
            // an object of the same name is nobody's concern.
            let elsewhere = ahead.namespace && object.key.kind.namespaced();
            let tried = if elsewhere { rehearsal(object) } else { object.clone() };
            let mut result = cluster.dry_run(&tried, force || elsewhere).await;
            if elsewhere && result.as_ref().is_err_and(|error| matches!(error.cause, Cause::NotFound(_))) {
                // A person plans before the agent is installed: its namespace is not there either.
                result = cluster.dry_run(&in_namespace(object, DEFAULT_NAMESPACE), true).await;
            }
            match result {
                Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => {
                    assume(assumed, &mut action.reason, NO_DRY_RUN)
                }
                Err(error) if ahead.explains(elsewhere, object, &error) => assume(assumed, &mut action.reason, NO_ROLE),
                result => {
                    let answer = result.map_err(|error| failed(object, error))?;
                    unsupported.learn(cluster, object, &answer).await;
                }
            }
        }
        What::Change { object, live, takeover, fields, assumed, .. } => {
            // What people took is ours again by the time of the write, which no dry-run can anticipate:
            // what they added would still be there. So the object is tried on its own.
            let (tried, force) = match takeover {
                Some(_) => (rehearsal(object), true),
                None => (object.clone(), force),
            };
            let result = match cluster.dry_run(&tried, force).await {
                Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => {
                    assume(assumed, &mut action.reason, NO_DRY_RUN);
                    return Ok(Some(action));
                }
                Err(error) if ahead.explains(takeover.is_some(), object, &error) => {
                    assume(assumed, &mut action.reason, NO_ROLE);
                    return Ok(Some(action));
                }
                Err(error) => match refusal::instead(object, live, fields, &error) {
                    Some((what, reason)) => {
                        let instead = Action { what, reason, origin: action.origin.clone() };
                        return rehearse(cluster, instead).await.map(Some);
                    }
                    None => return Err(failed(object, error)),
                },
                Ok(tried) => tried,
            };
            if takeover.is_none() && same_but_for_bookkeeping(&result.body, &live.body) {
                refuted.remember(object, live);
                unsupported.learn(cluster, object, &result).await;
                return Ok(None);
            }
            let dropped = unsupported.learn(cluster, object, &result).await;
            if !dropped.is_empty() && !leave_out(&mut action, &dropped) {
                return Ok(None);
            }
        }
        What::Replace { object, live, fields, .. } => match cluster.dry_run(object, force).await {
            // The plan goes by what it knows of the kinds. Where the server takes the change after all, nothing
            // has to go.
            Ok(tried) if !stays_fixed(object, live, &tried) => {
                if same_but_for_bookkeeping(&tried.body, &live.body) {
                    return Ok(None);
                }
                let (object, live, fields) = (object.clone(), live.clone(), std::mem::take(fields));
                let restarts = restart::restarts(&object, &fields);
                action.what = What::Change { object, live, fields, takeover: None, restarts, assumed: false };
            }
            Ok(_) | Err(_) => return rehearse(cluster, action).await.map(Some),
        },
        What::GiveBack { .. } => return give_back::confirm(cluster, action).await.map(Some),
        What::CreateDisk(_)
        | What::AssignDisk(_)
        | What::Delete(_)
        | What::Keep(_)
        | What::Left { .. }
        | What::Awaited { .. }
        | What::Blocked { .. }
        | What::Held { .. } => {}
    }
    Ok(Some(action))
}

/// Whether a change that the server accepted leaves a field as it is that never changes in place.
fn stays_fixed(object: &Object, live: &LiveObject, tried: &LiveObject) -> bool {
    let fields = diff::compare(object, tried, live.managed_fields());
    immutable::among(live, &fields).is_some()
}

/// Tries what an object that makes way is replaced by, where no object is in its way: once the old one
/// is deleted, it is too late to find out.
async fn rehearse(cluster: &dyn ClusterApi, mut action: Action) -> Result<Action, Failure> {
    let What::Replace { object, assumed, .. } = &mut action.what else { return Ok(action) };
    match cluster.dry_run(&rehearsal(object), true).await {
        Ok(_) => {}
        Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => assume(assumed, &mut action.reason, NO_DRY_RUN),
        Err(error) if Ahead::default().explains(true, object, &error) => assume(assumed, &mut action.reason, NO_ROLE),
        Err(error) => return Err(Failure::of_object(&object.key, &object.origin, &error)),
    }
    Ok(action)
}

/// Marks an action that is not tried; the write itself will tell.
fn assume(assumed: &mut bool, reason: &mut String, why: &str) {
    *assumed = true;
    reason.push_str(&format!("; assumed to be accepted: {why}"));
}

/// The object as it would be in the agent's own namespace.
fn rehearsal(object: &Object) -> Object {
    in_namespace(object, SYSTEM_NAMESPACE)
}

/// The object as it would be in another namespace.
fn in_namespace(object: &Object, namespace: &str) -> Object {
    let mut moved = object.clone();
    if object.key.kind.namespaced() {
        moved.key.namespace = Some(namespace.to_owned());
        if let Some(written) = moved.body.pointer_mut("/metadata/namespace") {
            *written = namespace.into();
        }
    }
    moved
}
