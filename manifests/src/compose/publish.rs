//! The App's ingress rules meet the ports of its Compose file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::ports::Port;
use super::service::LoadedService;
use super::{PublishRule, Scope};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::id::is_dns1123_label;
use crate::model::IngressRule;
use crate::yaml::fields::enumerate;

const CODE: &str = "ingress-rule";
/// Longest host name.
const HOST: usize = 253;

/// Checks the published ports and gives each rule the container port behind it.
pub(super) fn rules(scope: &Scope<'_>, services: &[LoadedService]) -> Vec<IngressRule> {
    check_service_name(scope);
    let published = Published {
        hosts: host_ports(scope, services),
        incomplete: services.iter().any(|service| service.ports.incomplete),
    };
    let mut seen = Seen::default();
    scope.input.rules.iter().filter_map(|rule| join(scope, rule, &published, &mut seen)).collect()
}

/// Services, unlike everything else that is named after the App, begin with a letter.
fn check_service_name(scope: &Scope<'_>) {
    let name = scope.names.workload();
    if let (Some(first), true) = (scope.input.rules.first(), name.starts_with(|first: char| first.is_ascii_digit())) {
        let message = format!("the Service `{name}` would begin with a digit, which Kubernetes refuses");
        let help = "give the App a name that begins with a letter, or publish nothing";
        scope.findings.push(Diagnostic::error(CODE, first.at.clone(), message).help(help));
    }
}

/// What the services publish.
struct Published<'s> {
    /// By host port.
    hosts: BTreeMap<u16, &'s Port>,
    /// Whether some port could not be read.
    incomplete: bool,
}

/// What the rules before this one have taken.
#[derive(Default)]
struct Seen<'r> {
    names: BTreeMap<&'r str, &'r Span>,
    ports: BTreeMap<u16, &'r Span>,
    hosts: BTreeMap<String, &'r Span>,
}

/// All published ports by host port. The services share a network: they cannot share a port of it.
fn host_ports<'s>(scope: &Scope<'_>, services: &'s [LoadedService]) -> BTreeMap<u16, &'s Port> {
    let mut hosts: BTreeMap<u16, (&str, &Port)> = BTreeMap::new();
    let mut containers: BTreeMap<u16, (&str, &Span)> = BTreeMap::new();
    for LoadedService { service, ports, .. } in services {
        let mut own = BTreeSet::new();
        for port in &ports.list {
            // Repetitions inside one service have been reported.
            if own.insert(port.host)
                && let Some((owner, first)) = hosts.insert(port.host, (&service.name, port))
            {
                let message =
                    format!("host port {} of {}", port.host, twice(&service.name, owner, &port.at, &first.at));
                let help = "give one of them another host port";
                scope.findings.push(Diagnostic::error("port", port.at.clone(), message).help(help));
            }
            let (owner, first) = *containers.entry(port.container).or_insert((&service.name, &port.at));
            if owner != service.name {
                let twice = twice(&service.name, owner, &port.at, first);
                let message = format!("container port {} of {twice}, and both run in one Pod", port.container);
                let help = "let one of them listen on another port";
                scope.findings.push(Diagnostic::error("port", port.at.clone(), message).help(help));
            }
        }
    }
    hosts.into_iter().map(|(host, (_, port))| (host, port)).collect()
}

/// That two services publish a port; both may have it from one line that they inherit.
fn twice(service: &str, owner: &str, at: &Span, first: &Span) -> String {
    let place = if at == first { "by the same line".to_owned() } else { format!("at {first}") };
    format!("`{service}` is published by `{owner}` too, {place}")
}

fn join<'r>(
    scope: &Scope<'_>,
    rule: &'r PublishRule,
    published: &Published<'_>,
    seen: &mut Seen<'r>,
) -> Option<IngressRule> {
    let PublishRule { name, port, hosts, at } = rule;
    let report = |diagnostic: Diagnostic| scope.findings.push(diagnostic);
    check_name(scope, name, seen);
    if let Some(first) = seen.ports.insert(port.value, &port.at) {
        let message = format!("port {} has a rule already, at {first}", port.value);
        report(Diagnostic::error(CODE, port.at.clone(), message).help("list all of its hosts in one rule"));
    }
    check_default_host(scope, port);
    let hosts = check_hosts(scope, hosts, seen);
    let Some(behind) = published.hosts.get(&port.value) else {
        if !published.incomplete {
            let message = format!("the Compose file publishes no host port {}", port.value);
            report(Diagnostic::error(CODE, port.at.clone(), message).help(known_ports(&published.hosts)));
        }
        return None;
    };
    Some(IngressRule {
        name: name.value.clone(),
        port: port.value,
        container_port: behind.container,
        hosts,
        at: at.clone(),
    })
}

fn known_ports(ports: &BTreeMap<u16, &Port>) -> String {
    if ports.is_empty() {
        return "publish it in a service: `ports: [\"8080:80\"]`".to_owned();
    }
    let names: Vec<String> = ports.keys().map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("it publishes {}", enumerate(&names))
}

fn check_name<'r>(scope: &Scope<'_>, name: &'r Spanned<String>, seen: &mut Seen<'r>) {
    if !is_port_name(&name.value) {
        let message = format!("`{}` cannot name a rule", name.value);
        let help =
            "use at most 15 lower-case letters, digits and `-`: a letter first, no `-` last, and no two in a row";
        scope.findings.push(Diagnostic::error(CODE, name.at.clone(), message).help(help));
    }
    if let Some(first) = seen.names.insert(&name.value, &name.at) {
        let message = format!("a rule `{}` exists already, at {first}", name.value);
        scope.findings.push(Diagnostic::error(CODE, name.at.clone(), message).help("give one of them another name"));
    }
}

/// `^[a-z](-?[a-z0-9])*$`, at most 15: what the Service, the Ingress and we ourselves take, all at once.
fn is_port_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 15
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(inner)
        && !name.ends_with('-')
        && !name.contains("--")
}

fn check_default_host(scope: &Scope<'_>, port: &Spanned<u16>) {
    let Some(domain) = scope.input.domain else { return };
    let host = scope.names.default_host(port.value, domain);
    if host.len() > HOST {
        let message =
            format!("the default host `{host}` has {} characters, {} too many", host.len(), host.len() - HOST);
        let help = "shorten the cluster's domain or the App's name";
        scope.findings.push(Diagnostic::error(CODE, port.at.clone(), message).help(help));
    }
}

/// The hosts of a rule without repetitions.
fn check_hosts<'r>(scope: &Scope<'_>, hosts: &'r [Spanned<String>], seen: &mut Seen<'r>) -> Vec<String> {
    let mut own: Vec<String> = Vec::new();
    for host in hosts {
        let report = |diagnostic: Diagnostic| scope.findings.push(diagnostic);
        if own.contains(&host.value) {
            let message = format!("`{}` stands in this rule already", host.value);
            report(Diagnostic::warning(CODE, host.at.clone(), message).help("remove the repetition"));
            continue;
        }
        if !is_host(&host.value) {
            let message = format!("`{}` is no host name", host.value);
            let help = if is_address(&host.value) {
                "write a name, such as `www.example.org`: an Ingress takes no addresses"
            } else {
                "write lower-case labels with dots between them, such as `www.example.org`, without a port"
            };
            report(Diagnostic::error(CODE, host.at.clone(), message).help(help));
            continue;
        }
        if let Some(domain) = scope.input.domain.filter(|domain| is_below(&host.value, domain)) {
            let message =
                format!("`{}` lies under the cluster's domain `{domain}`, where only default hosts live", host.value);
            let help = "remove it: every rule has a default host there by itself";
            report(Diagnostic::error(CODE, host.at.clone(), message).help(help));
        }
        if let Some(first) = seen.hosts.insert(host.value.clone(), &host.at) {
            let message = format!("`{}` stands in another rule already, at {first}", host.value);
            report(Diagnostic::error(CODE, host.at.clone(), message).help("a host has one port: remove one of them"));
        }
        own.push(host.value.clone());
    }
    own
}

/// A DNS name; the first label may be `*`.
fn is_host(host: &str) -> bool {
    let labels = host.strip_prefix("*.").unwrap_or(host);
    host.len() <= HOST && labels.split('.').all(is_dns1123_label) && !is_address(host)
}

/// The API server reads leading zeros, too.
fn is_address(host: &str) -> bool {
    let bytes = host.split('.').filter(|part| part.parse::<u8>().is_ok()).count();
    host.parse::<IpAddr>().is_ok() || (bytes == 4 && host.split('.').count() == 4)
}

fn is_below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_names() {
        for name in ["a", "main", "http-2", "a-b-c", "abcdefghijklmno"] {
            assert!(is_port_name(name), "{name}");
        }
        for name in ["", "1a", "-a", "a-", "a--b", "A", "a_b", "abcdefghijklmnop", "é"] {
            assert!(!is_port_name(name), "{name}");
        }
    }

    #[test]
    fn hosts() {
        for host in ["www.example.org", "localhost", "*.example.org", "a.b-c.d1", "1.2.3", "1.2.3.4.5", "10.0.0.256"] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "",
            "www.example.org:80",
            "WWW.example.org",
            "a..b",
            "*",
            "a.*.b",
            "https://a",
            "a/b",
            ".a",
            "a.",
            "10.0.0.1",
            "010.0.0.01",
            "::1",
        ] {
            assert!(!is_host(host), "{host}");
        }
        assert!(is_below("a.ops.example.com", "ops.example.com"));
        assert!(is_below("ops.example.com", "ops.example.com"));
        assert!(!is_below("devops.example.com", "ops.example.com"));
    }
}
