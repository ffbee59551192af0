//! [`ClusterApi`] on a real API server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use k8s_openapi::api::core::v1::Event;
use kompox_core::health::Workload;
use kompox_core::observed::LiveObject;
use kompox_core::ownership::FIELD_MANAGER;
use kompox_core::seal::seal;
use kompox_manifests::labels;
use kompox_manifests::object::{Kind, Object, ObjectKey};
use kube::Client;
use kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, ValidationDirective};
use kube::client::Body;
use kube::core::params::{Preconditions, PropagationPolicy};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::SYSTEM_NAMESPACE;
use super::connect::Origin;
use super::error::{Cause, ClusterError};
use super::reply::{Call, chain};
use super::{ClusterApi, ContentHash, Deletion};
use crate::meter::Meter;

mod user;
mod volumes;
mod watching;
mod workload;

/// What every object that the agent or the older command line wrote is labelled with.
const OWNED: &str = "app.kubernetes.io/managed-by=kompox";

/// The label of what the agent writes down for itself.
const RECORDS: &str = "app.kubernetes.io/managed-by=kompox-agent";

/// Objects of one page of a list.
const PAGE: u32 = 250;

/// How often a list begins again when its pages expire while it is read.
const LIST_ATTEMPTS: usize = 3;

/// A connection to one API server.
#[derive(Clone)]
pub(crate) struct KubeCluster {
    client: Client,
    origin: Origin,
    deadline: Duration,
    meter: Arc<Meter>,
}

type Request = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

impl KubeCluster {
    /// A connection whose calls each end within `deadline`.
    pub(super) fn new(client: Client, origin: Origin, deadline: Duration) -> Self {
        Self { client, origin, deadline, meter: Arc::default() }
    }

    /// Where the connection leads and which configuration said so.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where its requests are counted.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Makes a call and returns the body of the answer.
    ///
    /// The client's own reading of answers is not used: it logs bodies, which may be Secrets.
    pub(super) async fn send(&self, call: &Call, request: Request) -> Result<Vec<u8>, ClusterError> {
        let exchange = async {
            let body = self.answer(call, request).await?;
            body.collect_bytes().await.map_err(|error| call.no_answer(&error))
        };
        let body = tokio::time::timeout(self.deadline, exchange).await;
        let body = body.unwrap_or_else(|_| Err(call.error(Cause::TimedOut(self.deadline))));
        self.meter.request(call.verb(), body.is_ok());
        body.map(Into::into)
    }

    /// Makes a call whose answer never ends; the deadline is for its beginning.
    async fn open(&self, call: &Call, request: Request) -> Result<Body, ClusterError> {
        let answer = tokio::time::timeout(self.deadline, self.answer(call, request)).await;
        let answer = answer.unwrap_or_else(|_| Err(call.error(Cause::TimedOut(self.deadline))));
        self.meter.request(call.verb(), answer.is_ok());
        answer
    }

    /// The body of an answer that does not say no.
    async fn answer(&self, call: &Call, request: Request) -> Result<Body, ClusterError> {
        let request = request.map_err(|error| call.error(Cause::Configuration(chain(&error))))?;
        let response = self.client.send(request.map(Body::from)).await.map_err(|error| call.no_answer(&error))?;
        let code = response.status().as_u16();
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        if (200..300).contains(&code) {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect_bytes().await.map_err(|error| call.no_answer(&error))?;
        Err(call.refusal(code, &body, after.map(Duration::from_secs)))
    }

    /// Makes a call and reads the answer as JSON.
    pub(super) async fn send_json<T: DeserializeOwned>(
        &self,
        call: &Call,
        request: Request,
    ) -> Result<T, ClusterError> {
        let body = self.send(call, request).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // The error's own words may quote a value.
            call.not_understood(format!("no JSON of the expected form (column {} of it)", error.column()))
        })
    }

    /// Every item of a list, page by page.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        call: &Call,
        path: &str,
        params: &ListParams,
    ) -> Result<Vec<T>, ClusterError> {
        let mut attempt = 1;
        loop {
            match self.list_once(call, path, params).await {
                // Pages belong to one moment that the server remembers for some minutes only.
                Err(error) if attempt < LIST_ATTEMPTS && error.cause == Cause::Expired => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn list_once<T: DeserializeOwned>(
        &self,
        call: &Call,
        path: &str,
        params: &ListParams,
    ) -> Result<Vec<T>, ClusterError> {
        let mut params = params.clone().limit(PAGE);
        let mut items = Vec::new();
        loop {
            let page: Page<T> = self.send_json(call, kube::core::Request::new(path).list(&params)).await?;
            items.extend(page.items.unwrap_or_default());
            match page.metadata.next {
                Some(token) if !token.is_empty() => params.continue_token = Some(token),
                _ => return Ok(items),
            }
        }
    }

    /// One object as it is stored; `None` when it does not exist.
    async fn read_body(&self, key: &ObjectKey) -> Result<Option<Value>, ClusterError> {
        let call = call("get", key);
        let request = collection(&call, key)?.get(&key.name, &GetParams::default());
        match self.send_json(&call, request).await {
            Ok(body) => Ok(Some(body)),
            Err(ClusterError { cause: Cause::NotFound(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list_labelled(&self, kind: Kind, selector: &str) -> Result<Vec<LiveObject>, ClusterError> {
        let call = Call::new("list", format!("{kind} objects"), kind == Kind::Secret);
        let items: Vec<Value> = self.list(&call, &path(kind, None), &ListParams::default().labels(selector)).await?;
        items.into_iter().map(|body| live_object(&call, kind, body)).collect()
    }

    async fn apply_with(&self, object: &Object, force: bool, dry_run: bool) -> Result<LiveObject, ClusterError> {
        let call = call(if dry_run { "dry-run" } else { "apply" }, &object.key);
        let params = PatchParams {
            dry_run,
            force,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
        };
        let request = collection(&call, &object.key)?.patch(&object.key.name, &params, &Patch::Apply(&object.body));
        let body = self.send_json(&call, request).await?;
        live_object(&call, object.key.kind, body)
    }

    async fn delete_with(
        &self,
        key: &ObjectKey,
        uid: &str,
        resource_version: &str,
        propagation: PropagationPolicy,
    ) -> Result<Deletion, ClusterError> {
        let call = call("delete", key);
        let params = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: Some(resource_version.to_owned()),
            }),
            ..DeleteParams::default()
        };
        let request = collection(&call, key)?.delete(&key.name, &params);
        match self.send_json::<Value>(&call, request).await {
            // The answer is a Status when the object is gone, the object when something holds it;
            // some kinds always answer with the object.
            Ok(answer) if answer.pointer("/metadata/deletionTimestamp").is_some() => {
                live_object(&call, key.kind, answer).map(|marked| Deletion::Terminating(Box::new(marked)))
            }
            Ok(_) | Err(ClusterError { cause: Cause::NotFound(_), .. }) => Ok(Deletion::Gone),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl ClusterApi for KubeCluster {
    async fn list_owned(&self, kind: Kind) -> Result<Vec<LiveObject>, ClusterError> {
        self.list_labelled(kind, OWNED).await
    }

    async fn list_instance(&self, kind: Kind, instance: &str) -> Result<Vec<LiveObject>, ClusterError> {
        self.list_labelled(kind, &format!("{OWNED},{}={instance}", labels::INSTANCE_HASH)).await
    }

    async fn list_records(&self) -> Result<Vec<String>, ClusterError> {
        let call = Call::new("list", format!("ConfigMaps of {SYSTEM_NAMESPACE}"), false);
        let path = path(Kind::ConfigMap, Some(SYSTEM_NAMESPACE));
        let items: Vec<Value> = self.list(&call, &path, &ListParams::default().labels(RECORDS)).await?;
        let name = |item: &Value| item.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        Ok(items.iter().filter_map(name).collect())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        let body = self.read_body(key).await?;
        body.map(|body| live_object(&call("get", key), key.kind, body)).transpose()
    }

    async fn find(&self, key: &ObjectKey) -> Result<Option<LiveObject>, ClusterError> {
        let call = call("list", key);
        collection(&call, key)?;
        let only = ListParams::default().fields(&format!("metadata.name={}", key.name));
        let items: Vec<Value> = self.list(&call, &path(key.kind, key.namespace.as_deref()), &only).await?;
        items.into_iter().next().map(|body| live_object(&call, key.kind, body)).transpose()
    }

    async fn dry_run(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        self.apply_with(object, force, true).await
    }

    async fn apply(&self, object: &Object, force: bool) -> Result<LiveObject, ClusterError> {
        self.apply_with(object, force, false).await
    }

    async fn create(&self, key: &ObjectKey, body: &Value) -> Result<LiveObject, ClusterError> {
        let call = call("create", key);
        let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let request = collection(&call, key)?.create(&params, body.to_string().into_bytes());
        let body = self.send_json(&call, request).await?;
        live_object(&call, key.kind, body)
    }

    async fn patch(&self, key: &ObjectKey, resource_version: &str, patch: &Value) -> Result<LiveObject, ClusterError> {
        let call = call("patch", key);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let mut patch = patch.clone();
        // The API server compares it and answers 409 when it differs. (A JSON patch with a `test`
        // would be answered with a 422 like any faulty patch.)
        patch["metadata"]["resourceVersion"] = json!(resource_version);
        let request = collection(&call, key)?.patch(&key.name, &params, &Patch::Merge(&patch));
        let body = self.send_json(&call, request).await?;
        live_object(&call, key.kind, body)
    }

    async fn give_back(&self, key: &ObjectKey, version: &str, dry_run: bool) -> Result<LiveObject, ClusterError> {
        self.forget_claim(key, version, dry_run).await
    }

    async fn attached_to(&self, volume: &str) -> Result<Vec<String>, ClusterError> {
        self.attachments(volume).await
    }

    async fn delete(&self, key: &ObjectKey, uid: &str, resource_version: &str) -> Result<Deletion, ClusterError> {
        self.delete_with(key, uid, resource_version, PropagationPolicy::Background).await
    }

    async fn delete_with_dependents(
        &self,
        key: &ObjectKey,
        uid: &str,
        resource_version: &str,
    ) -> Result<Deletion, ClusterError> {
        self.delete_with(key, uid, resource_version, PropagationPolicy::Foreground).await
    }

    async fn content_hash(&self, key: &ObjectKey, hash: ContentHash) -> Result<Option<(String, String)>, ClusterError> {
        let Some(body) = self.read_body(key).await? else { return Ok(None) };
        let version = body.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
        let (Some(version), Some(contents)) = (version, contents(key.kind, &body)) else {
            return Err(call("read", key).not_understood("its data is not what its kind holds"));
        };
        Ok(Some((version, hash(&contents))))
    }

    async fn events(&self, namespace: &str, uids: &[String]) -> Result<Vec<Event>, ClusterError> {
        self.read_events(namespace, uids.iter().map(String::as_str)).await
    }

    async fn workload(&self, namespace: &str, deployment: &str) -> Result<Workload, ClusterError> {
        self.read_workload(namespace, deployment).await
    }

    async fn server_version(&self) -> Result<String, ClusterError> {
        let call = Call::new("get", "the version of the API server", false);
        let request = http::Request::get("/version").body(Vec::new()).map_err(kube::core::request::Error::BuildRequest);
        let version: Value = self.send_json(&call, request).await?;
        let version = version.get("gitVersion").and_then(Value::as_str);
        version.map(str::to_owned).ok_or_else(|| call.not_understood("it has no gitVersion"))
    }
}

/// A page of a list.
#[derive(serde::Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMetadata,
    /// An empty list of metadata has `null` here.
    items: Option<Vec<T>>,
}

#[derive(Default, serde::Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    /// The version of the whole list.
    #[serde(rename = "resourceVersion", default)]
    version: String,
}

fn call(verb: &str, key: &ObjectKey) -> Call {
    Call::new(verb, key.to_string(), key.kind == Kind::Secret)
}

/// The URL path of a kind, in a namespace or over all of them.
pub(super) fn path(kind: Kind, namespace: Option<&str>) -> String {
    let root = match kind.group_version() {
        ("", version) => format!("/api/{version}"),
        (group, version) => format!("/apis/{group}/{version}"),
    };
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{}", kind.plural()),
        None => format!("{root}/{}", kind.plural()),
    }
}

/// Requests for the collection that an object is in.
fn collection(call: &Call, key: &ObjectKey) -> Result<kube::core::Request, ClusterError> {
    // Names become parts of a URL: none may end its part of it.
    let names = [Some(&key.name), key.namespace.as_ref()];
    if names.into_iter().flatten().any(|name| !is_path_segment(name)) {
        return Err(call.error(Cause::Configuration(format!("{key} is not a valid name"))));
    }
    Ok(kube::core::Request::new(path(key.kind, key.namespace.as_deref())))
}

fn is_path_segment(name: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    !matches!(name, "" | "." | "..") && name.bytes().all(harmless)
}

/// An answer as an object. Items of a list bear neither `apiVersion` nor `kind`: they are filled in. Of the
/// Secrets of Apps only the hashes of their values are kept.
fn live_object(call: &Call, kind: Kind, mut body: Value) -> Result<LiveObject, ClusterError> {
    let text = |name: &str| body.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).map(str::to_owned);
    let (Some(name), Some(uid)) = (text("name"), text("uid")) else {
        return Err(call.not_understood("an object without a name or UID"));
    };
    let namespace = text("namespace").filter(|_| kind.namespaced());
    // A dry-run of an object that does not exist yet has none.
    let resource_version = text("resourceVersion").unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(kind.api_version()));
        fields.insert("kind".to_owned(), json!(kind.name()));
    }
    let mut live = LiveObject { key: ObjectKey { kind, namespace, name }, uid, resource_version, body };
    if kind == Kind::Secret && live.label(labels::MANAGED_BY) == Some(labels::KOMPOX) {
        seal(&mut live.body);
    }
    Ok(live)
}

/// Keys and values of a ConfigMap or Secret; `None` when they are not in their kind's form.
fn contents(kind: Kind, body: &Value) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    let mut read = |field: &str, encoded: bool| -> Option<()> {
        let Some(entries) = body.get(field).filter(|entries| !entries.is_null()) else { return Some(()) };
        for (key, value) in entries.as_object()? {
            let value = value.as_str()?;
            let bytes = if encoded {
                base64::engine::general_purpose::STANDARD.decode(value).ok()?
            } else {
                value.as_bytes().to_vec()
            };
            contents.insert(key.clone(), bytes);
        }
        Some(())
    };
    match kind {
        Kind::Secret => read("data", true)?,
        Kind::ConfigMap => {
            read("data", false)?;
            read("binaryData", true)?;
        }
        _ => return None,
    }
    Some(contents)
}

#[cfg(test)]
mod tests;
