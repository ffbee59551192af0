//! What the demo does, in the order in which it is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use kompox_tests::agent::{self, Agent, AgentCommand};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::git::Repo;
use kompox_tests::gitea::{Gitea, OWNER};
use kompox_tests::kwok::FakeNode;
use kompox_tests::parts::say;
use kompox_tests::wait::{Look, until};
use serde_json::Value;

/// The Cluster of `examples/gitea`.
const CLUSTER: &str = "/ws/demo/prv/home/cls/cluster1";
const NODE: &str = "node-1";
const REPOSITORY: &str = "apps";
/// How long one commit may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that the story needs; dropping it ends all of it.
struct Stage {
    folder: PathBuf,
    plane: ControlPlane,
    gitea: Option<Gitea>,
    repo: Repo,
    binary: PathBuf,
}

/// Tells the story. With `once` it ends then, else it stays up until it is dropped.
pub(crate) async fn tell(folder: &Path, forge: bool, once: bool) -> Result<()> {
    let (stage, _agent) = Stage::set(folder, forge).await?;

    chapter("1. A first commit: examples/gitea");
    stage.repo.commit_tree(&example()?, "Deploy Gitea with its database")?;
    stage.disks_in_this_folder()?;
    let plan = stage.cli(&["plan", &stage.work_tree(), "--cluster", CLUSTER]).run(PATIENCE).await?;
    show("what a reconcile would do (kompox-agent plan)", &plan.stdout);
    let first = stage.push()?;
    stage.follow(&first, "success").await?;
    show("objects (kubectl get)", &stage.kubectl(&["get", "deployments,services,ingresses,pvc", "-A", "-l", OURS])?);
    show("disks", &stage.disks());

    chapter("2. A second commit: a new image of Gitea");
    stage.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7")?;
    let plan = stage.cli(&["plan", &stage.work_tree(), "--cluster", CLUSTER]).run(PATIENCE).await?;
    show("what a reconcile would do", &plan.stdout);
    stage.repo.commit(&[], "Update Gitea to 1.24.7")?;
    let second = stage.push()?;
    stage.follow(&second, "success").await?;

    chapter("3. A third commit with a mistake: `imgae`");
    stage.edit("compose.yml", "    image: postgres:17", "    imgae: postgres:17")?;
    stage.repo.commit(&[], "Update the database")?;
    let third = stage.push()?;
    stage.follow(&third, "failure").await?;
    let check = stage.cli(&["validate", &stage.work_tree()]).run(PATIENCE).await?;
    show("the diagnostic (kompox-agent validate)", &check.stderr);
    show("what runs is untouched (kompox-agent status)", &stage.status().await?);

    stage.say_where();
    if once {
        say("the story is told; everything is being ended");
        return Ok(());
    }
    say("Ctrl-C ends it.");
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.plane.check_running()?;
    }
}

const OURS: &str = "app.kubernetes.io/managed-by=kompox";

impl Stage {
    async fn set(folder: &Path, forge: bool) -> Result<(Self, Agent)> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(folder.join("disks"))?;
        let folder = folder.canonicalize()?;
        chapter("0. A cluster, a repository, a folder for disks, the agent");
        let nodes = vec![FakeNode::user(NODE)];
        let plane = ControlPlane::start(Options { folder: Some(folder.join("cluster")), nodes }).await?;
        say(&format!("control plane ready after {:.1} s: {}", plane.took().as_secs_f32(), plane.url()));
        let (gitea, repo) = if forge {
            let gitea = Gitea::start_in(Some(&folder.join("gitea"))).await?;
            gitea.create_repository(REPOSITORY).await?;
            let repo = Repo::for_remote(&gitea.push_url(REPOSITORY))?;
            std::fs::write(folder.join("token"), gitea.token())?;
            (Some(gitea), repo)
        } else {
            (None, Repo::init_bare(&folder.join("apps.git"))?)
        };
        let stage = Self { folder, plane, gitea, repo, binary: agent::binary().await?.to_owned() };
        let root = stage.folder.join("disks");
        let made = stage.cli(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).run(PATIENCE).await?;
        ensure!(made.status.success(), "{}", made.stderr);
        say(made.stdout.trim());
        let config = stage.config()?;
        let agent = stage.cli(&["run", "--config", &config.to_string_lossy()]).start().await?;
        say(&format!("kompox-agent run --config {} (pid {})", config.display(), agent.pid()));
        Ok((stage, agent))
    }

    fn config(&self) -> Result<PathBuf> {
        let (url, rest) = match &self.gitea {
            Some(gitea) => {
                let token = self.folder.join("token").display().to_string();
                let rest =
                    format!("    auth: {{tokenFile: {token}}}\n    forge: {{type: gitea, tokenFile: {token}}}\n");
                (gitea.repository_url(REPOSITORY), rest)
            }
            None => (self.repo.remote().to_owned(), String::new()),
        };
        let path = self.folder.join("agent.yml");
        let text = format!(
            "cluster: {CLUSTER}\nsources:\n  - name: demo\n    url: {url}\n    ref: {{branch: main}}\n    interval: 1s\n{rest}"
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The agent's binary, run as a person would.
    fn cli(&self, arguments: &[&str]) -> AgentCommand {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", self.plane.kubeconfig())
            .env("KOMPOX_CACHE_DIR", self.folder.join("cache"))
    }

    /// The example keeps its disks where the driver puts them by default; the demo in its own folder.
    fn disks_in_this_folder(&self) -> Result<()> {
        let settings = format!("driver: local\n  settings:\n    LOCAL_ROOT: {}", self.folder.join("disks").display());
        self.edit("kompoxops.yml", "driver: local", &settings)?;
        self.repo.commit(&[], "Keep disks in the demo's folder").map(drop)
    }

    fn edit(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.repo.work_tree().join(file);
        let text = std::fs::read_to_string(&path)?;
        ensure!(text.contains(from), "{file} does not contain {from}");
        std::fs::write(&path, text.replace(from, to))?;
        Ok(())
    }

    fn push(&self) -> Result<String> {
        self.repo.push("main")?;
        let head = self.repo.head()?;
        say(&format!("pushed {}", short(&head)));
        Ok(head)
    }

    /// Shows the states that a commit goes through until it is `wanted`.
    async fn follow(&self, commit: &str, wanted: &str) -> Result<()> {
        let mut seen = String::new();
        until(&format!("commit {} to be {wanted}", short(commit)), PATIENCE, async || {
            let answer = self.cli(&["status", "-o", "json"]).run(PATIENCE).await?;
            let json: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
            let source = &json["sources"][0];
            if source["commit"] != commit {
                return Ok(Look::NotYet("the agent has not seen it".to_owned()));
            }
            let state = source["state"].as_str().unwrap_or_default().to_owned();
            let line = format!("{state}: {}", source["description"].as_str().unwrap_or_default());
            if line != seen {
                say(&format!("{} is {line}", short(commit)));
                seen.clone_from(&line);
            }
            match state.as_str() {
                state if state == wanted => Ok(Look::Done(())),
                "success" | "failure" | "error" => bail!("the commit ended as {line}"),
                _ => Ok(Look::NotYet(line)),
            }
        })
        .await
    }

    async fn status(&self) -> Result<String> {
        Ok(self.cli(&["status"]).run(PATIENCE).await?.stdout)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("kubectl").env("KUBECONFIG", self.plane.kubeconfig()).args(arguments).output();
        match output {
            Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Err(_) => Ok("(kubectl is not installed; the objects can be seen with any client)".to_owned()),
        }
    }

    fn disks(&self) -> String {
        let output = Command::new("find")
            .arg(self.folder.join("disks"))
            .args(["-maxdepth", "4", "-not", "-name", ".*"])
            .output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    fn work_tree(&self) -> String {
        self.repo.work_tree().to_string_lossy().into_owned()
    }

    fn say_where(&self) {
        chapter("Where to look");
        say(&format!("export KUBECONFIG={}", self.plane.kubeconfig().display()));
        match &self.gitea {
            Some(gitea) => {
                let url = gitea.repository_url(REPOSITORY);
                say(&format!("commits with their statuses: {}/commits/branch/main", url.trim_end_matches(".git")));
                say(&format!("user {OWNER}, password {}", gitea.password()));
                say(&format!("push to: {url}"));
            }
            None => say(&format!("push to: {}", self.repo.remote())),
        }
        say(&format!("{} status --watch", self.binary.display()));
    }
}

/// The example that is deployed.
fn example() -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/gitea");
    path.canonicalize().context("examples/gitea is missing")
}

fn chapter(title: &str) {
    say("");
    say(&format!("== {title}"));
}

fn show(title: &str, text: &str) {
    say(&format!("-- {title}"));
    for line in text.trim_end().lines() {
        say(&format!("   {line}"));
    }
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}
