//! `volumes`: binds and named volumes become mounts of the App's volumes.
//!
//! `./a/b:/m` is folder `a/b` on the App's first volume, `name:/m` the root of volume `name`,
//! `name/a/b:/m` a folder on it.

mod syntax;

use super::tree::{InRepository, look_up, may_read, resolve};
use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::Mount;
use crate::yaml::fields::{list, suggest, wrong_type};
use crate::yaml::{Map, Node, Value};

pub(super) use syntax::clean_target;
use syntax::{Source, options, source, split};

pub(super) const CODE: &str = "volume";

/// Reads the mounts of a service in the order of the file.
pub(super) fn mounts(scope: &Scope<'_>, node: &Node) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for item in list(node, "volumes", scope.findings).unwrap_or_default() {
        let Some(mount) = mount(scope, item) else { continue };
        if let Some(first) = mounts.iter().find(|other| other.target == mount.target) {
            let target = scalar::shown(&mount.target, &mount.at);
            let message = format!("`{target}` is mounted already, at {}", first.at);
            scope.findings.push(Diagnostic::error(CODE, mount.at, message).help("remove one of them"));
            continue;
        }
        mounts.push(mount);
    }
    mounts
}

fn mount(scope: &Scope<'_>, node: &Node) -> Option<Mount> {
    match &node.value {
        Value::String(text) => short(scope, text, &node.span),
        Value::Map(map) => long(scope, node, map),
        _ => wrong_type(node, "volumes", "`source:target` or a mapping", scope.findings),
    }
}

fn short(scope: &Scope<'_>, text: &str, at: &Span) -> Option<Mount> {
    let parts = split(text).map_err(|problem| report(scope, at, problem.0, problem.1)).ok()?;
    let target = target(scope, parts.target, at)?;
    let (read_only, unknown) = options(parts.options);
    if let Some(unknown) = unknown {
        let message = format!("the mount option `{}` has no effect", scalar::shown(unknown, at));
        let help = "only `ro` and `rw` are known; remove it";
        scope.findings.push(Diagnostic::warning(CODE, at.clone(), message).help(help));
    }
    let (volume, sub_path) = place(scope, &source(parts.source), at)?;
    Some(Mount { volume, sub_path, target, read_only, at: at.clone() })
}

fn long(scope: &Scope<'_>, node: &Node, map: &Map) -> Option<Mount> {
    const WHAT: &str = "the volume";
    let findings = scope.findings;
    keys::VOLUME_MOUNT.check(map, WHAT, findings);
    let text = |key| keys::required(map, key, WHAT, &node.span, findings).and_then(|node| string(scope, node, key));
    let kind = text("type");
    let target = text("target").and_then(|(text, at)| target(scope, &text, &at));
    let (source_text, source_at) = text("source")?;
    let source = match kind?.0.as_str() {
        // A bind's source is a path even without a dot in front.
        "bind" => match source(&source_text) {
            Source::Named(_) => Source::Relative(&source_text),
            other => other,
        },
        "volume" => source(&source_text),
        other => {
            let message = format!("mounts of type `{}` are not made", scalar::shown(other, &node.span));
            report(scope, &node.span, &message, "use `bind` or `volume`");
            return None;
        }
    };
    let (volume, mut sub_path) = place(scope, &source, &source_at)?;
    if let Some(bind) = keys::optional(map, "bind") {
        keys::BIND_OPTIONS.check(mapping(bind, "bind", scope)?, "`bind`", findings);
    }
    if let Some(inner) = keys::optional(map, "volume") {
        let inner = mapping(inner, "volume", scope)?;
        keys::VOLUME_OPTIONS.check(inner, "`volume`", findings);
        if let Some(node) = keys::optional(inner, "subpath") {
            let (text, at) = string(scope, node, "subpath")?;
            let below = folder(scope, &text, &at)?;
            sub_path = Some([sub_path, below].into_iter().flatten().collect::<Vec<_>>().join("/"))
                .filter(|path| !path.is_empty());
        }
    }
    let read_only = keys::optional(map, "read_only");
    let read_only = read_only.map_or(Some(false), |node| scalar::boolean(node, "read_only", findings))?;
    Some(Mount { volume, sub_path, target: target?, read_only, at: node.span.clone() })
}

fn string(scope: &Scope<'_>, node: &Node, key: &str) -> Option<(String, Span)> {
    crate::yaml::fields::string(node, key, scope.findings).map(|text| (text.value, text.at))
}

fn mapping<'n>(node: &'n Node, key: &str, scope: &Scope<'_>) -> Option<&'n Map> {
    node.as_map().or_else(|| wrong_type(node, key, "a mapping", scope.findings))
}

fn target(scope: &Scope<'_>, text: &str, at: &Span) -> Option<String> {
    let clean = clean_target(text);
    if clean.is_none() {
        let message = format!("`{}` is no absolute path below `/`", scalar::shown(text, at));
        report(scope, at, &message, "write the path in the container, such as `/data`");
    }
    clean
}

/// The App volume and the folder on it that a source means.
fn place(scope: &Scope<'_>, source: &Source<'_>, at: &Span) -> Option<(String, Option<String>)> {
    match source {
        Source::Relative(path) => relative(scope, path, at),
        Source::Named(text) => named(scope, text, at),
        Source::Anonymous => {
            let help = "name it: `<volume>:<path>`, with the volume under `volumes` of the App";
            report(scope, at, "a volume without a name would be lost with the Pod", help);
            None
        }
        Source::Absolute(path) => {
            let message =
                format!("`{}` is a path of the host, and an App has no host of its own", scalar::shown(path, at));
            let help = "use a volume of the App (`./folder:…` or `<volume>:…`), or a config or secret for a file";
            report(scope, at, &message, help);
            None
        }
    }
}

fn relative(scope: &Scope<'_>, path: &str, at: &Span) -> Option<(String, Option<String>)> {
    let Some(first) = scope.input.volumes.first() else {
        let message = format!("`{}` needs a volume to lie on, and the App has none", scalar::shown(path, at));
        report(scope, at, &message, "add one under `volumes` of the App: `- {name: default, size: 10Gi}`");
        return None;
    };
    let path = &in_project(scope, path, at)?;
    let sub_path = folder(scope, path, at)?;
    if !may_read(scope.input.local_files, path, at, scope.findings) {
        return None;
    }
    let in_repository = resolve(&scope.own.folder, sub_path.as_deref().unwrap_or("."));
    match in_repository.map_or(InRepository::Nothing, |path| look_up(scope, &path)) {
        InRepository::File => {
            let message = format!(
                "`{}` is a file of the repository, and binds only mount folders of a volume",
                scalar::shown(path, at)
            );
            let help = "make it a config or a secret: `configs: {name: {file: …}}`, and list it in the service";
            report(scope, at, &message, help);
            return None;
        }
        InRepository::Folder => {
            let shown = scalar::shown(path, at);
            let message = format!("the repository's files in `{shown}` are not copied to the volume `{}`", first.name);
            let help = "mount the files as configs or secrets, or put the data onto another folder";
            scope.findings.push(Diagnostic::warning("bind-folder", at.clone(), message).help(help));
        }
        InRepository::Nothing => {}
    }
    Some((first.name.clone(), sub_path))
}

/// A path relative to the App's own Compose file, where folders on the volume are counted from, from one in a file that
/// it includes or extends.
fn in_project(scope: &Scope<'_>, path: &str, at: &Span) -> Option<String> {
    let (own, folder) = (scope.own.folder.as_str(), scope.origin(at).folder.as_str());
    if own == folder {
        return Some(path.to_owned());
    }
    let below =
        if own.is_empty() { Some(folder) } else { folder.strip_prefix(own).and_then(|rest| rest.strip_prefix('/')) };
    if below.is_none() {
        let message = format!("`{}` is beside a file that lies outside the App's folder", scalar::shown(path, at));
        let help = "name the volume in that file (`<volume>/folder:…`), or set `project_directory` of the `include`";
        report(scope, at, &message, help);
    }
    below.map(|below| format!("./{below}/{path}"))
}

fn named(scope: &Scope<'_>, text: &str, at: &Span) -> Option<(String, Option<String>)> {
    let (name, below) = text.split_once('/').map_or((text, None), |(name, below)| (name, Some(below)));
    let volumes = scope.input.volumes;
    let Some(volume) = volumes.iter().find(|volume| volume.name == name) else {
        let message = format!("the App has no volume `{}`", scalar::shown(name, at));
        let help = match suggest(name, volumes.iter().map(|volume| volume.name.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add it under `volumes` of the App; a folder beside the Compose file begins with `./`".to_owned(),
        };
        report(scope, at, &message, &help);
        return None;
    };
    let sub_path = below.map_or(Some(None), |below| folder(scope, below, at))?;
    Some((volume.name.clone(), sub_path))
}

/// A folder on a volume; `Some(None)` is the volume's root.
fn folder(scope: &Scope<'_>, path: &str, at: &Span) -> Option<Option<String>> {
    match syntax::folder(path) {
        Ok(folder) => Some(folder),
        Err(problem) => {
            let message = format!("the folder `{}` {problem}", scalar::shown(path, at));
            report(scope, at, &message, "write a path below the volume's root, without `..`");
            None
        }
    }
}

fn report(scope: &Scope<'_>, at: &Span, message: &str, help: &str) {
    scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
}

/// Checks the top-level `volumes`: the App's volumes decide what exists.
pub(super) fn check_top_level(scope: &Scope<'_>, root: &Map) {
    let Some(node) = keys::optional(root, "volumes") else { return };
    let Some(map) = mapping(node, "volumes", scope) else { return };
    for entry in map {
        let name = &entry.key.text;
        if !entry.value.is_null() {
            let Some(options) = mapping(&entry.value, name, scope) else { continue };
            keys::VOLUME.check(options, &format!("volume `{name}`"), scope.findings);
        }
        if scope.input.volumes.iter().all(|volume| volume.name != *name) {
            let message = format!("the volume `{name}` is not made: the App has none of this name");
            let help = "add it under `volumes` of the App, or remove it here";
            scope.findings.push(Diagnostic::info(CODE, entry.key.span.clone(), message).help(help));
        }
    }
}
