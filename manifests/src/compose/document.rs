//! The Compose document itself: written into the App as a mapping or a string, or in a file of its own.

use super::{ComposeInput, tree};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::fields::{Findings, wrong_type};
use crate::yaml::{self, Dialect, Node, Value};

const CODE: &str = "compose-document";
/// Marks a path instead of a document.
const FILE: &str = "file:";
/// Largest Compose file.
const LIMIT: u64 = 1 << 20;

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
    reject_tags(&document.root, findings);
    Some(document)
}

fn file(input: &ComposeInput<'_>, path: &str, at: &Span, findings: &Findings) -> Option<Document> {
    if !tree::may_read(input.local_files, path, at, findings) {
        return None;
    }
    let opened = tree::read(input.tree, input.folder, path, at, LIMIT, true, findings)?;
    let parsed = yaml::decode(&opened.path, &opened.bytes, true).map_err(|problem| vec![problem]);
    let parsed = parsed.and_then(|(source, text)| yaml::parse(&source, &text, Dialect::Compose));
    let folder = opened.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    Some(Document { root: single(parsed, at, findings)?, folder })
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

/// `!reset` and `!override` mean something only where files are merged.
fn reject_tags(node: &Node, findings: &Findings) {
    if let Some(tag) = &node.tag {
        let message = format!("the tag `{}` has no meaning here: nothing is merged into this file", tag.value);
        findings.push(Diagnostic::error("yaml-tag", tag.at.clone(), message).help("remove it"));
    }
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| reject_tags(item, findings)),
        Value::Map(map) => map.iter().for_each(|entry| reject_tags(&entry.value, findings)),
        _ => {}
    }
}
