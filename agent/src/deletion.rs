//! Deletion: what leaves the cluster. Only exactly the object that was seen is deleted (UID and version),
//! and one that does not go keeps no other one from going.

use std::time::Duration;

use kompox_core::observed::LiveObject;
use kompox_core::plan::{Action, Counts, What};
use kompox_manifests::object::Object;
use tracing::{info, warn};

use crate::cluster::{ClusterError, Deletion};
use crate::context::Agent;
use crate::failure::Failure;

/// How long a reconcile waits for an object that makes way for another one. A Pod that takes longer to
/// stop is waited for by the next reconcile.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks at it.
const PAUSE: Duration = Duration::from_millis(250);

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
                if deletion == Deletion::Gone {
                    agent.cache.forget(live);
                }
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
/// gone before the new one starts.
///
/// # Errors
/// It does not go, or not at once.
pub(crate) async fn make_way(agent: &Agent, live: &LiveObject, object: &Object) -> Result<(), Failure> {
    let origin = Some(&object.origin);
    let failed = |error: ClusterError| Failure::of_deletion(&live.key, origin, &error);
    let deletion = agent.cluster.delete_with_dependents(&live.key, &live.uid, &live.resource_version).await;
    if deletion.map_err(failed)? == Deletion::Gone {
        agent.cache.forget(live);
        return Ok(());
    }
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = agent.cluster.get(&live.key).await.map_err(failed)?;
        if found.is_none_or(|found| found.uid != live.uid) {
            agent.cache.forget(live);
            return Ok(());
        }
        if tokio::time::Instant::now() >= patience {
            let text =
                format!("{}: {} is still being deleted; it is made anew once it is gone", object.origin, live.key);
            return Err(Failure::waiting("terminating", text));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
