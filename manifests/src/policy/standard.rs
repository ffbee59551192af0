//! The controls of the Pod Security Standards over one Pod, as of Kubernetes 1.36. Controls that were loosened since
//! 1.31 are held to what is allowed today: an older server refuses such a Pod by itself.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, HTTPGetAction, LifecycleHandler, PodSecurityContext, PodSpec, PodTemplateSpec,
    SELinuxOptions, SecurityContext, TCPSocketAction, Volume,
};

use super::{Control, Level};

/// Kernel parameters that hold for the Pod alone, and that every kubelet allows.
pub const SAFE_SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Capabilities that `baseline` lets a container add.
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The only one that `restricted` lets it add.
const RESTRICTED_CAPABILITY: &str = "NET_BIND_SERVICE";

const SELINUX_TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// How profiles of AppArmor were named before they had a field; the API server takes them over from there.
const APPARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Something that a level does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The control that forbids it.
    pub control: Control,
    /// The container that asks for it; `None` where it is the whole Pod's.
    pub container: Option<String>,
    /// What is asked for: a capability, a kernel parameter, a value; empty where the control says it all.
    pub detail: String,
}

/// Everything in a Pod that a level does not allow, in the order of the standard's controls.
#[must_use]
pub fn violations(pod: &PodTemplateSpec, level: Level) -> Vec<Violation> {
    let Some(spec) = pod.spec.as_ref().filter(|_| level > Level::Privileged) else { return Vec::new() };
    let mut check = Check { level, found: Vec::new() };
    check.pod(spec);
    check.annotations(pod);
    let init = spec.init_containers.iter().flatten();
    for container in init.chain(&spec.containers) {
        check.container(container, spec);
    }
    check.found
}

struct Check {
    level: Level,
    found: Vec<Violation>,
}

impl Check {
    fn refuse(&mut self, control: Control, container: Option<&Container>, detail: &str) {
        let container = container.map(|container| container.name.clone());
        self.found.push(Violation { control, container, detail: detail.to_owned() });
    }

    fn restricted(&self) -> bool {
        self.level == Level::Restricted
    }

    fn pod(&mut self, spec: &PodSpec) {
        for (name, asked) in
            [("hostNetwork", spec.host_network), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)]
        {
            if asked == Some(true) {
                self.refuse(Control::HostNamespaces, None, name);
            }
        }
        for volume in spec.volumes.iter().flatten() {
            if volume.host_path.is_some() {
                self.refuse(Control::HostPath, None, &volume.name);
            } else if self.restricted() && !is_object(volume) {
                self.refuse(Control::VolumeTypes, None, &volume.name);
            }
        }
        let Some(context) = &spec.security_context else { return };
        let PodSecurityContext {
            app_armor_profile,
            run_as_non_root,
            run_as_user,
            se_linux_options,
            seccomp_profile,
            sysctls,
            windows_options,
            fs_group: _,
            fs_group_change_policy: _,
            run_as_group: _,
            se_linux_change_policy: _,
            supplemental_groups: _,
            supplemental_groups_policy: _,
        } = context;
        self.app_armor(app_armor_profile.as_ref().map(|profile| profile.type_.as_str()), None);
        self.se_linux(se_linux_options.as_ref(), None);
        self.seccomp(seccomp_profile.as_ref().map(|profile| profile.type_.as_str()), None);
        self.root(*run_as_non_root, *run_as_user, None);
        for sysctl in sysctls.iter().flatten() {
            if !SAFE_SYSCTLS.contains(&sysctl.name.as_str()) {
                self.refuse(Control::Sysctls, None, &sysctl.name);
            }
        }
        if windows_options.as_ref().and_then(|options| options.host_process) == Some(true) {
            self.refuse(Control::HostProcess, None, "");
        }
    }

    fn annotations(&mut self, pod: &PodTemplateSpec) {
        let annotations = pod.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
        for (key, profile) in annotations.into_iter().flatten() {
            let known = profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/");
            if key.starts_with(APPARMOR_ANNOTATION) && !known {
                self.refuse(Control::AppArmor, None, profile);
            }
        }
    }

    fn container(&mut self, container: &Container, spec: &PodSpec) {
        for port in container.ports.iter().flatten() {
            if port.host_port.is_some_and(|port| port != 0) {
                self.refuse(Control::HostPorts, Some(container), &port.host_port.unwrap_or_default().to_string());
            }
        }
        for host in hosts(container) {
            self.refuse(Control::HostProbes, Some(container), host);
        }
        let nothing = SecurityContext::default();
        let SecurityContext {
            allow_privilege_escalation,
            app_armor_profile,
            capabilities,
            privileged,
            proc_mount,
            run_as_non_root,
            run_as_user,
            se_linux_options,
            seccomp_profile,
            windows_options,
            read_only_root_filesystem: _,
            run_as_group: _,
        } = container.security_context.as_ref().unwrap_or(&nothing);
        if windows_options.as_ref().and_then(|options| options.host_process) == Some(true) {
            self.refuse(Control::HostProcess, Some(container), "");
        }
        if *privileged == Some(true) {
            self.refuse(Control::Privileged, Some(container), "");
        }
        self.capabilities(capabilities.as_ref(), container);
        self.app_armor(app_armor_profile.as_ref().map(|profile| profile.type_.as_str()), Some(container));
        self.se_linux(se_linux_options.as_ref(), Some(container));
        if let Some(mount) = proc_mount.as_deref().filter(|mount| *mount != "Default") {
            self.refuse(Control::ProcMount, Some(container), mount);
        }
        self.seccomp(seccomp_profile.as_ref().map(|profile| profile.type_.as_str()), Some(container));
        if self.restricted() {
            if *allow_privilege_escalation != Some(false) {
                self.refuse(Control::PrivilegeEscalation, Some(container), "");
            }
            let pod = spec.security_context.as_ref();
            if seccomp_profile.is_none() && pod.is_none_or(|pod| pod.seccomp_profile.is_none()) {
                self.refuse(Control::Seccomp, Some(container), "");
            }
            self.root(*run_as_non_root, *run_as_user, Some(container));
            if run_as_non_root.is_none() && pod.and_then(|pod| pod.run_as_non_root).is_none() {
                self.refuse(Control::Root, Some(container), "");
            }
        }
    }

    fn capabilities(&mut self, capabilities: Option<&Capabilities>, container: &Container) {
        for name in capabilities.iter().filter_map(|capabilities| capabilities.add.as_ref()).flatten() {
            let allowed = if self.restricted() {
                name == RESTRICTED_CAPABILITY
            } else {
                BASELINE_CAPABILITIES.contains(&name.as_str())
            };
            if !allowed {
                self.refuse(Control::Capabilities, Some(container), name);
            }
        }
        let mut dropped = capabilities.iter().filter_map(|capabilities| capabilities.drop.as_ref()).flatten();
        if self.restricted() && !dropped.any(|name| name == "ALL") {
            self.refuse(Control::Capabilities, Some(container), "");
        }
    }

    fn app_armor(&mut self, profile: Option<&str>, container: Option<&Container>) {
        if let Some(other) = profile.filter(|kind| !matches!(*kind, "" | "RuntimeDefault" | "Localhost")) {
            self.refuse(Control::AppArmor, container, other);
        }
    }

    fn seccomp(&mut self, profile: Option<&str>, container: Option<&Container>) {
        if let Some(other) = profile.filter(|kind| !matches!(*kind, "RuntimeDefault" | "Localhost")) {
            self.refuse(Control::Seccomp, container, other);
        }
    }

    fn se_linux(&mut self, options: Option<&SELinuxOptions>, container: Option<&Container>) {
        let Some(SELinuxOptions { type_, user, role, level: _ }) = options else { return };
        if let Some(other) = type_.as_deref().filter(|kind| !SELINUX_TYPES.contains(kind)) {
            self.refuse(Control::SeLinux, container, other);
        }
        for other in [user, role].into_iter().flatten().filter(|other| !other.is_empty()) {
            self.refuse(Control::SeLinux, container, other);
        }
    }

    /// What is said about user 0; that nothing is said is another matter.
    fn root(&mut self, non_root: Option<bool>, user: Option<i64>, container: Option<&Container>) {
        if self.restricted() && (user == Some(0) || non_root == Some(false)) {
            self.refuse(Control::Root, container, "0");
        }
    }
}

/// Whether a volume is an object of Kubernetes, or made for the Pod.
fn is_object(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.csi.is_some()
        || volume.downward_api.is_some()
        || volume.empty_dir.is_some()
        || volume.ephemeral.is_some()
        || volume.image.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.projected.is_some()
        || volume.secret.is_some()
}

/// The hosts that probes and hooks name; without one they ask the Pod itself.
fn hosts(container: &Container) -> impl Iterator<Item = &str> {
    let probes = [&container.liveness_probe, &container.readiness_probe, &container.startup_probe];
    let probes = probes.into_iter().flatten().flat_map(|probe| [http(&probe.http_get), tcp(&probe.tcp_socket)]);
    let hooks = container.lifecycle.iter().flat_map(|lifecycle| [&lifecycle.post_start, &lifecycle.pre_stop]);
    let hooks = hooks.flatten().flat_map(|hook: &LifecycleHandler| [http(&hook.http_get), tcp(&hook.tcp_socket)]);
    probes.chain(hooks).flatten().filter(|host| !host.is_empty())
}

fn http(action: &Option<HTTPGetAction>) -> Option<&str> {
    action.as_ref()?.host.as_deref()
}

fn tcp(action: &Option<TCPSocketAction>) -> Option<&str> {
    action.as_ref()?.host.as_deref()
}
