//! `environment` of a service: a mapping, or a list of `NAME=value`.

use std::collections::BTreeMap;

use super::interpolate::Variable;
use super::{Scope, passwords, scalar};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{Entry, Node, Value};

const CODE: &str = "environment";

/// Reads the environment. A name without a value takes it from the variables of the `.env` file, as
/// Compose does, and is left out when it is not set there.
pub(super) fn environment(scope: &Scope<'_>, node: &Node) -> BTreeMap<String, Variable> {
    let mut environment = BTreeMap::new();
    match &node.value {
        Value::Map(map) => {
            for Entry { key, value } in map {
                let text = match &value.value {
                    Value::Null => inherited(scope, &key.text, &key.span),
                    _ => value.resolved().map(|text| Variable { value: text, secret: value.secret.is_some() }),
                };
                if let Some(text) = text.as_ref().filter(|_| passwords::is_literal(value)) {
                    passwords::check(&key.text, &text.value, &key.span, scope.findings);
                }
                insert(scope, &mut environment, &key.text, text, &key.span);
            }
        }
        Value::Seq(items) => {
            for item in items {
                let Some(pair) = scalar::text(item) else { continue };
                let (name, text) = match pair.value.split_once('=') {
                    Some((name, text)) => {
                        (name, Some(Variable { value: text.to_owned(), secret: item.secret.is_some() }))
                    }
                    None => (pair.value.as_str(), inherited(scope, &pair.value, &pair.at)),
                };
                if let Some(text) = text.as_ref().filter(|_| pair.value.contains('=') && passwords::is_literal(item)) {
                    passwords::check(name, &text.value, &pair.at, scope.findings);
                }
                insert(scope, &mut environment, name, text, &pair.at);
            }
        }
        _ => {}
    }
    environment
}

fn inherited(scope: &Scope<'_>, name: &str, at: &Span) -> Option<Variable> {
    let value = scope.origin(at).variables.get(name).cloned();
    // What cannot be a name is reported as such.
    if value.is_none() && is_name(name) {
        let message = format!("`{name}` has no value here and none in `.env`, and is left out");
        let help = format!("write `{name}: \"\"` if it is meant to be empty");
        scope.findings.push(Diagnostic::warning("unset-variable", at.clone(), message).help(help));
    }
    value
}

fn insert(
    scope: &Scope<'_>,
    environment: &mut BTreeMap<String, Variable>,
    name: &str,
    value: Option<Variable>,
    at: &Span,
) {
    if !is_name(name) {
        let message = "a name in `environment` holds letters, digits, `_`, `-` and `.` only, no digit first";
        let help = "Kubernetes takes no other names; write `NAME=value`";
        scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
    } else if let Some(value) = value {
        environment.insert(name.to_owned(), value);
    }
}

/// Names that every supported version of Kubernetes takes.
fn is_name(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || b"._-".contains(&byte);
    !name.starts_with("..")
        && name != "."
        && name.bytes().next().is_some_and(first)
        && name.bytes().all(|byte| first(byte) || byte.is_ascii_digit())
}
