//! Fetches what the health of a Deployment depends on, and no more.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kompox_core::health::{self, Workload};
use kompox_manifests::object::{Kind, ObjectKey};
use kube::api::{GetParams, ListParams};
use kube::core::Selector;
use serde::de::DeserializeOwned;

use super::{Call, ClusterError, KubeCluster, collection, path};
use crate::cluster::error::Cause;

/// Of how many objects the Events are read; a Deployment of the agent has one Pod.
const MOST_WITH_EVENTS: usize = 4;

impl KubeCluster {
    pub(super) async fn read_workload(&self, namespace: &str, name: &str) -> Result<Workload, ClusterError> {
        let deployment: Option<Deployment> = self.read(Kind::Deployment, namespace, name).await?;
        let Some(deployment) = deployment else { return Ok(Workload::default()) };
        let claims = self.read_claims(namespace, &deployment).await?;
        let mut workload = Workload { claims, ..Workload::default() };
        if !health::is_rolled_out(&deployment) {
            let selector = self.selector(namespace, name, &deployment)?;
            (workload.replica_sets, workload.pods) = tokio::try_join!(
                self.read_all::<ReplicaSet>("/apis/apps/v1", "replicasets", namespace, &selector),
                self.read_all::<Pod>("/api/v1", "pods", namespace, &selector),
            )?;
            workload.events = self.read_events(namespace, &workload).await?;
        }
        Ok(Workload { deployment: Some(deployment), ..workload })
    }

    async fn read_claims(
        &self,
        namespace: &str,
        deployment: &Deployment,
    ) -> Result<Vec<PersistentVolumeClaim>, ClusterError> {
        let mut claims = Vec::new();
        for name in health::claim_names(deployment) {
            claims.extend(self.read(Kind::PersistentVolumeClaim, namespace, name).await?);
        }
        Ok(claims)
    }

    /// Events about the Pods that are not running and the claims that are not bound.
    async fn read_events(&self, namespace: &str, workload: &Workload) -> Result<Vec<Event>, ClusterError> {
        let pods = workload.pods.iter().filter(|pod| {
            pod.metadata.deletion_timestamp.is_none()
                && pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending")
        });
        let claims = workload
            .claims
            .iter()
            .filter(|claim| claim.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Bound"));
        let uids = pods.map(|pod| &pod.metadata).chain(claims.map(|claim| &claim.metadata));
        let mut events = Vec::new();
        for uid in uids.filter_map(|metadata| metadata.uid.as_deref()).take(MOST_WITH_EVENTS) {
            let call = Call::new("list", format!("Events in {namespace}"), false);
            let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
            let path = format!("/api/v1/namespaces/{namespace}/events");
            events.extend(self.list::<Event>(&call, &path, &about).await?);
        }
        Ok(events)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ClusterError> {
        let key = ObjectKey { kind, namespace: Some(namespace.to_owned()), name: name.to_owned() };
        let call = super::call("get", &key);
        let request = collection(&call, &key)?.get(name, &GetParams::default());
        match self.send_json(&call, request).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError { cause: Cause::NotFound(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read_all<T: DeserializeOwned>(
        &self,
        root: &str,
        plural: &str,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<T>, ClusterError> {
        let call = Call::new("list", format!("{plural} in {namespace}"), false);
        let path = format!("{root}/namespaces/{namespace}/{plural}");
        self.list(&call, &path, &ListParams::default().labels(selector)).await
    }

    fn selector(&self, namespace: &str, name: &str, deployment: &Deployment) -> Result<String, ClusterError> {
        let selector = deployment.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
        let selector = Selector::try_from(selector).map_err(|_| {
            let url = path(Kind::Deployment, Some(namespace));
            Call::new("read", format!("{url}/{name}"), false).not_understood("a selector that is none")
        })?;
        Ok(selector.to_string())
    }
}
