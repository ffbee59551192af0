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
            workload.events = self.read_events(namespace, workload.with_events()).await?;
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

    pub(super) async fn read_events(
        &self,
        namespace: &str,
        uids: impl Iterator<Item = &str> + Send,
    ) -> Result<Vec<Event>, ClusterError> {
        let mut events = Vec::new();
        for uid in uids {
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
