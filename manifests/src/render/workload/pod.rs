//! What all containers of the Pod share.

use k8s_openapi::api::core::v1::{HostAlias, PodDNSConfig, PodDNSConfigOption, PodSecurityContext, Sysctl};

use super::super::context::{Context, some};
use crate::model::Pod;

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

/// Groups and kernel parameters.
pub(super) fn security(context: &Context<'_>) -> Option<PodSecurityContext> {
    let Pod { groups, sysctls, .. } = &context.app.project.pod;
    let sysctl = |(name, value): (&String, &String)| Sysctl { name: name.clone(), value: value.clone() };
    let security = PodSecurityContext {
        supplemental_groups: some(groups.iter().copied().map(i64::from).collect()),
        sysctls: some(sysctls.iter().map(sysctl).collect()),
        ..PodSecurityContext::default()
    };
    (security != PodSecurityContext::default()).then_some(security)
}
