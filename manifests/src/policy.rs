//! What a commit may ask for. A commit is not a person of the cluster: whoever may push must not get more rights than
//! the operators of the cluster have set, in a place outside the repository.
//!
//! The rules are the levels of the Pod Security Standards
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), over the Pod as it is rendered, with
//! exceptions for single Apps.

mod standard;

use std::fmt;

use crate::id::AppId;

pub use self::standard::{SAFE_SYSCTLS, Violation, violations};

/// A level of the Pod Security Standards, from the loosest to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything is allowed.
    Privileged,
    /// Nothing that is known to lead out of the container.
    #[default]
    Baseline,
    /// What hardened Pods need, no more.
    Restricted,
}

impl Level {
    /// Every level, from the loosest to the strictest.
    pub const ALL: [Self; 3] = [Self::Privileged, Self::Baseline, Self::Restricted];

    /// As Kubernetes spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A control of the Pod Security Standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// Windows' HostProcess.
    HostProcess,
    /// Network, process and IPC namespace of the node.
    HostNamespaces,
    /// Privileged containers.
    Privileged,
    /// Capabilities that are added, or not dropped.
    Capabilities,
    /// Folders of the node.
    HostPath,
    /// Ports of the node.
    HostPorts,
    /// Probes and hooks that ask another host.
    HostProbes,
    /// `AppArmor` switched off.
    AppArmor,
    /// `SELinux` types, users and roles.
    SeLinux,
    /// An unmasked `/proc`.
    ProcMount,
    /// Seccomp switched off, or left to the node.
    Seccomp,
    /// Kernel parameters that are not known to be safe.
    Sysctls,
    /// Volumes that are no object of Kubernetes.
    VolumeTypes,
    /// Programs that get more rights than the one that started them.
    PrivilegeEscalation,
    /// User 0.
    Root,
}

impl Control {
    /// The controls that a Compose file can break, and that a policy can except an App from.
    pub const EXCEPTABLE: [Self; 7] = [
        Self::Privileged,
        Self::Capabilities,
        Self::AppArmor,
        Self::Seccomp,
        Self::Sysctls,
        Self::PrivilegeEscalation,
        Self::Root,
    ];

    /// Its word in `agent.yml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostProcess => "hostProcess",
            Self::HostNamespaces => "hostNamespaces",
            Self::Privileged => "privileged",
            Self::Capabilities => "capabilities",
            Self::HostPath => "hostPath",
            Self::HostPorts => "hostPorts",
            Self::HostProbes => "hostProbes",
            Self::AppArmor => "appArmor",
            Self::SeLinux => "seLinux",
            Self::ProcMount => "procMount",
            Self::Seccomp => "seccomp",
            Self::Sysctls => "sysctls",
            Self::VolumeTypes => "volumeTypes",
            Self::PrivilegeEscalation => "privilegeEscalation",
            Self::Root => "root",
        }
    }
}

/// What the operators of the cluster allow; the default is the level `baseline` without exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What every App may ask for.
    pub level: Level,
    /// What single Apps may ask for on top.
    pub exceptions: Vec<Exception>,
}

/// One thing that one App may ask for on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The App.
    pub app: AppId,
    /// What it may ask for.
    pub what: Allowed,
}

/// What an exception is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A capability, without `CAP_`.
    Capability(String),
    /// A kernel parameter.
    Sysctl(String),
    /// Everything that a control forbids.
    Control(Control),
}

/// What the policy comes to for one App.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodSecurity {
    /// The level that the App's Namespace enforces: the policy's, or what an exception leaves of it.
    pub enforced: Level,
    /// What its containers are held to although Compose has no word for it, or the file does not say it.
    pub hardening: Hardening,
}

/// What the level `restricted` wants to be written into a Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hardening {
    /// No user 0.
    pub non_root: bool,
    /// No program gets more rights than the one that started it.
    pub no_escalation: bool,
    /// Every capability is dropped that is not added.
    pub drop_capabilities: bool,
    /// The seccomp profile of the container runtime.
    pub seccomp: bool,
}

impl Policy {
    /// What the Pod of an App is held to.
    #[must_use]
    pub fn hardening(&self, app: &AppId) -> Hardening {
        let holds = |control| self.level == Level::Restricted && !self.excepts(app, control, "");
        Hardening {
            non_root: holds(Control::Root),
            no_escalation: holds(Control::PrivilegeEscalation),
            drop_capabilities: holds(Control::Capabilities),
            seccomp: holds(Control::Seccomp),
        }
    }

    /// Whether an App may do what a control forbids; `detail` is the capability or the kernel parameter.
    #[must_use]
    pub fn excepts(&self, app: &AppId, control: Control, detail: &str) -> bool {
        let covers = |allowed: &Allowed| match allowed {
            Allowed::Capability(name) => control == Control::Capabilities && name == detail,
            Allowed::Sysctl(name) => control == Control::Sysctls && name == detail,
            Allowed::Control(whole) => *whole == control,
        };
        self.exceptions.iter().any(|exception| exception.app == *app && covers(&exception.what))
    }
}

#[cfg(test)]
mod tests;
