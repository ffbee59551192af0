//! The others: kubectl as a person runs it, and a client that does nothing but server-side applies in parallel.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::ground::nodes;
use kompox_tests::kubeconfig;
use kompox_tests::kubectl::kubectl;
use kompox_tests::proxy::ApiProxy;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::fleet::OBJECTS;
use crate::usage;

/// How often one App is applied again; the median counts.
const AGAIN: usize = 5;

/// Who applies.
#[derive(Debug)]
pub(crate) enum Rival {
    /// `kubectl apply --server-side`.
    Kubectl,
    /// A client with so many requests under way.
    Bare(usize),
}

/// What a rival took.
#[derive(Debug)]
pub(crate) struct RivalFigures {
    /// Everything, into an empty cluster.
    pub(crate) cold: Duration,
    /// Requests of applying everything once more.
    pub(crate) again_requests: usize,
    /// CPU of that, where it can be told.
    pub(crate) again_cpu: Option<Duration>,
    /// One App of which nothing or little has changed.
    pub(crate) one: Duration,
    /// Requests of that.
    pub(crate) one_requests: usize,
    /// How long a person's edit stays; for whoever only applies when told, how long applying the App takes.
    pub(crate) drift: Duration,
}

/// How long a rival takes to apply everything to a fresh control plane.
pub(crate) async fn cold(rival: &Rival, objects: &[Value]) -> Result<Duration> {
    let plane = ControlPlane::start(Options { folder: None, nodes: nodes() }).await?;
    let proxy = ApiProxy::start(plane.kubeconfig()).await?;
    let folder = Folder::temporary("rival")?;
    rival.apply(&proxy, &file(&folder, "all.json", objects)?, objects).await
}

/// Measures a rival on a fresh control plane.
pub(crate) async fn measure(rival: &Rival, objects: &[Value]) -> Result<RivalFigures> {
    let plane = ControlPlane::start(Options { folder: None, nodes: nodes() }).await?;
    let proxy = ApiProxy::start(plane.kubeconfig()).await?;
    let folder = Folder::temporary("rival")?;
    let (all, first) = (file(&folder, "all.json", objects)?, objects_of_first(objects));
    let one = file(&folder, "one.json", &first)?;
    let cold = rival.apply(&proxy, &all, objects).await?;
    proxy.forget();
    let before = usage::cpu_of_children()?;
    rival.apply(&proxy, &all, objects).await?;
    let again_cpu = match rival {
        Rival::Kubectl => Some(usage::cpu_of_children()?.saturating_sub(before)),
        // It runs in this process, beside the proxy.
        Rival::Bare(_) => None,
    };
    let again_requests = proxy.requests().len();
    let mut times = Vec::new();
    for _ in 0..AGAIN {
        proxy.forget();
        times.push(rival.apply(&proxy, &one, &first).await?);
    }
    let one = crate::percentile(&times, 50);
    Ok(RivalFigures { cold, again_requests, again_cpu, one, one_requests: proxy.requests().len(), drift: one })
}

impl Rival {
    async fn apply(&self, proxy: &ApiProxy, file: &Path, objects: &[Value]) -> Result<Duration> {
        let start = Instant::now();
        match self {
            Self::Kubectl => {
                let file = file.to_string_lossy();
                let arguments = ["apply", "--server-side", "--force-conflicts", "-f", &file];
                tokio::task::block_in_place(|| kubectl(proxy.kubeconfig(), &arguments))?;
            }
            Self::Bare(parallel) => {
                let client = kubeconfig::client(proxy.kubeconfig()).await?;
                apply_all(&client, objects, *parallel).await?;
            }
        }
        Ok(start.elapsed())
    }
}

/// Applies objects, Namespaces first, `parallel` at a time.
pub(crate) async fn apply_all(client: &Client, objects: &[Value], parallel: usize) -> Result<()> {
    let (namespaces, others): (Vec<Value>, Vec<Value>) =
        objects.iter().cloned().partition(|object| object["kind"] == "Namespace");
    for stage in [namespaces, others] {
        let left = Arc::new(Mutex::new(stage));
        let mut workers = JoinSet::new();
        for _ in 0..parallel {
            let (client, left) = (client.clone(), Arc::clone(&left));
            workers.spawn(async move {
                while let Some(object) = take(&left) {
                    apply(&client, &object).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker.context("a worker was broken off")??;
        }
    }
    Ok(())
}

fn take(left: &Mutex<Vec<Value>>) -> Option<Value> {
    left.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

async fn apply(client: &Client, object: &Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object.clone()).context("no object")?;
    let types = object.types.clone().context("an object without a kind")?;
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    let resource = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, &types.kind));
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().context("an object without a name")?;
    let sent = api.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(&object)).await;
    sent.with_context(|| format!("cannot apply {} {name}", types.kind))?;
    Ok(())
}

/// The objects of the first App: those in its Namespace, the Namespace, and its volume.
fn objects_of_first(objects: &[Value]) -> Vec<Value> {
    let label = |object: &Value| object["metadata"]["labels"]["app.kubernetes.io/name"].clone();
    let Some(first) = objects.first().map(label) else { return Vec::new() };
    let all: Vec<Value> = objects.iter().filter(|object| label(object) == first).cloned().collect();
    debug_assert_eq!(all.len(), OBJECTS);
    all
}

/// Writes a list of objects that kubectl applies.
pub(crate) fn file(folder: &Folder, name: &str, objects: &[Value]) -> Result<std::path::PathBuf> {
    // kubectl applies in the order of the list.
    let mut items = objects.to_vec();
    items.sort_by_key(|object| object["kind"] != "Namespace");
    folder.write(name, &json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
}
