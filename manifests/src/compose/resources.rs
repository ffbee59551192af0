//! Requests and limits: `x-kompox` of a service, else `deploy.resources`, `cpus`, `mem_limit` and `mem_reservation`.

mod gpus;

use std::collections::BTreeMap;

use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::kom::quantity::{self, Quantity};
use crate::model::Resources;
use crate::yaml::{Entry, Map, Node};

const CODE: &str = "quantity";
/// Resources that can be asked for.
const NAMES: [&str; 2] = ["cpu", "memory"];

/// Amounts by resource, as written and as numbers.
type Amounts = BTreeMap<String, (Spanned<String>, Quantity)>;

/// Reads everything that a service says about its resources. What `x-kompox` says holds.
pub(super) fn of_service<'n>(scope: &Scope<'_>, service: &'n Map) -> Resources {
    let mut resources = keys::optional(service, "x-kompox").map_or_else(Resources::default, |node| kompox(scope, node));
    let own = resources.clone();
    let below = |map: Option<&'n Map>, key| map.and_then(|map| keys::optional(map, key)).and_then(Node::as_map);
    let deploy = below(below(Some(service), "deploy"), "resources");
    let (limits, reservations) = (below(deploy, "limits"), below(deploy, "reservations"));
    let sources = [
        (true, "cpu", limits, "cpus"),
        (true, "cpu", Some(service), "cpus"),
        (true, "memory", limits, "memory"),
        (true, "memory", Some(service), "mem_limit"),
        (false, "cpu", reservations, "cpus"),
        (false, "memory", reservations, "memory"),
        (false, "memory", Some(service), "mem_reservation"),
    ];
    let mut last = None;
    for (limit, name, map, key) in sources {
        let Some(node) = map.and_then(|map| keys::optional(map, key)) else { continue };
        let amount =
            if name == "cpu" { scalar::processors(node, key, scope.findings) } else { bytes(scope, node, key) };
        let Some(amount) = amount else { continue };
        let (said, first) =
            if limit { (&mut resources.limits, &own.limits) } else { (&mut resources.requests, &own.requests) };
        take(scope, node, key, (name, amount), said, first.contains_key(name));
        last = Some(node);
    }
    if let Some(node) = last {
        check_limits(scope, node, &resources);
    }
    let devices = reservations.and_then(|map| keys::optional(map, "devices"));
    for amount in resources.requests.values_mut().chain(resources.limits.values_mut()) {
        // Another text for the same amount would look like a change wherever it is compared.
        if let Ok(written) = quantity::canonical(amount) {
            *amount = written;
        }
    }
    // A device that is limited is requested as well.
    resources.limits.extend(gpus::gpus(scope, service, devices));
    resources
}

fn bytes(scope: &Scope<'_>, node: &Node, key: &str) -> Option<String> {
    // Compose takes 0 for no limit.
    scalar::bytes(node, key, scope.findings).filter(|&bytes| bytes > 0).map(scalar::binary)
}

/// Takes one amount, unless another one stands there already.
fn take(
    scope: &Scope<'_>,
    node: &Node,
    key: &str,
    (name, amount): (&'static str, String),
    said: &mut BTreeMap<String, String>,
    by_kompox: bool,
) {
    let Some(other) = said.get(name) else {
        said.insert(name.to_owned(), amount);
        return;
    };
    let same = amount.parse::<Quantity>().ok() == other.parse::<Quantity>().ok();
    let at = node.span.clone();
    if by_kompox && !same {
        let message = format!("`{key}` has no effect: `x-kompox` says `{other}` for `{name}`");
        scope.findings.push(Diagnostic::info(CODE, at, message).help("remove one of them"));
    } else if !same {
        let message = format!("`{key}` contradicts `deploy.resources`, which says `{other}` for `{name}`");
        scope.findings.push(Diagnostic::error(CODE, at, message).help("remove one of them"));
    }
}

/// Nothing can be promised more than it may have.
fn check_limits(scope: &Scope<'_>, node: &Node, resources: &Resources) {
    for (name, asked) in &resources.requests {
        let limit = resources.limits.get(name);
        let amounts = limit.and_then(|limit| Some((asked.parse::<Quantity>().ok()?, limit.parse::<Quantity>().ok()?)));
        if let (Some(limit), Some((amount, most))) = (limit, amounts)
            && amount > most
        {
            let message = format!("the service asks for `{asked}` of `{name}`, more than its limit `{limit}`");
            let help = "raise the limit, or ask for less";
            scope.findings.push(Diagnostic::error(CODE, node.span.clone(), message).help(help));
        }
    }
}

/// Reads `x-kompox`.
fn kompox(scope: &Scope<'_>, node: &Node) -> Resources {
    let read = |key| node.get(key).and_then(Node::as_map).map(|map| amounts(scope, map)).unwrap_or_default();
    let (requests, limits) = (read("resources"), read("limits"));
    for (name, (asked, amount)) in &requests {
        if let Some((limit, _)) = limits.get(name).filter(|(_, limit)| amount > limit) {
            let message = format!("`{name}` asks for more than its limit `{}`", scalar::shown(&limit.value, &limit.at));
            let help = "raise the limit, or ask for less";
            scope.findings.push(Diagnostic::error(CODE, asked.at.clone(), message).help(help));
        }
    }
    Resources { requests: written(requests), limits: written(limits) }
}

fn written(amounts: Amounts) -> BTreeMap<String, String> {
    amounts.into_iter().map(|(name, (written, _))| (name, written.value)).collect()
}

fn amounts(scope: &Scope<'_>, map: &Map) -> Amounts {
    map.iter().filter_map(|entry| Some((entry.key.text.clone(), amount(scope, entry)?))).collect()
}

fn amount(scope: &Scope<'_>, Entry { key, value }: &Entry) -> Option<(Spanned<String>, Quantity)> {
    let name = NAMES.into_iter().find(|name| *name == key.text)?;
    let written = scalar::written(value)?;
    let problem = match written.value.parse::<Quantity>() {
        Ok(amount) if !written.value.starts_with('-') => return Some((written, amount)),
        Ok(_) => format!("`{name}` must not be negative"),
        Err(error) => format!("`{name}` {error}"),
    };
    let help = "write it like `100m` or `0.5` for processors, `256Mi` or `1Gi` for memory";
    scope.findings.push(Diagnostic::error(CODE, written.at, problem).help(help));
    None
}
