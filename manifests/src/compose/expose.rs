//! `expose` of a service: ports that it listens on without publishing them.

use std::collections::BTreeMap;

use super::service::LoadedService;
use super::{Scope, scalar};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{Port, Protocol};
use crate::yaml::Node;

const CODE: &str = "port";
/// Longest range that is written out.
const LONGEST_RANGE: u16 = 100;

/// Reads the exposed ports in the order of the file, without repetitions.
pub(super) fn ports(scope: &Scope<'_>, node: &Node) -> Vec<Spanned<Port>> {
    let mut ports: Vec<Spanned<Port>> = Vec::new();
    for written in scalar::each(node).iter().filter_map(scalar::written) {
        let Some((first, last, protocol)) = parse(&written.value) else {
            let message = format!("`{}` is no port", scalar::shown(&written.value, &written.at));
            let help = "write `80`, `53/udp` or a range of at most 100 such as `8000-8010`, each from 1 to 65535";
            scope.findings.push(Diagnostic::error(CODE, written.at, message).help(help));
            continue;
        };
        for number in first..=last {
            let port = Port { number, protocol };
            if ports.iter().all(|other| other.value != port) {
                ports.push(Spanned::new(port, written.at.clone()));
            }
        }
    }
    ports
}

/// First and last port, and their protocol.
fn parse(text: &str) -> Option<(u16, u16, Protocol)> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().ok().filter(|&port| port != 0 && !text.starts_with('+'));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && last - first < LONGEST_RANGE).then_some((first, last, protocol))
}

/// Reports ports that two services listen on: they share a Pod, so only one could. Two that publish
/// one port are reported where ports are published.
pub(super) fn conflicts(scope: &Scope<'_>, services: &[LoadedService]) {
    struct Listener<'s> {
        service: &'s str,
        at: &'s Span,
        published: bool,
    }
    let mut taken: BTreeMap<Port, Listener<'_>> = BTreeMap::new();
    for loaded in services {
        let service = loaded.service.name.as_str();
        let published = loaded.ports.list.iter().map(|port| {
            (
                Port { number: port.container, protocol: Protocol::Tcp },
                Listener { service, at: &port.at, published: true },
            )
        });
        let exposed =
            loaded.exposed.iter().map(|port| (port.value, Listener { service, at: &port.at, published: false }));
        for (port, listener) in published.chain(exposed) {
            let Some(first) = taken.get(&port) else {
                taken.insert(port, listener);
                continue;
            };
            if first.service == service || (first.published && listener.published) {
                continue;
            }
            let message = format!(
                "`{service}` and `{}`, at {}, both listen on port {}, and both run in one Pod",
                first.service, first.at, port.number
            );
            let help = "let one of them listen on another port";
            scope.findings.push(Diagnostic::error(CODE, listener.at.clone(), message).help(help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposed_ports() {
        assert_eq!(parse("80"), Some((80, 80, Protocol::Tcp)));
        assert_eq!(parse("53/udp"), Some((53, 53, Protocol::Udp)));
        assert_eq!(parse("8000-8010/tcp"), Some((8000, 8010, Protocol::Tcp)));
        for text in ["", "0", "65536", "80:80", "9-8", "1-1000", "80/http", "+80", "-", "80-"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
