//! Manifests as YAML text: keys sorted, one document each, the same bytes for the same objects, and
//! the same meaning to readers of YAML 1.1 (kubectl) and 1.2.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::object::Object;

const INDENT: usize = 2;

/// The manifests of objects, one YAML document each, in the given order. Holds the content of Secrets.
#[must_use]
pub fn to_yaml(objects: &[Object]) -> String {
    let documents: Vec<String> = objects.iter().map(|object| to_document(&object.body)).collect();
    documents.join("---\n")
}

/// One YAML document, ending with a line break.
#[must_use]
pub fn to_document(body: &Value) -> String {
    let mut text = String::new();
    match body {
        Value::Object(map) if !map.is_empty() => mapping(&mut text, map, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, items, 0),
        leaf => {
            scalar(&mut text, leaf, INDENT);
            text.push('\n');
        }
    }
    text
}

fn mapping(text: &mut String, map: &Map<String, Value>, indent: usize) {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by_key(|&(key, _)| key);
    for (position, (key, value)) in entries.into_iter().enumerate() {
        // The first key stands behind the parent's dash, if there is one.
        if position > 0 || at_line_start(text) {
            spaces(text, indent);
        }
        text.push_str(&inline(key));
        text.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                mapping(text, map, indent + INDENT);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, items, indent);
            }
            leaf => {
                text.push(' ');
                scalar(text, leaf, indent + INDENT);
                text.push('\n');
            }
        }
    }
}

fn sequence(text: &mut String, items: &[Value], indent: usize) {
    for (position, item) in items.iter().enumerate() {
        if position > 0 || at_line_start(text) {
            spaces(text, indent);
        }
        text.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(text, map, indent + INDENT),
            Value::Array(items) if !items.is_empty() => sequence(text, items, indent + INDENT),
            leaf => {
                scalar(text, leaf, indent + INDENT);
                text.push('\n');
            }
        }
    }
}

fn at_line_start(text: &str) -> bool {
    text.is_empty() || text.ends_with('\n')
}

fn spaces(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(' ', count));
}

/// A value without children; lines of a literal block are indented by `indent`.
fn scalar(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(_) => text.push_str("{}"),
        Value::Array(_) => text.push_str("[]"),
        Value::String(string) if fits_literal_block(string) => literal_block(text, string, indent),
        Value::String(string) => text.push_str(&inline(string)),
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}

/// A string on one line.
fn inline(string: &str) -> String {
    if is_plain(string) { string.to_owned() } else { quoted(string) }
}

/// Whether no reader could take the unquoted text for anything but this string. Everything that
/// starts with a digit or sign is quoted, which covers numbers, dates and sexagesimals at once.
fn is_plain(string: &str) -> bool {
    let first = |character: char| character.is_ascii_alphabetic() || "/_".contains(character);
    let inner = |character: char| character.is_ascii_alphanumeric() || "/_-.:+=@%,;()$ ".contains(character);
    string.starts_with(first)
        && string.chars().all(inner)
        && !string.contains(": ")
        && !string.ends_with([':', ' '])
        && !is_keyword(string)
}

/// The words that one dialect or the other reads as null or boolean.
fn is_keyword(string: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].iter().any(|word| string.eq_ignore_ascii_case(word))
}

/// A double-quoted scalar on one line.
fn quoted(string: &str) -> String {
    let mut text = String::with_capacity(string.len() + 2);
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if is_printable(character) => text.push(character),
            // Writing to a String cannot fail.
            _ => drop(match u32::from(character) {
                code @ ..=0xff => write!(text, "\\x{code:02X}"),
                code @ ..=0xffff => write!(text, "\\u{code:04X}"),
                code => write!(text, "\\U{code:08X}"),
            }),
        }
    }
    text.push('"');
    text
}

/// Whether every dialect lets the character stand for itself, as itself, on one line.
fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether a literal block keeps the text exactly: several lines, a first line that shows the
/// indentation, at most one final line break, and no character that would need an escape.
fn fits_literal_block(string: &str) -> bool {
    let several = string.trim_end_matches('\n').contains('\n') || string.ends_with('\n');
    several
        && !string.starts_with([' ', '\t', '\n'])
        && !string.ends_with("\n\n")
        && string.chars().all(|character| character == '\n' || character == '\t' || is_printable(character))
        && string.lines().all(|line| !line.starts_with('\t') && !line.ends_with([' ', '\t']))
}

fn literal_block(text: &mut String, string: &str, indent: usize) {
    text.push_str(if string.ends_with('\n') { "|" } else { "|-" });
    for line in string.lines() {
        text.push('\n');
        if !line.is_empty() {
            spaces(text, indent);
            text.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests;
