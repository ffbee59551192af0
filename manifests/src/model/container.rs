//! What a container and its Pod are told beyond image, command, environment and files.

use std::collections::{BTreeMap, BTreeSet};

/// A service's container: everything that Kubernetes leaves alone unless it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// `healthcheck`.
    pub health: Option<HealthCheck>,
    /// `x-kompox.liveness`: a failing health check restarts the container.
    pub liveness: bool,
    /// `post_start`: a command that runs beside the container's own once that has started.
    pub post_start: Option<Vec<String>>,
    /// `pre_stop`: a command that runs before the container is told to stop.
    pub pre_stop: Option<Vec<String>>,
    /// `expose`: ports that are not published, in the order of the file.
    pub exposed: Vec<Port>,
    /// `working_dir`; absolute.
    pub working_dir: Option<String>,
    /// `tty`
    pub tty: bool,
    /// `stdin_open`
    pub stdin: bool,
    /// `pull_policy`, as Kubernetes spells it.
    pub pull_policy: Option<&'static str>,
    /// `tmpfs`, the volumes of type `tmpfs`, and `shm_size`, in this order.
    pub memory_mounts: Vec<MemoryMount>,
    /// What the container may do.
    pub security: Security,
}

/// A file system in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryMount {
    /// Absolute path in the container.
    pub target: String,
    /// Most bytes; `None` is what the container's memory limit leaves.
    pub size: Option<u64>,
    /// `read_only`
    pub read_only: bool,
}

/// What a container may do; the default leaves everything to Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// User id of `user`.
    pub user: Option<u32>,
    /// Group id of `user`.
    pub group: Option<u32>,
    /// `cap_add`, without `CAP_`, sorted.
    pub cap_add: BTreeSet<String>,
    /// `cap_drop`, without `CAP_`, sorted.
    pub cap_drop: BTreeSet<String>,
    /// `privileged`
    pub privileged: bool,
    /// `read_only`
    pub read_only: bool,
    /// `no-new-privileges` of `security_opt`.
    pub no_new_privileges: Option<bool>,
    /// `seccomp:unconfined` of `security_opt`.
    pub seccomp_unconfined: bool,
    /// `apparmor` of `security_opt`: `unconfined` or the name of a profile on the node.
    pub apparmor: Option<String>,
}

/// A health check, run in the container. All times are whole seconds, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The command; exit code 0 is healthy.
    pub command: Vec<String>,
    /// Time between two checks.
    pub interval: u32,
    /// How long a check may take.
    pub timeout: u32,
    /// This many failures in a row are unhealthy.
    pub retries: u32,
    /// How long after its start failures do not count; may be 0.
    pub start_period: u32,
    /// Time between two checks while others wait for the service.
    pub start_interval: u32,
}

/// A port that a container listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

/// Protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `sctp`
    Sctp,
}

impl Protocol {
    /// As Kubernetes spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// What all containers of the App's Pod share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Services that others wait for (`depends_on`), in the order of starting.
    pub first: Vec<Starter>,
    /// The longest `stop_grace_period`, in seconds.
    pub grace_period: Option<u32>,
    /// `sysctls`
    pub sysctls: BTreeMap<String, String>,
    /// `group_add`
    pub groups: BTreeSet<u32>,
    /// `extra_hosts`: names by address.
    pub hosts: BTreeMap<String, BTreeSet<String>>,
    /// `dns`: asked behind the cluster's own.
    pub name_servers: Vec<String>,
    /// `dns_search`
    pub dns_searches: Vec<String>,
    /// `dns_opt`: name and value.
    pub dns_options: Vec<(String, Option<String>)>,
    /// `platform`: the architecture that nodes must have.
    pub architecture: Option<String>,
    /// `hostname`, where the services agree.
    pub host_name: Option<String>,
    /// `labels` and `annotations`
    pub labels: Labels,
    /// `deploy.labels`
    pub deployment_labels: Labels,
}

/// What people write onto an object; keys are none of the App's own or of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A service that is started before others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// Name of the service.
    pub service: String,
    /// What the next one waits for.
    pub until: Until,
}

/// What has to be true of a service before the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It runs.
    Started,
    /// Its health check has passed once.
    Healthy,
    /// It has ended, with exit code 0.
    Completed,
}
