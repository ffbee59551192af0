//! `env_file` of a service: files merged in order, the last one wins. Their values are secret: no
//! message repeats one, and diagnostics show positions only.

use std::collections::BTreeMap;

use super::key_value::{self, Setting, Values};
use super::{Scope, keys, passwords, scalar, tree};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::SecretMap;
use crate::source::SourceTree;
use crate::yaml::fields::Findings;
use crate::yaml::{self, Dialect, Entry, Node, Value};

/// Largest file: comments may make it larger than what it sets.
const FILE_LIMIT: u64 = 4 << 20;
/// Most bytes of keys and values that a service may be given; a Secret holds about 1 MiB.
const MERGED_LIMIT: usize = 1_000_000;

/// One entry of the list.
struct EnvFile {
    path: Spanned<String>,
    required: bool,
    values: Values,
}

/// Reads all files of a service.
pub(super) fn env_file(scope: &Scope<'_>, node: &Node) -> Option<SecretMap> {
    let files: Vec<EnvFile> = match &node.value {
        Value::Seq(items) => items.iter().filter_map(|item| entry(scope, item)).collect(),
        _ => entry(scope, node).into_iter().collect(),
    };
    let settings = files.iter().filter_map(|file| read(scope, file)).flatten();
    let merged: BTreeMap<String, String> = settings.map(|Setting { key, value }| (key.value, value)).collect();
    let bytes: usize = merged.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MERGED_LIMIT {
        let message = format!("the files set {bytes} bytes, more than the limit of {MERGED_LIMIT}");
        let help = "mount large values as configs or secrets";
        scope.findings.push(Diagnostic::error(key_value::CODE, node.span.clone(), message).help(help));
        return None;
    }
    Some(SecretMap(merged))
}

/// A path, or a mapping with one.
fn entry(scope: &Scope<'_>, node: &Node) -> Option<EnvFile> {
    let findings = scope.findings;
    let Value::Map(map) = &node.value else {
        return Some(EnvFile { path: scalar::text(node)?, required: true, values: Values::Quoted });
    };
    let path = keys::optional(map, "path")?;
    let required = map.get("required").filter(|node| !node.is_null());
    let values = match map.get("format").filter(|node| !node.is_null()) {
        None => Values::Quoted,
        Some(format) if format.as_str() == Some("raw") => Values::Raw,
        Some(format) => {
            let message = "`format` knows only `raw`";
            let help = "leave it out; `.yml`, `.yaml` and `.json` files are known by their names";
            findings.push(Diagnostic::error("unknown-value", format.span.clone(), message).help(help));
            return None;
        }
    };
    Some(EnvFile {
        path: scalar::text(path)?,
        required: required.map_or(Some(true), |node| scalar::boolean(node, "required", findings))?,
        values,
    })
}

fn read(scope: &Scope<'_>, file: &EnvFile) -> Option<Vec<Setting>> {
    let opened = tree::open(scope, &file.path.value, &file.path.at, FILE_LIMIT, file.required)?;
    settings(&opened, file.values, scope.findings)
}

/// What a file sets, in its order; the values are secret.
fn settings(opened: &tree::Opened, values: Values, findings: &Findings) -> Option<Vec<Setting>> {
    let structured = [".yml", ".yaml", ".json"].iter().any(|ending| opened.path.to_lowercase().ends_with(ending));
    let result =
        yaml::decode(&opened.path, &opened.bytes, false).map_err(|problem| vec![problem]).and_then(|(source, text)| {
            if structured {
                let documents = yaml::parse(&source, &text, Dialect::Compose)?;
                flat(&documents, &Span::file(&source))
            } else {
                key_value::parse(&source, &text, values)
            }
        });
    let settings = result.map_err(|problems| findings.extend(problems)).ok()?;
    passwords::check_file(&settings, findings);
    Some(settings)
}

/// The settings of a flat mapping of strings, numbers and booleans.
fn flat(documents: &[Node], file: &Span) -> Result<Vec<Setting>, Vec<Diagnostic>> {
    let [document] = documents else {
        let message = format!("an environment file is one mapping, found {} documents", documents.len());
        return Err(vec![Diagnostic::error(key_value::CODE, file.clone(), message)]);
    };
    let Value::Map(map) = &document.value else {
        let message = format!("an environment file is one mapping, found {}", document.kind());
        return Err(vec![Diagnostic::error(key_value::CODE, document.span.clone(), message)]);
    };
    let mut settings = Vec::new();
    let mut problems = Vec::new();
    for entry in map {
        match setting(entry) {
            Ok(setting) => settings.push(setting),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn setting(Entry { key, value }: &Entry) -> Result<Setting, Box<Diagnostic>> {
    let problem = |at: &Span, message: String| Err(Box::new(Diagnostic::error(key_value::CODE, at.clone(), message)));
    if !key_value::is_key(&key.text) {
        return problem(&key.span, "a variable name holds only letters, digits and `_`, no digit first".to_owned());
    }
    match &value.value {
        Value::Null | Value::Seq(_) | Value::Map(_) => {
            problem(&value.span, format!("a variable is a string, number or boolean, found {}", value.kind()))
        }
        Value::String(text) if text.contains('\0') => {
            problem(&value.span, "the value holds a NUL character".to_owned())
        }
        _ => Ok(Setting {
            key: Spanned::new(key.text.clone(), key.span.clone()),
            value: value.resolved().unwrap_or_default(),
        }),
    }
}

/// The variables that a file sets; `path` is relative to `folder`.
pub(super) fn variables(
    tree: &dyn SourceTree,
    folder: &str,
    path: &str,
    at: &Span,
    required: bool,
    findings: &Findings,
) -> Option<BTreeMap<String, String>> {
    let path = tree::inside(folder, path, at, findings)?;
    let opened = tree::read_inside(tree, path, at, FILE_LIMIT, required, findings)?;
    let settings = settings(&opened, Values::Quoted, findings)?;
    Some(settings.into_iter().map(|Setting { key, value }| (key.value, value)).collect())
}
