//! The file that was encrypted, as `sops decrypt` gives it: for files that are handed over as they are.

use std::fmt::Write as _;

use super::mac::go_float;
use super::tree::{documents, whole};
use super::{Decryption, Form, MARK, error, lines};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{self, Dialect, Map, Node, Value};

/// The bytes of the file before it was encrypted. YAML keeps its layout; SOPS may quote texts in another way.
///
/// # Errors
/// The file cannot be decrypted, or was changed.
pub(crate) fn file(path: &str, bytes: &[u8], form: Form, decryption: &Decryption) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let (source, text) = yaml::decode(path, bytes, false).map_err(|problem| vec![problem])?;
    match form {
        Form::Dotenv => {
            let (plain, _) = lines(&source, &text, decryption)?;
            let kept = plain.lines().zip(text.lines()).filter(|(_, line)| !line.starts_with("sops_"));
            // A comment that was encrypted says nothing.
            let kept = kept.filter(|(_, line)| !line.starts_with(&format!("#{MARK}")));
            let line = |(plain, line): (&str, &str)| format!("{}\n", if line.starts_with('#') { line } else { plain });
            Ok(kept.map(line).collect::<String>().into_bytes())
        }
        Form::Ini => {
            let message = "encrypted INI files cannot be read";
            let help = "encrypt it as a whole: `sops encrypt --input-type binary`";
            Err(vec![error(&Span::file(&source), message, help)])
        }
        Form::Binary => {
            let mut parsed = yaml::parse(&source, &text, Dialect::Compose)?;
            parsed.first_mut().map_or(Ok(Vec::new()), |document| whole(document, decryption))
        }
        // A mapping in braces has no lines of its own to keep.
        Form::Yaml if !text.trim_start().starts_with('{') => {
            let mut parsed = yaml::parse(&source, &text, Dialect::Compose)?;
            let before = parsed.clone();
            documents(&mut parsed, decryption)?;
            Ok(replaced(&text, &before, &parsed).into_bytes())
        }
        Form::Json | Form::Yaml => {
            let mut parsed = yaml::parse(&source, &text, Dialect::Compose)?;
            documents(&mut parsed, decryption)?;
            Ok(parsed.iter().map(|document| json(document, 0) + "\n").collect::<String>().into_bytes())
        }
    }
}

/// A replacement of a range of bytes.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// The text with every encrypted value replaced by its plain one, and without the metadata. `before` is the tree of the
/// text, `after` what became of it.
fn replaced(text: &str, before: &[Node], after: &[Node]) -> String {
    let mut edits = Vec::new();
    for (before, after) in before.iter().zip(after) {
        if let Value::Map(map) = &before.value {
            edits.extend(metadata(text, map, before));
        }
        values(text, before, after, &mut edits);
    }
    edits.sort_by_key(|edit| edit.start);
    comments(text, &mut edits);
    let mut plain = String::with_capacity(text.len());
    let mut at = 0;
    for Edit { start, end, text: value } in &edits {
        plain.push_str(text.get(at..*start).unwrap_or_default());
        plain.push_str(value);
        at = at.max(*end);
    }
    plain.push_str(text.get(at..).unwrap_or_default());
    plain
}

/// Cuts the metadata out: from its line to that of the next key, or to the end of the document.
fn metadata(text: &str, map: &Map, document: &Node) -> Option<Edit> {
    let entry = map.entry("sops")?;
    let start = line_start(text, entry.key.span.start);
    let next = map.iter().map(|entry| entry.key.span.start).filter(|&at| at > entry.key.span.start).min();
    let end = next.map_or_else(
        || {
            let rest = text.get(start..).unwrap_or_default();
            let separator = rest.match_indices("\n---").map(|(at, _)| start + at + 1).next();
            separator.unwrap_or(text.len())
        },
        |at| line_start(text, at),
    );
    (document.span.start <= start).then_some(Edit { start, end, text: String::new() })
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

fn values(text: &str, before: &Node, after: &Node, edits: &mut Vec<Edit>) {
    match (&before.value, &after.value) {
        (Value::Map(before), Value::Map(after)) => {
            for entry in before {
                if let Some(after) = after.get(&entry.key.text) {
                    values(text, &entry.value, after, edits);
                }
            }
        }
        (Value::Seq(before), Value::Seq(after)) => {
            let mut after = after.iter().peekable();
            for item in before {
                // Comments among the items are gone.
                match after.next_if(|after| after.span == item.span) {
                    Some(after) => values(text, item, after, edits),
                    None => {
                        let start = line_start(text, item.span.start);
                        let rest = text.get(item.span.end..).unwrap_or_default();
                        let end = item.span.end + rest.find('\n').map_or(rest.len(), |newline| newline + 1);
                        edits.push(Edit { start, end, text: String::new() });
                    }
                }
            }
        }
        _ if after.secret.is_some() => {
            edits.push(Edit { start: before.span.start, end: before.span.end, text: scalar(&after.value) });
        }
        _ => {}
    }
}

/// Cuts out comments that were encrypted.
fn comments(text: &str, edits: &mut Vec<Edit>) {
    let mark = format!("#{MARK}");
    let mut found = Vec::new();
    for (at, _) in text.match_indices(&mark) {
        if edits.iter().any(|edit| edit.start <= at && at < edit.end) {
            continue;
        }
        let start = line_start(text, at);
        let line = text.get(start..at).unwrap_or_default();
        let rest = text.get(at..).unwrap_or_default();
        let end = at + rest.find('\n').unwrap_or(rest.len());
        let (start, end) = if line.trim().is_empty() {
            (start, (end + 1).min(text.len()))
        } else {
            (start + line.trim_end().len(), end)
        };
        found.push(Edit { start, end, text: String::new() });
    }
    // What is cut out of a line stands behind the value that is replaced in it.
    for edit in &mut found {
        let before = edits.iter().map(|other| other.end).filter(|&other| other > edit.start && other <= edit.end).max();
        edit.start = before.unwrap_or(edit.start);
    }
    edits.extend(found);
    edits.sort_by_key(|edit| edit.start);
}

/// A scalar as YAML and JSON both read it, without quotes where YAML needs none for sure.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_word(text) => text.clone(),
        value => json(&Node::new(value.clone(), no_place()), 0),
    }
}

/// Whether a text is a text in YAML without quotes too, whoever reads it.
fn is_word(text: &str) -> bool {
    let reserved = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "inf", "nan"];
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./@".contains(&byte))
        && !reserved.contains(&text.to_lowercase().as_str())
}

fn no_place() -> Span {
    Span::file(&std::sync::Arc::new(crate::diagnostic::SourceFile { path: String::new(), text: String::new() }))
}

/// A tree as JSON, indented as SOPS does it.
fn json(node: &Node, depth: usize) -> String {
    let inner = "\t".repeat(depth + 1);
    let outer = "\t".repeat(depth);
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => go_float(*value),
        Value::String(text) => serde_json::Value::String(text.clone()).to_string(),
        Value::Seq(items) if items.is_empty() => "[]".to_owned(),
        Value::Map(map) if map.is_empty() => "{}".to_owned(),
        Value::Seq(items) => {
            let items: Vec<String> = items.iter().map(|item| format!("{inner}{}", json(item, depth + 1))).collect();
            format!("[\n{}\n{outer}]", items.join(",\n"))
        }
        Value::Map(map) => {
            let mut members = Vec::new();
            for entry in map {
                let key = serde_json::Value::String(entry.key.text.clone());
                let mut member = String::new();
                // Writing to a text cannot fail.
                let _ = write!(member, "{inner}{key}: {}", json(&entry.value, depth + 1));
                members.push(member);
            }
            format!("{{\n{}\n{outer}}}", members.join(",\n"))
        }
    }
}
