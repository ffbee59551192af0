//! One cluster with its repository, its disks and its agent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::{Agent, AgentCommand, Finished};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::git::Repo;
use kompox_tests::gitea::{CommitStatus, Gitea};
use kompox_tests::kwok::FakeNode;
use kompox_tests::parts::{self, Part};
use kompox_tests::proxy::ApiProxy;
use kompox_tests::traffic::Request;
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use kompox_tests::kubectl::{kubectl, shows};

/// The Cluster of the fixture `gitea`.
pub(crate) const CLUSTER: &str = "/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1";
/// The namespace of its App.
pub(crate) const NAMESPACE: &str = "k4x-50vf7y-app1-13o40q";
/// The node that all Pods and disks are on.
pub(crate) const NODE: &str = "node-1";
/// How long anything may take on a busy machine with two cores.
pub(crate) const LONG: Duration = Duration::from_secs(120);

const REPOSITORY: &str = "apps";

/// Everything that one test works with.
pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    pub(crate) proxy: ApiProxy,
    pub(crate) gitea: Gitea,
    pub(crate) repo: Repo,
    pub(crate) folder: Folder,
}

/// Whether this machine cannot run the test; says why in one line.
pub(crate) fn skip() -> bool {
    parts::skip_without(&[Part::ControlPlane, Part::Kwok, Part::Gitea])
}

impl World {
    /// A cluster with one node in zone 1, an empty repository on a real Gitea, a root for disks.
    pub(crate) async fn start() -> Result<Self> {
        let nodes = vec![FakeNode::user(NODE).zone("1")];
        let (plane, gitea) = tokio::join!(ControlPlane::start(Options { folder: None, nodes }), Gitea::start());
        let (plane, gitea) = (plane?, gitea?);
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        gitea.create_repository(REPOSITORY).await?;
        let repo = Repo::for_remote(&gitea.push_url(REPOSITORY))?;
        let folder = Folder::temporary("world")?;
        let world = Self { plane, proxy, gitea, repo, folder };
        world.folder.write("token", world.gitea.token())?;
        std::fs::create_dir_all(world.disk_root()).context("no folder for disks")?;
        let root = world.disk_root();
        let made = world.agent(["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).run(LONG).await?;
        ensure!(made.status.success(), "disk init-root: {}", made.stderr);
        Ok(world)
    }

    /// This world with an agent that has deployed the fixture `gitea`; the agent, and the commit.
    pub(crate) async fn deployed(self) -> Result<(Self, Agent, String)> {
        let agent = self.start_agent().await?;
        let commit = self.push(&self.gitea_fixture()?, "Deploy Gitea")?;
        self.await_status(&commit, "success").await?;
        Ok((self, agent, commit))
    }

    /// The root folder of the driver `local`.
    pub(crate) fn disk_root(&self) -> PathBuf {
        self.folder.path().join("disks")
    }

    /// The fixture `gitea` with its disks in this world's root.
    pub(crate) fn gitea_fixture(&self) -> Result<Vec<(String, String)>> {
        let folder = fixtures().join("gitea");
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder).with_context(|| format!("no fixture in {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == "expected.yaml" {
                continue;
            }
            let mut text = std::fs::read_to_string(&path)?;
            if name == "kompoxops.yml" {
                let local = format!("driver: local\n  settings:\n    LOCAL_ROOT: {}", self.disk_root().display());
                text = text.replace("driver: aks\n  settings:", &local);
                ensure!(text.contains("driver: local"), "the fixture has changed");
            }
            files.push((name, text));
        }
        Ok(files)
    }

    /// Commits and pushes files; gives the commit's hash.
    pub(crate) fn push(&self, files: &[(String, String)], message: &str) -> Result<String> {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.repo.publish(&files, message)
    }

    /// Changes one file of the fixture and pushes it.
    pub(crate) fn push_change(&self, file: &str, change: impl FnOnce(&str) -> String, message: &str) -> Result<String> {
        let text = std::fs::read_to_string(self.repo.work_tree().join(file))?;
        let changed = change(&text);
        ensure!(changed != text, "the change of {file} changes nothing");
        self.repo.publish(&[(file, &changed)], message)
    }

    /// The agent's configuration, polling every second.
    pub(crate) fn config(&self) -> Result<PathBuf> {
        let text = format!(
            "cluster: {CLUSTER}\nsources:\n  - name: apps\n    url: {}.git\n    ref: {{branch: main}}\n    interval: 1s\n    \
             auth: {{tokenFile: {token}}}\n    forge: {{type: gitea, tokenFile: {token}}}\n",
            self.gitea.repository_url(REPOSITORY).trim_end_matches(".git"),
            token = self.folder.path().join("token").display(),
        );
        self.folder.write("agent.yml", &text)
    }

    /// The agent with these arguments, talking to the API server through the proxy.
    pub(crate) fn agent<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> AgentCommand {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", self.proxy.kubeconfig())
            .env("KOMPOX_CACHE_DIR", self.folder.path().join("cache"))
            .env("KOMPOX_LOG", "info,kompox_agent=debug")
    }

    /// `run` with this world's configuration.
    pub(crate) fn run_command(&self, more: &[&str]) -> Result<AgentCommand> {
        let config = self.config()?;
        let config = config.to_string_lossy();
        Ok(self.agent(["run", "--config", &config].into_iter().chain(more.iter().copied())))
    }

    /// Starts the agent, to stay.
    pub(crate) async fn start_agent(&self) -> Result<Agent> {
        self.run_command(&[])?.start().await
    }

    /// One reconcile of everything.
    pub(crate) async fn run_once(&self) -> Result<Finished> {
        self.run_command(&["--once"])?.run(LONG).await
    }

    /// Writes since the last `forget`, but for the agent's own records.
    pub(crate) fn writes(&self) -> Vec<Request> {
        self.proxy.writes().into_iter().filter(|request| !request.is_of_records()).collect()
    }

    /// Dry-runs since the last `forget`. Only Apps' objects are tried, wherever the agent rehearses them.
    pub(crate) fn dry_runs(&self) -> Vec<Request> {
        self.proxy.requests().into_iter().filter(|request| request.dry_run).collect()
    }

    /// Waits until the agent has written down that everything is told, then forgets all requests. It
    /// writes that after the forge has the last status, so that whoever saw the status is too early.
    pub(crate) async fn forget_when_told(&self) -> Result<()> {
        until("the agent's record to say that everything is told", LONG, || async {
            let looked = self.agent(["status", "-o", "json"]).run(LONG).await?;
            ensure!(looked.status.success(), "status: {}", looked.stderr);
            let status: Value = serde_json::from_str(&looked.stdout).context("status -o json")?;
            let source = &status["sources"][0];
            let told = source["state"] != "pending" && source["undelivered"] == false;
            Ok(if told { Look::Done(()) } else { Look::NotYet(looked.stdout) })
        })
        .await?;
        self.proxy.forget();
        Ok(())
    }

    /// Waits until the agent has written which cluster this is, its only write of its own.
    pub(crate) async fn await_system_namespace(&self) -> Result<()> {
        let get = ["get", "namespace", "k4x-system", "-o", "name"];
        shows(self.plane.kubeconfig(), &get, "the agent's namespace", LONG, |_| true).await.map(drop)
    }

    /// Every status of a commit in a context, oldest first.
    pub(crate) async fn statuses(&self, commit: &str, context: &str) -> Result<Vec<CommitStatus>> {
        let mut statuses = self.gitea.statuses(REPOSITORY, commit).await?;
        statuses.retain(|status| status.context == context);
        statuses.sort_by_key(|status| status.id);
        Ok(statuses)
    }

    /// Waits for the source's status of a commit to be `state`; gives it.
    pub(crate) async fn await_status(&self, commit: &str, state: &str) -> Result<CommitStatus> {
        until(&format!("commit {commit} to be {state}"), LONG, || async {
            let statuses = self.statuses(commit, "kompox/cluster1").await?;
            Ok(match statuses.last() {
                Some(last) if last.state == state => Look::Done(last.clone()),
                Some(last) => Look::NotYet(format!("{}: {}", last.state, last.description)),
                None => Look::NotYet("no status".to_owned()),
            })
        })
        .await
    }

    /// kubectl as a person runs it, against the API server itself.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(self.plane.kubeconfig(), arguments)
    }

    /// The folders of disks.
    pub(crate) fn disks(&self) -> Result<Vec<PathBuf>> {
        kompox_tests::disks::below(&self.disk_root()).context("the disks")
    }
}

/// The repository's `tests/fixtures`.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}
