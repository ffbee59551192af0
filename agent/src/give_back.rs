//! Giving a PersistentVolume back to the claim that was deleted and made anew. Both proofs are taken right
//! before the write, which fails when the volume has changed since it was seen: the claim that it was bound to
//! is gone, and no node has the disk.

use kompox_core::observed::LiveObject;
use kompox_core::plan::{Action, FormerClaim, Subject, What};

use crate::cluster::{ClusterApi, ClusterError};
use crate::context::Agent;
use crate::failure::Failure;

/// Proves and tries it. While something stands against it, the action waits for that instead.
///
/// # Errors
/// The cluster could not be asked, or refuses it.
pub(crate) async fn confirm(cluster: &dyn ClusterApi, action: Action) -> Result<Action, Failure> {
    let What::GiveBack { live, claim } = &action.what else { return Ok(action) };
    if let Some(reason) = against(cluster, live, claim).await.map_err(|error| failed(&action, live, &error))? {
        let remedy = "it is given back as soon as that is over; no disk is mounted twice".to_owned();
        let what = What::Awaited { subject: Subject::Object(live.key.clone()), remedy };
        return Ok(Action { what, reason, origin: action.origin });
    }
    let tried = cluster.give_back(&live.key, &live.resource_version, true).await;
    tried.map_err(|error| failed(&action, live, &error))?;
    Ok(action)
}

/// Proves it once more and does it.
///
/// # Errors
/// Something stands against it by now, or the cluster refuses it.
pub(crate) async fn carry_out(agent: &Agent, action: &Action) -> Result<(), Failure> {
    let What::GiveBack { live, claim } = &action.what else { return Ok(()) };
    let cluster = agent.cluster.as_ref();
    if let Some(reason) = against(cluster, live, claim).await.map_err(|error| failed(action, live, &error))? {
        return Err(Failure::waiting("attached", format!("{}{}: {reason}", place(action), live.key)));
    }
    let given = cluster.give_back(&live.key, &live.resource_version, false).await;
    agent.cache.put(&given.map_err(|error| failed(action, live, &error))?);
    Ok(())
}

/// What stands against it.
async fn against(
    cluster: &dyn ClusterApi,
    volume: &LiveObject,
    claim: &FormerClaim,
) -> Result<Option<String>, ClusterError> {
    if cluster.get(&claim.key).await?.is_some_and(|found| found.uid == claim.uid) {
        return Ok(Some(format!("the claim that it was bound to ({}) still exists", claim.key)));
    }
    let nodes = cluster.attached_to(&volume.key.name).await?;
    Ok((!nodes.is_empty()).then(|| format!("its disk is still attached to {}", nodes.join(", "))))
}

fn failed(action: &Action, volume: &LiveObject, error: &ClusterError) -> Failure {
    Failure::of_cluster(&format!("{}{} cannot be given back to its claim", place(action), volume.key), error)
}

fn place(action: &Action) -> String {
    action.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default()
}
