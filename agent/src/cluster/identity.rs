//! Which cluster this is: written once, compared ever after, so that a wrong kubeconfig is refused.

use kompox_core::observed::LiveObject;
use kompox_manifests::id::ClusterId;
use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::json;

use super::error::{Cause, ClusterError};
use super::{ClusterApi, SYSTEM_NAMESPACE};

/// Annotation of the system Namespace: the cluster's `W/P/C`.
pub(crate) const CLUSTER_ANNOTATION: &str = "kompox.dev/cluster";

/// How often claiming is tried when others write the Namespace at the same time.
const ATTEMPTS: usize = 5;

/// Whether the cluster has said who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// It is the one that was asked for.
    Confirmed,
    /// Nobody has written it down yet.
    Unclaimed,
}

/// Compares the cluster's identity with the wanted one. Writes nothing.
///
/// # Errors
/// [`Cause::WrongCluster`] when it is another cluster.
pub(crate) async fn check(api: &dyn ClusterApi, wanted: &ClusterId) -> Result<Identity, ClusterError> {
    match api.get(&system_namespace()).await? {
        Some(namespace) => compare(&namespace, wanted),
        None => Ok(Identity::Unclaimed),
    }
}

/// Compares the cluster's identity with the wanted one, and writes it when nobody has; creates the
/// system Namespace when it is missing.
///
/// # Errors
/// [`Cause::WrongCluster`] when it is another cluster; [`Cause::Terminating`] while the system
/// Namespace is being deleted.
pub(crate) async fn claim(api: &dyn ClusterApi, wanted: &ClusterId) -> Result<(), ClusterError> {
    let key = system_namespace();
    let annotations = json!({"annotations": {CLUSTER_ANNOTATION: wanted.slashed()}});
    let mut attempt = 1;
    loop {
        let outcome = match api.get(&key).await? {
            None => {
                let mut metadata = annotations.clone();
                metadata["name"] = json!(SYSTEM_NAMESPACE);
                api.create(&key, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await
            }
            Some(namespace) => match compare(&namespace, wanted)? {
                Identity::Confirmed => return Ok(()),
                Identity::Unclaimed if namespace.is_terminating() => {
                    return Err(ClusterError::new("claim the cluster", Cause::Terminating(key.to_string())));
                }
                Identity::Unclaimed => {
                    api.patch(&key, &namespace.resource_version, &json!({"metadata": annotations})).await
                }
            },
        };
        match outcome {
            Ok(_) => return Ok(()),
            // Another agent may have written its own identity: look again.
            Err(error) if attempt < ATTEMPTS && matches!(error.cause, Cause::Changed | Cause::AlreadyExists) => {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn system_namespace() -> ObjectKey {
    ObjectKey { kind: Kind::Namespace, namespace: None, name: SYSTEM_NAMESPACE.to_owned() }
}

fn compare(namespace: &LiveObject, wanted: &ClusterId) -> Result<Identity, ClusterError> {
    match namespace.annotation(CLUSTER_ANNOTATION) {
        None => Ok(Identity::Unclaimed),
        Some(found) if found == wanted.slashed() => Ok(Identity::Confirmed),
        Some(found) => Err(ClusterError::new(
            "check the cluster",
            Cause::WrongCluster { wanted: wanted.slashed(), found: found.to_owned() },
        )),
    }
}

#[cfg(test)]
mod tests;
