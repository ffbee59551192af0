//! Fake nodes: kwok plays the kubelet of nodes that do not exist. Their Pods become Running and Ready within
//! a second and run nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Node, NodeStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ListParams, PostParams};

use crate::kubeconfig;
use crate::parts::Part;
use crate::process::Process;
use crate::wait::{Look, until};

/// The label that says which pool a node belongs to.
pub const POOL_LABEL: &str = "kompox.dev/node-pool";
/// The label that says which zone a node is in.
pub const ZONE_LABEL: &str = "kompox.dev/node-zone";

/// Marks the nodes that kwok plays, so that a real node beside them is left alone.
const FAKE_ANNOTATION: (&str, &str) = ("kwok.x-k8s.io/node", "fake");
/// The stage files, in the part's folder.
const STAGES: [&str; 5] = [
    "node-fast/node-initialize.yaml",
    "node-heartbeat/node-heartbeat-with-lease.yaml",
    "pod-fast/pod-ready.yaml",
    "pod-fast/pod-complete.yaml",
    "pod-fast/pod-delete.yaml",
];
/// Room for more Pods than any load test has.
const POD_RANGE: &str = "10.244.0.0/16";
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A node that only pretends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeNode {
    /// The node's name, also its `kubernetes.io/hostname`.
    pub name: String,
    /// Labels beside the usual ones.
    pub labels: BTreeMap<String, String>,
}

impl FakeNode {
    /// A node without labels of the product's.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), labels: BTreeMap::new() }
    }

    /// A node of the pool `user`, where apps run by default.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self::new(name).label(POOL_LABEL, "user")
    }

    /// Puts the node into a zone.
    #[must_use]
    pub fn zone(self, zone: &str) -> Self {
        self.label(ZONE_LABEL, zone)
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn object(&self) -> Node {
        let usual = [
            ("kubernetes.io/hostname", self.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
        ];
        let mut labels = self.labels.clone();
        labels.extend(usual.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let quantities = |pairs: [(&str, &str); 3]| {
            pairs.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).collect()
        };
        let room = quantities([("cpu", "64"), ("memory", "256Gi"), ("pods", "10000")]);
        let status = NodeStatus { capacity: Some(room), ..NodeStatus::default() };
        let status = NodeStatus { allocatable: status.capacity.clone(), ..status };
        let (key, value) = FAKE_ANNOTATION;
        Node {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(labels),
                annotations: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
                ..ObjectMeta::default()
            },
            status: Some(status),
            ..Node::default()
        }
    }
}

/// A running kwok. Dropping it ends it; its nodes then become NotReady after a while.
#[derive(Debug)]
pub struct Kwok {
    process: Process,
}

impl Kwok {
    /// Creates `nodes`, starts kwok against the cluster of `kubeconfig` and waits until all are Ready.
    /// Its configuration and log go to `folder`.
    ///
    /// # Errors
    /// When kwok cannot be built or started, or the nodes are not Ready in time.
    pub async fn start(kubeconfig: &Path, folder: &Path, nodes: &[FakeNode]) -> Result<Self> {
        let part = Part::Kwok.folder().await?;
        let mut command = Command::new(part.join("kwok"));
        command.arg(format!("--kubeconfig={}", kubeconfig.display()));
        command.arg(format!("--manage-nodes-with-annotation-selector={}={}", FAKE_ANNOTATION.0, FAKE_ANNOTATION.1));
        command.args([&format!("--cidr={POD_RANGE}"), "--node-ip=10.0.0.1", "--node-lease-duration-seconds=40"]);
        for stage in STAGES {
            command.arg(format!("--config={}", part.join("stages").join(stage).display()));
        }
        // Its working folder may hold files of other runs.
        command.env("KWOK_WORKDIR", folder.join("kwok"));
        let process = Process::spawn("kwok", &mut command, &folder.join("kwok.log"))?;
        let kwok = Self { process };
        let client = kubeconfig::client(kubeconfig).await?;
        let api = Api::<Node>::all(client);
        for node in nodes {
            let created = api.create(&PostParams::default(), &node.object()).await;
            created.with_context(|| format!("cannot create the node {}", node.name))?;
        }
        until("the fake nodes to be Ready", READY_LIMIT, || async {
            kwok.check_running()?;
            let list = api.list(&ListParams::default()).await.context("cannot list the nodes")?;
            let waiting: Vec<&str> = nodes
                .iter()
                .map(|node| node.name.as_str())
                .filter(|name| {
                    !list.items.iter().any(|node| node.metadata.name.as_deref() == Some(name) && is_schedulable(node))
                })
                .collect();
            Ok(if waiting.is_empty() {
                Look::Done(())
            } else {
                Look::NotYet(format!("not Ready: {}", waiting.join(", ")))
            })
        })
        .await?;
        Ok(kwok)
    }

    /// kwok's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Fails with the tail of its log if kwok has ended.
    ///
    /// # Errors
    /// When it has.
    pub fn check_running(&self) -> Result<()> {
        self.process.check_running()
    }
}

/// Ready, and without the taint that the node controller puts on every new node.
pub(crate) fn is_schedulable(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    ready && !taints.is_some_and(|all| all.iter().any(|taint| taint.key == "node.kubernetes.io/not-ready"))
}
