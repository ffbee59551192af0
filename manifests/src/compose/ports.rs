//! `ports` of a service: `host:container`, short or long.

use std::collections::BTreeMap;

use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{Map, Node, Value};

const CODE: &str = "port";

/// A container port behind a host port.
pub(super) struct Port {
    pub(super) host: u16,
    pub(super) container: u16,
    pub(super) at: Span,
}

/// The ports of a service.
#[derive(Default)]
pub(super) struct Ports {
    /// In the order of the file.
    pub(super) list: Vec<Port>,
    /// Whether some could not be read: then nobody knows which host ports are not published.
    pub(super) incomplete: bool,
}

/// Reads the ports of a service.
pub(super) fn ports(scope: &Scope<'_>, node: &Node) -> Ports {
    let mut ports = Ports::default();
    let mut hosts = BTreeMap::new();
    if node.as_seq().is_none() {
        return Ports { incomplete: true, ..ports };
    }
    for item in scalar::each(node) {
        let Some(port) = port(scope, item) else {
            ports.incomplete = true;
            continue;
        };
        if let Some(first) = hosts.insert(port.host, port.at.clone()) {
            let message = format!("host port {} is published already, at {first}", port.host);
            let help = "give one of them another host port";
            scope.findings.push(Diagnostic::error(CODE, port.at.clone(), message).help(help));
        }
        ports.list.push(port);
    }
    ports
}

fn port(scope: &Scope<'_>, node: &Node) -> Option<Port> {
    match &node.value {
        Value::Map(map) => long(scope, node, map),
        Value::String(text) => match short(text) {
            Ok((host, container)) => Some(Port { host, container, at: node.span.clone() }),
            Err((problem, help)) => {
                let message = format!("`{}` {problem}", scalar::shown(text, &node.span));
                scope.findings.push(Diagnostic::error(CODE, node.span.clone(), message).help(help));
                None
            }
        },
        Value::Int(port) => {
            let message = format!("`{port}` {}", NO_HOST.0);
            scope.findings.push(Diagnostic::error(CODE, node.span.clone(), message).help(NO_HOST.1));
            None
        }
        _ => None,
    }
}

/// What is wrong, and what to do.
type Problem = (&'static str, &'static str);

const SHAPE: Problem =
    ("is not of the form `host:container`", "write two numbers from 1 to 65535, such as `\"8080:80\"`");
const NO_HOST: Problem =
    ("names no host port", "write `\"host:container\"`, such as `\"8080:80\"`, or `expose` it only");
const ADDRESS: Problem =
    ("binds to an address of the host", "leave the address out, or the whole port if it is not public");
const RANGE: Problem = ("is a range of ports", "list every port by itself");
const PROTOCOL: Problem = ("is no TCP port, and an Ingress publishes nothing else", "remove it");

fn short(text: &str) -> Result<(u16, u16), Problem> {
    let ports = match text.split_once('/') {
        None | Some((_, "tcp")) => text.trim_end_matches("/tcp"),
        Some(_) => return Err(PROTOCOL),
    };
    match ports.split(':').collect::<Vec<_>>().as_slice() {
        [_] => Err(NO_HOST),
        [host, container] if host.contains('-') || container.contains('-') => Err(RANGE),
        [host, container] => Ok((number(host).ok_or(SHAPE)?, number(container).ok_or(SHAPE)?)),
        _ => Err(ADDRESS),
    }
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

fn long(scope: &Scope<'_>, node: &Node, map: &Map) -> Option<Port> {
    let field = |key| {
        let value = keys::optional(map, key)?;
        let written = value.resolved()?;
        let problem = if written.contains('-') { RANGE } else { SHAPE };
        let port = number(&written);
        if port.is_none() {
            let message =
                format!("`{key}` {}", if problem == RANGE { RANGE.0 } else { "must be a port from 1 to 65535" });
            scope.findings.push(Diagnostic::error(CODE, value.span.clone(), message).help(problem.1));
        }
        port
    };
    let (target, published) = (field("target"), field("published"));
    if let Some(protocol) = keys::optional(map, "protocol").filter(|protocol| protocol.as_str() != Some("tcp")) {
        let message = format!("the port {}", PROTOCOL.0);
        scope.findings.push(Diagnostic::error(CODE, protocol.span.clone(), message).help(PROTOCOL.1));
        return None;
    }
    Some(Port { host: published?, container: target?, at: node.span.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ports() {
        assert_eq!(short("8080:80"), Ok((8080, 80)));
        assert_eq!(short("8080:80/tcp"), Ok((8080, 80)));
        assert_eq!(short("65535:1"), Ok((65535, 1)));
        for (text, problem) in [
            ("80", NO_HOST),
            ("", NO_HOST),
            ("80/udp", PROTOCOL),
            ("53:53/udp", PROTOCOL),
            ("127.0.0.1:80:80", ADDRESS),
            ("[::1]:80:80", ADDRESS),
            ("80-90:80-90", RANGE),
            ("0:80", SHAPE),
            ("80:0", SHAPE),
            ("80:65536", SHAPE),
            ("80:http", SHAPE),
            (":80", SHAPE),
            ("80:", SHAPE),
            ("+80:80", SHAPE),
            (" 80:80", SHAPE),
        ] {
            assert_eq!(short(text), Err(problem), "{text}");
        }
    }
}
