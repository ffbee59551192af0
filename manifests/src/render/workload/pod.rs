//! What all containers of the Pod share.

use k8s_openapi::api::core::v1::{
    HostAlias, PodDNSConfig, PodDNSConfigOption, PodSecurityContext, SeccompProfile, Sysctl,
};

use super::super::context::{Context, some};
use super::security::NOBODY;
use crate::model::Pod;
use crate::policy::Hardening;

/// Name servers and options on top of the cluster's own, by which services find each other.
pub(super) fn dns(context: &Context<'_>) -> Option<PodDNSConfig> {
    let Pod { name_servers, dns_searches, dns_options, .. } = &context.app.project.pod;
    let option = |(name, value): &(String, Option<String>)| PodDNSConfigOption {
        name: Some(name.clone()),
        value: value.clone(),
    };
    let config = PodDNSConfig {
        nameservers: some(name_servers.clone()),
        options: some(dns_options.iter().map(option).collect()),
        searches: some(dns_searches.clone()),
    };
    (config != PodDNSConfig::default()).then_some(config)
}

/// Names that no DNS server knows.
pub(super) fn host_aliases(context: &Context<'_>) -> Vec<HostAlias> {
    let hosts = context.app.project.pod.hosts.iter();
    hosts.map(|(ip, names)| HostAlias { hostnames: some(names.iter().cloned().collect()), ip: ip.clone() }).collect()
}

/// Groups and kernel parameters, and what a hardened Pod has that Compose has no word for. Without root, the group is
/// how containers may write onto a volume; the kubelet gives the volume's files to it once.
pub(super) fn security(context: &Context<'_>) -> Option<PodSecurityContext> {
    let Pod { groups, sysctls, .. } = &context.app.project.pod;
    let Hardening { non_root, seccomp, no_escalation: _, drop_capabilities: _ } = context.app.pod_security.hardening;
    let group = non_root && !context.app.volumes.is_empty();
    let sysctl = |(name, value): (&String, &String)| Sysctl { name: name.clone(), value: value.clone() };
    let security = PodSecurityContext {
        fs_group: group.then_some(NOBODY),
        fs_group_change_policy: group.then(|| "OnRootMismatch".to_owned()),
        run_as_non_root: non_root.then_some(true),
        seccomp_profile: seccomp
            .then(|| SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
        supplemental_groups: some(groups.iter().copied().map(i64::from).collect()),
        sysctls: some(sysctls.iter().map(sysctl).collect()),
        ..PodSecurityContext::default()
    };
    (security != PodSecurityContext::default()).then_some(security)
}
