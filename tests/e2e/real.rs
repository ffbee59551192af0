//! Apps whose Pods really run: a kubelet with containerd. Skipped with a line that says what is missing
//! where a machine cannot run one.

mod beater;
mod prepull;
mod start;
mod upgrade;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::AgentCommand;
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::kwok::POOL_LABEL;
use kompox_tests::node::{BUSYBOX, RealNode};

use crate::world::LONG;
use kompox_tests::kubectl::kubectl;

/// The Cluster of every App here.
const CLUSTER: &str = "/ws/real/prv/home/cls/one";
const NODE: &str = "real-1";
/// The image of the container that makes the folders on a volume; a real node pulls nothing.
const INIT_IMAGE: &str = "docker.io/library/busybox:1.36";

/// One cluster with one real node and a root for disks.
struct Ground {
    plane: ControlPlane,
    node: RealNode,
    folder: Folder,
}

impl Ground {
    async fn start() -> Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        let node = RealNode::start(&plane, NODE, &[(POOL_LABEL, "user")]).await?;
        node.tag(BUSYBOX, INIT_IMAGE)?;
        let ground = Self { plane, node, folder: Folder::temporary("real")? };
        let root = ground.folder.subfolder("disks")?;
        ground.run(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).await?;
        Ok(ground)
    }

    /// The agent with these arguments.
    fn agent<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> AgentCommand {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", self.plane.kubeconfig())
            .env("KOMPOX_CACHE_DIR", self.folder.path().join("cache"))
    }

    /// Runs the agent to its end, which must be a good one; gives its standard output.
    async fn run(&self, arguments: &[&str]) -> Result<String> {
        let done = self.agent(arguments.iter().copied()).run(LONG).await?;
        ensure!(done.status.success(), "{arguments:?}: {}{}", done.stdout, done.stderr);
        Ok(done.stdout)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(self.plane.kubeconfig(), arguments)
    }

    /// A `kompoxops.yml` of an App with one volume, beside its `compose.yml`.
    fn entry(&self, app: &str) -> String {
        format!(
            "version: v1\nworkspace: {{name: real}}\nprovider:\n  name: home\n  driver: local\n  \
             settings: {{LOCAL_ROOT: {}}}\ncluster: {{name: one, existing: true}}\napp:\n  name: {app}\n  \
             compose: file:compose.yml\n  volumes: [{{name: default, size: 1Gi}}]\n",
            self.folder.path().join("disks").display()
        )
    }

    /// The data of the only disk: `disks/<app>/<volume>/<disk>/data` below the root. `None` while there is
    /// no disk yet.
    fn disk(&self) -> Result<Option<PathBuf>> {
        let mut folder = self.folder.path().join("disks/disks");
        for what in ["App", "volume", "disk"] {
            let mut below = subfolders(&folder)?;
            ensure!(below.len() <= 1, "there is not one {what} but {below:?}");
            let Some(only) = below.pop() else { return Ok(None) };
            folder = only;
        }
        Ok(Some(folder.join("data")))
    }
}

/// The folders in a folder, but for hidden ones; none when it is not there.
fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            found.push(path);
        }
    }
    Ok(found)
}
