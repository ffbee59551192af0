//! What a container and its Pod are told beyond image, command, environment and files.

/// A service's container: everything that Kubernetes leaves alone unless it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// `healthcheck`.
    pub health: Option<HealthCheck>,
    /// `x-kompox.liveness`: a failing health check restarts the container.
    pub liveness: bool,
    /// `expose`: ports that are not published, in the order of the file.
    pub exposed: Vec<Port>,
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
