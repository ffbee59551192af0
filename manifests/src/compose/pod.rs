//! Keys of a service that hold for the whole Pod: merged where they are compatible, else an error
//! that names both services.

mod labels;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::service::LoadedService;
use super::{Scope, duration, keys, scalar, security};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::Pod;
use crate::yaml::{Map, Node, Value};

const CODE: &str = "pod-wide";
/// Kubernetes takes no more name servers.
const NAME_SERVERS: usize = 3;
/// Nor more search domains.
const SEARCH_DOMAINS: usize = 32;
/// What has been said so far, by which service, and where.
struct Said<'s> {
    service: &'s str,
    at: Span,
    value: String,
}

/// The services' Pod-wide keys put together, while the Pod is being made.
struct Merge<'m, 's> {
    scope: &'m Scope<'m>,
    said: BTreeMap<(&'static str, String), Said<'s>>,
}

/// Merges the Pod-wide keys of all services.
pub(super) fn merge(scope: &Scope<'_>, root: &Map, services: &[LoadedService]) -> Pod {
    let mut pod = Pod::default();
    let mut merge = Merge { scope, said: BTreeMap::new() };
    for loaded in services {
        let name = loaded.service.name.as_str();
        let Some(map) = root.get("services").and_then(|all| all.get(name)).and_then(Node::as_map) else { continue };
        merge.service(&mut pod, name, map);
        if services.len() > 1 {
            for key in ["sysctls", "group_add", "extra_hosts", "hostname", "dns", "dns_search", "dns_opt"] {
                if let Some(entry) = map.entry(key).filter(|entry| !entry.value.is_null()) {
                    let message = format!("`{key}` of `{name}` holds for all services of the App: they share one Pod");
                    let help = "nothing needs to be done if the others may have it too";
                    scope.findings.push(Diagnostic::info(CODE, entry.key.span.clone(), message).help(help));
                }
            }
        }
    }
    pod
}

impl<'s> Merge<'_, 's> {
    fn service(&mut self, pod: &mut Pod, name: &'s str, map: &Map) {
        let findings = self.scope.findings;
        if let Some(node) = keys::optional(map, "stop_grace_period") {
            pod.grace_period = pod.grace_period.max(duration::seconds(node, "stop_grace_period", 1, findings));
        }
        let groups = keys::optional(map, "group_add").map(scalar::each).unwrap_or_default();
        pod.groups.extend(groups.iter().filter_map(|group| self.group(group)));
        for (key, value) in self.pairs(map, "sysctls", &['=']) {
            if self.sysctl(&key) && self.agree(name, "sysctls", &key.value, &value) {
                pod.sysctls.insert(key.value, value.value);
            }
        }
        for (host, address) in self.pairs(map, "extra_hosts", &['=', ':']) {
            let Some(ip) = self.address(&address) else { continue };
            if self.host(&host) && self.agree(name, "extra_hosts", &host.value, &address) {
                pod.hosts.entry(ip).or_default().insert(host.value);
            }
        }
        if let Some(node) = keys::optional(map, "platform") {
            pod.architecture = self.platform(name, node).or_else(|| pod.architecture.take());
        }
        self.dns(pod, name, map);
        self.labels(pod, name, map);
        self.host_name(pod, name, map);
    }

    /// Containers of a Pod share one host name; where services want several, none gets its own.
    fn host_name(&mut self, pod: &mut Pod, service: &'s str, map: &Map) {
        let Some(given) = keys::optional(map, "hostname").and_then(scalar::text) else { return };
        if given.value.is_empty() {
            return;
        }
        let shown = scalar::shown(&given.value, &given.at);
        let warn = |message: String, help: &str| {
            self.scope.findings.push(Diagnostic::warning(CODE, given.at.clone(), message).help(help));
        };
        if !crate::id::is_dns1123_label(&given.value) {
            warn(
                format!("`{shown}` cannot be the host name of a Pod"),
                "write lower-case letters, digits and `-` only",
            );
            return;
        }
        let Some(first) = self.said.get(&("hostname", String::new())) else {
            pod.host_name = Some(given.value.clone());
            self.said.insert(("hostname", String::new()), Said { service, at: given.at, value: given.value });
            return;
        };
        if first.value != given.value {
            pod.host_name = None;
            let other = first.service;
            warn(
                format!(
                    "`{service}` is not called `{shown}`: its Pod is that of `{other}` too, which has another `hostname`"
                ),
                "remove `hostname` where nothing depends on it; services are reached by their names",
            );
        }
    }

    fn report(&self, at: &Span, message: String, help: &str) {
        self.scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
    }

    /// Whether nobody has said something else; reports it otherwise.
    fn agree(&mut self, service: &'s str, key: &'static str, name: &str, value: &Spanned<String>) -> bool {
        let slot = (key, name.to_owned());
        let Some(first) = self.said.get(&slot) else {
            self.said.insert(slot, Said { service, at: value.at.clone(), value: value.value.clone() });
            return true;
        };
        if first.value == value.value {
            return true;
        }
        let what = if name.is_empty() { format!("`{key}`") } else { format!("`{name}` in `{key}`") };
        let message = format!(
            "{what} of `{service}` contradicts that of `{}`, at {}: they share one Pod",
            first.service, first.at
        );
        self.report(&value.at, message, "write the same for both");
        false
    }

    /// Names with values: a mapping, or a list of texts split at the first of some characters.
    fn pairs(&self, map: &Map, key: &str, separators: &[char]) -> Vec<(Spanned<String>, Spanned<String>)> {
        let Some(node) = keys::optional(map, key) else { return Vec::new() };
        let mut pairs = Vec::new();
        match &node.value {
            Value::Map(map) => {
                for entry in map {
                    let name = Spanned::new(entry.key.text.clone(), entry.key.span.clone());
                    if entry.value.is_null() {
                        let message = format!("`{}` has no value", scalar::shown(&name.value, &name.at));
                        self.report(&name.at, message, "give it one, or remove it");
                    }
                    let values = scalar::each(&entry.value).iter().filter_map(scalar::written);
                    pairs.extend(values.map(|value| (name.clone(), value)));
                }
            }
            Value::Seq(items) => {
                for given in items.iter().filter_map(scalar::text) {
                    let Some((name, value)) = given.value.split_once(separators) else {
                        let message = format!("`{}` has no value", scalar::shown(&given.value, &given.at));
                        self.report(&given.at, message, "write `name=value`");
                        continue;
                    };
                    let spanned = |text: &str| Spanned::new(text.trim().to_owned(), given.at.clone());
                    pairs.push((spanned(name), spanned(value)));
                }
            }
            _ => {}
        }
        pairs
    }

    fn group(&self, node: &Node) -> Option<u32> {
        let given = scalar::written(node)?;
        let id = security::id(&given.value);
        if id.is_none() {
            let shown = scalar::shown(&given.value, &given.at);
            let message = format!("the group `{shown}` is no number: Kubernetes cannot look names up in the image");
            self.report(&given.at, message, "write its number");
        }
        id
    }

    fn sysctl(&self, name: &Spanned<String>) -> bool {
        let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let ends = |text: &str| text.starts_with(['.', '-', '_']) || text.ends_with(['.', '-', '_']);
        let shown = scalar::shown(&name.value, &name.at);
        if name.value.is_empty() || ends(&name.value) || !name.value.bytes().all(usable) {
            self.report(&name.at, format!("`{shown}` is no kernel parameter"), "write it like `net.core.somaxconn`");
            return false;
        }
        true
    }

    fn address(&self, given: &Spanned<String>) -> Option<String> {
        let address = given.value.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if address.is_err() {
            let message = format!("`{}` is no IP address", scalar::shown(&given.value, &given.at));
            self.report(&given.at, message, "write an address; a Pod has no `host-gateway`");
        }
        address.ok().map(|address| address.to_string())
    }

    fn host(&self, host: &Spanned<String>) -> bool {
        let valid = host.value.len() <= 253 && host.value.split('.').all(crate::id::is_dns1123_label);
        if !valid {
            let message = format!("`{}` is no host name", scalar::shown(&host.value, &host.at));
            self.report(&host.at, message, "write lower-case letters, digits, `-` and `.` only");
        }
        valid
    }

    /// Whether an option of the resolver has a name.
    fn option(&self, option: &Spanned<String>) -> bool {
        let named = !option.value.starts_with(':');
        if !named {
            let message = format!("`{}` is no option of the resolver", scalar::shown(&option.value, &option.at));
            self.report(&option.at, message, "write it like `ndots:2` or `rotate`");
        }
        named
    }

    /// The architecture of `os/architecture/variant`.
    fn platform(&mut self, service: &'s str, node: &Node) -> Option<String> {
        let given = scalar::text(node)?;
        let mut parts = given.value.split('/');
        let (os, architecture) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let known = ["amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64"].contains(&architecture);
        if os != "linux" || !known {
            let message = format!("`{}` is no platform of a node", scalar::shown(&given.value, &given.at));
            self.report(&given.at, message, "write `linux/amd64` or `linux/arm64`");
            return None;
        }
        let value = Spanned::new(architecture.to_owned(), given.at);
        self.agree(service, "platform", "", &value).then_some(value.value)
    }

    fn dns(&mut self, pod: &mut Pod, service: &'s str, map: &Map) {
        let servers: Vec<String> = self.texts(map, "dns").iter().filter_map(|server| self.address(server)).collect();
        if let Some(node) = keys::optional(map, "dns").filter(|_| servers.len() > NAME_SERVERS) {
            let message = format!("Kubernetes takes {NAME_SERVERS} name servers at most");
            self.report(&node.span, message, "remove some");
        }
        self.whole(service, map, "dns", servers, &mut pod.name_servers);
        let searches = self.texts(map, "dns_search").into_iter().filter(|domain| self.host(domain));
        let searches = searches.map(|domain| domain.value).collect();
        self.whole(service, map, "dns_search", searches, &mut pod.dns_searches);
        if let Some(node) = keys::optional(map, "dns_search").filter(|_| pod.dns_searches.len() > SEARCH_DOMAINS) {
            let message = format!("Kubernetes takes {SEARCH_DOMAINS} search domains at most");
            self.report(&node.span, message, "remove some");
        }
        let options = self.texts(map, "dns_opt").into_iter().filter(|option| self.option(option));
        let options = options.map(|option| option.value).collect();
        let mut merged = Vec::new();
        self.whole(service, map, "dns_opt", options, &mut merged);
        let pair = |text: &String| match text.split_once(':') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        };
        if !merged.is_empty() {
            pod.dns_options = merged.iter().map(pair).collect();
        }
    }

    /// One text or a list of texts.
    fn texts(&self, map: &Map, key: &str) -> Vec<Spanned<String>> {
        let items = keys::optional(map, key).map(scalar::each).unwrap_or_default();
        items.iter().filter_map(scalar::text).filter(|text| !text.value.is_empty()).collect()
    }

    /// Takes a list on which all services that have one must agree as a whole.
    fn whole(&mut self, service: &'s str, map: &Map, key: &'static str, list: Vec<String>, into: &mut Vec<String>) {
        let Some(node) = keys::optional(map, key).filter(|_| !list.is_empty()) else { return };
        let value = Spanned::new(list.join(" "), node.span.clone());
        if self.agree(service, key, "", &value) {
            *into = list;
        }
    }
}
