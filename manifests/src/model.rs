//! What an entry says, typed and checked: the App with its parents, and its Compose project after
//! interpolation, merging and normalisation. Loading makes these; rendering consumes them and can
//! no longer fail.

mod container;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::diagnostic::{Span, Spanned};
use crate::id::AppId;
use crate::policy::PodSecurity;
use crate::schedule::Schedule;

pub use self::container::{HealthCheck, Labels, MemoryMount, Pod, Port, Protocol, Runtime, Security, Starter, Until};
pub use self::snapshot::{
    Consistency, Hook, HookFailure, Hooks, Keep, KeepWithin, Retention, Session, SnapshotPolicy, Trigger,
};

/// One App of one entry, complete: with its parents and its Compose project.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Resource ID.
    pub id: AppId,
    /// Where the App's name stands.
    pub at: Span,
    /// The entry file that brought it in, relative to the repository's root.
    pub entry: String,
    /// Its provider.
    pub provider: Provider,
    /// Its cluster.
    pub cluster: Cluster,
    /// `ingress`: certificate resolver and rules.
    pub ingress: Ingress,
    /// `volumes`, in the order of the file.
    pub volumes: Vec<Volume>,
    /// `deployment`: where Pods may run.
    pub placement: Placement,
    /// `networkPolicy.ingressRules`.
    pub network_rules: Vec<NetworkRule>,
    /// `reconcile`: how the agent treats the App.
    pub reconcile: Reconcile,
    /// `snapshotPolicies`, in the order of the file.
    pub snapshot_policies: Vec<SnapshotPolicy>,
    /// `settings`.
    pub settings: BTreeMap<String, String>,
    /// `resources`, as given.
    pub resources: BTreeMap<String, String>,
    /// The Compose project.
    pub project: Project,
    /// What the agent's policy comes to for its Pod.
    pub pod_security: PodSecurity,
}

/// `Provider`: who holds the disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// `driver`: `local`, `csi`, `aks`, ….
    pub driver: Spanned<String>,
    /// `settings`, every value as a string.
    pub settings: BTreeMap<String, String>,
}

/// `Cluster`, as far as Apps depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `existing`.
    pub existing: bool,
    /// `ingress.namespace`; default `traefik`.
    pub ingress_namespace: String,
    /// `ingress.controller`.
    pub ingress_controller: Option<String>,
    /// `ingress.serviceAccount`.
    pub ingress_service_account: Option<String>,
    /// `ingress.domain`: default hosts live below it.
    pub domain: Option<Spanned<String>>,
    /// `ingress.certResolver`.
    pub cert_resolver: Option<String>,
    /// `ingress.certEmail`.
    pub cert_email: Option<String>,
    /// `ingress.certificates`.
    pub certificates: Vec<Certificate>,
    /// `protection.provisioning`.
    pub provisioning_protection: Protection,
    /// `protection.installation`.
    pub installation_protection: Protection,
    /// `settings`, every value as a string.
    pub settings: BTreeMap<String, String>,
}

/// A certificate that the cluster's ingress controller is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its name.
    pub name: String,
    /// Where the provider keeps it (a URL; carried, never fetched).
    pub source: String,
}

/// What the Cluster forbids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    #[default]
    None,
    /// Deleting.
    CannotDelete,
    /// Every change.
    ReadOnly,
}

/// `App.ingress`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// Overrides the Cluster's `certResolver` for custom hosts.
    pub cert_resolver: Option<String>,
    /// Rules in the order of the file, already joined with the Compose ports.
    pub rules: Vec<IngressRule>,
}

/// One published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressRule {
    /// Port name, `^[a-z](-?[a-z0-9])*$`, at most 15 characters.
    pub name: String,
    /// Host port of the Compose file; the Service's port.
    pub port: u16,
    /// The container port behind it; the Service's target port.
    pub container_port: u16,
    /// Custom hosts, without repetitions.
    pub hosts: Vec<String>,
    /// Where the rule stands.
    pub at: Span,
}

/// `App.volumes[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// DNS-1123, 1 to 16 characters.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// `disk` (one writer) or `files` (shared).
    pub kind: VolumeKind,
    /// Driver options (`sku`, `iops`, …), every value as a string.
    pub options: BTreeMap<String, String>,
    /// `source`: what a new disk is made from; `None` is empty.
    pub source: Option<Spanned<String>>,
    /// `deletionPolicy`.
    pub deletion_policy: DeletionPolicy,
    /// `claim`.
    pub claim: DiskClaim,
    /// Where it stands.
    pub at: Span,
}

/// `App.volumes[].type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeKind {
    /// A block device or folder with one writer.
    #[default]
    Disk,
    /// A shared file system.
    Files,
}

/// `App.volumes[].deletionPolicy`: what happens to the disks when the volume leaves Git.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Retain,
    /// They go, after a final snapshot, when this stood in the last applied commit already.
    Delete,
}

/// `App.volumes[].claim`: what to do about disks that another cluster claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskClaim {
    /// They stay the other cluster's.
    #[default]
    Keep,
    /// They are taken over once they are detached.
    Take,
}

/// `App.deployment`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// `pool` (one, a node selector) or `pools` (several, a node affinity); empty means the default.
    pub pools: Choice,
    /// `zone` or `zones`; empty means any.
    pub zones: Choice,
}

/// Nothing, one value, or one of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Nothing said.
    #[default]
    Unset,
    /// Exactly this value: a direct node selector.
    One(String),
    /// Any of these values: a required node affinity.
    AnyOf(Vec<String>),
}

/// One of `App.networkPolicy.ingressRules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRule {
    /// Namespaces that may connect.
    pub from: Vec<LabelSelector>,
    /// Ports that they may connect to; empty is every port.
    pub ports: Vec<NetworkPort>,
}

/// A Kubernetes label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// `matchLabels`.
    pub match_labels: BTreeMap<String, String>,
    /// `matchExpressions` as (key, operator, values).
    pub match_expressions: Vec<(String, String, Vec<String>)>,
}

/// A port of a network rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Port number.
    pub port: u16,
}

/// `App.reconcile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// `drift`.
    pub drift: DriftPolicy,
    /// `force`: take over fields that another manager owns.
    pub force: bool,
    /// `suspend`: nothing is written to the App.
    pub suspend: bool,
    /// `progressDeadline` in seconds; `None` is the default for the App.
    pub progress_deadline: Option<u64>,
    /// `dependsOn`: Apps that come first; no cycles among the Apps of a source.
    pub depends_on: Vec<Spanned<AppId>>,
    /// `prepull`: new images are pulled before the Pod that runs is stopped.
    pub prepull: bool,
    /// `windows`: when the App may be interrupted without a new commit.
    pub windows: Vec<Window>,
    /// `rollback: lastHealthy`: what was healthy last is deployed again where a commit does not become
    /// healthy. Never for an App with volumes: its data may have been changed by then.
    pub rollback: bool,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self {
            drift: DriftPolicy::default(),
            force: false,
            suspend: false,
            progress_deadline: None,
            depends_on: Vec::new(),
            prepull: true,
            windows: Vec::new(),
            rollback: false,
        }
    }
}

/// `App.reconcile.windows[]`: a time that comes again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// `schedule` and `timeZone`: when it opens.
    pub opens: Schedule,
    /// `duration` in seconds: how long it stays open.
    pub duration: u64,
}

/// `App.reconcile.drift`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriftPolicy {
    /// People's edits are reverted.
    #[default]
    Correct,
    /// They are reported and left.
    Report,
    /// They are left.
    Off,
}

/// A Compose project after loading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    /// Services that take part, sorted by name.
    pub services: Vec<Service>,
    /// Top-level `configs` that some service uses, sorted by name.
    pub configs: Vec<FileObject>,
    /// Top-level `secrets` that some service uses, sorted by name.
    pub secrets: Vec<FileObject>,
    /// What the services' shared Pod is told.
    pub pod: Pod,
    /// Names by which services are reached besides their own, sorted: DNS-1035 labels, none of them a service's.
    pub aliases: Vec<Spanned<String>>,
}

/// One Compose service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// DNS-1035 label.
    pub name: String,
    /// Where its name stands.
    pub at: Span,
    /// `image`.
    pub image: Spanned<String>,
    /// `entrypoint`, split into words.
    pub entrypoint: Option<Vec<String>>,
    /// `command`, split into words.
    pub command: Option<Vec<String>>,
    /// `environment`, sorted by name.
    pub environment: BTreeMap<String, String>,
    /// All of `env_file`, merged in order, and what `environment` says in secret; `None` when there is neither. Secret.
    pub env_file: Option<SecretMap>,
    /// The names in [`env_file`](Self::env_file) whose values come from an encrypted file; those of `environment` are
    /// among them, for they may stand in a Secret only.
    pub encrypted: BTreeSet<String>,
    /// Container ports in the order of the file, without repetitions.
    pub container_ports: Vec<u16>,
    /// Mounts of App volumes, in the order of the file.
    pub mounts: Vec<Mount>,
    /// Mounted configs, in the order of the file.
    pub configs: Vec<FileMount>,
    /// Mounted secrets, in the order of the file.
    pub secrets: Vec<FileMount>,
    /// Requests and limits as Kubernetes quantities, by resource name.
    pub resources: Resources,
    /// Everything else that its container is told.
    pub runtime: Runtime,
}

/// Container resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `requests`.
    pub requests: BTreeMap<String, String>,
    /// `limits`.
    pub limits: BTreeMap<String, String>,
}

/// A volume mounted into a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Name of the App volume.
    pub volume: String,
    /// Path inside the volume; `None` is its root.
    pub sub_path: Option<String>,
    /// Absolute path in the container.
    pub target: String,
    /// `:ro`.
    pub read_only: bool,
    /// Where it stands.
    pub at: Span,
}

/// A config or secret mounted into a service as one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMount {
    /// Name of the top-level config or secret.
    pub name: String,
    /// Absolute path in the container.
    pub target: String,
    /// File mode bits.
    pub mode: Option<u32>,
    /// Where it stands.
    pub at: Span,
}

/// A top-level Compose config or secret.
#[derive(Clone, Debug, PartialEq)]
pub struct FileObject {
    /// Compose name.
    pub name: String,
    /// Where it stands.
    pub at: Span,
    /// Its content, or the object in the cluster that holds it.
    pub content: FileContent,
}

/// Where a config's or secret's content is.
#[derive(Clone, Debug, PartialEq)]
pub enum FileContent {
    /// A file of the repository, or a text that the Compose file holds.
    File {
        /// Base name of the file, or the Compose name; the key in the ConfigMap or Secret.
        key: String,
        /// The bytes; for configs UTF-8 text.
        bytes: SecretBytes,
        /// Whether they come from an encrypted file.
        encrypted: bool,
    },
    /// An object that exists in the cluster already (`external`); mounted by its only key, the
    /// Compose name.
    External {
        /// Name of the ConfigMap or Secret in the App's namespace.
        object: String,
    },
}

/// Bytes that never print.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(pub Vec<u8>);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretBytes({} bytes)", self.0.len())
    }
}

/// Keys whose values never print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretMap(pub BTreeMap<String, String>);

impl fmt::Debug for SecretMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
