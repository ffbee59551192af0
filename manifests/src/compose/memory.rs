//! What a container keeps in memory.

use super::mounts::clean_target;
use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{MemoryMount, Service};
use crate::yaml::{Map, Node};

const SHARED_MEMORY: &str = "/dev/shm";
const CODE: &str = "tmpfs";

/// Reads `tmpfs`, the volumes of type `tmpfs`, and `shm_size`.
pub(super) fn mounts(scope: &Scope<'_>, map: &Map) -> Vec<MemoryMount> {
    let paths = keys::optional(map, "tmpfs").map(scalar::each).unwrap_or_default();
    let mut mounts: Vec<MemoryMount> = paths.iter().filter_map(|path| tmpfs(scope, path)).collect();
    let volumes = keys::optional(map, "volumes").map(scalar::each).unwrap_or_default();
    let long = volumes.iter().filter_map(Node::as_map).filter(|map| is_tmpfs(map));
    mounts.extend(long.filter_map(|map| volume(scope, map)));
    let shared = keys::optional(map, "shm_size").and_then(|node| scalar::bytes(node, "shm_size", scope.findings));
    if let Some(size) = shared.filter(|&size| size > 0) {
        mounts.push(MemoryMount { target: SHARED_MEMORY.to_owned(), size: Some(size), read_only: false });
    }
    mounts
}

/// Whether a volume in its long form is a file system in memory.
pub(super) fn is_tmpfs(volume: &Map) -> bool {
    keys::optional(volume, "type").and_then(Node::as_str) == Some("tmpfs")
}

/// `{type: tmpfs, target: …, tmpfs: {size: …, mode: …}}`
fn volume(scope: &Scope<'_>, map: &Map) -> Option<MemoryMount> {
    let target = keys::optional(map, "target").and_then(scalar::text).and_then(|path| target_of(scope, &path));
    for key in ["source", "bind", "volume"] {
        if let Some(entry) = map.entry(key).filter(|entry| !entry.value.is_null()) {
            let message = format!("`{key}` has no effect: a tmpfs begins empty, in memory");
            let help = "remove it, or correct `type`";
            scope.findings.push(Diagnostic::warning(CODE, entry.key.span.clone(), message).help(help));
        }
    }
    let options = keys::optional(map, "tmpfs").and_then(Node::as_map);
    let option = |key| options.and_then(|options| keys::optional(options, key));
    let size = option("size").and_then(|node| scalar::bytes(node, "size", scope.findings));
    if let Some(node) = option("mode") {
        let mode = scalar::mode(node, 0o7777, scope.findings);
        if mode.is_some_and(|mode| mode & 0o777 != 0o777) {
            unknown_option(scope, "mode", &node.span);
        }
    }
    let read_only =
        keys::optional(map, "read_only").and_then(|node| scalar::boolean(node, "read_only", scope.findings));
    Some(MemoryMount { target: target?, size: size.filter(|&size| size > 0), read_only: read_only.unwrap_or(false) })
}

fn target_of(scope: &Scope<'_>, path: &Spanned<String>) -> Option<String> {
    let target = clean_target(&path.value);
    if target.is_none() {
        let message = format!("`{}` is no absolute path below `/`", scalar::shown(&path.value, &path.at));
        scope.findings.push(Diagnostic::error(CODE, path.at.clone(), message).help("write the path in the container"));
    }
    target
}

/// `path:option,option`
fn tmpfs(scope: &Scope<'_>, node: &Node) -> Option<MemoryMount> {
    let text = scalar::text(node)?;
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
    let target = target_of(scope, &Spanned::new(path.to_owned(), text.at.clone()))?;
    Some(MemoryMount { target, size: size.filter(|&size| size > 0), read_only: false })
}

fn unknown_option(scope: &Scope<'_>, option: &str, at: &Span) {
    let message = format!("the option `{}` of a tmpfs has no effect", scalar::shown(option, at));
    let help = "only `size` is known; everybody may write to the folder, and it belongs to root";
    scope.findings.push(Diagnostic::warning(CODE, at.clone(), message).help(help));
}

/// Reports memory that is mounted where something else is.
pub(super) fn check_targets(scope: &Scope<'_>, map: &Map, service: &Service) {
    let volumes = service.mounts.iter().map(|mount| mount.target.as_str());
    let files = service.configs.iter().chain(&service.secrets).map(|mount| mount.target.as_str());
    let mut taken: Vec<&str> = volumes.chain(files).collect();
    for mount in &service.runtime.memory_mounts {
        if taken.contains(&mount.target.as_str()) {
            let keys = ["tmpfs", "shm_size", "volumes"];
            let node = keys.into_iter().find_map(|key| keys::optional(map, key));
            let at = node.map_or(&service.at, |node| &node.span).clone();
            let message = format!("`{}` is mounted twice", scalar::shown(&mount.target, &at));
            scope.findings.push(Diagnostic::error(CODE, at, message).help("remove one of the mounts"));
        }
        taken.push(&mount.target);
    }
}
