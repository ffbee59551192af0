//! The Compose document itself: written into the App as a mapping or a string, or in a file of its own.

use super::merge::{OVERRIDE, RESET};
use super::{ComposeInput, tree};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::sops::{self, Decryption, Form};
use crate::yaml::fields::{Findings, wrong_type};
use crate::yaml::{self, Dialect, Entry, Node, Value};

const CODE: &str = "compose-document";
/// Marks a path instead of a document.
const FILE: &str = "file:";
/// Largest Compose file.
pub(super) const LIMIT: u64 = 1 << 20;

/// A document before interpolation.
pub(super) struct Document {
    /// A mapping.
    pub(super) root: Node,
    /// Folder that relative paths start at.
    pub(super) folder: String,
}

/// Finds and parses the document.
pub(super) fn open(input: &ComposeInput<'_>, findings: &Findings) -> Option<Document> {
    let node = input.document;
    let document = match &node.value {
        Value::Map(_) => Document { root: node.in_dialect(Dialect::Compose), folder: input.folder.to_owned() },
        Value::String(text) => match text.strip_prefix(FILE) {
            Some(path) => file(input, path.trim(), &node.span, findings)?,
            None => {
                let parsed = yaml::parse_embedded(node, Dialect::Compose);
                Document { root: single(parsed, &node.span, findings)?, folder: input.folder.to_owned() }
            }
        },
        _ => return wrong_type(node, "compose", "a mapping, a Compose document as a string, or `file:…`", findings),
    };
    if document.root.as_map().is_none() {
        return wrong_type(&document.root, "compose", "a mapping with `services`", findings);
    }
    Some(document)
}

fn file(input: &ComposeInput<'_>, path: &str, at: &Span, findings: &Findings) -> Option<Document> {
    if !tree::may_read(input.local_files, path, at, findings) {
        return None;
    }
    let opened = tree::read(input.tree, input.folder, path, at, LIMIT, true, findings)?;
    let folder = tree::parent(&opened.path).to_owned();
    Some(Document { root: single(parsed(&opened, input.decryption), at, findings)?, folder })
}

fn parsed(opened: &tree::Opened, decryption: &Decryption) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let form = tree::encrypted_form(opened)?;
    // What is quoted of an encrypted file is as it stands there: encrypted.
    let (source, text) = yaml::decode(&opened.path, &opened.bytes, true).map_err(|problem| vec![problem])?;
    let mut documents = yaml::parse(&source, &text, Dialect::Compose)?;
    match form {
        None => {}
        Some(Form::Yaml | Form::Json) => sops::documents(&mut documents, decryption)?,
        Some(Form::Binary | Form::Dotenv | Form::Ini) => {
            let message = "a Compose file can be encrypted as YAML only, so that its lines can be told";
            let help = "encrypt it again as a file that ends with `.yml`";
            return Err(vec![Diagnostic::error("encrypted-file", Span::file(&source), message).help(help)]);
        }
    }
    Ok(documents)
}

/// Reads a file that another one draws in at `at`.
pub(super) fn parse(opened: &tree::Opened, at: &Span, decryption: &Decryption, findings: &Findings) -> Option<Node> {
    let root = single(parsed(opened, decryption), at, findings)?;
    if root.as_map().is_none() {
        return wrong_type(&root, &opened.path, "a mapping with `services`", findings);
    }
    Some(root)
}

/// The only document of a text.
fn single(parsed: Result<Vec<Node>, Vec<Diagnostic>>, at: &Span, findings: &Findings) -> Option<Node> {
    let mut documents = parsed.map_err(|problems| findings.extend(problems)).ok()?;
    if let Some(second) = documents.get(1) {
        let message = "a Compose file is one document, and this begins a second one";
        findings.push(Diagnostic::error(CODE, second.span.clone(), message).help("give each App a file of its own"));
        return None;
    }
    let only = documents.pop();
    if only.is_none() {
        let message = "the Compose document is empty";
        findings.push(Diagnostic::error(CODE, at.clone(), message).help("write `services:` with at least one service"));
    }
    only
}

/// Reports the tags that no merge knows.
pub(super) fn reject_unknown_tags(node: &Node, findings: &Findings) {
    tags(node, &mut |tag| {
        if !matches!(tag.value.as_str(), RESET | OVERRIDE) {
            let message = format!("the tag `{}` means nothing in a Compose file", tag.value);
            let help = format!("remove it; only `{RESET}` and `{OVERRIDE}` are known");
            findings.push(Diagnostic::error("yaml-tag", tag.at.clone(), message).help(help));
        }
    });
}

/// Reports the tags that are left when everything is merged: `!reset` and `!override` mean something only there.
pub(super) fn reject_tags(node: &Node, findings: &Findings) {
    tags(node, &mut |tag| {
        if matches!(tag.value.as_str(), RESET | OVERRIDE) {
            let message = format!("the tag `{}` has no meaning here: nothing is merged into this value", tag.value);
            findings.push(Diagnostic::error("yaml-tag", tag.at.clone(), message).help("remove it"));
        }
    });
}

/// Reports NUL characters, which nothing of a container can hold: no command, path, name or variable.
pub(super) fn reject_nul(node: &Node, findings: &Findings) {
    let check = |text: &str, at: &Span| {
        if text.contains('\0') {
            let message = "the text holds a NUL character";
            findings.push(
                Diagnostic::error(CODE, at.clone(), message).help("remove it, which is written `\\0` or `\\x00`"),
            );
        }
    };
    match &node.value {
        Value::String(text) => check(text, &node.span),
        Value::Seq(items) => items.iter().for_each(|item| reject_nul(item, findings)),
        Value::Map(map) => map.iter().for_each(|Entry { key, value }| {
            check(&key.text, &key.span);
            reject_nul(value, findings);
        }),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
}

fn tags(node: &Node, report: &mut dyn FnMut(&Spanned<String>)) {
    if let Some(tag) = &node.tag {
        report(tag);
    }
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| tags(item, report)),
        Value::Map(map) => map.iter().for_each(|entry| tags(&entry.value, report)),
        _ => {}
    }
}
