//! Whether an App asks for no more than the agent's policy allows: the Pod as it is rendered, held against the Pod
//! Security Standards; what goes beyond is an error at the line of the Compose file that asks for it.

use std::collections::BTreeMap;

use crate::compose::{Places, shown};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::App;
use crate::policy::{self, Control, Level, PodSecurity, Policy, SAFE_SYSCTLS, Violation};
use crate::render;
use crate::slots::{PvSource, Slots, VolumeBinding, VolumeClass};
use crate::yaml::fields::Findings;

const CODE: &str = "pod-security";

/// Decides what the App's Pod and Namespace are held to, and reports what asks for more.
pub(super) fn check(app: &mut App, places: &Places, policy: &Policy, findings: &Findings) {
    app.pod_security = PodSecurity { enforced: policy.level, hardening: policy.hardening(&app.id) };
    let pod = render::pod(app, &some_disks(app));
    let violations = policy::violations(&pod, policy.level);
    let (allowed, refused): (Vec<Violation>, Vec<Violation>) =
        violations.into_iter().partition(|violation| policy.excepts(&app.id, violation.control, &violation.detail));
    for violation in &refused {
        findings.push(refusal(app, places, policy.level, violation));
    }
    for (sysctl, at) in unsafe_sysctls(app, places) {
        let message = format!("nodes refuse the Pod unless their kubelets allow the kernel parameter `{sysctl}`");
        let help = "ask the cluster's operators for it (`--allowed-unsafe-sysctls`), or remove it";
        // The error says enough.
        if refused.iter().all(|violation| violation.detail != *sysctl) {
            findings.push(Diagnostic::warning(CODE, at, message).help(help));
        }
    }
    if !allowed.is_empty() {
        // What an exception lets through, the Namespace must let through too.
        let admits = |level: &&Level| **level < policy.level && policy::violations(&pod, **level).is_empty();
        app.pod_security.enforced = Level::ALL.iter().rev().find(admits).copied().unwrap_or(Level::Privileged);
    }
}

fn unsafe_sysctls<'a>(app: &'a App, places: &Places) -> Vec<(&'a String, Span)> {
    let sysctls = app.project.pod.sysctls.keys().filter(|name| !SAFE_SYSCTLS.contains(&name.as_str()));
    sysctls.map(|name| (name, place(app, places, Control::Sysctls, None, name))).collect()
}

fn refusal(app: &App, places: &Places, level: Level, violation: &Violation) -> Diagnostic {
    let Violation { control, container, detail } = violation;
    let at = place(app, places, *control, container.as_deref(), detail);
    let detail = shown(detail, &at);
    let message = format!("{} is more than the Pod Security level `{level}` allows", what(*control, &detail));
    let exception = match control {
        Control::Capabilities if !detail.is_empty() => format!("capability: {detail}"),
        Control::Sysctls => format!("sysctl: {detail}"),
        control => format!("control: {}", control.name()),
    };
    let help = if Control::EXCEPTABLE.contains(control) {
        format!(
            "run the service without it, or let the operators of the agent allow it: `policy: {{allow: [{{app: {}, \
             {exception}}}]}}` in agent.yml",
            app.id
        )
    } else {
        "run the service without it".to_owned()
    };
    Diagnostic::error(CODE, at, message).help(help)
}

/// What is asked for, as the beginning of a sentence.
fn what(control: Control, detail: &str) -> String {
    match control {
        Control::HostProcess => "a HostProcess container".to_owned(),
        Control::HostNamespaces => format!("a namespace of the node (`{detail}`)"),
        Control::Privileged => "`privileged: true`".to_owned(),
        Control::Capabilities if detail.is_empty() => "to keep capabilities".to_owned(),
        Control::Capabilities => format!("the capability `{detail}`"),
        Control::HostPath => format!("a folder of the node (`{detail}`)"),
        Control::HostPorts => format!("the port {detail} of the node"),
        Control::HostProbes => format!("a probe or hook that asks the host `{detail}`"),
        Control::AppArmor => "to run without a profile of AppArmor".to_owned(),
        Control::SeLinux => format!("the SELinux option `{detail}`"),
        Control::ProcMount => format!("the view `{detail}` of /proc"),
        Control::Seccomp => "to run without a seccomp profile".to_owned(),
        Control::Sysctls => format!("the kernel parameter `{detail}`"),
        Control::VolumeTypes => format!("a volume of the type of `{detail}`"),
        Control::PrivilegeEscalation => "to let programs gain privileges".to_owned(),
        Control::Root => "to run as root".to_owned(),
    }
}

/// Where the Compose file asks for it; where no key does, the service.
fn place(app: &App, places: &Places, control: Control, container: Option<&str>, detail: &str) -> Span {
    let any = |_: &str| true;
    let option = |name: &'static str| move |text: &str| text.starts_with(name);
    let named = |text: &str| text.split('=').next().is_some_and(|name| name.trim() == detail);
    let capability = |text: &str| text.to_ascii_uppercase().trim_start_matches("CAP_") == detail;
    let found = match control {
        Control::Privileged => places.find(container, "privileged", any),
        Control::Capabilities => places.find(container, "cap_add", capability),
        Control::AppArmor => places.find(container, "security_opt", option("apparmor")),
        Control::Seccomp => places.find(container, "security_opt", option("seccomp")),
        Control::PrivilegeEscalation => places.find(container, "security_opt", option("no-new-privileges")),
        Control::Sysctls => places.find(None, "sysctls", named),
        Control::Root => places.find(container, "user", any),
        Control::HostProcess
        | Control::HostNamespaces
        | Control::HostPath
        | Control::HostPorts
        | Control::HostProbes
        | Control::SeLinux
        | Control::ProcMount
        | Control::VolumeTypes => None,
    };
    let service = || {
        let mut services = app.project.services.iter();
        services.find(|service| container.is_none_or(|name| service.name == name)).map(|service| &service.at)
    };
    found.or_else(service).unwrap_or(&app.at).clone()
}

/// Disks for all volumes, so that every container is there; which disks they are has no part in the rules.
fn some_disks(app: &App) -> Slots {
    let binding = || VolumeBinding {
        handle: String::new(),
        size: None,
        class: VolumeClass {
            storage_class: String::new(),
            access_modes: Vec::new(),
            source: PvSource::Csi { driver: String::new(), handle: String::new(), attributes: BTreeMap::new() },
            node_affinity: Vec::new(),
        },
    };
    let volumes = app.volumes.iter().map(|volume| (volume.name.clone(), binding())).collect();
    Slots { volumes, ..Slots::default() }
}

#[cfg(test)]
mod tests;
