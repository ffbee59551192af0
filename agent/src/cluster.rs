//! The cluster: reading what it holds, writing what differs.
//!
//! [`ClusterApi`] is the port for single calls, [`watch::WatchApi`] the one for watching;
//! [`KubeCluster`] is the adapter of both to a real API server. What watches tell is kept in the
//! [`cache`]. `Fenced` stops every write once the Lease is lost. What belongs to the cluster as a whole lies in the Namespace
//! [`SYSTEM_NAMESPACE`]: which cluster it is ([`identity`]), which agent may write ([`lease`]) and
//! what the agent remembers of its sources ([`state`]).

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Event;
use kompox_core::health::Workload;
use kompox_core::observed::LiveObject;
use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde_json::{Value, json};

pub(crate) mod cache;
pub(crate) mod connect;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod fenced;
pub(crate) mod identity;
pub(crate) mod kube_cluster;
pub(crate) mod lease;
pub(crate) mod pods;
mod reply;
pub(crate) mod state;
pub(crate) mod views;
pub(crate) mod watch;

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod real_tests;

pub(crate) use error::ClusterError;
pub(crate) use facts::NodeFacts;
pub(crate) use kube_cluster::KubeCluster;
pub(crate) use pods::{PodApi, PodName};

/// The Namespace of the agent and of what it knows about the cluster as a whole.
pub(crate) const SYSTEM_NAMESPACE: &str = "k4x-system";

/// Computes the content hash of a ConfigMap's or Secret's keys and values.
pub(crate) type ContentHash = fn(&BTreeMap<String, Vec<u8>>) -> String;

/// What the agent asks of a cluster. Every call has a deadline and is made once: trying again is the
/// caller's decision.
#[async_trait]
pub(crate) trait ClusterApi: PodApi {
    /// Every object of a kind that carries the label `app.kubernetes.io/managed-by: kompox`, in all
    /// namespaces. All of them or an error, never a part.
    async fn list_owned(&self, kind: Kind) -> Result<Vec<LiveObject>, ClusterError>;

    /// Every object of a kind that is of the App with this instance hash, as the API server has it now.
    async fn list_instance(&self, kind: Kind, instance: &str) -> Result<Vec<LiveObject>, ClusterError>;

    /// Names of the ConfigMaps of the agent itself, in its Namespace.
    async fn list_records(&self) -> Result<Vec<String>, ClusterError>;

    /// One object; `None` when it does not exist.
    async fn get(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError>;

    /// As [`ClusterApi::get`], of a kind that may be listed but not read one by one.
    async fn find(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError>;

    /// What [`ClusterApi::apply`] would make of the object. One that does not exist yet comes back
    /// without a resource version.
    async fn dry_run(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError>;

    /// Server-side apply of exactly the object's body. `force` takes fields from other managers;
    /// without it they are an error.
    async fn apply(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError>;

    /// Creates an object; an error when it exists.
    async fn create(&self, key: &ObjectKey, body: &Value) -> Result<LiveObject, ClusterError>;

    /// JSON merge patch of an object that still has this resource version.
    async fn patch(&self, key: &ObjectKey, resource_version: &str, patch: &Value) -> Result<LiveObject, ClusterError>;

    /// Gives the object, if it still has this resource version, other `managedFields`. The entries
    /// come from [`kompox_core::ownership::takeover`].
    async fn patch_managed_fields(
        &self,
        key: &ObjectKey,
        resource_version: &str,
        managed_fields: &[Value],
    ) -> Result<LiveObject, ClusterError> {
        self.patch(key, resource_version, &json!({"metadata": {"managedFields": managed_fields}})).await
    }

    /// Makes a PersistentVolume that still has this resource version forget which claim it was bound to, so
    /// that the next one of that name is bound.
    async fn give_back(
        &self,
        key: &ObjectKey,
        resource_version: &str,
        dry_run: bool,
    ) -> Result<LiveObject, ClusterError>;

    /// Nodes that a PersistentVolume is attached to, or being attached to or detached from.
    async fn attached_to(&self, volume: &str) -> Result<Vec<String>, ClusterError>;

    /// Deletes exactly the object that was seen: same UID, same resource version. What it owns goes after it.
    async fn delete(&self, key: &ObjectKey, uid: &str, resource_version: &str) -> Result<Deletion, ClusterError>;

    /// As [`ClusterApi::delete`], but what it owns goes before it: when it is gone, its Pods are too.
    async fn delete_with_dependents(
        &self,
        key: &ObjectKey,
        uid: &str,
        resource_version: &str,
    ) -> Result<Deletion, ClusterError>;

    /// The version and the content hash of a ConfigMap or Secret; `None` when it does not exist. The
    /// contents are forgotten at once.
    async fn content_hash(&self, key: &ObjectKey, hash: ContentHash) -> Result<Option<(String, String)>, ClusterError>;

    /// Events about the objects with these UIDs.
    async fn events(&self, namespace: &str, uids: &[String]) -> Result<Vec<Event>, ClusterError>;

    /// A Deployment with what its health depends on.
    async fn workload(&self, namespace: &str, deployment: &str) -> Result<Workload, ClusterError>;

    /// The version of the API server: `v1.36.3`.
    async fn server_version(&self) -> Result<String, ClusterError>;
}

/// How far a deletion got.
#[derive(Clone, Debug)]
pub(crate) enum Deletion {
    /// The object does not exist any more.
    Gone,
    /// It is marked, as it is here; a finalizer or its dependents hold it.
    Terminating(Box<LiveObject>),
}
