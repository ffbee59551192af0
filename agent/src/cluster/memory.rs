//! A cluster in memory, for tests of what is built on [`ClusterApi`] and [`WatchApi`]. It knows versions,
//! preconditions and watches; it knows nothing of defaults and validation, and of field managers
//! only that there are some.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::Event;
use kompox_core::health::Workload;
use kompox_core::observed::LiveObject;
use kompox_manifests::diagnostic::{SourceFile, Span};
use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::error::Cause;
use super::pods::testing::OwnPods;
use super::watch::{Change, Sighting, Topic, WatchApi};
use super::{ClusterApi, ClusterError, ContentHash, Deletion};

/// See the module.
pub(crate) struct Memory {
    inner: Arc<Inner>,
    /// Pods that the agent throws away.
    pub(crate) own: OwnPods,
}

struct Inner {
    state: Mutex<State>,
    /// The newest version.
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<ObjectKey, Value>,
    /// Every change so far: its version, the object, and whether it is there after it.
    log: Vec<(u64, LiveObject, bool)>,
    /// Whether the Pods of Deployments come up.
    healthy: bool,
    /// The node that each PersistentVolume is attached to.
    attached: BTreeMap<String, String>,
}

impl Default for Memory {
    fn default() -> Self {
        let inner = Arc::new(Inner { state: Mutex::default(), version: watch::Sender::new(0) });
        Self { inner, own: OwnPods::default() }
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change under a new version, which is set in the object.
    fn note(&self, state: &mut State, key: &ObjectKey, mut body: Value, exists: bool) -> LiveObject {
        let version = *self.version.borrow() + 1;
        body["metadata"]["resourceVersion"] = json!(version.to_string());
        if body.pointer("/metadata/uid").is_none() {
            body["metadata"]["uid"] = json!(format!("uid-{version}"));
        }
        if key.kind == Kind::Deployment {
            roll_out(&mut body, state.healthy);
        }
        let object = live(key, body.clone());
        if exists {
            state.objects.insert(key.clone(), body);
        } else {
            state.objects.remove(key);
        }
        state.log.push((version, object.clone(), exists));
        self.version.send_replace(version);
        object
    }
}

/// What the Deployment controller writes.
fn roll_out(body: &mut Value, healthy: bool) {
    body["metadata"]["generation"] = json!(1);
    let available = i32::from(healthy);
    body["status"] =
        json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available});
}

impl Memory {
    /// Stores a body as a new version.
    pub(crate) fn store(&self, key: &ObjectKey, body: &Value) -> LiveObject {
        self.inner.note(&mut self.inner.state(), key, body.clone(), true)
    }

    /// Whether the Pods of Deployments come up, from now on.
    pub(crate) fn heal(&self, healthy: bool) {
        let mut state = self.inner.state();
        state.healthy = healthy;
        let deployments = state.objects.iter().filter(|(key, _)| key.kind == Kind::Deployment);
        let deployments: Vec<(ObjectKey, Value)> = deployments.map(|(key, body)| (key.clone(), body.clone())).collect();
        for (key, body) in deployments {
            self.inner.note(&mut state, &key, body, true);
        }
    }

    /// Attaches a PersistentVolume to a node, or detaches it.
    pub(crate) fn attach(&self, volume: &str, node: Option<&str>) {
        let mut state = self.inner.state();
        match node {
            Some(node) => drop(state.attached.insert(volume.to_owned(), node.to_owned())),
            None => drop(state.attached.remove(volume)),
        }
    }

    /// Deletes what a person deletes.
    pub(crate) fn delete_now(&self, key: &ObjectKey) {
        let mut state = self.inner.state();
        if let Some(body) = state.objects.get(key).cloned() {
            self.inner.note(&mut state, key, body, false);
        }
    }

    /// An object as it is.
    pub(crate) fn object(&self, key: &ObjectKey) -> Option<LiveObject> {
        self.read(key)
    }

    fn read(&self, key: &ObjectKey) -> Option<LiveObject> {
        self.inner.state().objects.get(key).map(|body| live(key, body.clone()))
    }

    fn all(&self) -> Vec<LiveObject> {
        self.inner.state().objects.iter().map(|(key, body)| live(key, body.clone())).collect()
    }

    fn matching(&self, verb: &str, key: &ObjectKey, version: &str) -> Result<LiveObject, ClusterError> {
        let error = |cause| ClusterError::new(format!("{verb} {key}"), cause);
        let object = self.read(key).ok_or_else(|| error(Cause::NotFound(key.to_string())))?;
        if object.resource_version == version { Ok(object) } else { Err(error(Cause::Changed)) }
    }
}

fn live(key: &ObjectKey, body: Value) -> LiveObject {
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    LiveObject {
        key: key.clone(),
        uid: text("/metadata/uid"),
        resource_version: text("/metadata/resourceVersion"),
        body,
    }
}

/// A desired object that stands in no file.
pub(crate) fn object(key: ObjectKey, body: Value) -> Object {
    let file = SourceFile { path: "test.yml".into(), text: String::new() };
    Object { key, body, origin: Span::file(&Arc::new(file)) }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn is_owned(object: &LiveObject) -> bool {
    object.label("app.kubernetes.io/managed-by") == Some("kompox")
}

/// What a watch of the topic shows of an object.
fn sighting(topic: Topic, object: &LiveObject) -> Option<Sighting> {
    let belongs = match topic {
        Topic::Owned(kind) => object.key.kind == kind && is_owned(object),
        Topic::Names(kind) => object.key.kind == kind,
        Topic::Pods | Topic::ReplicaSets | Topic::Nodes | Topic::Views(_) => false,
    };
    belongs.then(|| Sighting {
        namespace: object.key.namespace.clone(),
        name: object.key.name.clone(),
        uid: object.uid.clone(),
        version: object.resource_version.clone(),
        instance: object.label("kompox.dev/app-instance-hash").map(str::to_owned),
        body: object.body.to_string().into_bytes(),
    })
}

#[async_trait]
impl WatchApi for Memory {
    async fn list(&self, topic: Topic, take: &mut (dyn FnMut(Sighting) + Send)) -> Result<String, ClusterError> {
        let version = self.inner.version.borrow().to_string();
        self.all().iter().filter_map(|object| sighting(topic, object)).for_each(take);
        Ok(version)
    }

    async fn watch(
        &self,
        topic: Topic,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        let start: u64 = from.parse().unwrap();
        let state = (Arc::clone(&self.inner), self.inner.version.subscribe(), start);
        let next = move |(inner, mut newest, mut at): (Arc<Inner>, watch::Receiver<u64>, u64)| async move {
            loop {
                let found = inner.state().log.iter().find(|(version, ..)| *version > at).cloned();
                let Some((version, object, exists)) = found else {
                    newest.changed().await.ok()?;
                    continue;
                };
                at = version;
                if let Some(sighting) = sighting(topic, &object) {
                    let change = if exists { Change::Seen(sighting) } else { Change::Gone(sighting) };
                    return Some((Ok(change), (inner, newest, at)));
                }
            }
        };
        Ok(stream::unfold(state, next).boxed())
    }
}

#[async_trait]
impl ClusterApi for Memory {
    async fn list_owned(&self, kind: Kind) -> Result<Vec<LiveObject>, ClusterError> {
        let of_kind = |object: &LiveObject| object.key.kind == kind && is_owned(object);
        Ok(self.all().into_iter().filter(of_kind).collect())
    }

    async fn list_instance(&self, kind: Kind, instance: &str) -> Result<Vec<LiveObject>, ClusterError> {
        let mut objects = self.list_owned(kind).await?;
        objects.retain(|object| object.label("kompox.dev/app-instance-hash") == Some(instance));
        Ok(objects)
    }

    async fn list_records(&self) -> Result<Vec<String>, ClusterError> {
        let all = self.all();
        Ok(all
            .iter()
            .filter(|object| object.key.kind == Kind::ConfigMap)
            .map(|object| object.key.name.clone())
            .collect())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        Ok(self.read(key))
    }

    async fn find(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        self.get(key).await
    }

    async fn dry_run(&self, object: &Object, _force: bool) -> Result<LiveObject, ClusterError> {
        let mut body = self.read(&object.key).map_or_else(|| json!({}), |live| live.body);
        merge(&mut body, &object.body);
        Ok(live(&object.key, body))
    }

    async fn apply(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        let mut merged = self.dry_run(object, force).await?;
        // As much of a field manager as tells that the agent has applied it, but not which fields.
        merged.body["metadata"]["managedFields"] = json!([{
            "manager": kompox_core::ownership::FIELD_MANAGER, "operation": "Apply",
            "apiVersion": object.key.kind.api_version(), "fieldsType": "FieldsV1",
            "fieldsV1": {"f:unknown": {}},
        }]);
        Ok(self.store(&object.key, &merged.body))
    }

    async fn create(&self, key: &ObjectKey, body: &Value) -> Result<LiveObject, ClusterError> {
        match self.read(key) {
            Some(_) => Err(ClusterError::new(format!("create {key}"), Cause::AlreadyExists)),
            None => Ok(self.store(key, body)),
        }
    }

    async fn patch(&self, key: &ObjectKey, version: &str, patch: &Value) -> Result<LiveObject, ClusterError> {
        let mut body = self.matching("patch", key, version)?.body;
        merge(&mut body, patch);
        Ok(self.store(key, &body))
    }

    async fn give_back(&self, key: &ObjectKey, version: &str, dry_run: bool) -> Result<LiveObject, ClusterError> {
        let mut body = self.matching("give back", key, version)?.body;
        for field in ["uid", "resourceVersion"] {
            body["spec"]["claimRef"].as_object_mut().unwrap().remove(field);
        }
        if dry_run {
            return Ok(live(key, body));
        }
        body["status"]["phase"] = json!("Available");
        Ok(self.store(key, &body))
    }

    async fn attached_to(&self, volume: &str) -> Result<Vec<String>, ClusterError> {
        Ok(self.inner.state().attached.get(volume).into_iter().cloned().collect())
    }

    async fn delete(&self, key: &ObjectKey, uid: &str, version: &str) -> Result<Deletion, ClusterError> {
        if self.read(key).is_none() {
            return Ok(Deletion::Gone);
        }
        if self.matching("delete", key, version)?.uid != uid {
            return Err(ClusterError::new(format!("delete {key}"), Cause::Changed));
        }
        if self.read(key).is_some_and(|live| !live.finalizers().is_empty()) {
            let mut body = self.matching("delete", key, version)?.body;
            body["metadata"]["deletionTimestamp"] = json!(jiff::Timestamp::now().to_string());
            return Ok(Deletion::Terminating(Box::new(self.store(key, &body))));
        }
        self.delete_now(key);
        Ok(Deletion::Gone)
    }

    async fn delete_with_dependents(
        &self,
        key: &ObjectKey,
        uid: &str,
        version: &str,
    ) -> Result<Deletion, ClusterError> {
        self.delete(key, uid, version).await
    }

    async fn content_hash(&self, key: &ObjectKey, hash: ContentHash) -> Result<Option<(String, String)>, ClusterError> {
        Ok(self.read(key).map(|object| {
            let text = object.body.get("data").map(ToString::to_string).unwrap_or_default();
            (object.resource_version, hash(&BTreeMap::from([("data".to_owned(), text.into_bytes())])))
        }))
    }

    async fn events(&self, _namespace: &str, _uids: &[String]) -> Result<Vec<Event>, ClusterError> {
        Ok(Vec::new())
    }

    async fn workload(&self, namespace: &str, deployment: &str) -> Result<Workload, ClusterError> {
        let key =
            ObjectKey { kind: Kind::Deployment, namespace: Some(namespace.to_owned()), name: deployment.to_owned() };
        let deployment = self.read(&key).map(|live| serde_json::from_value(live.body).unwrap());
        Ok(Workload { deployment, ..Workload::default() })
    }

    async fn server_version(&self) -> Result<String, ClusterError> {
        Ok("v0.0.0".to_owned())
    }
}
