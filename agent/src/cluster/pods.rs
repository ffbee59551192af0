//! Pods of the agent's own, which are made to be thrown away, and what nodes say for them.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Node, Pod};
use kompox_core::ownership::FIELD_MANAGER;
use kompox_core::prepull::{NodeState, PURPOSE};
use kube::api::{DeleteParams, GetParams, ListParams, PostParams};
use kube::core::Request;
use kube::core::params::Preconditions;
use serde_json::Value;

use super::error::Cause;
use super::fenced::Fenced;
use super::reply::Call;
use super::{ClusterError, KubeCluster};

/// A Pod as it is named in calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodName {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl PodName {
    /// The name of a Pod.
    pub(crate) fn of(pod: &Pod) -> Self {
        let metadata = &pod.metadata;
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for PodName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Pod {}/{}", self.namespace, self.name)
    }
}

/// What the agent asks of a cluster for Pods that it throws away. Each call is made once.
#[async_trait]
pub(crate) trait PodApi: Send + Sync {
    /// Creates a Pod; an error when it exists.
    async fn create_pod(&self, pod: &Pod) -> Result<Pod, ClusterError>;

    /// A Pod; `None` when it does not exist.
    async fn pod(&self, name: &PodName) -> Result<Option<Pod>, ClusterError>;

    /// The Pods of the agent's own with this purpose, in all namespaces.
    async fn pods_for(&self, purpose: &str) -> Result<Vec<Pod>, ClusterError>;

    /// Deletes the Pod with this UID at once. One that is gone is no error.
    async fn delete_pod(&self, name: &PodName, uid: &str) -> Result<(), ClusterError>;

    /// What a node says about itself; `None` when there is no such node.
    async fn node_state(&self, node: &str) -> Result<Option<NodeState>, ClusterError>;
}

fn call(verb: &str, name: &PodName) -> Call {
    Call::new(verb, name.to_string(), false)
}

fn pods(namespace: &str) -> Request {
    Request::new(format!("/api/v1/namespaces/{namespace}/pods"))
}

#[async_trait]
impl PodApi for KubeCluster {
    async fn create_pod(&self, pod: &Pod) -> Result<Pod, ClusterError> {
        let name = PodName::of(pod);
        let call = call("create", &name);
        let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let body = serde_json::to_vec(pod)
            .map_err(|error| call.error(Cause::Configuration(format!("it cannot be written: {error}"))))?;
        self.send_json(&call, pods(&name.namespace).create(&params, body)).await
    }

    async fn pod(&self, name: &PodName) -> Result<Option<Pod>, ClusterError> {
        let request = pods(&name.namespace).get(&name.name, &GetParams::default());
        match self.send_json(&call("get", name), request).await {
            Ok(pod) => Ok(Some(pod)),
            Err(ClusterError { cause: Cause::NotFound(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn pods_for(&self, purpose: &str) -> Result<Vec<Pod>, ClusterError> {
        let own = format!("app.kubernetes.io/managed-by={FIELD_MANAGER},{PURPOSE}={purpose}");
        let call = Call::new("list", "Pods of the agent's own", false);
        self.list(&call, "/api/v1/pods", &ListParams::default().labels(&own)).await
    }

    async fn delete_pod(&self, name: &PodName, uid: &str) -> Result<(), ClusterError> {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
            ..DeleteParams::default()
        };
        match self.send_json::<Value>(&call("delete", name), pods(&name.namespace).delete(&name.name, &params)).await {
            Ok(_) | Err(ClusterError { cause: Cause::NotFound(_), .. }) => Ok(()),
            // Another Pod has taken the name: this one is gone.
            Err(ClusterError { cause: Cause::Changed, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn node_state(&self, node: &str) -> Result<Option<NodeState>, ClusterError> {
        // A list of one: the right to list nodes is needed anyway.
        let this = ListParams::default().fields(&format!("metadata.name={node}"));
        let call = Call::new("get", format!("node {node}"), false);
        let nodes: Vec<Node> = self.list(&call, "/api/v1/nodes", &this).await?;
        Ok(nodes.into_iter().next().map(state))
    }
}

fn state(node: Node) -> NodeState {
    let cordoned = node.spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
    let status = node.status.unwrap_or_default();
    let is_ready = |conditions: Vec<k8s_openapi::api::core::v1::NodeCondition>| {
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let ready = status.conditions.is_some_and(is_ready);
    let images = status.images.unwrap_or_default().into_iter().flat_map(|image| image.names.unwrap_or_default());
    NodeState { takes_pods: ready && !cordoned, images: images.collect() }
}

#[async_trait]
impl PodApi for Fenced {
    async fn create_pod(&self, pod: &Pod) -> Result<Pod, ClusterError> {
        self.write("create", PodName::of(pod), self.inner().create_pod(pod)).await
    }

    async fn pod(&self, name: &PodName) -> Result<Option<Pod>, ClusterError> {
        self.inner().pod(name).await
    }

    async fn pods_for(&self, purpose: &str) -> Result<Vec<Pod>, ClusterError> {
        self.inner().pods_for(purpose).await
    }

    async fn delete_pod(&self, name: &PodName, uid: &str) -> Result<(), ClusterError> {
        self.write("delete", name, self.inner().delete_pod(name, uid)).await
    }

    async fn node_state(&self, node: &str) -> Result<Option<NodeState>, ClusterError> {
        self.inner().node_state(node).await
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_takes_pods_when_it_is_ready_and_not_cordoned() {
        let state = |spec: Value, ready: &str| {
            let node = json!({"metadata": {"name": "n"}, "spec": spec, "status": {
                "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
                "images": [{"names": ["a@sha256:1", "a:1"]}, {"sizeBytes": 3}, {"names": ["b:1"]}]}});
            super::state(serde_json::from_value(node).unwrap())
        };
        assert!(state(json!({}), "True").takes_pods);
        assert!(!state(json!({"unschedulable": true}), "True").takes_pods);
        assert!(!state(json!({}), "Unknown").takes_pods);
        assert_eq!(state(json!({}), "True").images, ["a@sha256:1", "a:1", "b:1"]);
        assert!(!super::state(Node::default()).takes_pods);
    }
}
