//! How a container's process is started, and what it keeps in memory.

use super::mounts::clean_target;
use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::{MemoryMount, Service};
use crate::yaml::fields::{string, wrong_type};
use crate::yaml::{Map, Node, Value};

const SHARED_MEMORY: &str = "/dev/shm";
const CODE: &str = "tmpfs";

/// Reads `working_dir`.
pub(super) fn working_dir(scope: &Scope<'_>, map: &Map) -> Option<String> {
    let text = string(keys::optional(map, "working_dir")?, "working_dir", scope.findings)?;
    if text.value.is_empty() {
        return None;
    }
    if !text.value.starts_with('/') || text.value.contains('\0') {
        let message = format!("`{}` is no absolute path", scalar::shown(&text.value, &text.at));
        let help = "write the whole path of the folder in the container";
        scope.findings.push(Diagnostic::error("working-dir", text.at, message).help(help));
        return None;
    }
    Some(text.value)
}

/// Reads `pull_policy`.
pub(super) fn pull_policy(scope: &Scope<'_>, node: &Node) -> Option<&'static str> {
    let text = string(node, "pull_policy", scope.findings)?;
    let report = |diagnostic: Diagnostic, help: &str| scope.findings.push(diagnostic.help(help));
    match text.value.as_str() {
        "always" => Some("Always"),
        "missing" | "if_not_present" => Some("IfNotPresent"),
        "never" => Some("Never"),
        "build" => {
            report(Diagnostic::error("pull-policy", text.at, "nothing is built here"), "push the image, and pull it");
            None
        }
        other if other == "daily" || other == "weekly" || other.starts_with("every_") => {
            let message = "images are not pulled at intervals: the image is pulled at every start of its container";
            report(Diagnostic::warning("pull-policy", text.at, message), "write `always`, or name a digest in `image`");
            Some("Always")
        }
        other => {
            let message = format!("`pull_policy` cannot be `{}`", scalar::shown(other, &text.at));
            report(Diagnostic::error("pull-policy", text.at, message), "write `always`, `missing` or `never`");
            None
        }
    }
}

/// Reads `tmpfs` and `shm_size`.
pub(super) fn memory_mounts(scope: &Scope<'_>, map: &Map) -> Vec<MemoryMount> {
    let mut mounts: Vec<MemoryMount> = match keys::optional(map, "tmpfs") {
        Some(node) => match &node.value {
            Value::String(_) => tmpfs(scope, node).into_iter().collect(),
            Value::Seq(items) => items.iter().filter_map(|item| tmpfs(scope, item)).collect(),
            _ => wrong_type(node, "tmpfs", "a path or a list of paths", scope.findings).unwrap_or_default(),
        },
        None => Vec::new(),
    };
    let shared = keys::optional(map, "shm_size").and_then(|node| scalar::bytes(node, "shm_size", scope.findings));
    if let Some(size) = shared.filter(|&size| size > 0) {
        mounts.push(MemoryMount { target: SHARED_MEMORY.to_owned(), size: Some(size) });
    }
    mounts
}

/// `path:option,option`
fn tmpfs(scope: &Scope<'_>, node: &Node) -> Option<MemoryMount> {
    let text = string(node, "tmpfs", scope.findings)?;
    let (path, options) = text.value.split_once(':').unwrap_or((&text.value, ""));
    let mut size = None;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", amount)) => {
                size = scalar::bytes(&Node::string(amount, text.at.clone()), "size", scope.findings);
            }
            _ if matches!(option, "rw" | "mode=1777" | "mode=777") => {}
            _ => unknown_option(scope, option, &text.at),
        }
    }
    let target = clean_target(path);
    if target.is_none() {
        let message = format!("`{}` is no absolute path below `/`", scalar::shown(path, &text.at));
        scope.findings.push(Diagnostic::error(CODE, text.at, message).help("write the path in the container"));
    }
    Some(MemoryMount { target: target?, size: size.filter(|&size| size > 0) })
}

fn unknown_option(scope: &Scope<'_>, option: &str, at: &Span) {
    let message = format!("the option `{}` of a tmpfs has no effect", scalar::shown(option, at));
    let help = "only `size` is known; everybody may write to the folder, and it belongs to root";
    scope.findings.push(Diagnostic::warning(CODE, at.clone(), message).help(help));
}

/// Reports memory that is mounted where something else is.
pub(super) fn check_memory_targets(scope: &Scope<'_>, map: &Map, service: &Service) {
    let volumes = service.mounts.iter().map(|mount| mount.target.as_str());
    let files = service.configs.iter().chain(&service.secrets).map(|mount| mount.target.as_str());
    let mut taken: Vec<&str> = volumes.chain(files).collect();
    for mount in &service.runtime.memory_mounts {
        if taken.contains(&mount.target.as_str()) {
            let node = keys::optional(map, "tmpfs").or_else(|| keys::optional(map, "shm_size"));
            let at = node.map_or(&service.at, |node| &node.span).clone();
            let message = format!("`{}` is mounted twice", scalar::shown(&mount.target, &at));
            scope.findings.push(Diagnostic::error(CODE, at, message).help("remove one of the mounts"));
        }
        taken.push(&mount.target);
    }
}
