//! A cluster that fails as a script says, in front of another one. For tests.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Event;
use kompox_core::health::Workload;
use kompox_core::observed::LiveObject;
use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde_json::Value;

use super::error::Cause;
use super::watch::{Change, Sighting, Topic, WatchApi};
use super::{ClusterApi, ClusterError, ContentHash, Deletion};

/// What goes wrong with a call.
pub(crate) enum Fault {
    /// It is not carried out.
    Refuse(Cause),
    /// It is carried out, and the answer is lost.
    LoseReply,
    /// It never ends.
    Hang,
    /// It goes well, and meanwhile something else happens.
    Meanwhile(Box<dyn FnOnce() + Send>),
}

/// See the module.
pub(crate) struct Faulty<C> {
    /// The cluster behind.
    pub(crate) inner: C,
    /// Verb of the call, how many such calls go well before, and the fault.
    script: Mutex<Vec<(&'static str, usize, Fault)>>,
    /// Every call: `apply Deployment shop/web`.
    calls: Mutex<Vec<String>>,
}

impl<C> Faulty<C> {
    /// A cluster without faults so far.
    pub(crate) fn new(inner: C) -> Self {
        Self { inner, script: Mutex::default(), calls: Mutex::default() }
    }

    /// Adds a fault to the call with this verb after `well` calls that go well.
    #[must_use]
    pub(crate) fn fault(self, verb: &'static str, well: usize, fault: Fault) -> Self {
        self.script.lock().unwrap().push((verb, well, fault));
        self
    }

    /// Adds a fault while others use the cluster already.
    pub(crate) fn fault_later(&self, verb: &'static str, well: usize, fault: Fault) {
        self.script.lock().unwrap().push((verb, well, fault));
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub(super) async fn call<T: Send>(
        &self,
        verb: &'static str,
        target: impl ToString + Send,
        call: impl Future<Output = Result<T, ClusterError>> + Send,
    ) -> Result<T, ClusterError> {
        let action = format!("{verb} {}", target.to_string());
        self.calls.lock().unwrap().push(action.clone());
        let fault = self.next_fault(verb);
        // As a network would: others come in between.
        tokio::task::yield_now().await;
        match fault {
            None => call.await,
            Some(Fault::Refuse(cause)) => Err(ClusterError::new(action, cause)),
            Some(Fault::LoseReply) => {
                call.await?;
                Err(ClusterError::new(action, Cause::TimedOut(Duration::from_secs(30))))
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Meanwhile(happens)) => {
                happens();
                call.await
            }
        }
    }

    fn next_fault(&self, verb: &str) -> Option<Fault> {
        let mut script = self.script.lock().unwrap();
        let mut due = None;
        for (index, (of, well, _)) in script.iter_mut().enumerate() {
            if *of != verb {
                continue;
            }
            if *well == 0 && due.is_none() {
                due = Some(index);
            } else {
                *well = well.saturating_sub(1);
            }
        }
        due.map(|index| script.remove(index).2)
    }
}

#[async_trait]
impl<C: ClusterApi> ClusterApi for Faulty<C> {
    async fn list_owned(&self, kind: Kind) -> Result<Vec<LiveObject>, ClusterError> {
        self.call("list", kind, self.inner.list_owned(kind)).await
    }

    async fn list_instance(&self, kind: Kind, instance: &str) -> Result<Vec<LiveObject>, ClusterError> {
        self.call("list", kind, self.inner.list_instance(kind, instance)).await
    }

    async fn list_records(&self) -> Result<Vec<String>, ClusterError> {
        self.call("list", "records", self.inner.list_records()).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        self.call("get", key, self.inner.get(key)).await
    }

    async fn find(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        self.call("find", key, self.inner.find(key)).await
    }

    async fn dry_run(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        self.call("dry-run", &object.key, self.inner.dry_run(object, force)).await
    }

    async fn apply(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        self.call("apply", &object.key, self.inner.apply(object, force)).await
    }

    async fn create(&self, key: &ObjectKey, body: &Value) -> Result<LiveObject, ClusterError> {
        self.call("create", key, self.inner.create(key, body)).await
    }

    async fn patch(&self, key: &ObjectKey, version: &str, patch: &Value) -> Result<LiveObject, ClusterError> {
        self.call("patch", key, self.inner.patch(key, version, patch)).await
    }

    async fn give_back(&self, key: &ObjectKey, version: &str, dry_run: bool) -> Result<LiveObject, ClusterError> {
        let verb = if dry_run { "dry-run" } else { "give-back" };
        self.call(verb, key, self.inner.give_back(key, version, dry_run)).await
    }

    async fn attached_to(&self, volume: &str) -> Result<Vec<String>, ClusterError> {
        self.call("attachments", volume, self.inner.attached_to(volume)).await
    }

    async fn delete(&self, key: &ObjectKey, uid: &str, version: &str) -> Result<Deletion, ClusterError> {
        self.call("delete", key, self.inner.delete(key, uid, version)).await
    }

    async fn delete_with_dependents(
        &self,
        key: &ObjectKey,
        uid: &str,
        version: &str,
    ) -> Result<Deletion, ClusterError> {
        self.call("delete", key, self.inner.delete_with_dependents(key, uid, version)).await
    }

    async fn content_hash(&self, key: &ObjectKey, hash: ContentHash) -> Result<Option<(String, String)>, ClusterError> {
        self.call("hash", key, self.inner.content_hash(key, hash)).await
    }

    async fn events(&self, namespace: &str, uids: &[String]) -> Result<Vec<Event>, ClusterError> {
        self.call("events", namespace, self.inner.events(namespace, uids)).await
    }

    async fn workload(&self, namespace: &str, deployment: &str) -> Result<Workload, ClusterError> {
        self.call("workload", deployment, self.inner.workload(namespace, deployment)).await
    }

    async fn server_version(&self) -> Result<String, ClusterError> {
        self.call("version", "", self.inner.server_version()).await
    }
}

#[async_trait]
impl<C: WatchApi> WatchApi for Faulty<C> {
    async fn list(&self, topic: Topic, take: &mut (dyn FnMut(Sighting) + Send)) -> Result<String, ClusterError> {
        self.call("list-all", format!("{topic:?}"), self.inner.list(topic, take)).await
    }

    async fn watch(
        &self,
        topic: Topic,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        self.call("watch", format!("{topic:?}"), self.inner.watch(topic, from)).await
    }
}
