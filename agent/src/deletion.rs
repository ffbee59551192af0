//! Deletion: what leaves the cluster. Only exactly the object that was seen is deleted (UID and version),
//! and one that does not go keeps no other one from going.

use kompox_core::observed::LiveObject;
use kompox_core::plan::{Action, Counts, What};
use kompox_manifests::object::Object;
use tracing::{info, warn};

use crate::cluster::{ClusterError, Deletion};
use crate::context::Agent;
use crate::failure::Failure;

/// Deletes what the commit no longer asks for, in reverse order, after everything else succeeded.
///
/// # Errors
/// The first object that did not go; the others were tried all the same.
pub(crate) async fn leftovers(agent: &Agent, actions: &[Action], done: &mut Counts) -> Result<(), Failure> {
    let mut first = None;
    for action in actions.iter().rev() {
        let What::Delete(live) = &action.what else { continue };
        info!(object = %live.key, reason = %action.reason, "deleting");
        match agent.cluster.delete(&live.key, &live.uid, &live.resource_version).await {
            Ok(deletion) => {
                remember(agent, live, &deletion);
                done.deleted += 1;
            }
            Err(error) => {
                let failure = Failure::of_deletion(&live.key, action.origin.as_ref(), &error);
                warn!(object = %live.key, cause = failure.label, error = %failure, "not deleted");
                first = first.or(Some(failure));
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// Deletes an object that another one takes the place of, with everything that it owns: the old Pod is
/// gone before the new one starts. What takes its time to go is not waited for: the reconcile that hears of its end
/// makes the other one.
///
/// # Errors
/// It does not go, or not at once.
pub(crate) async fn make_way(agent: &Agent, live: &LiveObject, object: &Object) -> Result<(), Failure> {
    let origin = Some(&object.origin);
    let failed = |error: ClusterError| Failure::of_deletion(&live.key, origin, &error);
    let deletion = agent.cluster.delete_with_dependents(&live.key, &live.uid, &live.resource_version).await;
    let deletion = deletion.map_err(failed)?;
    remember(agent, live, &deletion);
    match deletion {
        Deletion::Gone => Ok(()),
        Deletion::Terminating(_) => {
            let text = format!("{}: {} is being deleted; it is made anew once it is gone", object.origin, live.key);
            Err(Failure::waiting("terminating", text))
        }
    }
}

/// The next look at the cache must not see the past.
fn remember(agent: &Agent, live: &LiveObject, deletion: &Deletion) {
    match deletion {
        Deletion::Gone => agent.cache.forget(live),
        Deletion::Terminating(marked) => agent.cache.put(marked),
    }
}
