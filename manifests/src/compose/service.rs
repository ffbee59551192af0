//! One Compose service: every concern's part put together.

use std::collections::{BTreeMap, BTreeSet};

use super::depends_on::{self, Dependency};
use super::files::{self, FileKind};
use super::ports::Ports;
use super::{
    Scope, env_file, environment, expose, healthcheck, hooks, image, keys, memory, mounts, ports, process, resources,
    scalar, security, words,
};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{FileMount, Mount, Port, Runtime, SecretMap, Service};
use crate::names::SUB_PATHS_CONTAINER;
use crate::yaml::fields::suggest;
use crate::yaml::{Entry, Key, Map, Node, Value};

/// A service with the ports that it publishes.
pub(super) struct LoadedService {
    pub(super) service: Service,
    pub(super) ports: Ports,
    /// `expose`, with places.
    pub(super) exposed: Vec<Spanned<Port>>,
    /// `depends_on`.
    pub(super) dependencies: Vec<Dependency>,
}

/// The services that take part, sorted by name.
pub(super) fn services(scope: &Scope<'_>, root: &Map, at: &Span) -> Vec<LoadedService> {
    let place = keys::Place::of("the Compose file");
    let node = keys::TOP.required(root, "services", &place, at, scope.findings);
    let Some((node, map)) = node.and_then(|node| Some((node, node.as_map()?))) else { return Vec::new() };
    let active: Vec<&Entry> = map.iter().filter(|entry| takes_part(scope, entry)).collect();
    if active.is_empty() {
        let message = "no service takes part, so there is nothing to run";
        let help = "write at least one service that has no `profiles`";
        scope.findings.push(Diagnostic::error("no-services", node.span.clone(), message).help(help));
    }
    let mut services: Vec<LoadedService> = active.into_iter().filter_map(|entry| service(scope, root, entry)).collect();
    services.sort_by(|one, other| one.service.name.cmp(&other.service.name));
    services
}

/// Services with profiles are started by hand, so they stay out.
fn takes_part(scope: &Scope<'_>, Entry { key, value }: &Entry) -> bool {
    let profiled = value.get("profiles").and_then(Node::as_seq).is_some_and(|profiles| !profiles.is_empty());
    if profiled {
        let message = format!("the service `{}` is left out, because it belongs to a profile", key.text);
        let help = "remove `profiles` if it is part of the App";
        scope.findings.push(Diagnostic::info("profile", key.span.clone(), message).help(help));
    }
    !profiled
}

fn service(scope: &Scope<'_>, root: &Map, Entry { key, value }: &Entry) -> Option<LoadedService> {
    check_name(scope, key);
    let name = key.text.clone();
    let map = value.as_map()?;
    let place = keys::Place::service(&name);
    keys::explain_service(map, &place, scope.findings);
    let what = place.to_string();
    check_values(scope, root, map, &what);
    let field = |key| keys::optional(map, key);
    let ports = field("ports").map(|node| ports::ports(scope, node)).unwrap_or_default();
    let mut container_ports = Vec::new();
    for port in &ports.list {
        if !container_ports.contains(&port.container) {
            container_ports.push(port.container);
        }
    }
    let configs = field("configs").map(|node| files::mounts(scope, node, FileKind::Config)).unwrap_or_default();
    let secrets = field("secrets").map(|node| files::mounts(scope, node, FileKind::Secret)).unwrap_or_default();
    let mounts = field("volumes").map(|node| mounts::mounts(scope, node)).unwrap_or_default();
    let exposed = field("expose").map(|node| expose::ports(scope, node)).unwrap_or_default();
    let (environment, env_file, encrypted) = environment(scope, map);
    let service = Service {
        mounts: uncovered(scope, mounts, &configs, &secrets),
        name,
        at: key.span.clone(),
        // Without an image the file is rejected; what else is wrong with the service is said all the same.
        image: image(scope, map, key, &what).unwrap_or_else(|| Spanned::new(String::new(), key.span.clone())),
        entrypoint: command(scope, map, "entrypoint"),
        command: command(scope, map, "command"),
        environment,
        env_file,
        encrypted,
        container_ports,
        configs,
        secrets,
        resources: resources::of_service(scope, map),
        runtime: runtime(scope, map, &what, &exposed),
    };
    memory::check_targets(scope, map, &service);
    Some(LoadedService { service, ports, exposed, dependencies: depends_on::dependencies(scope, map) })
}

/// The variables that stand in the container, those that its Secret holds, and the names of the encrypted ones. What was
/// encrypted in `environment` goes into the Secret, over what an `env_file` says.
fn environment(scope: &Scope<'_>, map: &Map) -> (BTreeMap<String, String>, Option<SecretMap>, BTreeSet<String>) {
    let files = keys::optional(map, "env_file").and_then(|node| env_file::env_file(scope, node));
    let node = keys::optional(map, "environment");
    let own = node.map(|node| environment::environment(scope, node)).unwrap_or_default();
    let (secret, plain): (Vec<_>, Vec<_>) = own.into_iter().partition(|(_, variable)| variable.secret);
    let plain = plain.into_iter().map(|(name, variable)| (name, variable.value)).collect();
    if secret.is_empty() {
        let (values, encrypted) = files.map(|files| (SecretMap(files.values), files.encrypted)).unzip();
        return (plain, values, encrypted.unwrap_or_default());
    }
    let mut merged = files.unwrap_or_default();
    secret.into_iter().for_each(|(name, variable)| merged.insert(name, variable.value, true));
    if let Some(node) = node {
        env_file::check_size(&merged, &node.span, scope.findings);
    }
    (plain, Some(SecretMap(merged.values)), merged.encrypted)
}

/// What the container is told beyond its files and command.
fn runtime(scope: &Scope<'_>, map: &Map, what: &str, exposed: &[Spanned<Port>]) -> Runtime {
    let health = keys::optional(map, "healthcheck").and_then(|node| healthcheck::healthcheck(scope, node, what));
    let liveness = healthcheck::liveness(scope, map, health.is_some());
    if let Some(health) = health.as_ref().filter(|_| !liveness) {
        healthcheck::report_late(scope, map, health, what);
    }
    Runtime {
        post_start: hooks::hook(scope, map, "post_start"),
        pre_stop: hooks::hook(scope, map, "pre_stop"),
        working_dir: process::working_dir(scope, map),
        tty: flag(scope, map, "tty"),
        stdin: flag(scope, map, "stdin_open"),
        pull_policy: keys::optional(map, "pull_policy").and_then(|node| process::pull_policy(scope, node)),
        memory_mounts: memory::mounts(scope, map),
        security: security::security(scope, map),
        liveness,
        health,
        exposed: exposed.iter().map(|port| port.value).collect(),
    }
}

/// A boolean that is false unless it is said.
pub(super) fn flag(scope: &Scope<'_>, map: &Map, key: &str) -> bool {
    keys::optional(map, key).and_then(|node| scalar::boolean(node, key, scope.findings)).unwrap_or(false)
}

/// The name becomes a Service, a container, and part of other names.
fn check_name(scope: &Scope<'_>, key: &Key) {
    let name = key.text.as_str();
    let problem = |message: String, help: String| {
        scope.findings.push(Diagnostic::error("service-name", key.span.clone(), message).help(help));
    };
    if !is_dns1035_label(name) {
        let message = format!(
            "`{name}` cannot name a service: Kubernetes takes lower-case letters, digits and `-`, a letter first, at most 63"
        );
        let suggestion = files::dashed(name).filter(|dashed| is_dns1035_label(dashed));
        let help = match suggestion {
            Some(dashed) => format!("call it `{dashed}`"),
            None => "give it another name".to_owned(),
        };
        problem(message, help);
    } else if scope.names.reserves_service(name) {
        let app = &scope.names.app;
        let message =
            format!("service names that begin with `{app}-app` or `{app}-box` are taken by the App's own objects");
        problem(message, "give it another name".to_owned());
    } else if name == SUB_PATHS_CONTAINER {
        let message = format!("`{name}` is the name of the container that makes the volumes' folders");
        problem(message, "give it another name".to_owned());
    }
}

/// A Service's name: a DNS label that begins with a letter.
pub(super) fn is_dns1035_label(name: &str) -> bool {
    crate::id::is_dns1123_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase())
}

fn image(scope: &Scope<'_>, map: &Map, key: &Key, what: &str) -> Option<Spanned<String>> {
    let build = map.entry("build").filter(|entry| !entry.value.is_null());
    let Some(Entry { value: node, .. }) = map.entry("image") else {
        // What is reported already is the cause; that there is no image follows from it.
        if keys::SERVICE.is_misspelt("image", map) || keys::optional(map, "extends").is_some() {
            return None;
        }
        let (at, message) = match build {
            Some(build) => (&build.key.span, format!("{what} has `build` but no `image`, and nothing is built here")),
            None => (&key.span, format!("{what} has no `image`")),
        };
        let help = match build {
            Some(_) => "build and push the image elsewhere, and name it with `image:`",
            None => "add `image:`",
        };
        scope.findings.push(Diagnostic::error("image", at.clone(), message).help(help));
        return None;
    };
    if let Some(build) = build {
        let message = format!("`build` of {what} has no effect: the image is pulled, never built");
        let help = "push the image before the commit that names it";
        scope.findings.push(Diagnostic::info("unmapped-key", build.key.span.clone(), message).help(help));
    }
    let image = scalar::text(node)?;
    if let Err(image::Problem { advice, meant }) = image::check(&image.value) {
        let shown = scalar::shown(&image.value, &image.at);
        let help = match meant {
            // What came out of a variable is not repeated.
            Some(meant) if shown == image.value => format!("{advice}: did you mean `{meant}`?"),
            _ => advice.to_owned(),
        };
        let message = format!("`{shown}` is no image reference");
        scope.findings.push(Diagnostic::error("image", image.at, message).help(help));
        return None;
    }
    Some(image)
}

/// An empty command would take the image's away, which Kubernetes has no word for.
fn command(scope: &Scope<'_>, map: &Map, key: &str) -> Option<Vec<String>> {
    let node = keys::optional(map, key)?;
    let words = words::words(node, key, scope.findings)?;
    if words.is_empty() {
        // Its items are no words, which has been reported.
        if node.as_seq().is_some_and(|items| !items.is_empty()) {
            return None;
        }
        // A new entrypoint takes the image's command away by itself.
        if key == "entrypoint" || keys::optional(map, "entrypoint").is_none() {
            let message = format!("an empty `{key}` cannot take the image's away: Kubernetes would use the image's");
            let help = "write the command that is to run, or remove the key to run the image's";
            scope.findings.push(Diagnostic::error("command-words", node.span.clone(), message).help(help));
        }
        return None;
    }
    Some(words)
}

/// Two files on one path are an error; a file on a volume's path wins over the volume.
fn uncovered(scope: &Scope<'_>, mounts: Vec<Mount>, configs: &[FileMount], secrets: &[FileMount]) -> Vec<Mount> {
    let mut files: BTreeMap<&str, &FileMount> = BTreeMap::new();
    for file in configs.iter().chain(secrets) {
        if let Some(first) = files.insert(&file.target, file) {
            let target = scalar::shown(&file.target, &file.at);
            let message = format!("`{target}` is mounted already, at {}", first.at);
            scope.findings.push(Diagnostic::error("mount-target", file.at.clone(), message).help("remove one of them"));
        }
    }
    let (covered, kept): (Vec<Mount>, Vec<Mount>) =
        mounts.into_iter().partition(|mount| files.contains_key(mount.target.as_str()));
    for mount in covered {
        let target = scalar::shown(&mount.target, &mount.at);
        let message = format!("the volume on `{target}` is left out: a config or secret is mounted there");
        scope.findings.push(Diagnostic::warning("mount-target", mount.at, message).help("remove one of them"));
    }
    kept
}

/// Keys that are fine with some values and not with others.
fn check_values(scope: &Scope<'_>, root: &Map, map: &Map, what: &str) {
    if let Some(node) = keys::optional(map, "deploy") {
        check_deploy(scope, node, what);
    }
    if let Some(node) = keys::optional(map, "scale") {
        check_replicas(scope, node, "scale", what);
    }
    if let Some(node) = keys::optional(map, "network_mode") {
        check_network_mode(scope, node, what);
    }
    if let Some(entry) = map.entry("networks").filter(|entry| !entry.value.is_null()) {
        let message = format!("`networks` of {what} keeps nothing apart: all services of an App share one Pod");
        let help = "nothing needs to be done if all of them may reach each other";
        scope.findings.push(Diagnostic::warning("unmapped-key", entry.key.span.clone(), message).help(help));
        check_networks(scope, root, &entry.value);
    }
}

/// Networks are not made, but one that is nowhere defined is a mistake all the same.
fn check_networks(scope: &Scope<'_>, root: &Map, node: &Node) {
    let defined = keys::optional(root, "networks").and_then(Node::as_map);
    let names: Vec<Spanned<String>> = match &node.value {
        Value::Map(map) => {
            map.iter().map(|entry| Spanned::new(entry.key.text.clone(), entry.key.span.clone())).collect()
        }
        _ => scalar::each(node).iter().filter_map(scalar::text).collect(),
    };
    for Spanned { value: name, at } in names {
        if name == "default" || defined.is_some_and(|networks| networks.get(&name).is_some()) {
            continue;
        }
        let known = defined.into_iter().flatten().map(|entry| entry.key.text.as_str()).chain(["default"]);
        let help = match suggest(&name, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "define it under `networks` of the file, or remove it here".to_owned(),
        };
        let message = format!("there is no network `{}`", scalar::shown(&name, &at));
        scope.findings.push(Diagnostic::error("unknown-network", at, message).help(help));
    }
}

fn check_deploy(scope: &Scope<'_>, node: &Node, what: &str) {
    let Some(map) = node.as_map() else { return };
    if let Some(replicas) = keys::optional(map, "replicas") {
        check_replicas(scope, replicas, "deploy.replicas", what);
    }
    if let Some(mode) = keys::optional(map, "mode").filter(|mode| mode.as_str() != Some("replicated")) {
        let message = format!("`deploy.mode` of {what} must be `replicated`: an App runs in one Pod");
        scope.findings.push(Diagnostic::error("replicas", mode.span.clone(), message).help("remove `mode`"));
    }
}

fn check_replicas(scope: &Scope<'_>, node: &Node, key: &str, what: &str) {
    let number = scalar::number(node, key, u64::from(u32::MAX), scope.findings);
    if number.is_some_and(|number| number.value != 1) {
        let message = format!("`{key}` of {what} must be 1: an App runs in one Pod, and its disks have one writer");
        let help = "remove the key; to stop the service, give it a profile; for more of it, write more services";
        scope.findings.push(Diagnostic::error("replicas", node.span.clone(), message).help(help));
    }
}

fn check_network_mode(scope: &Scope<'_>, node: &Node, what: &str) {
    let Some(mode) = scalar::text(node) else { return };
    let shown = scalar::shown(&mode.value, &mode.at);
    let diagnostic = match mode.value.split(':').next() {
        Some("bridge" | "service") => Diagnostic::info(
            "network-mode",
            mode.at,
            format!("`network_mode` of {what} has no effect: all services of an App share one Pod and its network"),
        )
        .help("remove the key"),
        Some("host") => Diagnostic::error(
            "network-mode",
            mode.at,
            format!("{what} asks for the network of the host, which an App's Pod does not get"),
        )
        .help("remove the key and publish its ports: `ports` here, `ingress.rules` in the App"),
        _ => Diagnostic::error(
            "network-mode",
            mode.at,
            format!("`network_mode: {shown}` of {what} cannot be kept: all services of an App share the Pod's network"),
        )
        .help("remove the key"),
    };
    scope.findings.push(diagnostic);
}

/// Checks `restart`: a container runs for as long as the App, but for a job, which others wait for to end.
pub(super) fn check_restarts(scope: &Scope<'_>, root: &Map, services: &[LoadedService]) {
    let jobs = depends_on::jobs(services);
    for LoadedService { service, .. } in services {
        let map = root.get("services").and_then(|all| all.get(&service.name)).and_then(Node::as_map);
        let Some(node) = map.and_then(|map| keys::optional(map, "restart")) else { continue };
        let what = keys::Place::service(&service.name).to_string();
        let is_job = jobs.contains(service.name.as_str());
        scope.findings.extend(restart(node, &what, is_job));
    }
}

/// What is to be said about a `restart`.
fn restart(node: &Node, what: &str, is_job: bool) -> Option<Diagnostic> {
    let text = node.resolved().unwrap_or_default();
    // How often it is tried is a detail.
    let policy = if text.starts_with("on-failure:") { "on-failure" } else { text.as_str() };
    let at = node.span.clone();
    match (policy, is_job) {
        ("always" | "unless-stopped", false) | ("on-failure", true) => None,
        ("always" | "unless-stopped", true) => {
            let message =
                format!("`restart: {policy}` of {what} has no effect: others wait for it to end, and then it stays so");
            Some(Diagnostic::warning("restart", at, message).help("remove the key, or write `restart: on-failure`"))
        }
        // `no` without quotes is the text `no` to Compose, and `false` to some writers.
        ("no" | "false", true) => {
            let message =
                format!("`restart: no` of {what} cannot be kept: it is run again when it fails, as others wait for it");
            let help = "make sure that running it again does no harm";
            Some(Diagnostic::info("restart", at, message).help(help))
        }
        ("no" | "false" | "on-failure", false) => {
            let message =
                format!("`restart` of {what} has no effect: Kubernetes restarts a container whenever it ends");
            Some(Diagnostic::warning("restart", at, message).help("let the command run for as long as the App"))
        }
        _ => {
            let message = format!("`restart` of {what} must be `always`, `unless-stopped`, `on-failure` or `no`");
            Some(Diagnostic::error("restart", at, message).help("write `restart: always`, or remove the key"))
        }
    }
}
