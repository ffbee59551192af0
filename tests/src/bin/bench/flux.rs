//! Flux's kustomize-controller, where the environment names its binary and its CRDs: one Kustomization an App. What its
//! source-controller would do is stood in for: the artifact is served here, and the status of the GitRepository says so.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::ground::nodes;
use kompox_tests::kubectl::kubectl;
use kompox_tests::process::Process;
use kompox_tests::proxy::ApiProxy;
use kompox_tests::traffic::Request;
use kompox_tests::wait::{Look, until};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::ground::is_written;
use crate::rivals::{RivalFigures, file};
use crate::{fleet, percentile, usage};

/// Names the controller's binary.
const BINARY: &str = "FLUX_KUSTOMIZE_CONTROLLER";
/// Names the file or folder with the CRDs of Kustomization and of every kind of source.
const CRDS: &str = "FLUX_CRDS";
const NAMESPACE: &str = "flux-system";
const LONG: Duration = Duration::from_secs(900);
/// How often a Kustomization is applied again.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many changes and edits; the medians count. Each lasts up to an interval.
const AGAIN: usize = 5;
const NAME_LABEL: &str = "app.kubernetes.io/name";

/// The controller's binary and its CRDs.
pub(crate) struct Flux {
    binary: PathBuf,
    crds: PathBuf,
}

impl Flux {
    /// What the environment names; `None` when it names no binary.
    ///
    /// # Errors
    /// It names a binary and no CRDs.
    pub(crate) fn given() -> Result<Option<Self>> {
        let Some(binary) = std::env::var_os(BINARY).filter(|path| !path.is_empty()) else { return Ok(None) };
        let crds =
            std::env::var_os(CRDS).with_context(|| format!("{BINARY} is set and {CRDS} is not: name its CRDs"))?;
        Ok(Some(Self { binary: binary.into(), crds: crds.into() }))
    }

    /// Measures it on a fresh control plane.
    pub(crate) async fn measure(&self, objects: &[Value]) -> Result<RivalFigures> {
        let plane = ControlPlane::start(Options { folder: None, nodes: nodes() }).await?;
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        let folder = Folder::temporary("flux")?;
        let source = Source::start(plane.kubeconfig(), &folder, &self.crds).await?;
        let mut apps = by_app(objects);
        source.offer("first", &apps)?;
        source.list(&folder, apps.keys())?;

        let start = Instant::now();
        let controller = self.run(proxy.kubeconfig(), &folder)?;
        wait("all objects to be written", &proxy, &controller, objects.len()).await?;
        let cold = start.elapsed();
        source.settled("first", &controller).await?;
        let applied_memory = Some(usage::memory(controller.pid())?);

        // As long as all of them take once more.
        tokio::time::sleep(INTERVAL).await;
        proxy.forget();
        let before = usage::cpu(controller.pid())?;
        tokio::time::sleep(INTERVAL).await;
        let again_requests = proxy.count(|request| !request.is_upkeep());
        let again_cpu = Some(usage::cpu(controller.pid())?.saturating_sub(before));

        let names: Vec<String> = apps.keys().cycle().take(AGAIN).cloned().collect();
        let (mut changes, mut one_requests) = (Vec::new(), 0);
        for (number, app) in names.iter().enumerate() {
            let revision = format!("change-{number}");
            change(apps.get_mut(app).context("no such App")?, &revision);
            proxy.forget();
            source.offer(&revision, &apps)?;
            // Only now: packing and telling are no work of the controller's, and the agent's time begins with the fetch.
            let start = Instant::now();
            wait("the change to be written", &proxy, &controller, fleet::CHANGED).await?;
            changes.push(start.elapsed());
            // A revision makes all Kustomizations be applied again; the next change must not queue behind them.
            source.settled(&revision, &controller).await?;
            one_requests = one_requests.max(proxy.count(|request| !request.is_upkeep()));
        }

        let mut edits = Vec::new();
        for (number, app) in names.iter().enumerate() {
            tokio::time::sleep(before_edit(number)).await;
            edits.push(drift(plane.kubeconfig(), app, &controller).await?);
        }
        let changed_memory = Some(usage::memory(controller.pid())?);
        controller.stop().await?;
        let (one, drift) = (percentile(&changes, 50), percentile(&edits, 50));
        Ok(RivalFigures { cold, again_requests, again_cpu, one, one_requests, drift, applied_memory, changed_memory })
    }

    fn run(&self, kubeconfig: &Path, folder: &Folder) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command.args(["--watch-all-namespaces=true", "--enable-leader-election=false", "--log-level=error"]);
        command.args(["--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0"]);
        command.env("KUBECONFIG", kubeconfig).env("RUNTIME_NAMESPACE", NAMESPACE);
        Process::spawn("kustomize-controller", &mut command, &folder.path().join("controller.log"))
    }
}

/// The stand-in for source-controller.
struct Source {
    kubeconfig: PathBuf,
    url: String,
    artifact: Arc<Mutex<Bytes>>,
    folder: PathBuf,
}

impl Source {
    async fn start(kubeconfig: &Path, folder: &Folder, crds: &Path) -> Result<Self> {
        kubectl(kubeconfig, &["apply", "--server-side", "-f", &crds.to_string_lossy()])?;
        kubectl(kubeconfig, &["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        kubectl(kubeconfig, &["create", "namespace", NAMESPACE])?;
        let repository = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "apps", "namespace": NAMESPACE},
            "spec": {"url": "https://git.invalid/apps.git", "interval": "24h"},
        });
        apply(kubeconfig, folder, "repository.json", &[repository])?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port for the artifact")?;
        let url = format!("http://{}/apps.tar.gz", listener.local_addr()?);
        let artifact = Arc::new(Mutex::new(Bytes::new()));
        tokio::spawn(serve(listener, Arc::clone(&artifact)));
        Ok(Self { kubeconfig: kubeconfig.to_owned(), url, artifact, folder: folder.subfolder("artifact")? })
    }

    /// Makes these objects the newest revision.
    fn offer(&self, revision: &str, apps: &BTreeMap<String, Vec<Value>>) -> Result<()> {
        for (app, objects) in apps {
            let folder = self.folder.join(app);
            std::fs::create_dir_all(&folder)?;
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            std::fs::write(folder.join("objects.yaml"), list.to_string())?;
        }
        let packed = Command::new("tar").arg("-C").arg(&self.folder).args(["-cz", "."]).output().context("tar")?;
        ensure!(packed.status.success(), "tar: {}", String::from_utf8_lossy(&packed.stderr));
        let digest = Sha256::digest(&packed.stdout).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let status = json!({"status": {
            "observedGeneration": 1,
            "artifact": {
                "digest": format!("sha256:{digest}"),
                "path": "apps.tar.gz",
                "url": self.url,
                "revision": revision_of(revision),
                "lastUpdateTime": now,
                "size": packed.stdout.len(),
            },
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "Succeeded",
                "message": "stored",
                "lastTransitionTime": now,
                "observedGeneration": 1,
            }],
        }});
        *self.artifact.lock().unwrap_or_else(PoisonError::into_inner) = packed.stdout.into();
        let patch = status.to_string();
        let arguments =
            ["-n", NAMESPACE, "patch", "gitrepository", "apps", "--subresource=status", "--type=merge", "-p"];
        kubectl(&self.kubeconfig, &[&arguments[..], &[&patch]].concat()).map(drop)
    }

    /// Waits until every Kustomization has applied a revision.
    async fn settled(&self, revision: &str, controller: &Process) -> Result<()> {
        let path = "jsonpath={range .items[*]}{.status.lastAppliedRevision}{\"\\n\"}{end}";
        let revision = revision_of(revision);
        until(&format!("{revision} to be applied"), LONG, || async {
            controller.check_running()?;
            let applied = kubectl(&self.kubeconfig, &["-n", NAMESPACE, "get", "kustomizations", "-o", path])?;
            let behind = applied.lines().filter(|applied| *applied != revision).count();
            Ok(if behind == 0 { Look::Done(()) } else { Look::NotYet(format!("{behind} are behind")) })
        })
        .await
    }

    /// One Kustomization an App.
    fn list<'a>(&self, folder: &Folder, apps: impl Iterator<Item = &'a String>) -> Result<()> {
        let one = |app: &String| {
            json!({
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": app, "namespace": NAMESPACE},
                "spec": {
                    "interval": format!("{}s", INTERVAL.as_secs()),
                    "path": format!("./{app}"),
                    "prune": true,
                    "sourceRef": {"kind": "GitRepository", "name": "apps"},
                },
            })
        };
        apply(&self.kubeconfig, folder, "kustomizations.json", &apps.map(one).collect::<Vec<Value>>())
    }
}

fn apply(kubeconfig: &Path, folder: &Folder, name: &str, objects: &[Value]) -> Result<()> {
    let file = file(folder, name, objects)?;
    kubectl(kubeconfig, &["apply", "--server-side", "-f", &file.to_string_lossy()]).map(drop)
}

/// Serves the newest artifact to whoever asks, whatever the path.
async fn serve(listener: TcpListener, artifact: Arc<Mutex<Bytes>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let artifact = Arc::clone(&artifact);
        let service = service_fn(move |_| {
            let body = artifact.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move { Ok::<_, Infallible>(hyper::Response::new(Full::new(body))) }
        });
        // A client that goes away is none of our business.
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A revision as source-controller writes it.
fn revision_of(name: &str) -> String {
    format!("main@{name}")
}

/// How long to wait before an edit. All Apps are applied again at about the same time, which is when the edit before was
/// undone: an edit at once would always stay for a whole interval, and people's edits come at any time of it.
fn before_edit(number: usize) -> Duration {
    INTERVAL.mul_f64((number as f64 + 0.5) / AGAIN as f64)
}

/// The objects by the App that they are of.
fn by_app(objects: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let mut apps: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for object in objects {
        let app = object["metadata"]["labels"][NAME_LABEL].as_str().unwrap_or_default();
        apps.entry(app.to_owned()).or_default().push(object.clone());
    }
    apps
}

/// What a commit that changes the environment changes: a Secret, and the Pod that carries its hash.
fn change(objects: &mut [Value], value: &str) {
    if let Some(secret) = objects.iter_mut().find(|object| object["kind"] == "Secret") {
        secret["data"]["CHANGED"] = STANDARD.encode(value).into();
    }
    if let Some(deployment) = objects.iter_mut().find(|object| object["kind"] == "Deployment") {
        deployment["spec"]["template"]["metadata"]["annotations"]["changed"] = value.into();
    }
}

/// Waits until so many writes of Apps' objects were accepted.
async fn wait(what: &str, proxy: &ApiProxy, controller: &Process, count: usize) -> Result<()> {
    until(what, LONG, || async {
        controller.check_running()?;
        let written = proxy.count(is_of_apps);
        Ok(if written >= count { Look::Done(()) } else { Look::NotYet(written.to_string()) })
    })
    .await
}

/// Whether it writes an App's object, not one of Flux's own.
fn is_of_apps(request: &Request) -> bool {
    is_written(request) && request.target().is_some_and(|target| !target.group.ends_with("toolkit.fluxcd.io"))
}

/// How long a person's edit of the App's Service `web` stays.
async fn drift(kubeconfig: &Path, app: &str, controller: &Process) -> Result<Duration> {
    let selector = format!("{NAME_LABEL}={app}");
    let namespace =
        kubectl(kubeconfig, &["get", "namespace", "-l", &selector, "-o", "jsonpath={.items[0].metadata.name}"])?;
    let service = ["-n", namespace.trim(), "get", "service", "web", "-o", "jsonpath={.metadata.labels}"];
    let edit = format!("{NAME_LABEL}=mine");
    kubectl(kubeconfig, &["-n", namespace.trim(), "label", "--overwrite", "service", "web", &edit])?;
    let start = Instant::now();
    until("the edit to be undone", LONG, || async {
        controller.check_running()?;
        let labels = kubectl(kubeconfig, &service)?;
        Ok(if labels.contains("\"mine\"") { Look::NotYet(labels) } else { Look::Done(start.elapsed()) })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(app: &str, kind: &str) -> Value {
        json!({"kind": kind, "metadata": {"labels": {NAME_LABEL: app}}})
    }

    #[test]
    fn a_change_is_of_two_objects_of_one_app() {
        let all = [object("a", "Secret"), object("a", "Deployment"), object("a", "Service"), object("b", "Secret")];
        let mut apps = by_app(&all);
        assert_eq!((apps["a"].len(), apps["b"].len()), (3, 1));
        for value in ["once", "again"] {
            let before = apps["a"].clone();
            change(apps.get_mut("a").unwrap(), value);
            let changed = apps["a"].iter().zip(&before).filter(|(now, before)| now != before);
            assert_eq!(changed.count(), fleet::CHANGED, "{value}");
        }
        assert_eq!(apps["b"][0], all[3]);
    }

    #[test]
    fn edits_come_all_over_the_interval() {
        let seconds: Vec<u64> = (0..AGAIN).map(|number| before_edit(number).as_secs()).collect();
        assert_eq!(seconds, [6, 18, 30, 42, 54]);
    }
}
