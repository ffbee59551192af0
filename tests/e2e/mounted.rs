//! The last step of a disk's way, on a real kubelet: a Pod writes into the folder that the driver made,
//! and the Pod after it finds that again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::AgentCommand;
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::node::{BUSYBOX, RealNode};
use kompox_tests::parts::skip_if;

use crate::world::LONG;
use kompox_tests::kubectl::kubectl;

const NODE: &str = "real-1";
/// The image of the container that makes the folders on a volume; a real node pulls nothing.
const INIT_IMAGE: &str = "docker.io/library/busybox:1.36";
/// What the Pod appends a line to at each of its starts, seen from its volume.
const STARTS: &str = "data/web/starts";

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_finds_what_the_pod_before_it_wrote() -> Result<()> {
    if skip_if(RealNode::missing()) {
        return Ok(());
    }
    let plane = ControlPlane::start(Options::default()).await?;
    let node = RealNode::start(&plane, NODE, &[("kompox.dev/node-pool", "user")]).await?;
    tag_image(&node)?;
    let folder = Folder::temporary("mounted")?;
    let root = folder.subfolder("disks")?;
    let app = folder.subfolder("app")?;
    let agent = async |arguments: &[&str]| -> Result<()> {
        let done = AgentCommand::new(arguments).env("KUBECONFIG", plane.kubeconfig()).run(LONG).await?;
        ensure!(done.status.success(), "{arguments:?}: {}{}", done.stdout, done.stderr);
        Ok(())
    };
    agent(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).await?;

    write_app(&app, &root, "first")?;
    agent(&["apply", "--yes", &app.to_string_lossy()]).await?;
    let disk = disk(&root)?;
    ensure!(std::fs::read_to_string(disk.join(STARTS))? == "first\n", "the Pod has not written to its disk");

    write_app(&app, &root, "second")?;
    agent(&["apply", "--yes", &app.to_string_lossy()]).await?;
    ensure!(self::disk(&root)? == disk, "the Pod has got another disk");
    let starts = std::fs::read_to_string(disk.join(STARTS))?;
    ensure!(starts == "first\nsecond\n", "the Pod's starts are {starts:?}");

    let path = kubectl(plane.kubeconfig(), &["get", "pv", "-o", "jsonpath={.items[*].spec.local.path}"])?;
    ensure!(Path::new(&path) == disk, "the PersistentVolume is at {path}");
    node.leave(&plane).await?;
    ensure!(std::fs::read_to_string(disk.join(STARTS))? == starts, "the disk went with the node");
    Ok(())
}

/// Gives the node's one image the name that every App's init container asks for.
fn tag_image(node: &RealNode) -> Result<()> {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(node.folder().join("containerd.sock")).args(["--namespace", "k8s.io"]);
    let output = command.args(["images", "tag", BUSYBOX, INIT_IMAGE]).output().context("ctr cannot be run")?;
    ensure!(output.status.success(), "ctr images tag: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// An App that writes down each of its starts.
fn write_app(folder: &Path, root: &Path, start: &str) -> Result<()> {
    let entry = format!(
        "version: v1\nworkspace: {{name: real}}\nprovider:\n  name: home\n  driver: local\n  settings: {{LOCAL_ROOT: {}}}\n\
         cluster: {{name: cluster1, existing: true}}\napp:\n  name: writer\n  compose: file:compose.yml\n  \
         volumes: [{{name: default, size: 1Gi}}]\n",
        root.display()
    );
    // A shell that is the first process of its container ignores SIGTERM unless it is told.
    let script = "trap 'exit 0' TERM; echo $$START >> /data/starts; while :; do sleep 1; done";
    let compose = format!(
        "services:\n  web:\n    image: {BUSYBOX}\n    command: [sh, -c, \"{script}\"]\n    \
         environment: {{START: {start}}}\n    volumes: [\"./data/web:/data\"]\n"
    );
    std::fs::write(folder.join("kompoxops.yml"), entry)?;
    std::fs::write(folder.join("compose.yml"), compose)?;
    Ok(())
}

/// The folder of the only disk: `disks/<app>/<volume>/<disk>/data`.
fn disk(root: &Path) -> Result<PathBuf> {
    let mut folder = root.join("disks");
    for what in ["App", "volume", "disk"] {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("{} is missing", folder.display()))?;
        let mut below = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !hidden {
                below.push(path);
            }
        }
        ensure!(below.len() == 1, "there is not one {what} but {below:?}");
        folder = below.remove(0);
    }
    Ok(folder.join("data"))
}
