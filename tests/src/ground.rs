//! What a test or a measurement of the running agent stands on: a cluster behind a [recording proxy](crate::proxy), a
//! root for local disks, a repository, and agents between them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::agent::{Agent, AgentCommand};
use crate::control_plane::{ControlPlane, Options};
use crate::folder::Folder;
use crate::git::{BRANCH, Repo};
use crate::kubectl::kubectl;
use crate::kwok::FakeNode;
use crate::proxy::ApiProxy;
use crate::record;
use crate::traffic::Request;
use crate::wait::{Look, until};

/// The only node, which pretends.
const NODE: &str = "node-1";
/// The agent's only source.
const SOURCE: &str = "apps";
/// What the views of the agent are defined by.
const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/manifests/05-crds.yaml");
/// Nothing asked for so long: the agent has come to rest.
const QUIET: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug)]
pub struct Ground {
    /// The cluster, without the proxy.
    pub plane: ControlPlane,
    /// What the agent talks to.
    pub proxy: ApiProxy,
    /// The repository that the agent watches.
    pub repo: Repo,
    folder: Folder,
    patience: Duration,
}

/// The node of every ground.
#[must_use]
pub fn nodes() -> Vec<FakeNode> {
    vec![FakeNode::user(NODE)]
}

/// `kompoxops.yml` of an App with one disk, below the root `disks`, that `compose.yml` beside it describes; its port 8080
/// is reached at `<app>.example.com`.
#[must_use]
pub fn entry(app: &str, disks: &str) -> String {
    format!(
        "version: v1
workspace: {{name: acme}}
provider: {{name: home, driver: local, settings: {{LOCAL_ROOT: {disks}}}}}
cluster: {{name: one, existing: true, ingress: {{domain: one.example.com}}}}
app:
  name: {app}
  compose: file:compose.yml
  ingress:
    rules:
      - {{name: main, port: 8080, hosts: [{app}.example.com]}}
  volumes:
    - {{name: default, size: 1Gi}}
"
    )
}

impl Ground {
    /// Starts a cluster with the agent's custom resources, makes the root for disks and an empty repository. `name` is that of their folder; `patience` is
    /// how long anything may take until it has failed.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(name: &str, patience: Duration) -> Result<Self> {
        let plane = ControlPlane::start(Options { folder: None, nodes: nodes() }).await?;
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        let folder = Folder::temporary(name)?;
        let repo = Repo::init_bare(&folder.path().join("apps.git"))?;
        let ground = Self { plane, proxy, repo, folder, patience };
        // What is shown costs requests too.
        ground.kubectl(&["apply", "-f", DEFINITIONS])?;
        let made = ground.command(&["disk", "init-root", &ground.disk_root(), "--node", NODE]).run(patience).await?;
        ensure!(made.status.success(), "disk init-root: {}", made.stderr);
        Ok(ground)
    }

    /// The root of the local disks.
    #[must_use]
    pub fn disk_root(&self) -> String {
        self.folder.path().join("disks").to_string_lossy().into_owned()
    }

    /// A command of the agent's program, on this cluster.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> AgentCommand {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", self.proxy.kubeconfig())
            .env("KOMPOX_CACHE_DIR", self.folder.path().join("cache"))
    }

    /// Starts an agent that looks at the repository every second. `settings` are more lines of its configuration.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn agent(&self, settings: &str) -> Result<Agent> {
        let text = format!(
            "cluster: /ws/acme/prv/home/cls/one\n{settings}sources:\n  - name: {SOURCE}\n    url: {}\n    ref: {{branch: \
             {BRANCH}}}\n    interval: 1s\n",
            self.repo.remote()
        );
        let config = self.folder.write("agent.yml", &text)?;
        self.command(&["run", "--config", &config.to_string_lossy()]).start().await
    }

    /// Writes files, by their paths, and publishes them as one commit; gives its id.
    ///
    /// # Errors
    /// When Git refuses.
    pub fn publish(&self, files: &[(String, String)], message: &str) -> Result<String> {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.repo.publish(&files, message)
    }

    /// kubectl, without the proxy.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(self.plane.kubeconfig(), arguments)
    }

    /// The Namespace of an App, if it has one.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn namespace(&self, app: &str) -> Result<Option<String>> {
        let label = format!("app.kubernetes.io/name={app}");
        let name = self.kubectl(&["get", "namespaces", "-l", &label, "-o", "jsonpath={.items[*].metadata.name}"])?;
        Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty()))
    }

    /// Waits until an agent has written down that a commit is a success.
    ///
    /// # Errors
    /// When it does not, or the agent has ended.
    pub async fn settled(&self, agent: &Agent, commit: &str) -> Result<()> {
        until(&format!("commit {commit} to be a success"), self.patience, || async {
            check_runs(agent)?;
            self.success(commit)
        })
        .await
    }

    /// One look at whether an agent has written down that a commit is a success.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn success(&self, commit: &str) -> Result<Look<()>> {
        record::success(self.plane.kubeconfig(), SOURCE, commit)
    }

    /// Waits until nothing was asked for three seconds.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn quiet(&self) -> Result<()> {
        let (mut seen, mut since) = (usize::MAX, Instant::now());
        until("the agent to be quiet", self.patience, || {
            let asked = self.proxy.count(|request| !request.is_upkeep());
            if asked != seen {
                (seen, since) = (asked, Instant::now());
            }
            let look = if since.elapsed() > QUIET { Look::Done(()) } else { Look::NotYet(self.last_asked()) };
            async { Ok(look) }
        })
        .await
    }

    fn last_asked(&self) -> String {
        self.asked().last().map_or_else(|| "no request".to_owned(), |request| format!("{request:?}"))
    }

    /// Every request of agents but for watches and the Lease, since the proxy was told to forget.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.proxy.requests().into_iter().filter(|request| !request.is_upkeep()).collect()
    }
}

/// Fails when an agent has ended by itself.
///
/// # Errors
/// It has; with the last lines that it logged.
pub fn check_runs(agent: &Agent) -> Result<()> {
    let exited = agent.exited().context("cannot tell whether the agent runs")?;
    ensure!(exited.is_none(), "the agent has ended: {exited:?} {}", agent.last_words());
    Ok(())
}
