//! One cluster and one folder of entries for the commands to work on; no forge.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::{AgentCommand, Finished};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::kwok::FakeNode;
use kompox_tests::parts::{self, Part};
use kompox_tests::proxy::ApiProxy;
use kompox_tests::traffic::Request;

/// The Cluster of every entry here.
pub(super) const CLUSTER: &str = "/ws/acme/prv/home/cls/one";
/// The node that disks are on.
pub(super) const NODE: &str = "node-1";
/// How long one command may take on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(120);

/// Whether this machine cannot run tests with a cluster; says why in one line.
pub(super) fn skip() -> bool {
    parts::skip_without(&[Part::ControlPlane, Part::Kwok])
}

/// A cluster that no agent has seen yet, with a proxy that counts writes.
pub(super) struct Bench {
    plane: ControlPlane,
    pub(super) proxy: ApiProxy,
    pub(super) folder: Folder,
}

impl Bench {
    /// One node in the pool `user`, and a prepared root for disks.
    pub(super) async fn start() -> Result<Self> {
        let plane = ControlPlane::start(Options { folder: None, nodes: vec![FakeNode::user(NODE)] }).await?;
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        let bench = Self { plane, proxy, folder: Folder::temporary("cli")? };
        let root = bench.disk_root();
        let made = bench.run(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).await?;
        ensure!(made.code() == Some(0), "{}", made.stderr);
        Ok(bench)
    }

    /// The folder that disks are in.
    pub(super) fn disk_root(&self) -> PathBuf {
        self.folder.path().join("disks")
    }

    /// Runs the agent and waits until it ends.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<Finished> {
        self.command(arguments).run(LONG).await
    }

    /// The agent with these arguments, in this bench's folder and for its cluster.
    pub(super) fn command(&self, arguments: &[&str]) -> AgentCommand {
        AgentCommand::new(arguments)
            .current_dir(self.folder.path())
            .env("KUBECONFIG", self.proxy.kubeconfig())
            .env("KOMPOX_LOG", "error")
    }

    /// Writes an entry with one App of this name; `change` may change its `kompoxops.yml`.
    pub(super) fn app(&self, name: &str, change: impl FnOnce(String) -> String) -> Result<PathBuf> {
        let folder = self.folder.subfolder(name)?;
        std::fs::write(folder.join("kompoxops.yml"), change(entry(name, &self.disk_root())))?;
        std::fs::write(folder.join("compose.yml"), COMPOSE)?;
        std::fs::write(folder.join("web.env"), "MODE=plain\n")?;
        Ok(folder)
    }

    /// Replaces text in a file of an App.
    pub(super) fn edit(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.folder.path().join(file);
        let text = std::fs::read_to_string(&path)?;
        ensure!(text.contains(from), "{file} does not contain {from}");
        Ok(std::fs::write(path, text.replace(from, to))?)
    }

    /// Fails when anything at all was written to the cluster since the proxy last forgot.
    pub(super) fn nothing_written(&self) -> Result<()> {
        let writes: Vec<Request> = self.proxy.writes();
        ensure!(writes.is_empty(), "{writes:?}");
        Ok(())
    }

    /// kubectl as a person runs it.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = std::process::Command::new("kubectl")
            .env("KUBECONFIG", self.plane.kubeconfig())
            .args(arguments)
            .output()
            .context("kubectl is not installed")?;
        ensure!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// An output without what differs from run to run: this bench's folder, names of disks, and digests of
    /// plans that have the folder in them.
    pub(super) fn stable(&self, text: &str) -> String {
        let folder = self.folder.path().to_string_lossy();
        let text = text.replace(&*folder, "[folder]");
        let text = without_volume_hash(&text).split(' ').map(without_disk_name).collect::<Vec<_>>().join(" ");
        without_digests(&text)
    }
}

/// Volumes' objects end with a hash of their disk's handle, which has the folder in it.
fn without_volume_hash(text: &str) -> String {
    let before = "-default-5xf6c3-";
    let mut parts = text.split(before);
    let mut stable = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        stable.push_str(before);
        stable.push_str("[hash]");
        stable.push_str(part.get(6..).unwrap_or_default());
    }
    stable
}

/// Digests are 64 hexadecimal digits between quotes, or at the end of a line.
fn without_digests(text: &str) -> String {
    let is_digest = |part: &str| part.len() == 64 && part.chars().all(|c| c.is_ascii_hexdigit());
    let quoted = |text: &str, quote: &str| {
        text.split(quote).map(|part| if is_digest(part) { "[digest]" } else { part }).collect::<Vec<_>>().join(quote)
    };
    let text = quoted(&quoted(text, "\""), "`");
    let last_word = |line: &str| match line.rsplit_once(' ') {
        Some((before, digest)) if is_digest(digest) => format!("{before} [digest]"),
        _ => line.to_owned(),
    };
    text.split('\n').map(last_word).collect::<Vec<_>>().join("\n")
}

/// Disks are named by the time of their commit: 12 letters and digits that begin with `0`.
fn without_disk_name(word: &str) -> String {
    let plain = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
    let is_name = |part: &str| part.len() == 12 && part.starts_with('0') && part.chars().all(plain);
    word.split('"').map(|part| if is_name(part) { "[disk]" } else { part }).collect::<Vec<_>>().join("\"")
}

fn entry(name: &str, root: &Path) -> String {
    format!(
        "version: v1
workspace:
  name: acme
provider:
  name: home
  driver: local
  settings:
    LOCAL_ROOT: {}
cluster:
  name: one
  existing: true
app:
  name: {name}
  compose: file:compose.yml
  ingress:
    rules:
      - {{name: main, port: 8080, hosts: [{name}.example.com]}}
  volumes:
    - name: default
      size: 1Gi
",
        root.display()
    )
}

const COMPOSE: &str = "services:
  web:
    image: nginx:1.29
    env_file: [web.env]
    ports: [\"8080:80\"]
    volumes: [\"./data:/data\"]
";
