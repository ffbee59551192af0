//! A real node: a kubelet with containerd and runc, whose Pods really run. It needs root, Linux and the
//! Debian packages `containerd runc containernetworking-plugins iproute2 busybox-static`; ask
//! [`RealNode::missing`] first.
//!
//! There is no registry: the node knows one image, [`BUSYBOX`], and what [`RealNode::import`] brings. All
//! its processes live in process and mount namespaces of their own and end with it. Of the machine it takes
//! a bridge with one network and control groups, both removed in the end; the bridge plugin switches IPv4
//! forwarding on.

mod image;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DeleteParams};
use rand::Rng as _;
use serde_json::json;

use crate::control_plane::ControlPlane;
use crate::dns::DOMAIN;
use crate::folder::Folder;
use crate::guardian;
use crate::kwok::is_schedulable;
use crate::parts::Part;
use crate::port;
use crate::process::{Process, find_program_in};
use crate::wait::{Look, until};

/// The name of the image that every real node has: Debian's static busybox, with a shell and its applets.
pub const BUSYBOX: &str = "localhost/kompox-test/busybox:1";

const ENTER: &str = include_str!("node/enter.sh");
const INIT: &str = include_str!("node/init.sh");
const PAUSE: &str = "localhost/kompox-test/pause:1";
/// Where Debian, and where upstream, put the network plugins.
const PLUGIN_FOLDERS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
const PROGRAMS: [&str; 8] = ["containerd", "ctr", "runc", "ip", "unshare", "mount", "tar", "busybox"];
const READY_LIMIT: Duration = Duration::from_secs(120);

/// A running node. Dropping it ends all its Pods and processes.
#[derive(Debug)]
pub struct RealNode {
    name: String,
    process: Process,
    socket: PathBuf,
    // In this order after the processes: what they held of the machine, then their files.
    place: Place,
    folder: Folder,
}

/// What the node takes of the machine: a bridge, whose address is the node's own, and the control groups
/// of its containers.
#[derive(Debug)]
struct Place {
    /// Of the bridge and of the control groups.
    name: String,
    /// The network's first three numbers.
    prefix: String,
}

impl RealNode {
    /// What keeps this machine from running a real node, in words, for
    /// [`skip_if`](crate::parts::skip_if); `None` if it can.
    #[must_use]
    pub fn missing() -> Option<String> {
        if ControlPlane::is_existing() {
            return Some("a real node cannot join an existing cluster".to_owned());
        }
        if !rustix::process::geteuid().is_root() {
            return Some("a real node needs root".to_owned());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(absent) = PROGRAMS.iter().find(|name| find_program_in(name, &path).is_none()) {
            return Some(format!("a real node needs `{absent}`, which is not on the PATH"));
        }
        if plugin_folder().is_none() {
            return Some("a real node needs the package containernetworking-plugins".to_owned());
        }
        // A container without the right to mount cannot have namespaces.
        let namespaces = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).output();
        if !namespaces.is_ok_and(|output| output.status.success()) {
            return Some("a real node needs the right to make namespaces".to_owned());
        }
        Part::ControlPlane.missing()
    }

    /// Joins the node `name`, with `labels` beside the usual ones, to the control plane, and waits until it
    /// is Ready.
    ///
    /// # Errors
    /// When something that [`missing`](Self::missing) tells is missing, or the node is not Ready in time;
    /// the message quotes a log.
    pub async fn start(plane: &ControlPlane, name: &str, labels: &[(&str, &str)]) -> Result<Self> {
        if let Some(reason) = Self::missing() {
            bail!(reason);
        }
        let kubelet = Part::ControlPlane.binary().await?;
        let folder = Folder::temporary("node")?;
        let place = Place::create()?;
        let socket = folder.path().join("containerd.sock");
        let user = format!("system:node:{name}");
        let kubeconfig = plane.user_kubeconfig(&format!("kubelet-{name}"), &user, Some("system:nodes"))?;
        folder.write("containerd.toml", &containerd_configuration(&folder, &socket)?)?;
        folder.subfolder("cni")?;
        folder.write("cni/10-kompox.conflist", &place.plugin_configuration())?;
        let [port] = port::free()?;
        let authority = folder.write("ca.crt", &plane.authority().await?.unwrap_or_default())?;
        folder.write("kubelet.json", &kubelet_configuration(&folder, &socket, &authority, &place, port))?;
        let images = image::write(&folder, &[PAUSE, BUSYBOX])?;

        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", ENTER, "node"]);
        command.args([&place.name, INIT]).arg(folder.path()).arg(&socket).arg(images).arg(kubelet).arg("kubelet");
        command.arg(format!("--config={}", folder.path().join("kubelet.json").display()));
        command.arg(format!("--kubeconfig={}", kubeconfig.display()));
        command.arg(format!("--root-dir={}", folder.path().join("kubelet").display()));
        command.arg(format!("--cert-dir={}", folder.path().join("kubelet-pki").display()));
        command.arg(format!("--hostname-override={name}")).arg(format!("--node-ip={}", place.address()));
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        command.arg(format!("--node-labels={}", labels.join(",")));
        let process = Process::spawn("node", &mut command, &folder.path().join("node.log"))?;
        let node = Self { name: name.to_owned(), process, socket, place, folder };
        node.wait_ready(plane).await?;
        Ok(node)
    }

    async fn wait_ready(&self, plane: &ControlPlane) -> Result<()> {
        let nodes = Api::<Node>::all(plane.client().await?);
        until("the real node to be Ready", READY_LIMIT, || async {
            self.process.check_running()?;
            Ok(match nodes.get_opt(&self.name).await {
                Ok(Some(node)) if is_schedulable(&node) => Look::Done(()),
                Ok(Some(node)) => Look::NotYet(not_ready(&node)),
                Ok(None) => Look::NotYet("it has not registered".to_owned()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await
        .with_context(|| format!("logs are in {}", self.folder.path().display()))
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's own address, which its Pods reach and ask for names.
    #[must_use]
    pub fn address(&self) -> String {
        self.place.address()
    }

    /// The folder with its logs (`node.log`, `containerd.log`, `kubelet.log`) and data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of the process that all others of the node end with.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Fails with the tail of its log if the node has ended.
    ///
    /// # Errors
    /// When it has.
    pub fn check_running(&self) -> Result<()> {
        self.process.check_running()
    }

    /// Gives the node the images of a docker-archive or OCI tar file.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import(&self, archive: &Path) -> Result<()> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&self.socket).args(["--namespace", "k8s.io", "images", "import"]);
        run(command.args(["--snapshotter", "native"]).arg(archive)).map(drop)
    }

    /// Gives an image that the node has, such as [`BUSYBOX`], a second name.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn tag(&self, image: &str, name: &str) -> Result<()> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&self.socket).args(["--namespace", "k8s.io"]);
        run(command.args(["images", "tag", image, name])).map(drop)
    }

    /// Ends the node at once, as a power cut would, and removes its Node object, so that its Pods are
    /// given up.
    ///
    /// # Errors
    /// When it cannot be ended or the API server does not answer.
    pub async fn leave(self, plane: &ControlPlane) -> Result<()> {
        self.process.kill()?;
        let nodes = Api::<Node>::all(plane.client().await?);
        let deleted = nodes.delete(&self.name, &DeleteParams::default()).await;
        deleted.with_context(|| format!("cannot delete the node {}", self.name)).map(drop)
    }
}

impl Place {
    /// Makes a bridge with an address in a private network that the machine has no route to.
    fn create() -> Result<Self> {
        let mut random = rand::rng();
        let name = format!("kpx{:06x}", random.random_range(0..0x0100_0000));
        let prefix = format!("10.{}.{}", random.random_range(200..250), random.random_range(0..256));
        run(Command::new("ip").args(["link", "add", &name, "type", "bridge"]))?;
        let place = Self { name, prefix };
        guardian::watch_node(&place.name)?;
        let address = format!("{}/24", place.address());
        run(Command::new("ip").args(["address", "add", &address, "dev", &place.name]))?;
        run(Command::new("ip").args(["link", "set", &place.name, "up"]))?;
        Ok(place)
    }

    /// The node's address, which is its Pods' gateway.
    fn address(&self) -> String {
        format!("{}.1", self.prefix)
    }

    /// The network that Pods get: an address of the bridge's, and a route to everywhere, without which
    /// they reach nothing outside their subnet.
    fn plugin_configuration(&self) -> String {
        json!({
            "cniVersion": "0.4.0",
            "name": "kompox-test",
            "plugins": [{
                "type": "bridge",
                "bridge": self.name,
                "isGateway": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": format!("{}.0/24", self.prefix), "gateway": self.address() }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            }],
        })
        .to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (groups, inside) = (format!("*/{}", self.name), format!("*/{}/*", self.name));
        let mut find = Command::new("find");
        find.args(["/sys/fs/cgroup", "-depth", "-type", "d", "(", "-path", &groups, "-o", "-path", &inside, ")"]);
        let bridge = run(Command::new("ip").args(["link", "delete", &self.name]));
        let groups = run(find.args(["-exec", "rmdir", "{}", "+"]));
        // What cannot be removed now is left to the guardian.
        if bridge.is_ok() && groups.is_ok() {
            guardian::forget_node(&self.name);
        }
    }
}

/// What the node says about itself while it is not Ready.
fn not_ready(node: &Node) -> String {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.and_then(|condition| condition.message.clone()).unwrap_or_else(|| "it says nothing about itself".to_owned())
}

fn plugin_folder() -> Option<&'static str> {
    PLUGIN_FOLDERS.into_iter().find(|folder| Path::new(folder).join("bridge").is_file())
}

fn containerd_configuration(folder: &Folder, socket: &Path) -> Result<String> {
    let plugins = plugin_folder().context("no network plugins")?;
    let (data, socket) = (folder.path().display(), socket.display());
    // The native snapshotter copies: it works on every file system, and the images are small.
    Ok(format!(
        "\
version = 2
root = \"{data}/containerd\"
state = \"/run/containerd\"
[grpc]
  address = \"{socket}\"
[plugins.\"io.containerd.grpc.v1.cri\"]
  sandbox_image = \"{PAUSE}\"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.\"io.containerd.grpc.v1.cri\".cni]
    bin_dir = \"{plugins}\"
    conf_dir = \"{data}/cni\"
  [plugins.\"io.containerd.grpc.v1.cri\".containerd]
    snapshotter = \"native\"
"
    ))
}

fn kubelet_configuration(folder: &Folder, socket: &Path, authority: &Path, place: &Place, port: u16) -> String {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "port": port,
        "healthzPort": 0,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": false },
            "x509": { "clientCAFile": authority },
        },
        "authorization": { "mode": "AlwaysAllow" },
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        "podLogsDir": folder.path().join("pod-logs"),
        "volumePluginDir": folder.path().join("volume-plugins"),
        // No systemd and no say over the machine's control groups.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        // A test machine's full disk is no reason to evict Pods or images.
        "evictionHard": { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
        "imageGCHighThresholdPercent": 100,
        "clusterDomain": DOMAIN,
        // Where `ClusterDns` listens, if a test starts one.
        "clusterDNS": [place.address()],
        "resolvConf": "",
        "syncFrequency": "5s",
        "nodeStatusUpdateFrequency": "5s",
        "nodeStatusReportFrequency": "10s",
    })
    .to_string()
}

fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run `{name}`"))?;
    if !output.status.success() {
        bail!("`{name}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
