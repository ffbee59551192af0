//! `env_file` of a service: files merged in order, the last one wins. Their values are secret: no
//! message repeats one, and diagnostics show positions only.

use std::collections::{BTreeMap, BTreeSet};

use super::interpolate::{Variable, Variables};
use super::key_value::{self, Setting, Values};
use super::tree::encrypted_form;
use super::{Scope, keys, passwords, scalar, tree};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::sops::{self, Decryption, Form};
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

/// Reads all files of a service: what they set, the last one winning.
pub(super) fn env_file(scope: &Scope<'_>, node: &Node) -> Option<Environment> {
    let files: Vec<EnvFile> = match &node.value {
        Value::Seq(items) => items.iter().filter_map(|item| entry(scope, item)).collect(),
        _ => entry(scope, node).into_iter().collect(),
    };
    let settings = files.iter().filter_map(|file| read(scope, file)).flatten();
    let mut merged = Environment::default();
    settings.for_each(|Setting { key, value, secret }| merged.insert(key.value, value, secret));
    check_size(&merged, &node.span, scope.findings)?;
    Some(merged)
}

/// What goes into the Secret of a service.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) values: BTreeMap<String, String>,
    /// The names of those that were encrypted.
    pub(super) encrypted: BTreeSet<String>,
}

impl Environment {
    /// Sets a variable, over what it was.
    pub(super) fn insert(&mut self, name: String, value: String, encrypted: bool) {
        if encrypted {
            self.encrypted.insert(name.clone());
        } else {
            self.encrypted.remove(&name);
        }
        self.values.insert(name, value);
    }
}

/// Whether a Secret can hold it all; reports when not.
pub(super) fn check_size(environment: &Environment, at: &Span, findings: &Findings) -> Option<()> {
    let bytes: usize = environment.values.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MERGED_LIMIT {
        let message = format!("the files set {bytes} bytes, more than the limit of {MERGED_LIMIT}");
        let help = "mount large values as configs or secrets";
        findings.push(Diagnostic::error(key_value::CODE, at.clone(), message).help(help));
        return None;
    }
    Some(())
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
    settings(&opened, file.values, scope.input.decryption, scope.findings)
}

/// What a file sets, in its order; the values are secret.
fn settings(
    opened: &tree::Opened,
    values: Values,
    decryption: &Decryption,
    findings: &Findings,
) -> Option<Vec<Setting>> {
    let result = read_settings(opened, values, decryption);
    let settings = result.map_err(|problems| findings.extend(problems)).ok()?;
    passwords::check_file(&settings, findings);
    Some(settings)
}

fn read_settings(
    opened: &tree::Opened,
    values: Values,
    decryption: &Decryption,
) -> Result<Vec<Setting>, Vec<Diagnostic>> {
    let form = encrypted_form(opened)?;
    let (source, text) = yaml::decode(&opened.path, &opened.bytes, false).map_err(|problem| vec![problem])?;
    let all = |secret: bool, settings: Vec<Setting>| -> Vec<Setting> {
        settings.into_iter().map(|setting| Setting { secret, ..setting }).collect()
    };
    match form {
        Some(Form::Dotenv) => {
            let (plain, secret) = sops::lines(&source, &text, decryption)?;
            let settings = key_value::parse(&source, &plain, values)?;
            let was =
                |setting: &Setting| usize::try_from(setting.key.at.line).ok().and_then(|line| secret.get(line - 1));
            Ok(settings
                .into_iter()
                .map(|setting| Setting { secret: was(&setting) == Some(&true), ..setting })
                .collect())
        }
        Some(form @ (Form::Binary | Form::Ini)) => {
            let plain = sops::file(&opened.path, &opened.bytes, form, decryption)?;
            let (source, plain) = yaml::decode(&opened.path, &plain, false).map_err(|problem| vec![problem])?;
            Ok(all(true, key_value::parse(&source, &plain, values)?))
        }
        Some(Form::Yaml | Form::Json) => {
            let mut documents = yaml::parse(&source, &text, Dialect::Compose)?;
            sops::documents(&mut documents, decryption)?;
            flat(&documents, &Span::file(&source))
        }
        None if [".yml", ".yaml", ".json"].iter().any(|ending| opened.path.to_lowercase().ends_with(ending)) => {
            flat(&yaml::parse(&source, &text, Dialect::Compose)?, &Span::file(&source))
        }
        None => key_value::parse(&source, &text, values),
    }
}

/// The settings of a flat mapping of strings, numbers and booleans.
fn flat(documents: &[Node], file: &Span) -> Result<Vec<Setting>, Vec<Diagnostic>> {
    let help = "write one `NAME: value` a line, and nothing around them";
    let [document] = documents else {
        let message = format!("an environment file is one mapping, found {} documents", documents.len());
        return Err(vec![Diagnostic::error(key_value::CODE, file.clone(), message).help(help)]);
    };
    let Value::Map(map) = &document.value else {
        let message = format!("an environment file is one mapping, found {}", document.kind());
        return Err(vec![Diagnostic::error(key_value::CODE, document.span.clone(), message).help(help)]);
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
    let problem = |at: &Span, message: &str, help: &str| {
        Err(Box::new(Diagnostic::error(key_value::CODE, at.clone(), message).help(help)))
    };
    if !key_value::is_key(&key.text) {
        let message = "a variable name holds only letters, digits and `_`, no digit first";
        return problem(&key.span, message, "give the variable such a name");
    }
    let wanted = format!("a variable is a string, number or boolean, found {}", value.kind());
    match &value.value {
        // Nothing has no place of its own.
        Value::Null => problem(&key.span, &wanted, "write `\"\"` for an empty value, or remove the variable"),
        Value::Seq(_) | Value::Map(_) => problem(&value.span, &wanted, "write it as a text, in quotes"),
        Value::String(text) if text.contains('\0') => {
            problem(&value.span, "the value holds a NUL character", "remove it; mount binary data as a secret")
        }
        _ => Ok(Setting {
            key: Spanned::new(key.text.clone(), key.span.clone()),
            value: value.resolved().unwrap_or_default(),
            secret: value.secret.is_some(),
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
    decryption: &Decryption,
    findings: &Findings,
) -> Option<Variables> {
    let path = tree::inside(folder, path, at, findings)?;
    let opened = tree::read_inside(tree, path, at, FILE_LIMIT, required, findings)?;
    let settings = settings(&opened, Values::Quoted, decryption, findings)?;
    let variable = |Setting { key, value, secret }| (key.value, Variable { value, secret });
    Some(settings.into_iter().map(variable).collect())
}
