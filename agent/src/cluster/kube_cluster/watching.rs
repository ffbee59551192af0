//! Lists and watches on a real API server. Every object is cut down to what is kept of it as soon as it
//! arrives, and one that is not understood is left out without stopping the others.

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use http_body_util::BodyExt as _;
use kompox_core::seal::seal;
use kompox_core::views::{GROUP, VERSION};
use kompox_manifests::labels;
use kompox_manifests::object::Kind;
use kube::api::{ListParams, WatchParams};
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use super::{Call, ClusterError, KubeCluster, OWNED, PAGE, Page, path};
use crate::cluster::error::Cause;
use crate::cluster::watch::{Change, Sighting, Topic, WatchApi};

/// The longest event in bytes. The API server stores no object of more than a few megabytes.
const LONGEST_EVENT: usize = 16 * 1024 * 1024;
/// How many times a list begins again when its pages expire while it is read.
const LIST_ATTEMPTS: usize = 3;

#[async_trait]
impl WatchApi for KubeCluster {
    async fn list(&self, topic: Topic, take: &mut (dyn FnMut(Sighting) + Send)) -> Result<String, ClusterError> {
        let mut attempt = 1;
        loop {
            match self.list_pages(topic, take).await {
                // What was handed over is handed over again, or was deleted: the watch will tell.
                Err(error) if attempt < LIST_ATTEMPTS && error.cause == Cause::Expired => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn watch(
        &self,
        topic: Topic,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        let call = call("watch", topic);
        let params = WatchParams { label_selector: selector(topic).map(str::to_owned), ..WatchParams::default() };
        let collection = kube::core::Request::new(url(topic));
        let request = if topic.metadata_only() {
            collection.watch_metadata(&params, from)
        } else {
            collection.watch(&params, from)
        };
        let body = self.open(&call, request).await?;
        let events = Events { call, topic, body, buffer: Vec::new(), ended: false };
        Ok(stream::unfold(events, |mut events| async { events.next().await.map(|change| (change, events)) }).boxed())
    }
}

impl KubeCluster {
    async fn list_pages(&self, topic: Topic, take: &mut (dyn FnMut(Sighting) + Send)) -> Result<String, ClusterError> {
        let call = call("list", topic);
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selector(topic).map(str::to_owned);
        loop {
            let collection = kube::core::Request::new(url(topic));
            let request =
                if topic.metadata_only() { collection.list_metadata(&params) } else { collection.list(&params) };
            let page: Page<Value> = self.send_json(&call, request).await?;
            for item in page.items.unwrap_or_default() {
                match sighting(topic, item) {
                    Some(sighting) if sighting.says_something => take(sighting.of),
                    Some(_) => {}
                    None => warn!(?topic, "an object of a list is not understood and left out"),
                }
            }
            match page.metadata.next {
                Some(token) if !token.is_empty() => params.continue_token = Some(token),
                _ => return Ok(page.metadata.version),
            }
        }
    }
}

/// The events of one watch.
struct Events {
    call: Call,
    topic: Topic,
    body: Body,
    buffer: Vec<u8>,
    ended: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

impl Events {
    /// The next event; `None` at the end of the stream, which an error is too.
    async fn next(&mut self) -> Option<Result<Change, ClusterError>> {
        while !self.ended {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                match self.read(&line) {
                    Ok(None) => {}
                    Ok(Some(change)) => return Some(Ok(change)),
                    Err(error) => return self.end(error),
                }
            }
            match self.body.frame().await {
                None => return None,
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.buffer.extend_from_slice(&data);
                    if self.buffer.len() > LONGEST_EVENT {
                        let error = self.call.not_understood(format!("an event of more than {LONGEST_EVENT} bytes"));
                        return self.end(error);
                    }
                }
                Some(Err(error)) => {
                    let error = self.call.no_answer(&error);
                    return self.end(error);
                }
            }
        }
        None
    }

    fn end(&mut self, error: ClusterError) -> Option<Result<Change, ClusterError>> {
        self.ended = true;
        Some(Err(error))
    }

    /// `None` for an object that is not understood.
    fn read(&self, line: &[u8]) -> Result<Option<Change>, ClusterError> {
        let Ok(Event { kind, object }) = serde_json::from_slice(line) else {
            return Err(self.call.not_understood("an event that is no JSON of the expected form"));
        };
        let version = || object.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
        match kind.as_str() {
            "BOOKMARK" => Ok(version().map(Change::Bookmark)),
            "ERROR" => {
                let code = object.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
                Err(self.call.refusal(code.unwrap_or(500), object.to_string().as_bytes(), None))
            }
            kind => {
                // Whatever is wrong with it, its version is where the watch goes on from.
                let at = version();
                Ok(match sighting(self.topic, object) {
                    Some(Judged { of, says_something }) => {
                        Some(if kind == "DELETED" || !says_something { Change::Gone(of) } else { Change::Seen(of) })
                    }
                    None => {
                        warn!(topic = ?self.topic, "an object of a watch is not understood and left out");
                        at.map(Change::Bookmark)
                    }
                })
            }
        }
    }
}

/// A sighting, and whether there is a reason to keep it.
struct Judged {
    of: Sighting,
    says_something: bool,
}

/// Cuts an object down to what is kept; `None` when it is none.
fn sighting(topic: Topic, mut object: Value) -> Option<Judged> {
    let text = |name: &str| object.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).map(str::to_owned);
    let (name, uid, version) = (text("name")?, text("uid")?, text("resourceVersion")?);
    let namespace = text("namespace");
    let label = object.pointer("/metadata/labels").and_then(|labels| labels.get(labels::INSTANCE_HASH));
    let instance = label.and_then(Value::as_str).map(str::to_owned);
    let mut says_something = true;
    let body = match topic {
        Topic::Owned(kind) => {
            // Items of a list bear neither.
            let fields = object.as_object_mut()?;
            fields.insert("apiVersion".to_owned(), json!(kind.api_version()));
            fields.insert("kind".to_owned(), json!(kind.name()));
            if kind == Kind::Secret {
                seal(&mut object);
            }
            object
        }
        Topic::Pods | Topic::Views(_) => without_bookkeeping(object),
        Topic::ReplicaSets => {
            // One that has no Pods and wants none is the past.
            let number = |path: &str| object.pointer(path).and_then(Value::as_u64).unwrap_or(0);
            says_something = number("/spec/replicas") + number("/status/replicas") > 0;
            without_bookkeeping(object)
        }
        Topic::Nodes => object.pointer_mut("/metadata/labels").map(Value::take).unwrap_or_default(),
        Topic::Names(_) => Value::Null,
    };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Some(Judged { of: Sighting { namespace, name, uid, version, instance, body }, says_something })
}

/// Nothing decides by the `managedFields` of objects that the agent does not write.
fn without_bookkeeping(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

fn url(topic: Topic) -> String {
    match topic {
        Topic::Owned(kind) | Topic::Names(kind) => path(kind, None),
        Topic::Pods => "/api/v1/pods".to_owned(),
        Topic::ReplicaSets => "/apis/apps/v1/replicasets".to_owned(),
        Topic::Nodes => "/api/v1/nodes".to_owned(),
        Topic::Views(kind) => format!("/apis/{GROUP}/{VERSION}/{}", kind.plural()),
    }
}

fn selector(topic: Topic) -> Option<&'static str> {
    match topic {
        Topic::Owned(_) | Topic::Pods | Topic::ReplicaSets => Some(OWNED),
        Topic::Nodes | Topic::Names(_) | Topic::Views(_) => None,
    }
}

fn call(verb: &str, topic: Topic) -> Call {
    let what = match topic {
        Topic::Owned(kind) => format!("{kind} objects"),
        Topic::Pods => "Pods".to_owned(),
        Topic::ReplicaSets => "ReplicaSets".to_owned(),
        Topic::Nodes => "nodes".to_owned(),
        Topic::Names(kind) => format!("names of {kind} objects"),
        Topic::Views(kind) => format!("{kind} objects"),
    };
    Call::new(verb, what, matches!(topic, Topic::Owned(Kind::Secret) | Topic::Names(Kind::Secret)))
}

#[cfg(test)]
mod tests;
