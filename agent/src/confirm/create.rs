//! New objects. What is there already without our labels was not seen, and is nobody's to overwrite.

use futures::future::join_all;
use kompox_core::ownership;
use kompox_core::plan::{Action, Subject, What};
use kompox_manifests::object::{Kind, Object};

use super::{Ahead, NO_DRY_RUN, NO_ROLE, assume, failed, instead, rehearsal};
use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError};
use crate::context::{Agent, Planned};
use crate::failure::Failure;

/// Tries an object that is created.
pub(super) async fn confirm(agent: &Agent, mut action: Action, ahead: Ahead, force: bool) -> Result<Action, Failure> {
    let Agent { cluster, unsupported, .. } = agent;
    let cluster = cluster.as_ref();
    let What::Create { object, assumed } = &mut action.what else { return Ok(action) };
    // A Namespace that does not exist yet takes no dry-runs; the agent's own stands in for it, where an object of
    // the same name is nobody's concern.
    let elsewhere = ahead.namespace && object.key.kind.namespaced();
    let tried = if elsewhere { rehearsal::elsewhere(object) } else { object.clone() };
    let mut result = cluster.dry_run(&tried, force || elsewhere).await;
    if elsewhere && result.as_ref().is_err_and(|error| matches!(error.cause, Cause::NotFound(_))) {
        // A person plans before the agent is installed: its Namespace is not there either.
        result = cluster.dry_run(&rehearsal::anywhere(object), true).await;
    }
    let may_be_there = match result {
        Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => {
            assume(assumed, &mut action.reason, NO_DRY_RUN);
            true
        }
        Err(error) if ahead.explains(elsewhere, object, &error) => {
            assume(assumed, &mut action.reason, NO_ROLE);
            true
        }
        // Only what is there has fields of others.
        Err(ClusterError { cause: Cause::Conflict(_), .. }) => true,
        Err(error) => return Err(failed(object, &error)),
        Ok(answer) => {
            unsupported.learn(cluster, object, &answer).await;
            // What a dry-run has made has no version.
            !answer.resource_version.is_empty()
        }
    };
    if may_be_there && !elsewhere && !force {
        let occupied = occupied(cluster, object).await?;
        return Ok(occupied.map_or(action.clone(), |occupied| instead(&action, occupied)));
    }
    Ok(action)
}

/// What to do instead where somebody else's object has the name. One that lost its labels is still ours; a Namespace
/// may well have been made ahead of its App.
async fn occupied(cluster: &dyn ClusterApi, object: &Object) -> Result<Option<(What, String)>, Failure> {
    if object.key.kind == Kind::Namespace {
        return Ok(None);
    }
    let found = cluster.find(&object.key).await.map_err(|error| failed(object, &error))?;
    let theirs = found.filter(|live| !ownership::is_applied_by_agent(live) && !ownership::is_legacy(live));
    Ok(theirs.map(|_| {
        let remedy = "rename or delete it; or set `reconcile.force: true` on the App for as long as it takes to take it \
                      over: then it becomes what the commit asks for, and what else it holds is lost";
        let what = What::Blocked { subject: Subject::Object(object.key.clone()), remedy: remedy.to_owned() };
        (what, "an object of this name is there already, and the agent has not made it".to_owned())
    }))
}

/// Tries what most often is refused of a new App where it shall be: its Namespace is there by now, and policies may go
/// by Namespaces. Nothing was written to it yet.
///
/// # Errors
/// The first refusal.
pub(crate) async fn try_in_place(agent: &Agent, planned: &Planned) -> Result<(), Failure> {
    let objects = [Kind::Deployment, Kind::Ingress].into_iter().flat_map(|kind| planned.plan.created(kind));
    let trials = objects.map(|object| async move {
        match agent.cluster.dry_run(object, planned.app.reconcile.force).await {
            Ok(answer) => {
                agent.unsupported.learn(agent.cluster.as_ref(), object, &answer).await;
                Ok(())
            }
            Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => Ok(()),
            Err(error) => Err(failed(object, &error)),
        }
    });
    join_all(trials).await.into_iter().collect()
}
