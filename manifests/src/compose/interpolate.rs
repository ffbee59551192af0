//! Variables in the values of a Compose file: `$NAME`, `${NAME}`, `${NAME:-default}`,
//! `${NAME:?message}`, `${NAME:+replacement}`, each also without the colon, nested at will; `$$` is a
//! dollar sign.

mod template;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::fields::Findings;
use crate::yaml::{Node, Value};

use template::Template;

/// Where variables get their values: the `.env` beside the Compose file, and nowhere else.
pub(super) type Variables = BTreeMap<String, String>;

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
            let mut missing = BTreeSet::new();
            let result = Template::parse(text).and_then(|template| template.fill(variables, &mut missing));
            match result {
                Ok(filled) => {
                    let tag = node.tag.take();
                    *node = Node::string(filled, node.span.clone());
                    node.tag = tag;
                }
                Err(problem) => {
                    let diagnostic = Diagnostic::error("interpolation", node.span.clone(), problem.message);
                    findings.push(match problem.help {
                        Some(help) => diagnostic.help(help),
                        None => diagnostic,
                    });
                }
            }
            for name in missing {
                unset.entry(name).or_insert_with(|| node.span.clone());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
