//! Compose configs and secrets: what they hold, and where services mount them.

use std::collections::BTreeSet;

use super::interpolate::Variable;
use super::mounts::clean_target;
use super::service::LoadedService;
use super::tree::{self, base_name, open};
use super::{Scope, keys, passwords, scalar};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{FileContent, FileMount, FileObject, SecretBytes};
use crate::names::{self, FILE_OBJECT_NAME};
use crate::sops;
use crate::yaml::fields::suggest;
use crate::yaml::{Entry, Key, Map, Node, Value};

const CODE: &str = "config-or-secret";
/// Largest config or secret: what a ConfigMap or Secret may hold.
const LIMIT: u64 = 1 << 20;
/// Longest key of a ConfigMap or Secret, and longest name of an object.
const KEY: usize = 253;
/// Where the content of one may come from.
const SOURCES: [&str; 3] = ["file", "content", "environment"];

/// Configs and secrets differ in little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Config,
    Secret,
}

impl FileKind {
    /// The key of the list in a service, and of the mapping at the top level.
    const fn key(self) -> &'static str {
        match self {
            Self::Config => "configs",
            Self::Secret => "secrets",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Secret => "secret",
        }
    }

    /// Where a file without an absolute target is mounted.
    const fn folder(self) -> &'static str {
        match self {
            Self::Config => "/",
            Self::Secret => "/run/secrets/",
        }
    }

    fn pod_volume(self, name: &str) -> String {
        match self {
            Self::Config => names::config_volume(name),
            Self::Secret => names::secret_volume(name),
        }
    }
}

/// Reads the configs or secrets that a service mounts, in the order of the file.
pub(super) fn mounts(scope: &Scope<'_>, node: &Node, kind: FileKind) -> Vec<FileMount> {
    scalar::each(node).iter().filter_map(|item| mount(scope, item, kind)).collect()
}

fn mount(scope: &Scope<'_>, node: &Node, kind: FileKind) -> Option<FileMount> {
    let findings = scope.findings;
    let at = node.span.clone();
    let Value::Map(map) = &node.value else {
        let name = scalar::text(node)?.value;
        return Some(FileMount { target: format!("{}{name}", kind.folder()), name, mode: None, at });
    };
    let place = keys::Place::of(format!("the {}", kind.word()));
    let name = scalar::text(keys::CONFIG_MOUNT.required(map, "source", &place, &at, findings)?)?.value;
    for key in ["uid", "gid"] {
        if let Some(owner) = keys::optional(map, key).filter(|owner| owner.resolved().as_deref() != Some("0")) {
            let message = format!("`{key}` has no effect: the file belongs to root");
            let help = "set `mode: 0444` to let everybody in the container read it";
            findings.push(Diagnostic::warning("unmapped-key", owner.span.clone(), message).help(help));
        }
    }
    let mode = match keys::optional(map, "mode") {
        Some(node) => Some(scalar::mode(node, 0o777, findings)?),
        None => None,
    };
    let target = match keys::optional(map, "target") {
        Some(node) => target(scope, node, kind)?,
        None => format!("{}{name}", kind.folder()),
    };
    Some(FileMount { name, target, mode, at })
}

fn target(scope: &Scope<'_>, node: &Node, kind: FileKind) -> Option<String> {
    let text = scalar::text(node)?;
    let absolute = if text.value.starts_with('/') { text.value } else { format!("{}{}", kind.folder(), text.value) };
    let clean = clean_target(&absolute);
    if clean.is_none() {
        let message = format!("`{}` is no path of a file in the container", scalar::shown(&absolute, &text.at));
        scope.findings.push(Diagnostic::error(CODE, text.at, message).help("write an absolute path without `..`"));
    }
    clean
}

/// The top-level configs or secrets that some service mounts, sorted by name.
pub(super) fn objects(scope: &Scope<'_>, root: &Map, services: &[LoadedService], kind: FileKind) -> Vec<FileObject> {
    let empty = Map::new();
    let defined = keys::optional(root, kind.key()).and_then(Node::as_map).unwrap_or(&empty);
    let mounts = |service: &LoadedService| match kind {
        FileKind::Config => service.service.configs.clone(),
        FileKind::Secret => service.service.secrets.clone(),
    };
    let mounts: Vec<FileMount> = services.iter().flat_map(mounts).collect();
    for mount in mounts.iter().filter(|mount| defined.get(&mount.name).is_none()) {
        scope.findings.push(undefined(mount, defined, kind));
    }
    let used: BTreeSet<&str> = mounts.iter().map(|mount| mount.name.as_str()).collect();
    let mut objects: Vec<FileObject> = defined.iter().filter_map(|entry| object(scope, entry, &used, kind)).collect();
    objects.sort_by(|one, other| one.name.cmp(&other.name));
    objects
}

fn undefined(mount: &FileMount, defined: &Map, kind: FileKind) -> Diagnostic {
    let (word, key) = (kind.word(), kind.key());
    let name = scalar::shown(&mount.name, &mount.at);
    let help = match suggest(&mount.name, defined.iter().map(|entry| entry.key.text.as_str())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("define it at the top level: `{key}: {{{name}: {{file: …}}}}`"),
    };
    Diagnostic::error(CODE, mount.at.clone(), format!("there is no {word} `{name}`")).help(help)
}

/// Checks a definition; its content is read only when it is used.
fn object(
    scope: &Scope<'_>,
    Entry { key, value }: &Entry,
    used: &BTreeSet<&str>,
    kind: FileKind,
) -> Option<FileObject> {
    let name = key.text.as_str();
    let map = value.as_map()?;
    if !used.contains(name) {
        let message = format!("no service mounts the {} `{name}`, so it is not made", kind.word());
        let diagnostic = Diagnostic::info(CODE, key.span.clone(), message);
        scope.findings.push(diagnostic.help(format!("list it under `{}` of a service, or remove it", kind.key())));
        return None;
    }
    check_name(scope, key, kind)?;
    let content = content(scope, map, key, kind)?;
    Some(FileObject { name: name.to_owned(), at: key.span.clone(), content })
}

/// The name becomes part of an object's name, and the name of a volume of the Pod.
fn check_name(scope: &Scope<'_>, key: &Key, kind: FileKind) -> Option<()> {
    let name = key.text.as_str();
    let word = kind.word();
    let problem = |message: String, help: String| {
        scope.findings.push(Diagnostic::error(CODE, key.span.clone(), message).help(help));
        None
    };
    if name.len() > FILE_OBJECT_NAME {
        let message = format!("the {word} name has {} characters, and {FILE_OBJECT_NAME} are left for it", name.len());
        return problem(message, "give it a shorter name, and a `target` where it is mounted".to_owned());
    }
    if !crate::id::is_dns1123_label(name) {
        let message =
            format!("`{name}` cannot name a {word}: Kubernetes takes lower-case letters, digits and `-` only");
        let help = match dashed(name) {
            Some(dashed) => {
                format!(
                    "call it `{dashed}`, and where it is mounted keep its path with `{{source: {dashed}, target: {name}}}`"
                )
            }
            None => "give it another name, and a `target` where it is mounted".to_owned(),
        };
        return problem(message, help);
    }
    let volume = kind.pod_volume(name);
    if scope.input.volumes.iter().any(|other| other.name == volume) {
        let message = format!("the {word} `{name}` and the App's volume `{volume}` would have one name in the Pod");
        return problem(message, format!("rename the {word}, or the volume"));
    }
    Some(())
}

/// A name with everything that Kubernetes refuses made a dash; `None` when nothing sensible is left.
pub(super) fn dashed(name: &str) -> Option<String> {
    let dash = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
    let dashed: String = name.chars().map(dash).collect();
    let dashed = dashed.trim_matches('-').to_owned();
    (!dashed.is_empty()).then_some(dashed)
}

fn content(scope: &Scope<'_>, map: &Map, key: &Key, kind: FileKind) -> Option<FileContent> {
    let (external, old_name) = external(scope, map)?;
    let name = keys::optional(map, "name").or(old_name);
    let sources: Vec<&Entry> = SOURCES.iter().filter_map(|source| map.entry(source)).collect();
    let (Some(source), rest) = (sources.first(), sources.get(1..).unwrap_or_default()) else {
        return missing(scope, external || name.is_some(), name, key, kind);
    };
    let contradicts = rest.first().map(|other| other.key.text.as_str()).or(external.then_some("external"));
    if let Some(other) = contradicts {
        let message =
            format!("`{}` and `{other}` contradict each other for {} `{}`", source.key.text, kind.word(), key.text);
        scope.findings.push(Diagnostic::error(CODE, source.value.span.clone(), message).help("keep one of them"));
        return None;
    }
    if let Some(name) = name {
        let message = format!("`name` has no effect: the {} is named after the App", kind.word());
        scope.findings.push(Diagnostic::warning("unmapped-key", name.span.clone(), message).help("remove it"));
    }
    let text = scalar::text(&source.value)?;
    let content = match source.key.text.as_str() {
        "file" => file_content(scope, &text, kind),
        "environment" => inline(scope, variable(scope, &text)?, &text.at, key, kind),
        _ => {
            let variable = Variable { value: text.value, secret: source.value.secret.is_some() };
            inline(scope, variable, &text.at, key, kind)
        }
    };
    // A variable has been looked at where it is set.
    let literal = source.key.text == "file" || passwords::is_literal(&source.value);
    if let (FileKind::Secret, Some(FileContent::File { encrypted: false, .. }), true) = (kind, &content, literal) {
        passwords::check(&key.text, "…", &source.value.span, scope.findings);
    }
    content
}

/// Whether the object is in the cluster, and its name when it stands there as Compose once wanted it.
fn external<'n>(scope: &Scope<'_>, map: &'n Map) -> Option<(bool, Option<&'n Node>)> {
    match keys::optional(map, "external") {
        None => Some((false, None)),
        Some(Node { value: Value::Map(old), .. }) => Some((true, keys::optional(old, "name"))),
        Some(node) => Some((scalar::boolean(node, "external", scope.findings)?, None)),
    }
}

/// A definition without content of its own.
fn missing(scope: &Scope<'_>, external: bool, name: Option<&Node>, key: &Key, kind: FileKind) -> Option<FileContent> {
    if external {
        return external_object(scope, name, key, kind);
    }
    let message = format!("the {} `{}` has no content", kind.word(), key.text);
    let help = "write `file: ./…`, or `external: true` for an object that is in the cluster";
    scope.findings.push(Diagnostic::error(CODE, key.span.clone(), message).help(help));
    None
}

fn external_object(scope: &Scope<'_>, name: Option<&Node>, key: &Key, kind: FileKind) -> Option<FileContent> {
    let (object, at) = match name {
        Some(node) => {
            let name = scalar::text(node)?;
            (name.value, name.at)
        }
        None => (key.text.clone(), key.span.clone()),
    };
    if object.len() > KEY || !object.split('.').all(crate::id::is_dns1123_label) {
        let message = format!("`{}` cannot be the name of an object in the cluster", scalar::shown(&object, &at));
        let help = format!(
            "write the name of the {} that holds it",
            if kind == FileKind::Config { "ConfigMap" } else { "Secret" }
        );
        scope.findings.push(Diagnostic::error(CODE, at, message).help(help));
        return None;
    }
    Some(FileContent::External { object })
}

/// The value of a variable: of the `.env` beside the file, as everywhere.
fn variable(scope: &Scope<'_>, name: &Spanned<String>) -> Option<Variable> {
    let value = scope.origin(&name.at).variables.get(&name.value).cloned();
    if value.is_none() {
        let message = format!("the variable `{}` is not set", scalar::shown(&name.value, &name.at));
        let help = "set it in the `.env` beside the Compose file";
        scope.findings.push(Diagnostic::error(CODE, name.at.clone(), message).help(help));
    }
    value
}

/// A text that stands in the Compose file or its `.env`; its key is the Compose name.
fn inline(scope: &Scope<'_>, variable: Variable, at: &Span, key: &Key, kind: FileKind) -> Option<FileContent> {
    let Variable { value: text, secret } = variable;
    if secret && kind == FileKind::Config {
        return shown_in_plain(scope, &format!("the value of the config `{}` was encrypted, and", key.text), at);
    }
    if text.len() as u64 > LIMIT {
        let message = format!(
            "the text of the {} `{}` has {} bytes, more than the limit of {LIMIT}",
            kind.word(),
            key.text,
            text.len()
        );
        scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help("write another text, or use a file"));
        return None;
    }
    Some(FileContent::File { key: key.text.clone(), bytes: SecretBytes(text.into_bytes()), encrypted: secret })
}

/// A ConfigMap is no place for a secret.
fn shown_in_plain(scope: &Scope<'_>, what: &str, at: &Span) -> Option<FileContent> {
    let message = format!("{what} a config is shown in plain");
    scope.findings.push(Diagnostic::error("secret-value", at.clone(), message).help("make it a secret"));
    None
}

fn file_content(scope: &Scope<'_>, path: &Spanned<String>, kind: FileKind) -> Option<FileContent> {
    let opened = open(scope, &path.value, &path.at, LIMIT, true)?;
    let key = base_name(&opened.path).to_owned();
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if key.len() > KEY || !key.bytes().all(usable) || key.starts_with("..") {
        let message = format!("the file name `{}` cannot be a key in a {}", scalar::shown(&key, &path.at), kind.word());
        let help = "rename it with letters, digits, `-`, `_` and `.` only";
        scope.findings.push(Diagnostic::error(CODE, path.at.clone(), message).help(help));
        return None;
    }
    let form = tree::encrypted_form(&opened).map_err(|problems| scope.findings.extend(problems)).ok()?;
    if form.is_some() && kind == FileKind::Config {
        return shown_in_plain(
            scope,
            &format!("`{}` is encrypted, and", scalar::shown(&opened.path, &path.at)),
            &path.at,
        );
    }
    if kind == FileKind::Config {
        text(scope, &opened.bytes, &opened.path, &path.at)?;
    }
    let bytes = match form {
        None => opened.bytes.to_vec(),
        Some(form) => {
            let plain = sops::file(&opened.path, &opened.bytes, form, scope.input.decryption);
            plain.map_err(|problems| scope.findings.extend(problems)).ok()?
        }
    };
    Some(FileContent::File { key, bytes: SecretBytes(bytes), encrypted: form.is_some() })
}

/// Configs are text: UTF-8 without byte order mark or NUL.
fn text(scope: &Scope<'_>, bytes: &[u8], path: &str, at: &Span) -> Option<()> {
    let problem = match std::str::from_utf8(bytes) {
        Err(error) => Some(format!("it is not UTF-8 text: byte {} begins no character", error.valid_up_to() + 1)),
        Ok(text) if text.starts_with('\u{feff}') => Some("it begins with a byte order mark".to_owned()),
        Ok(text) if text.contains('\0') => Some("it holds a NUL character".to_owned()),
        Ok(_) => None,
    };
    let Some(problem) = problem else { return Some(()) };
    let message = format!("`{}` cannot be a config: {problem}", scalar::shown(path, at));
    let help = "save it as UTF-8 text, or make it a secret, which may hold any bytes";
    scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
    None
}
