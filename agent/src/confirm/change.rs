//! Objects that change, in place or by being made anew.

use kompox_core::observed::LiveObject;
use kompox_core::ownership;
use kompox_core::plan::diff::{self, same_but_for_bookkeeping};
use kompox_core::plan::unsupported::leave_out;
use kompox_core::plan::{Action, What, immutable, restart};
use kompox_manifests::object::Object;

use super::{Ahead, NO_DRY_RUN, NO_ROLE, assume, failed, instead, refusal, rehearsal};
use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError};
use crate::context::Agent;
use crate::failure::Failure;

/// Tries a change. `None`: it would change nothing.
pub(super) async fn confirm(
    agent: &Agent,
    mut action: Action,
    ahead: Ahead,
    force: bool,
) -> Result<Option<Action>, Failure> {
    let Agent { cluster, refuted, unsupported, people, .. } = agent;
    let cluster = cluster.as_ref();
    let What::Change { object, live, takeover, fields, assumed, .. } = &mut action.what else {
        return Ok(Some(action));
    };
    let is_taken = takeover.is_some();
    // What people hold is ours by the time of the write, and no conflict; what controllers hold beside them is one.
    if is_taken && !force && ownership::has_other_writers(live, people) {
        let conflicts = match cluster.dry_run(object, false).await {
            Err(ClusterError { cause: Cause::Conflict(conflicts), .. }) => refusal::not_of(conflicts, people),
            _ => Vec::new(),
        };
        if !conflicts.is_empty() {
            let blocked = refusal::conflict(object, live, &conflicts);
            return Ok(Some(instead(&action, blocked)));
        }
    }
    let result = match cluster.dry_run(object, force || is_taken).await {
        Ok(result) => result,
        Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => {
            assume(assumed, &mut action.reason, NO_DRY_RUN);
            return Ok(Some(action));
        }
        Err(error) if ahead.explains(false, object, &error) => {
            assume(assumed, &mut action.reason, NO_ROLE);
            return Ok(Some(action));
        }
        Err(error) => {
            if let Some(refused) = refusal::instead(object, live, fields, &error) {
                return match instead(&action, refused) {
                    replacement @ Action { what: What::Replace { .. }, .. } => {
                        rehearse(cluster, replacement).await.map(Some)
                    }
                    other => Ok(Some(other)),
                };
            }
            // What is wrong may be what people added: it is gone by the time of the write, which no dry-run in place
            // can anticipate.
            let is_theirs = is_taken && matches!(error.cause, Cause::Invalid(_) | Cause::Denied(_));
            if is_theirs && cluster.dry_run(&rehearsal::elsewhere(object), true).await.is_ok() {
                return Ok(Some(action));
            }
            return Err(failed(object, &error));
        }
    };
    if !is_taken && same_but_for_bookkeeping(&result.body, &live.body) {
        refuted.remember(object, live);
        unsupported.learn(cluster, object, &result).await;
        return Ok(None);
    }
    let leaves_the_pod = !is_taken && restart::leaves_the_pod(object, live, &result);
    let dropped = unsupported.learn(cluster, object, &result).await;
    if !dropped.is_empty() && !leave_out(&mut action, &dropped) {
        return Ok(None);
    }
    if let What::Change { restarts, .. } = &mut action.what {
        *restarts &= !leaves_the_pod;
    }
    Ok(Some(action))
}

/// Tries a replacement. The plan goes by what it knows of the kinds: where the server takes the change after all,
/// nothing has to go; where it refuses it for another reason, nothing may.
pub(super) async fn confirm_replacement(
    agent: &Agent,
    mut action: Action,
    ahead: Ahead,
    force: bool,
) -> Result<Option<Action>, Failure> {
    let cluster = agent.cluster.as_ref();
    let What::Replace { object, live, fields, .. } = &mut action.what else { return Ok(Some(action)) };
    if !force && let Some(blocked) = refusal::of_others(live, fields, &agent.people) {
        return Ok(Some(instead(&action, blocked)));
    }
    match cluster.dry_run(object, force).await {
        Ok(tried) if !stays_fixed(object, live, &tried) => {
            if same_but_for_bookkeeping(&tried.body, &live.body) {
                return Ok(None);
            }
            let (object, live, fields) = (object.clone(), live.clone(), std::mem::take(fields));
            let restarts = restart::restarts(&object, &fields);
            action.what = What::Change { object, live, fields, takeover: None, restarts, assumed: false };
            return Ok(Some(action));
        }
        Ok(_) | Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => {}
        Err(error) if ahead.explains(false, object, &error) => {}
        Err(ClusterError { cause: Cause::Conflict(conflicts), .. }) => {
            let conflicts = refusal::not_of(conflicts, &agent.people);
            if !conflicts.is_empty() {
                let blocked = refusal::conflict(object, live, &conflicts);
                return Ok(Some(instead(&action, blocked)));
            }
        }
        Err(error) => match refusal::instead(object, live, fields, &error) {
            Some((What::Replace { .. }, _)) => {}
            Some(other) => return Ok(Some(instead(&action, other))),
            None => return Err(failed(object, &error)),
        },
    }
    rehearse(cluster, action).await.map(Some)
}

/// Whether a change that the server accepted leaves a field as it is that never changes in place.
fn stays_fixed(object: &Object, live: &LiveObject, tried: &LiveObject) -> bool {
    let fields = diff::compare(object, tried, live.managed_fields());
    immutable::among(live, &fields).is_some()
}

/// Tries what an object that makes way is replaced by, where no object is in its way: once the old one is deleted, it
/// is too late to find out.
async fn rehearse(cluster: &dyn ClusterApi, mut action: Action) -> Result<Action, Failure> {
    let What::Replace { object, assumed, .. } = &mut action.what else { return Ok(action) };
    match cluster.dry_run(&rehearsal::beside_itself(object), true).await {
        Ok(_) => {}
        Err(ClusterError { cause: Cause::WebhookNoDryRun(_), .. }) => assume(assumed, &mut action.reason, NO_DRY_RUN),
        Err(error) if Ahead::default().explains(true, object, &error) => assume(assumed, &mut action.reason, NO_ROLE),
        Err(error) => return Err(failed(object, &error)),
    }
    Ok(action)
}
