//! `depends_on`: in which order the services of the Pod start.

use std::collections::{BTreeMap, BTreeSet};

use super::service::LoadedService;
use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{Service, Starter, Until};
use crate::yaml::fields::suggest;
use crate::yaml::{Entry, Map, Node, Value};

const CODE: &str = "depends-on";
const CONDITIONS: [(&str, Until); 3] = [
    ("service_started", Until::Started),
    ("service_healthy", Until::Healthy),
    ("service_completed_successfully", Until::Completed),
];

/// A service that another one waits for.
pub(super) struct Dependency {
    /// Its name.
    pub(super) service: Spanned<String>,
    /// What of it is waited for.
    pub(super) until: Until,
    /// Whether it has to exist.
    pub(super) required: bool,
}

/// Reads the dependencies of a service, in the order of the file: those of `depends_on`, then the services whose names or
/// network it asks for.
pub(super) fn dependencies(scope: &Scope<'_>, service: &Map) -> Vec<Dependency> {
    let mut dependencies: Vec<Dependency> = match keys::optional(service, "depends_on").map(|node| &node.value) {
        Some(Value::Map(map)) => map.iter().filter_map(|entry| dependency(scope, entry)).collect(),
        Some(Value::Seq(items)) => items.iter().filter_map(scalar::text).map(started).collect(),
        _ => Vec::new(),
    };
    let linked = keys::optional(service, "links").map(scalar::each).unwrap_or_default().iter();
    let linked = linked.filter_map(scalar::text).map(|link| first(link, ':'));
    let network = keys::optional(service, "network_mode").and_then(scalar::text);
    let network = network
        .and_then(|mode| Some(mode.value.strip_prefix("service:")?.to_owned()).map(|name| Spanned::new(name, mode.at)));
    for implied in linked.chain(network) {
        if dependencies.iter().all(|known| known.service.value != implied.value) {
            dependencies.push(started(implied));
        }
    }
    dependencies
}

/// A service that has to run.
fn started(service: Spanned<String>) -> Dependency {
    Dependency { service, until: Until::Started, required: true }
}

/// What stands in front of a separator.
fn first(text: Spanned<String>, separator: char) -> Spanned<String> {
    let first = text.value.split(separator).next().unwrap_or_default().to_owned();
    Spanned::new(first, text.at)
}

fn dependency(scope: &Scope<'_>, Entry { key, value }: &Entry) -> Option<Dependency> {
    let map = value.as_map()?;
    let service = Spanned::new(key.text.clone(), key.span.clone());
    let condition = keys::optional(map, "condition").and_then(Node::as_str);
    let (_, until) = CONDITIONS.into_iter().find(|(word, _)| Some(*word) == condition)?;
    let required = keys::optional(map, "required").and_then(|node| scalar::boolean(node, "required", scope.findings));
    Some(Dependency { service, until, required: required.unwrap_or(true) })
}

/// The services that others wait for to end.
pub(super) fn jobs(services: &[LoadedService]) -> BTreeSet<&str> {
    let waited = services.iter().flat_map(|loaded| &loaded.dependencies);
    let ended = waited.filter(|dependency| dependency.until == Until::Completed);
    ended.map(|dependency| dependency.service.value.as_str()).collect()
}

/// The services that others wait for, in the order in which they start: first what they need, then by name.
pub(super) fn order(scope: &Scope<'_>, root: &Map, services: &[LoadedService]) -> Vec<Starter> {
    let by_name: BTreeMap<&str, &LoadedService> =
        services.iter().map(|loaded| (loaded.service.name.as_str(), loaded)).collect();
    let mut waited: BTreeMap<&str, (Until, &Span)> = BTreeMap::new();
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for loaded in services {
        let own = needs.entry(&loaded.service.name).or_default();
        for dependency in &loaded.dependencies {
            let name = dependency.service.value.as_str();
            let Some(needed) = by_name.get(name) else {
                missing(scope, root, dependency, &by_name);
                continue;
            };
            own.insert(name);
            check(scope, needed, dependency);
            join(scope, &mut waited, dependency);
        }
    }
    let cycles = cycles(&needs);
    if !cycles.is_empty() {
        cycles.iter().for_each(|cycle| report_cycle(scope, services, cycle));
        return Vec::new();
    }
    let mut order = Vec::new();
    let mut left: BTreeSet<&str> = waited.keys().copied().collect();
    while let Some(next) = left.iter().copied().find(|name| needs[name].is_disjoint(&left)) {
        left.remove(next);
        order.push(Starter { service: next.to_owned(), until: waited[next].0 });
    }
    order
}

/// A dependency on a service that does not take part.
fn missing(scope: &Scope<'_>, root: &Map, dependency: &Dependency, services: &BTreeMap<&str, &LoadedService>) {
    let at = dependency.service.at.clone();
    let name = scalar::shown(&dependency.service.value, &at);
    let defined = root.get("services").and_then(|node| node.get(&dependency.service.value));
    let left_out = defined.is_some_and(|service| service.get("profiles").is_some_and(|profiles| !profiles.is_null()));
    let report = |diagnostic: Diagnostic| scope.findings.push(diagnostic);
    match (dependency.required, defined.is_some()) {
        (false, true) => {
            let message = format!("nothing waits for `{name}`, which does not take part");
            report(Diagnostic::info(CODE, at, message).help("nothing needs to be done: it is not `required`"));
        }
        (true, true) if left_out => {
            let message = format!("`{name}` is waited for, but belongs to a profile and does not take part");
            report(Diagnostic::error(CODE, at, message).help("remove its `profiles`, or add `required: false` here"));
        }
        // What is wrong with it has been reported.
        (true, true) => {}
        (_, false) => {
            let help = match suggest(&dependency.service.value, services.keys().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "add the service, or remove the dependency".to_owned(),
            };
            report(Diagnostic::error(CODE, at, format!("there is no service `{name}` to wait for")).help(help));
        }
    }
}

/// Whether what is waited for can come true.
fn check(scope: &Scope<'_>, needed: &LoadedService, dependency: &Dependency) {
    let at = dependency.service.at.clone();
    let name = &needed.service.name;
    match dependency.until {
        Until::Healthy if needed.service.runtime.health.is_none() => {
            let message = format!("nothing says when `{name}` is healthy: it has no health check of its own here");
            let help =
                "add `healthcheck` with a `test` to it (that of an image is unknown), or wait for `service_started`";
            scope.findings.push(Diagnostic::error(CODE, at, message).help(help));
        }
        Until::Completed => {
            let message = format!("`{name}` runs to its end at every start of the App's Pod, before what waits for it");
            let help = "make sure that running it again does no harm";
            scope.findings.push(Diagnostic::info(CODE, at, message).help(help));
            lost_by_a_job(scope, &needed.service);
        }
        Until::Healthy | Until::Started => {}
    }
}

/// What a container that runs to its end cannot have.
fn lost_by_a_job(scope: &Scope<'_>, job: &Service) {
    let name = &job.name;
    let runtime = &job.runtime;
    let lost = [
        ("health check", runtime.health.is_some(), "remove `healthcheck`: that it ends well is enough"),
        ("`post_start`", runtime.post_start.is_some(), "do it in the command"),
        ("`pre_stop`", runtime.pre_stop.is_some(), "do it in the command"),
    ];
    for (what, _, help) in lost.into_iter().filter(|(_, said, _)| *said) {
        let message = format!("the {what} of `{name}` never runs: others wait for it to end");
        scope.findings.push(Diagnostic::warning(CODE, job.at.clone(), message).help(help));
    }
}

/// Joins what several services wait for: healthy and completed include started, but exclude each other.
fn join<'s>(scope: &Scope<'_>, waited: &mut BTreeMap<&'s str, (Until, &'s Span)>, dependency: &'s Dependency) {
    let Spanned { value: name, at } = &dependency.service;
    let (until, first) = waited.entry(name).or_insert((dependency.until, at));
    match (*until, dependency.until) {
        (Until::Healthy, Until::Completed) | (Until::Completed, Until::Healthy) => {
            let message = format!("`{name}` cannot both end and stay healthy, as is waited for at {first}");
            let help = "wait for the same condition at both places";
            scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
        }
        (Until::Started, stronger) => (*until, *first) = (stronger, at),
        _ => {}
    }
}

/// The cycles, each beginning with its first name, sorted: every service that waits for itself, and of the others as many
/// as have no service in common. What else there is shows when these are gone.
fn cycles<'s>(needs: &BTreeMap<&'s str, BTreeSet<&'s str>>) -> Vec<Vec<&'s str>> {
    let mut needs = needs.clone();
    let mut cycles = Vec::new();
    for (name, needed) in &mut needs {
        if needed.remove(name) {
            cycles.push(vec![*name]);
        }
    }
    let mut left: BTreeSet<&str> = needs.keys().copied().collect();
    while let Some(cycle) = cycle(&needs, &mut left) {
        cycle.iter().for_each(|name| {
            left.remove(name);
        });
        cycles.push(cycle);
    }
    cycles.sort();
    cycles
}

/// A cycle among those that are `left`, from which all that are in none are taken away.
fn cycle<'s>(needs: &BTreeMap<&'s str, BTreeSet<&'s str>>, left: &mut BTreeSet<&'s str>) -> Option<Vec<&'s str>> {
    // What waits for nobody who is left can be taken away, one after the other.
    while let Some(free) = left.iter().copied().find(|name| needs[name].is_disjoint(left)) {
        left.remove(free);
    }
    let mut path: Vec<&str> = vec![*left.first()?];
    loop {
        let next = needs[path.last()?].iter().copied().find(|name| left.contains(name))?;
        if let Some(start) = path.iter().position(|name| *name == next) {
            let mut cycle = path.split_off(start);
            let smallest = cycle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(at, _)| at);
            cycle.rotate_left(smallest);
            return Some(cycle);
        }
        path.push(next);
    }
}

fn report_cycle(scope: &Scope<'_>, services: &[LoadedService], cycle: &[&str]) {
    let (Some(first), Some(second)) = (cycle.first(), cycle.get(1).or(cycle.first())) else { return };
    let named: Vec<String> = cycle.iter().chain([first]).map(|name| format!("`{name}`")).collect();
    let dependency = services
        .iter()
        .filter(|loaded| loaded.service.name == *first)
        .flat_map(|loaded| &loaded.dependencies)
        .find(|dependency| dependency.service.value == *second);
    let Some(dependency) = dependency else { return };
    let message = format!("services wait for each other in a circle: {}", named.join(" → "));
    let help = "remove one of these dependencies";
    scope.findings.push(Diagnostic::error(CODE, dependency.service.at.clone(), message).help(help));
}
