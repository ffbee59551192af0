//! The others: kubectl as a person runs it, and a client that does nothing but server-side applies in parallel.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::ground::nodes;
use kompox_tests::kubeconfig;
use kompox_tests::proxy::ApiProxy;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::fleet::OBJECTS;
use crate::{percentile, turns, usage};

/// How often one App is applied again; the median counts.
const AGAIN: usize = 25;

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
    /// Resident memory when all is applied, in KiB, where it can be told; of whoever ends then, the most.
    pub(crate) applied_memory: Option<u64>,
    /// Resident memory after all changes and edits, in KiB, of whoever runs on.
    pub(crate) changed_memory: Option<u64>,
}

/// What applying took.
struct Applied {
    time: Duration,
    /// The most resident memory, in KiB, where it can be told.
    memory: Option<u64>,
}

/// A control plane of a rival's own.
struct Field {
    folder: Folder,
    proxy: ApiProxy,
    _plane: ControlPlane,
}

impl Field {
    async fn start() -> Result<Self> {
        let plane = ControlPlane::start(Options { folder: None, nodes: nodes() }).await?;
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        Ok(Self { folder: Folder::temporary("rival")?, proxy, _plane: plane })
    }

    /// Lets a rival apply some objects, which get a file of this name.
    async fn apply(&self, rival: &Rival, name: &str, objects: &[Value]) -> Result<Applied> {
        rival.apply(&self.proxy, &file(&self.folder, name, objects)?, objects).await
    }
}

/// How long a rival takes to apply everything to a fresh control plane.
pub(crate) async fn cold(rival: &Rival, objects: &[Value]) -> Result<Duration> {
    Ok(Field::start().await?.apply(rival, "all.json", objects).await?.time)
}

/// How long it takes a rival to apply the objects of one App once more, so often on each of two control planes in turns.
pub(crate) async fn turns(rival: &Rival, fleets: &[Vec<Value>], count: u16) -> Result<[Vec<Duration>; 2]> {
    let mut fields = Vec::new();
    for objects in fleets {
        let field = Field::start().await?;
        field.apply(rival, "all.json", objects).await?;
        fields.push((field, objects_of_first(objects)));
    }
    let mut all: [Vec<Duration>; 2] = Default::default();
    for turn in 0..count {
        for which in turns::order(turn) {
            tokio::time::sleep(turns::REST).await;
            let (field, first) = &fields[which];
            all[which].push(field.apply(rival, "one.json", first).await?.time);
        }
    }
    Ok(all)
}

/// Measures a rival on a fresh control plane.
pub(crate) async fn measure(rival: &Rival, objects: &[Value]) -> Result<RivalFigures> {
    let field = Field::start().await?;
    let (proxy, first) = (&field.proxy, objects_of_first(objects));
    let Applied { time: cold, memory: applied_memory } = field.apply(rival, "all.json", objects).await?;
    proxy.forget();
    let before = usage::cpu_of_children()?;
    field.apply(rival, "all.json", objects).await?;
    let again_cpu = match rival {
        Rival::Kubectl => Some(usage::cpu_of_children()?.saturating_sub(before)),
        // It runs in this process, beside the proxy.
        Rival::Bare(_) => None,
    };
    let again_requests = proxy.requests().len();
    let mut times = Vec::new();
    for _ in 0..AGAIN {
        proxy.forget();
        times.push(field.apply(rival, "one.json", &first).await?.time);
    }
    let (one, one_requests) = (percentile(&times, 50), proxy.requests().len());
    Ok(RivalFigures {
        cold,
        again_requests,
        again_cpu,
        one,
        one_requests,
        drift: one,
        applied_memory,
        changed_memory: None,
    })
}

impl Rival {
    async fn apply(&self, proxy: &ApiProxy, file: &Path, objects: &[Value]) -> Result<Applied> {
        let start = Instant::now();
        let memory = match self {
            Self::Kubectl => Some(tokio::task::block_in_place(|| kubectl_apply(proxy.kubeconfig(), file))?),
            Self::Bare(parallel) => {
                let client = kubeconfig::client(proxy.kubeconfig()).await?;
                apply_all(&client, objects, *parallel).await?;
                // It runs in this process, beside the proxy.
                None
            }
        };
        Ok(Applied { time: start.elapsed(), memory })
    }
}

/// Runs kubectl; gives the most resident memory that it had, in KiB.
fn kubectl_apply(kubeconfig: &Path, file: &Path) -> Result<u64> {
    let mut command = Command::new("kubectl");
    command.args(["apply", "--server-side", "--force-conflicts", "-f"]).arg(file).env("KUBECONFIG", kubeconfig);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("kubectl is not installed")?;
    let peak = usage::watch_peak(child.id());
    let output = child.wait_with_output().context("kubectl")?;
    ensure!(output.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&output.stderr));
    peak.join().map_err(|_| anyhow!("nobody watched the memory of kubectl"))
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
