//! `x-kompox` of a service: requests and limits.

use std::collections::BTreeMap;

use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::kom::quantity::Quantity;
use crate::model::Resources;
use crate::yaml::fields::{enumerate, suggest, text, wrong_type};
use crate::yaml::{Entry, Node};

const CODE: &str = "quantity";
/// Resources that can be asked for.
const NAMES: [&str; 2] = ["cpu", "memory"];

/// Amounts by resource, as written and as numbers.
type Amounts = BTreeMap<String, (Spanned<String>, Quantity)>;

/// Reads `x-kompox`.
pub(super) fn resources(scope: &Scope<'_>, node: &Node) -> Resources {
    let Some(map) = node.as_map() else {
        let _: Option<()> = wrong_type(node, "x-kompox", "a mapping", scope.findings);
        return Resources::default();
    };
    keys::KOMPOX.check(map, "`x-kompox`", scope.findings);
    let read = |key| keys::optional(map, key).map(|node| amounts(scope, node, key)).unwrap_or_default();
    let (requests, limits) = (read("resources"), read("limits"));
    for (name, (asked, amount)) in &requests {
        if let Some((limit, _)) = limits.get(name).filter(|(_, limit)| amount > limit) {
            let message = format!("`{name}` asks for more than its limit `{}`", scalar::shown(&limit.value, &limit.at));
            let help = "raise the limit, or ask for less";
            scope.findings.push(Diagnostic::error(CODE, asked.at.clone(), message).help(help));
        }
    }
    Resources { requests: written(requests), limits: written(limits) }
}

fn written(amounts: Amounts) -> BTreeMap<String, String> {
    amounts.into_iter().map(|(name, (written, _))| (name, written.value)).collect()
}

fn amounts(scope: &Scope<'_>, node: &Node, what: &str) -> Amounts {
    let Some(map) = node.as_map() else {
        let _: Option<()> = wrong_type(node, what, "a mapping", scope.findings);
        return BTreeMap::new();
    };
    map.iter().filter_map(|entry| Some((entry.key.text.clone(), amount(scope, entry, what)?))).collect()
}

fn amount(scope: &Scope<'_>, Entry { key, value }: &Entry, what: &str) -> Option<(Spanned<String>, Quantity)> {
    let name = key.text.as_str();
    if !NAMES.contains(&name) {
        let message = format!("`{what}` of `x-kompox` has no key `{name}`");
        let help = match suggest(name, NAMES) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known keys are {}", enumerate(&NAMES)),
        };
        scope.findings.push(Diagnostic::error("unknown-key", key.span.clone(), message).help(help));
        return None;
    }
    if value.is_null() {
        return None;
    }
    let written = text(value, name, scope.findings)?;
    let problem = match written.value.parse::<Quantity>() {
        Ok(amount) if !written.value.starts_with('-') => return Some((written, amount)),
        Ok(_) => format!("`{name}` must not be negative"),
        Err(error) => format!("`{name}` {error}"),
    };
    let help = "write it like `100m` or `0.5` for processors, `256Mi` or `1Gi` for memory";
    scope.findings.push(Diagnostic::error(CODE, written.at, problem).help(help));
    None
}
