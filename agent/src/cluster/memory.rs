//! A cluster in memory, for tests of what is built on [`ClusterApi`]. It knows versions and
//! preconditions; it knows nothing of defaults, validation or field managers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kompox_core::health::Workload;
use kompox_core::observed::LiveObject;
use kompox_manifests::diagnostic::{SourceFile, Span};
use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde_json::{Value, json};

use super::error::Cause;
use super::{ClusterApi, ClusterError, ContentHash, Deletion, NodeFacts};

/// See the module.
#[derive(Default)]
pub(crate) struct Memory {
    objects: Mutex<BTreeMap<ObjectKey, Value>>,
    versions: Mutex<u64>,
    /// What [`ClusterApi::workload`] answers, in order; the last one for ever.
    pub(crate) workloads: Mutex<VecDeque<Workload>>,
}

impl Memory {
    /// Stores a body as a new version.
    fn store(&self, key: &ObjectKey, body: &Value) -> LiveObject {
        let mut version = self.versions.lock().unwrap();
        *version += 1;
        let mut body = body.clone();
        body["metadata"]["resourceVersion"] = json!(version.to_string());
        if body.pointer("/metadata/uid").is_none() {
            body["metadata"]["uid"] = json!(format!("uid-{version}"));
        }
        self.objects.lock().unwrap().insert(key.clone(), body.clone());
        live(key, body)
    }

    fn read(&self, key: &ObjectKey) -> Option<LiveObject> {
        self.objects.lock().unwrap().get(key).map(|body| live(key, body.clone()))
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

#[async_trait]
impl ClusterApi for Memory {
    async fn list_owned(&self, kind: Kind) -> Result<Vec<LiveObject>, ClusterError> {
        let objects = self.objects.lock().unwrap();
        let all = objects.iter().filter(|(key, _)| key.kind == kind).map(|(key, body)| live(key, body.clone()));
        Ok(all.filter(|object| object.label("app.kubernetes.io/managed-by") == Some("kompox")).collect())
    }

    async fn list_records(&self) -> Result<Vec<String>, ClusterError> {
        let objects = self.objects.lock().unwrap();
        Ok(objects.keys().filter(|key| key.kind == Kind::ConfigMap).map(|key| key.name.clone()).collect())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        Ok(self.read(key))
    }

    async fn dry_run(&self, object: &Object, _force: bool) -> Result<LiveObject, ClusterError> {
        let mut body = self.read(&object.key).map_or_else(|| json!({}), |live| live.body);
        merge(&mut body, &object.body);
        Ok(live(&object.key, body))
    }

    async fn apply(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        let merged = self.dry_run(object, force).await?;
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

    async fn delete(&self, key: &ObjectKey, uid: &str, version: &str) -> Result<Deletion, ClusterError> {
        if self.read(key).is_none() {
            return Ok(Deletion::Gone);
        }
        if self.matching("delete", key, version)?.uid != uid {
            return Err(ClusterError::new(format!("delete {key}"), Cause::Changed));
        }
        self.objects.lock().unwrap().remove(key);
        Ok(Deletion::Gone)
    }

    async fn nodes(&self) -> Result<Vec<NodeFacts>, ClusterError> {
        Ok(Vec::new())
    }

    async fn external_hashes(
        &self,
        _namespace: &str,
        _wanted: &[(Kind, String)],
        _hash: ContentHash,
    ) -> Result<BTreeMap<(Kind, String), String>, ClusterError> {
        Ok(BTreeMap::new())
    }

    async fn workload(&self, _namespace: &str, _deployment: &str) -> Result<Workload, ClusterError> {
        let mut workloads = self.workloads.lock().unwrap();
        let next = if workloads.len() > 1 { workloads.pop_front() } else { workloads.front().cloned() };
        Ok(next.unwrap_or_default())
    }

    async fn server_version(&self) -> Result<String, ClusterError> {
        Ok("v0.0.0".to_owned())
    }
}
