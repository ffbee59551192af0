//! The agent's custom resources and Events in the cluster. They show what the agent knows; nothing that it
//! decides depends on these calls.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kompox_core::ownership::FIELD_MANAGER;
use kompox_core::views::{GROUP, LiveView, VERSION, ViewKey, ViewKind, Write};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, ValidationDirective};
use kube::core::Request;
use kube::core::params::Preconditions;
use serde_json::Value;

use super::ClusterError;
use super::error::Cause;
use super::kube_cluster::KubeCluster;
use super::reply::Call;
use super::watch::Sighting;

/// What showing needs of a cluster. Every call has a deadline and is made once.
#[async_trait]
pub(crate) trait ViewApi: Send + Sync {
    /// Writes a view's object or its status, whoever has written to it before: it is the agent's alone.
    async fn write_view(&self, key: &ViewKey, write: &Write) -> Result<LiveView, ClusterError>;

    /// Deletes exactly the view that was seen.
    async fn delete_view(&self, view: &LiveView) -> Result<(), ClusterError>;

    /// Creates an Event.
    async fn create_event(&self, namespace: &str, event: &Value) -> Result<(), ClusterError>;
}

/// A view as a watch shows it; `None` when it is not of the form that the agent writes.
pub(crate) fn live_view(kind: ViewKind, sighting: &Sighting) -> Option<LiveView> {
    read(kind, serde_json::from_slice(&sighting.body).ok()?)
}

fn read(kind: ViewKind, mut object: Value) -> Option<LiveView> {
    let text = |name: &str| object.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).map(str::to_owned);
    let key = ViewKey { kind, namespace: text("namespace")?, name: text("name")? };
    let (uid, resource_version) = (text("uid")?, text("resourceVersion")?);
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64)?;
    let labels = object.pointer_mut("/metadata/labels").map(Value::take).unwrap_or_default();
    let labels: Option<BTreeMap<String, String>> = serde_json::from_value(labels).ok()?;
    let labels = labels.unwrap_or_default();
    let mut field = |name: &str| object.get_mut(name).map(Value::take).unwrap_or_default();
    Some(LiveView { key, uid, resource_version, generation, labels, spec: field("spec"), status: field("status") })
}

fn collection(kind: ViewKind, namespace: &str) -> Request {
    Request::new(format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{}", kind.plural()))
}

fn events(namespace: &str) -> Request {
    Request::new(format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events"))
}

#[async_trait]
impl ViewApi for KubeCluster {
    async fn write_view(&self, key: &ViewKey, write: &Write) -> Result<LiveView, ClusterError> {
        let params = PatchParams {
            force: true,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let collection = collection(key.kind, &key.namespace);
        let (call, request) = match write {
            Write::Object(body) => {
                (Call::new("apply", key.to_string(), false), collection.patch(&key.name, &params, &Patch::Apply(body)))
            }
            Write::Status(body) => {
                let call = Call::new("apply the status of", key.to_string(), false);
                (call, collection.patch_subresource("status", &key.name, &params, &Patch::Apply(body)))
            }
        };
        let answer = self.send_json(&call, request).await?;
        read(key.kind, answer).ok_or_else(|| call.not_understood("it is no object of its kind"))
    }

    async fn delete_view(&self, view: &LiveView) -> Result<(), ClusterError> {
        let LiveView { key, uid, .. } = view;
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: Some(uid.clone()), resource_version: None }),
            ..DeleteParams::default()
        };
        let request = collection(key.kind, &key.namespace).delete(&key.name, &params);
        match self.send_json::<Value>(&Call::new("delete", key.to_string(), false), request).await {
            Ok(_) | Err(ClusterError { cause: Cause::NotFound(_), .. }) => Ok(()),
            // Another one has taken the name.
            Err(ClusterError { cause: Cause::Changed, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create_event(&self, namespace: &str, event: &Value) -> Result<(), ClusterError> {
        let call = Call::new("create", format!("an Event in {namespace}"), false);
        let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let request = events(namespace).create(&params, event.to_string().into_bytes());
        self.send_json::<Value>(&call, request).await.map(drop)
    }
}
