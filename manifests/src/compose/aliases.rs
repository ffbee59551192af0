//! The names by which a service is reached besides its own: `aliases` of its networks, `links` of others,
//! `container_name` and `hostname`. As all services share one Pod, a name is the same whose it is.

use std::collections::BTreeMap;

use super::service::{LoadedService, is_dns1035_label};
use super::{Scope, files, keys, scalar};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::yaml::{Entry, Map, Node, Value};

const CODE: &str = "alias";

/// How bad it is when nothing can have the name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To be reached by it is what the name is for.
    Reach,
    /// It has other uses as well.
    Among,
}

/// Further names, sorted, each with the first place that asks for it. Those of services are no further ones.
pub(super) fn names(scope: &Scope<'_>, root: &Map, services: &[LoadedService]) -> Vec<Spanned<String>> {
    let mut names = BTreeMap::new();
    for loaded in services {
        let Some(map) = root.get("services").and_then(|all| all.get(&loaded.service.name)).and_then(Node::as_map)
        else {
            continue;
        };
        for (name, key, purpose) in asked_for(map) {
            let known = services.iter().any(|other| other.service.name == name.value);
            if !known && usable(scope, &name, key, purpose) {
                names.entry(name.value).or_insert(name.at);
            }
        }
    }
    names.into_iter().map(|(name, at)| Spanned::new(name, at)).collect()
}

fn asked_for(service: &Map) -> Vec<(Spanned<String>, &'static str, Purpose)> {
    let mut asked = Vec::new();
    let texts = |node: &Node| scalar::each(node).iter().filter_map(scalar::text).collect::<Vec<_>>();
    if let Some(Value::Map(networks)) = keys::optional(service, "networks").map(|node| &node.value) {
        for Entry { value, .. } in networks {
            let aliases = value.get("aliases").map(texts).unwrap_or_default();
            asked.extend(aliases.into_iter().map(|name| (name, "aliases", Purpose::Reach)));
        }
    }
    for link in keys::optional(service, "links").map(texts).unwrap_or_default() {
        if let Some((_, name)) = link.value.split_once(':') {
            asked.push((Spanned::new(name.to_owned(), link.at), "links", Purpose::Reach));
        }
    }
    for key in ["container_name", "hostname"] {
        let name = keys::optional(service, key).and_then(scalar::text).filter(|name| !name.value.is_empty());
        asked.extend(name.map(|name| (name, key, Purpose::Among)));
    }
    asked
}

/// Whether a Service can have the name; reports when not.
fn usable(scope: &Scope<'_>, name: &Spanned<String>, key: &str, purpose: Purpose) -> bool {
    let shown = scalar::shown(&name.value, &name.at);
    let (problem, help) = if scope.names.reserves_service(&name.value) {
        let app = &scope.names.app;
        (
            format!("names that begin with `{app}-app` or `{app}-box` are taken by the App's own objects"),
            "choose another name".to_owned(),
        )
    } else if is_dns1035_label(&name.value) {
        return true;
    } else {
        let problem = "Kubernetes takes lower-case letters, digits and `-`, a letter first, at most 63".to_owned();
        let help = match files::dashed(&name.value).filter(|dashed| is_dns1035_label(dashed)) {
            Some(dashed) if purpose == Purpose::Reach => format!("call it `{dashed}`"),
            _ if purpose == Purpose::Reach => {
                format!("use the service's name, or `extra_hosts: [\"{shown}:127.0.0.1\"]`")
            }
            _ => "use the service's name to reach it".to_owned(),
        };
        (problem, help)
    };
    let message = format!("nothing is reached by `{shown}` of `{key}`: {problem}");
    let at = name.at.clone();
    scope.findings.push(match purpose {
        Purpose::Reach => Diagnostic::error(CODE, at, message).help(help),
        Purpose::Among => Diagnostic::info(CODE, at, message).help(help),
    });
    false
}
