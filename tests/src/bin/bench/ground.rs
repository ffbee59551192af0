//! The cluster, the repository and the agent between them, and what is done to them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kompox_tests::agent::{Agent, AgentCommand};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::git::Repo;
use kompox_tests::kubeconfig;
use kompox_tests::kwok::FakeNode;
use kompox_tests::proxy::ApiProxy;
use kompox_tests::record;
use kompox_tests::traffic::Request;
use kompox_tests::wait::{Look, until};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{fleet, rivals, usage};

const NODE: &str = "node-1";
const LONG: Duration = Duration::from_secs(900);
/// The agent looks once a second: ten looks.
const IDLE: Duration = Duration::from_secs(10);
const LOOKS: u32 = 10;
/// How closely times are taken.
const STEP: Duration = Duration::from_millis(5);
const NAME_LABEL: &str = "app.kubernetes.io/name";

/// Everything that the agent works with.
pub(crate) struct Ground {
    apps: u16,
    pub(crate) plane: ControlPlane,
    proxy: ApiProxy,
    folder: Folder,
    repo: Repo,
}

/// The nodes of every cluster of the benchmark.
pub(crate) fn nodes() -> Vec<FakeNode> {
    vec![FakeNode::user(NODE)]
}

impl Ground {
    /// A cluster, a root for disks, and a repository with all Apps.
    pub(crate) async fn start(apps: u16) -> Result<Self> {
        let plane = ControlPlane::start(Options { folder: None, nodes: nodes() }).await?;
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        let folder = Folder::temporary("bench")?;
        let repo = Repo::init_bare(&folder.path().join("apps.git"))?;
        let ground = Self { apps, plane, proxy, folder, repo };
        let root = ground.disk_root();
        let made = ground.command(&["disk", "init-root", &root, "--node", NODE]).run(LONG).await?;
        ensure!(made.status.success(), "disk init-root: {}", made.stderr);
        ground.publish((1..=apps).flat_map(|number| fleet::files(number, &root)).collect(), "All Apps")?;
        Ok(ground)
    }

    fn disk_root(&self) -> String {
        self.folder.path().join("disks").to_string_lossy().into_owned()
    }

    fn command(&self, arguments: &[&str]) -> AgentCommand {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", self.proxy.kubeconfig())
            .env("KOMPOX_CACHE_DIR", self.folder.path().join("cache"))
    }

    fn publish(&self, files: Vec<(String, String)>, message: &str) -> Result<String> {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.repo.publish(&files, message)
    }

    /// The objects that the repository asks for.
    pub(crate) async fn render(&self) -> Result<Vec<Value>> {
        let tree = self.repo.work_tree().to_string_lossy().into_owned();
        let rendered = self.command(&["render", "--output", "json", &tree]).run(LONG).await?;
        ensure!(rendered.status.success(), "render: {}", rendered.stderr);
        serde_json::from_str(&rendered.stdout).context("render gave no JSON")
    }

    /// The agent's own word of its version.
    pub(crate) async fn version(&self) -> Result<String> {
        Ok(self.command(&["--version"]).run(LONG).await?.stdout.trim().to_owned())
    }

    fn config(&self) -> Result<PathBuf> {
        let text = format!(
            "cluster: /ws/acme/prv/home/cls/one\nsources:\n  - name: apps\n    url: {}\n    ref: {{branch: main}}\n    \
             interval: 1s\n",
            self.repo.remote()
        );
        self.folder.write("agent.yml", &text)
    }

    /// Starts the agent; gives it, and how long it took until the last of `objects` was written.
    pub(crate) async fn cold(&self, objects: usize) -> Result<(Agent, Duration)> {
        let config = self.config()?.to_string_lossy().into_owned();
        self.proxy.forget();
        let start = Instant::now();
        let agent = self.command(&["run", "--config", &config]).start().await?;
        let cold = until("all objects to be written", LONG, || async {
            check_runs(&agent)?;
            let written = self.written().len();
            Ok(if written >= objects { Look::Done(start.elapsed()) } else { Look::NotYet(written.to_string()) })
        })
        .await?;
        self.settled(&self.repo.head()?).await?;
        Ok((agent, cold))
    }

    /// Requests and CPU of ten looks while nothing changes; the CPU is that of one.
    pub(crate) async fn idle(&self, agent: &Agent) -> Result<(usize, Duration)> {
        self.proxy.forget();
        let before = usage::cpu(agent.pid())?;
        tokio::time::sleep(IDLE).await;
        Ok((self.asked().len(), usage::cpu(agent.pid())?.saturating_sub(before) / LOOKS))
    }

    /// A commit that changes the environment of one App: its Secret and its Deployment. Gives the time from the
    /// fetch to the last of both writes, and the requests until all is told.
    pub(crate) async fn change(&self, agent: &Agent, number: u16) -> Result<(Duration, usize)> {
        let app = 1 + number % self.apps;
        self.proxy.forget();
        let commit = self.publish(vec![fleet::web_env(app, &format!("v{number}"))], &format!("Change {number}"))?;
        let limit = Instant::now() + LONG;
        let done = loop {
            check_runs(agent)?;
            let written = self.written();
            if written.len() >= 2 && written.iter().any(|one| is_of(one, "deployments")) {
                break Timestamp::now();
            }
            ensure!(Instant::now() < limit, "commit {commit} is not applied");
            tokio::time::sleep(STEP).await;
        };
        let fetched =
            fetched(&agent.stderr()?, &commit).with_context(|| format!("no word of the fetch of {commit}"))?;
        self.settled(&commit).await?;
        // What is told after the record.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let took = Duration::try_from(done.duration_since(fetched)).context("applied before it was fetched")?;
        Ok((took, self.asked().len()))
    }

    /// A person's edit of one Service; gives the time from the edit to its end, as another client sees it.
    pub(crate) async fn edit(&self, number: u16) -> Result<Duration> {
        let app = fleet::name(1 + number % self.apps);
        let client = kubeconfig::client(self.plane.kubeconfig()).await?;
        let found = Api::<Service>::all(client.clone())
            .list(&ListParams::default().labels(&format!("{NAME_LABEL}={app}")))
            .await?
            .items;
        // Another Service of the App when all Apps had their turn.
        let service = &found[usize::from(number / self.apps) % found.len()].metadata;
        let (Some(namespace), Some(name)) = (&service.namespace, &service.name) else {
            anyhow::bail!("a Service without a name");
        };
        let api: Api<Service> = Api::namespaced(client, namespace);
        let edit = json!({"metadata": {"labels": {NAME_LABEL: "mine"}}});
        let by_hand = PatchParams { field_manager: Some("kubectl-label".to_owned()), ..PatchParams::default() };
        let start = Instant::now();
        api.patch(name, &by_hand, &Patch::Merge(&edit)).await?;
        loop {
            let label = api.get(name).await?.metadata.labels.unwrap_or_default().remove(NAME_LABEL);
            if label.as_ref() == Some(&app) {
                return Ok(start.elapsed());
            }
            ensure!(start.elapsed() < LONG, "the edit of Service {namespace}/{name} stays");
            tokio::time::sleep(STEP).await;
        }
    }

    /// Objects that are none of the agent's business.
    pub(crate) async fn add_foreign(&self, count: u32, parallel: usize) -> Result<()> {
        let client = kubeconfig::client(self.plane.kubeconfig()).await?;
        let one = |number| {
            let metadata = json!({"name": format!("foreign-{number}"), "namespace": "default"});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
        };
        rivals::apply_all(&client, &(0..count).map(one).collect::<Vec<Value>>(), parallel).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(())
    }

    /// Waits until the agent has written down that a commit is a success.
    async fn settled(&self, commit: &str) -> Result<()> {
        until(&format!("commit {commit} to be a success"), LONG, || async {
            record::success(self.plane.kubeconfig(), "apps", commit)
        })
        .await
    }

    /// Waits until nothing was asked for three seconds.
    pub(crate) async fn quiet(&self) -> Result<()> {
        let (mut seen, mut since) = (usize::MAX, Instant::now());
        until("the agent to be quiet", LONG, || {
            let asked = self.asked();
            if asked.len() != seen {
                (seen, since) = (asked.len(), Instant::now());
            }
            let is_quiet = since.elapsed() > Duration::from_secs(3);
            async move { Ok(if is_quiet { Look::Done(()) } else { Look::NotYet(format!("{:?}", asked.last())) }) }
        })
        .await
    }

    /// Every request but for watches and the Lease.
    fn asked(&self) -> Vec<Request> {
        self.proxy.requests().into_iter().filter(|request| !request.is_upkeep()).collect()
    }

    /// Writes of Apps' objects that the server has accepted.
    fn written(&self) -> Vec<Request> {
        let is_done = |request: &Request| request.status.is_some_and(|status| status < 300);
        self.proxy.writes().into_iter().filter(|one| is_done(one) && !one.is_of_records()).collect()
    }
}

fn is_of(request: &Request, resource: &str) -> bool {
    request.target().is_some_and(|target| target.resource == resource)
}

fn check_runs(agent: &Agent) -> Result<()> {
    ensure!(agent.exited()?.is_none(), "the agent has ended: {}", agent.stderr()?);
    Ok(())
}

/// When the agent had fetched a commit, by its log.
fn fetched(log: &str, commit: &str) -> Option<Timestamp> {
    let line = log.lines().rev().find(|line| line.contains(" fetched ") && line.contains(commit))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_when_a_commit_was_fetched() {
        let log = "2026-01-02T03:04:05.000006Z  INFO fetched location=\"x\" revision=abc subject=\"s\"\n\
                   2026-01-02T03:04:06.000006Z  INFO new commit source=\"apps\" commit=\"abc\"\n";
        assert_eq!(fetched(log, "abc").unwrap().to_string(), "2026-01-02T03:04:05.000006Z");
        assert_eq!(fetched(log, "def"), None);
    }
}
