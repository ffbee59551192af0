//! A cluster behind a proxy, a repository, and an agent that may be killed at any time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::{Agent, AgentCommand};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::git::{BRANCH, Repo};
use kompox_tests::kubectl::kubectl;
use kompox_tests::kwok::FakeNode;
use kompox_tests::proxy::ApiProxy;
use kompox_tests::record;
use kompox_tests::wait::until;

use crate::apps::{self, App};

const NODE: &str = "node-1";
/// How long everything may take to come to rest, back-off after outages included.
const LONG: Duration = Duration::from_secs(240);

pub(crate) struct Ground {
    pub(crate) plane: ControlPlane,
    pub(crate) proxy: ApiProxy,
    folder: Folder,
    pub(crate) repo: Repo,
    /// What the newest commit asks.
    pub(crate) apps: Vec<App>,
    agent: Option<Agent>,
}

impl Ground {
    /// Starts the cluster and publishes the first commit.
    pub(crate) async fn start() -> Result<Self> {
        let plane = ControlPlane::start(Options { folder: None, nodes: vec![FakeNode::user(NODE)] }).await?;
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        let folder = Folder::temporary("soak")?;
        let repo = Repo::init_bare(&folder.path().join("apps.git"))?;
        let ground = Self { plane, proxy, folder, repo, apps: apps::all(), agent: None };
        let root = ground.disk_root();
        let made = ground.command(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).run(LONG).await?;
        ensure!(made.status.success(), "disk init-root: {}", made.stderr);
        ground.publish("Every App")?;
        Ok(ground)
    }

    fn disk_root(&self) -> PathBuf {
        self.folder.path().join("disks")
    }

    fn command(&self, arguments: &[&str]) -> AgentCommand {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", self.proxy.kubeconfig())
            .env("KOMPOX_CACHE_DIR", self.folder.path().join("cache"))
    }

    /// Starts an agent that polls every second.
    pub(crate) async fn start_agent(&mut self) -> Result<()> {
        let text = format!(
            "cluster: /ws/acme/prv/home/cls/one\nmaxDisruptions: 8\nsources:\n  - name: apps\n    url: {}\n    ref: \
             {{branch: {BRANCH}}}\n    interval: 1s\n",
            self.repo.remote()
        );
        let config = self.folder.write("agent.yml", &text)?;
        self.agent = Some(self.command(&["run", "--config", &config.to_string_lossy()]).start().await?);
        Ok(())
    }

    /// SIGKILL, wherever the agent is.
    pub(crate) async fn kill_agent(&mut self) -> Result<()> {
        let agent = self.agent.take().context("no agent runs")?;
        agent.kill()?;
        agent.finish(LONG).await.map(drop)
    }

    /// Fails when the agent has ended by itself.
    pub(crate) fn check_agent(&self) -> Result<()> {
        let Some(agent) = &self.agent else { return Ok(()) };
        let exited = agent.exited()?;
        ensure!(exited.is_none(), "the agent has ended: {exited:?} {}", self.last_words());
        Ok(())
    }

    /// The end of what the agent logged.
    pub(crate) fn last_words(&self) -> String {
        let log = self.agent.as_ref().and_then(|agent| agent.stderr().ok()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Commits what [`Self::apps`] asks.
    pub(crate) fn publish(&self, message: &str) -> Result<String> {
        let root = self.disk_root();
        for app in &self.apps {
            let folder = self.repo.work_tree().join(app.name);
            if !app.is_present {
                if folder.exists() {
                    std::fs::remove_dir_all(&folder)?;
                }
                continue;
            }
            std::fs::create_dir_all(&folder)?;
            for (path, text) in app.files(&root.to_string_lossy()) {
                std::fs::write(self.repo.work_tree().join(path), text)?;
            }
        }
        // Something differs in every commit, also when nothing of an App does.
        std::fs::write(
            self.repo.work_tree().join("LOG.md"),
            format!("{message}, {:?}\n", std::time::SystemTime::now()),
        )?;
        let commit = self.repo.commit(&[], message)?;
        self.repo.push(BRANCH)?;
        Ok(commit)
    }

    /// Waits until the newest commit is a success.
    pub(crate) async fn settled(&self) -> Result<()> {
        let commit = self.repo.head()?;
        until(&format!("commit {commit} to be a success"), LONG, || async {
            self.check_agent()?;
            record::success(self.plane.kubeconfig(), "apps", &commit)
        })
        .await
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(self.plane.kubeconfig(), arguments)
    }

    /// The Namespace of an App, if it has one.
    pub(crate) fn namespace(&self, app: &str) -> Result<Option<String>> {
        let label = format!("app.kubernetes.io/name={app}");
        let name = self.kubectl(&["get", "namespaces", "-l", &label, "-o", "jsonpath={.items[*].metadata.name}"])?;
        Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty()))
    }

    /// How many disks are in the root.
    pub(crate) fn disks(&self) -> Result<usize> {
        Ok(kompox_tests::disks::below(&self.disk_root())?.len())
    }
}
