//! Writes only while the Lease is held.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Event;
use kompox_core::health::Workload;
use kompox_core::observed::LiveObject;
use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde_json::Value;

use super::error::Cause;
use super::lease::LostSignal;
use super::{ClusterApi, ClusterError, ContentHash, Deletion};

/// A cluster whose writes stop the moment that the Lease is lost, those under way too. Reading and
/// dry-runs go on.
pub(crate) struct Fenced {
    inner: Arc<dyn ClusterApi>,
    signal: LostSignal,
}

impl Fenced {
    /// Fences a cluster.
    pub(crate) fn new(inner: Arc<dyn ClusterApi>, signal: LostSignal) -> Self {
        Self { inner, signal }
    }

    /// The cluster behind.
    pub(super) fn inner(&self) -> &dyn ClusterApi {
        self.inner.as_ref()
    }

    /// Makes a call that writes to `target`.
    pub(super) async fn write<T>(
        &self,
        verb: &str,
        target: impl fmt::Display,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let lost = || Err(ClusterError::new(format!("{verb} {target}"), Cause::LeaseLost));
        if self.signal.is_lost() {
            return lost();
        }
        tokio::select! {
            biased;
            () = self.signal.clone().lost() => lost(),
            outcome = call => outcome,
        }
    }
}

#[async_trait]
impl ClusterApi for Fenced {
    async fn list_owned(&self, kind: Kind) -> Result<Vec<LiveObject>, ClusterError> {
        self.inner.list_owned(kind).await
    }

    async fn list_instance(&self, kind: Kind, instance: &str) -> Result<Vec<LiveObject>, ClusterError> {
        self.inner.list_instance(kind, instance).await
    }

    async fn list_records(&self) -> Result<Vec<String>, ClusterError> {
        self.inner.list_records().await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        self.inner.get(key).await
    }

    async fn find(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        self.inner.find(key).await
    }

    async fn dry_run(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        self.inner.dry_run(object, force).await
    }

    async fn apply(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        self.write("apply", &object.key, self.inner.apply(object, force)).await
    }

    async fn create(&self, key: &ObjectKey, body: &Value) -> Result<LiveObject, ClusterError> {
        self.write("create", key, self.inner.create(key, body)).await
    }

    async fn patch(&self, key: &ObjectKey, resource_version: &str, patch: &Value) -> Result<LiveObject, ClusterError> {
        self.write("patch", key, self.inner.patch(key, resource_version, patch)).await
    }

    async fn give_back(&self, key: &ObjectKey, version: &str, dry_run: bool) -> Result<LiveObject, ClusterError> {
        let call = self.inner.give_back(key, version, dry_run);
        if dry_run { call.await } else { self.write("give back", key, call).await }
    }

    async fn attached_to(&self, volume: &str) -> Result<Vec<String>, ClusterError> {
        self.inner.attached_to(volume).await
    }

    async fn delete(&self, key: &ObjectKey, uid: &str, resource_version: &str) -> Result<Deletion, ClusterError> {
        self.write("delete", key, self.inner.delete(key, uid, resource_version)).await
    }

    async fn delete_with_dependents(
        &self,
        key: &ObjectKey,
        uid: &str,
        resource_version: &str,
    ) -> Result<Deletion, ClusterError> {
        self.write("delete", key, self.inner.delete_with_dependents(key, uid, resource_version)).await
    }

    async fn content_hash(&self, key: &ObjectKey, hash: ContentHash) -> Result<Option<(String, String)>, ClusterError> {
        self.inner.content_hash(key, hash).await
    }

    async fn events(&self, namespace: &str, uids: &[String]) -> Result<Vec<Event>, ClusterError> {
        self.inner.events(namespace, uids).await
    }

    async fn workload(&self, namespace: &str, deployment: &str) -> Result<Workload, ClusterError> {
        self.inner.workload(namespace, deployment).await
    }

    async fn server_version(&self) -> Result<String, ClusterError> {
        self.inner.server_version().await
    }
}

#[cfg(test)]
mod tests;
