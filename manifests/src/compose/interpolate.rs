//! Variables in the values of a Compose file: `$NAME`, `${NAME}`, `${NAME:-default}`,
//! `${NAME:?message}`, `${NAME:+replacement}`, each also without the colon, nested at will; `$$` is a
//! dollar sign.

mod template;

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::fields::Findings;
use crate::yaml::{Node, Secret, Value};

use template::{Filled, Template};

/// Where variables get their values: the `.env` beside the Compose file, and nowhere else but for the project's name.
pub(super) type Variables = BTreeMap<String, Variable>;

/// The value of a variable.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) value: String,
    /// Whether it was encrypted.
    pub(super) secret: bool,
}

/// Replaces the variables in every value of a tree. Keys are left alone.
pub(super) fn interpolate(node: &mut Node, variables: &Variables, findings: &Findings) {
    let mut unset = BTreeMap::new();
    visit(node, variables, &mut unset, findings);
    for (name, at) in unset {
        let message = format!("the variable `{name}` is not set and stands for nothing here");
        let help = format!("set it in the `.env` beside the Compose file, or write a default: `${{{name}:-…}}`");
        findings.push(Diagnostic::warning("unset-variable", at, message).help(help));
    }
}

/// `unset` gets each variable that is not set, with the first place that wants it.
fn visit(node: &mut Node, variables: &Variables, unset: &mut BTreeMap<String, Span>, findings: &Findings) {
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|item| visit(item, variables, unset, findings)),
        Value::Map(map) => map.values_mut().for_each(|value| visit(value, variables, unset, findings)),
        Value::String(text) if text.contains('$') => {
            let mut missing = BTreeMap::new();
            let text = text.clone();
            let result = Template::parse(&text).and_then(|template| template.fill(variables, &mut missing));
            match result {
                Ok(Filled { text, secret }) => {
                    let tag = node.tag.take();
                    let secret = secret.map(|(name, from)| {
                        let what = format!("the value of the encrypted variable `{name}`").into();
                        Secret { what, from }
                    });
                    let own = node.secret.take();
                    *node = Node::string(text, node.span.clone());
                    node.tag = tag;
                    node.secret = own.or(secret);
                }
                Err(problem) => {
                    let at = problem.at.map_or_else(|| node.span.clone(), |at| place(&node.span, &text, at));
                    findings.push(Diagnostic::error("interpolation", at, problem.message).help(problem.help));
                }
            }
            for (name, at) in missing {
                unset.entry(name).or_insert_with(|| place(&node.span, &text, at));
            }
        }
        _ => {}
    }
}

/// The place of the variable at a byte offset of a value: escapes and folded lines move bytes, but leave the dollar signs
/// in their order. Where the file has others, the whole value is marked.
fn place(value: &Span, text: &str, offset: usize) -> Span {
    let source = value.file.text.get(value.start..value.end).unwrap_or_default();
    let before = text.get(..offset).unwrap_or_default();
    if source.matches('$').count() != text.matches('$').count() {
        return value.clone();
    }
    let Some((start, _)) = source.match_indices('$').nth(before.matches('$').count()) else { return value.clone() };
    let (before, variable) = source.split_at(start);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let column = match before.rsplit_once('\n') {
        Some((_, line)) => count(line.chars().count() + 1),
        None => value.column.saturating_add(count(before.chars().count())),
    };
    let line = value.line.saturating_add(count(before.matches('\n').count()));
    let start = value.start + start;
    Span { file: value.file.clone(), line, column, start, end: start + length(variable) }
}

/// Bytes of the variable that a text begins with, to its closing brace or to the end of its name.
fn length(variable: &str) -> usize {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if !variable.starts_with("${") {
        return 1 + variable.bytes().skip(1).take_while(is_name).count();
    }
    let mut open = 0_usize;
    for (at, character) in variable.char_indices() {
        match character {
            '{' => open += 1,
            '}' if open == 1 => return at + 1,
            '}' => open -= 1,
            '\n' => break,
            _ => {}
        }
    }
    2
}

#[cfg(test)]
mod tests;
