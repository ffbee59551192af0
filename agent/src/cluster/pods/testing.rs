//! Pods of the agent's own in the cluster in memory. A test plays the kubelet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kompox_core::prepull::{NodeState, PURPOSE};
use serde_json::{Value, json};

use super::{PodApi, PodName};
use crate::cluster::error::Cause;
use crate::cluster::faulty::Faulty;
use crate::cluster::memory::Memory;
use crate::cluster::{ClusterApi, ClusterError};

/// The Pods, and what the only node says.
#[derive(Default)]
pub(crate) struct OwnPods {
    pods: Mutex<BTreeMap<String, Pod>>,
    made: Mutex<u32>,
    node: Mutex<Option<NodeState>>,
}

impl OwnPods {
    fn pods(&self) -> MutexGuard<'_, BTreeMap<String, Pod>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the node says from now on.
    pub(crate) fn set_node(&self, node: NodeState) {
        *self.node.lock().unwrap() = Some(node);
    }

    /// The Pods that there are.
    pub(crate) fn all(&self) -> Vec<Pod> {
        self.pods().values().cloned().collect()
    }

    /// Sets the state of every container of every Pod, as the kubelet reports it.
    pub(crate) fn report(&self, state: &Value) {
        for pod in self.pods().values_mut() {
            let containers = &pod.spec.as_ref().unwrap().containers;
            let status = |name: &str| json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
            let statuses: Vec<Value> = containers.iter().map(|container| status(&container.name)).collect();
            let status = json!({"phase": "Pending", "containerStatuses": statuses});
            pod.status = Some(serde_json::from_value::<PodStatus>(status).unwrap());
        }
    }

    /// Deletes every Pod, as a person does.
    pub(crate) fn clear(&self) {
        self.pods().clear();
    }
}

#[async_trait]
impl PodApi for Memory {
    async fn create_pod(&self, pod: &Pod) -> Result<Pod, ClusterError> {
        let name = PodName::of(pod).to_string();
        let mut pods = self.own.pods();
        if pods.contains_key(&name) {
            return Err(ClusterError::new(format!("create {name}"), Cause::AlreadyExists));
        }
        let mut made = self.own.made.lock().unwrap();
        *made += 1;
        let mut pod = pod.clone();
        pod.metadata.uid = Some(format!("pod-{made}"));
        pods.insert(name, pod.clone());
        Ok(pod)
    }

    async fn pod(&self, name: &PodName) -> Result<Option<Pod>, ClusterError> {
        Ok(self.own.pods().get(&name.to_string()).cloned())
    }

    async fn pods_for(&self, purpose: &str) -> Result<Vec<Pod>, ClusterError> {
        let is_for = |pod: &Pod| {
            pod.metadata.labels.as_ref().and_then(|labels| labels.get(PURPOSE)).is_some_and(|of| of == purpose)
        };
        Ok(self.own.all().into_iter().filter(is_for).collect())
    }

    async fn delete_pod(&self, name: &PodName, uid: &str) -> Result<(), ClusterError> {
        let mut pods = self.own.pods();
        if pods.get(&name.to_string()).is_some_and(|pod| pod.metadata.uid.as_deref() == Some(uid)) {
            pods.remove(&name.to_string());
        }
        Ok(())
    }

    async fn node_state(&self, _node: &str) -> Result<Option<NodeState>, ClusterError> {
        Ok(self.own.node.lock().unwrap().clone())
    }
}

#[async_trait]
impl<C: ClusterApi> PodApi for Faulty<C> {
    async fn create_pod(&self, pod: &Pod) -> Result<Pod, ClusterError> {
        self.call("create", PodName::of(pod), self.inner.create_pod(pod)).await
    }

    async fn pod(&self, name: &PodName) -> Result<Option<Pod>, ClusterError> {
        self.call("get", name, self.inner.pod(name)).await
    }

    async fn pods_for(&self, purpose: &str) -> Result<Vec<Pod>, ClusterError> {
        self.call("list", format!("Pods for {purpose}"), self.inner.pods_for(purpose)).await
    }

    async fn delete_pod(&self, name: &PodName, uid: &str) -> Result<(), ClusterError> {
        self.call("delete", name, self.inner.delete_pod(name, uid)).await
    }

    async fn node_state(&self, node: &str) -> Result<Option<NodeState>, ClusterError> {
        self.call("get", format!("node {node}"), self.inner.node_state(node)).await
    }
}
