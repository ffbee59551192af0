//! `x-kompox` of a service: requests and limits.

use std::collections::BTreeMap;

use super::{Scope, keys};
use crate::diagnostic::Diagnostic;
use crate::model::Resources;
use crate::yaml::fields::{enumerate, suggest, text, wrong_type};
use crate::yaml::{Entry, Node};

/// Resources that can be asked for.
const NAMES: [&str; 2] = ["cpu", "memory"];

/// Reads `x-kompox`.
pub(super) fn resources(scope: &Scope<'_>, node: &Node) -> Resources {
    let Some(map) = node.as_map() else {
        let _: Option<()> = wrong_type(node, "x-kompox", "a mapping", scope.findings);
        return Resources::default();
    };
    keys::KOMPOX.check(map, "`x-kompox`", scope.findings);
    let read = |key| keys::optional(map, key).map(|node| quantities(scope, node, key)).unwrap_or_default();
    Resources { requests: read("resources"), limits: read("limits") }
}

fn quantities(scope: &Scope<'_>, node: &Node, what: &str) -> BTreeMap<String, String> {
    let Some(map) = node.as_map() else {
        let _: Option<()> = wrong_type(node, what, "a mapping", scope.findings);
        return BTreeMap::new();
    };
    map.iter().filter_map(|entry| quantity(scope, entry, what)).collect()
}

fn quantity(scope: &Scope<'_>, Entry { key, value }: &Entry, what: &str) -> Option<(String, String)> {
    if !NAMES.contains(&key.text.as_str()) {
        let message = format!("`{what}` of `x-kompox` has no key `{}`", key.text);
        let help = match suggest(&key.text, NAMES) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known keys are {}", enumerate(&NAMES)),
        };
        scope.findings.push(Diagnostic::error("unknown-key", key.span.clone(), message).help(help));
        return None;
    }
    if value.is_null() {
        return None;
    }
    let quantity = text(value, &key.text, scope.findings)?;
    if !is_quantity(&quantity.value) {
        let message = format!("`{}` must be a quantity of Kubernetes", key.text);
        let help = "write it like `100m` or `0.5` for processors, `256Mi` or `1Gi` for memory";
        scope.findings.push(Diagnostic::error("quantity", quantity.at, message).help(help));
        return None;
    }
    Some((key.text.clone(), quantity.value))
}

/// Whether a text is a Kubernetes quantity that is not negative.
fn is_quantity(text: &str) -> bool {
    let number = text.strip_prefix('+').unwrap_or(text);
    let end = number.find(|character: char| !(character.is_ascii_digit() || character == '.')).unwrap_or(number.len());
    let (digits, suffix) = number.split_at(end);
    let decimal = digits.matches('.').count() <= 1 && digits.bytes().any(|byte| byte.is_ascii_digit());
    let exponent = |suffix: &str| {
        let power = suffix.strip_prefix(['e', 'E']).unwrap_or_default();
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit())
    };
    let units = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    decimal && (units.contains(&suffix) || exponent(suffix))
}

#[cfg(test)]
mod tests {
    use super::is_quantity;

    #[test]
    fn quantities() {
        for text in ["0", "1", "100m", "0.5", ".5", "5.", "256Mi", "1Gi", "1e3", "1E-3", "12E", "+1"] {
            assert!(is_quantity(text), "{text}");
        }
        for text in ["", ".", "-1", "1.2.3", "256MB", "1 Gi", "Mi", "1e", "1e+", "0x10", "1gi", "--1", "+"] {
            assert!(!is_quantity(text), "{text}");
        }
    }
}
