//! `volumes`: binds and named volumes become mounts of the App's volumes.
//!
//! `./a/b:/m` is folder `a/b` on the App's first volume, `name:/m` the root of volume `name`,
//! `name/a/b:/m` a folder on it.

mod syntax;

use super::tree::{InRepository, look_up, may_read, resolve};
use super::{Scope, keys, memory, scalar};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::Mount;
use crate::yaml::fields::suggest;
use crate::yaml::{Map, Node, Value};

pub(super) use syntax::clean_target;
use syntax::{Source, options, source, split};

pub(super) const CODE: &str = "volume";

/// Reads the mounts of a service in the order of the file.
pub(super) fn mounts(scope: &Scope<'_>, node: &Node) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for item in scalar::each(node) {
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
        // Those in memory are no volumes of the App.
        Value::Map(map) if !memory::is_tmpfs(map) => long(scope, node, map),
        _ => None,
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
    let (volume, sub_path) = place_of(scope, &source(parts.source), at)?;
    Some(Mount { volume, sub_path, target, read_only, at: at.clone() })
}

fn long(scope: &Scope<'_>, node: &Node, map: &Map) -> Option<Mount> {
    let findings = scope.findings;
    let field = |key| keys::optional(map, key).and_then(scalar::text);
    let kind = field("type")?;
    let target = field("target").and_then(|text| target(scope, &text.value, &text.at));
    let place = keys::Place::of("the volume");
    let source_node = keys::VOLUME_MOUNT.required(map, "source", &place, &node.span, findings);
    let Spanned { value: source_text, at: source_at } = source_node.and_then(scalar::text)?;
    let source = match kind.value.as_str() {
        // A bind's source is a path even without a dot in front.
        "bind" => match source(&source_text) {
            Source::Named(_) => Source::Relative(&source_text),
            other => other,
        },
        "volume" => source(&source_text),
        other => {
            let message = format!("mounts of type `{}` are not made", scalar::shown(other, &kind.at));
            report(scope, &kind.at, &message, "use `bind`, `volume` or `tmpfs`");
            return None;
        }
    };
    let (volume, mut sub_path) = place_of(scope, &source, &source_at)?;
    let inner = keys::optional(map, "volume").and_then(Node::as_map);
    if let Some(below) = inner.and_then(|inner| keys::optional(inner, "subpath")).and_then(scalar::text) {
        let below = folder(scope, &below.value, &below.value, &below.at)?;
        sub_path =
            Some([sub_path, below].into_iter().flatten().collect::<Vec<_>>().join("/")).filter(|path| !path.is_empty());
    }
    options_without_effect(scope, map);
    let read_only = keys::optional(map, "read_only");
    let read_only = read_only.map_or(Some(false), |node| scalar::boolean(node, "read_only", findings))?;
    Some(Mount { volume, sub_path, target: target?, read_only, at: node.span.clone() })
}

/// Folders are always made, and nothing is ever copied from the image; that someone wants it otherwise is reported.
fn options_without_effect(scope: &Scope<'_>, map: &Map) {
    let options = [
        ("bind", "create_host_path", "the folder is made on the volume when it is not there"),
        ("volume", "nocopy", "what the image has in the folder is not copied to the volume"),
    ];
    for (key, option, what) in options {
        let node = keys::optional(map, key).and_then(|inner| inner.get(option)).filter(|node| !node.is_null());
        let said = node.and_then(|node| Some((node, scalar::boolean(node, option, scope.findings)?)));
        if let Some((node, false)) = said {
            let message = format!("`{option}: false` has no effect: {what}");
            scope.findings.push(Diagnostic::warning(CODE, node.span.clone(), message).help("remove the key"));
        }
    }
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
fn place_of(scope: &Scope<'_>, source: &Source<'_>, at: &Span) -> Option<(String, Option<String>)> {
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
    let sub_path = folder(scope, &in_project(scope, path, at)?, path, at)?;
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
    let sub_path = below.map_or(Some(None), |below| folder(scope, below, below, at))?;
    Some((volume.name.clone(), sub_path))
}

/// A folder on a volume, `written` so in the file; `Some(None)` is the volume's root.
fn folder(scope: &Scope<'_>, path: &str, written: &str, at: &Span) -> Option<Option<String>> {
    match syntax::folder(path) {
        Ok(folder) => Some(folder),
        Err(problem) => {
            let message = format!("the folder `{}` {problem}", scalar::shown(written, at));
            report(scope, at, &message, "write a path that stays below the volume's root");
            None
        }
    }
}

fn report(scope: &Scope<'_>, at: &Span, message: &str, help: &str) {
    scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
}

/// Checks the top-level `volumes`: the App's volumes decide what exists.
pub(super) fn check_top_level(scope: &Scope<'_>, root: &Map) {
    for entry in keys::optional(root, "volumes").and_then(Node::as_map).into_iter().flatten() {
        let name = &entry.key.text;
        if scope.input.volumes.iter().all(|volume| volume.name != *name) {
            let message = format!("the volume `{name}` is not made: the App has none of this name");
            let help = "add it under `volumes` of the App, or remove it here";
            scope.findings.push(Diagnostic::info(CODE, entry.key.span.clone(), message).help(help));
        }
    }
}
