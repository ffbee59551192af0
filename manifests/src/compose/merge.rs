//! What one description of a service, or of a whole file, makes of another: mappings are merged, sequences
//! appended, anything else replaced, with the exceptions of the Compose Specification. `!reset` takes a value
//! away, `!override` replaces it whole.

mod pairs;
mod unique;

use crate::diagnostic::Diagnostic;
use crate::yaml::fields::Findings;
use crate::yaml::{Entry, Map, Node, Value};

/// Takes the value away.
pub(super) const RESET: &str = "!reset";
/// Replaces the value instead of merging into it.
pub(super) const OVERRIDE: &str = "!override";

/// How the values of one key meet.
enum Rule {
    /// By their types.
    ByType,
    /// The later one alone counts.
    Replace,
    /// A mapping, or a list of `NAME=value`.
    Pairs,
    /// A list of `NAME=value` or `NAME:value` in which a name may stand several times.
    Hosts,
    /// A mapping, or a list of its keys.
    Names,
    /// A list, or its only item.
    List,
    /// A list whose items are told apart by what they ask for.
    Unique(fn(&Node) -> Option<String>),
    /// A mapping, or the text of its key `context`.
    Build,
    /// A mapping whose options belong to its driver.
    Logging,
}

/// Merges the service `over` over the service `base`.
pub(super) fn service(base: Node, over: Node, findings: &Findings) -> Option<Node> {
    Merge { findings }.nodes(base, over, &["services", ""])
}

/// Merges the Compose file `over` over the Compose file `base`.
pub(super) fn file(base: Node, over: Node, findings: &Findings) -> Option<Node> {
    Merge { findings }.nodes(base, over, &[])
}

fn rule(path: &[&str]) -> Rule {
    match path {
        ["services", _, "command" | "entrypoint"]
        | ["services", _, "healthcheck", "test"]
        | ["services", _, "ulimits", _] => Rule::Replace,
        ["services", _, "environment" | "labels" | "annotations" | "sysctls"]
        | ["services", _, "build", "args" | "labels" | "additional_contexts"]
        | ["services", _, "deploy", "labels"]
        | ["networks" | "volumes" | "configs" | "secrets", _, "labels"] => Rule::Pairs,
        ["services", _, "extra_hosts"] | ["services", _, "build", "extra_hosts"] => Rule::Hosts,
        ["services", _, "depends_on" | "networks" | "models"] => Rule::Names,
        ["services", _, "dns" | "dns_opt" | "dns_search" | "tmpfs" | "env_file" | "label_file"] => Rule::List,
        ["services", _, "ports"] => Rule::Unique(unique::port),
        ["services", _, "volumes" | "devices"] => Rule::Unique(unique::volume),
        ["services", _, "configs"] => Rule::Unique(unique::config),
        ["services", _, "secrets"] => Rule::Unique(unique::secret),
        [
            "services",
            _,
            "expose"
            | "cap_add"
            | "cap_drop"
            | "group_add"
            | "security_opt"
            | "profiles"
            | "links"
            | "external_links"
            | "volumes_from"
            | "device_cgroup_rules",
        ] => Rule::Unique(Node::resolved),
        ["services", _, "build"] => Rule::Build,
        ["services", _, "logging"] => Rule::Logging,
        _ => Rule::ByType,
    }
}

struct Merge<'a> {
    findings: &'a Findings,
}

impl Merge<'_> {
    /// `None` when the value is taken away.
    fn nodes(&self, base: Node, mut over: Node, path: &[&str]) -> Option<Node> {
        match over.tag.as_ref().map(|tag| tag.value.as_str()) {
            Some(RESET) => return None,
            Some(OVERRIDE) => {
                over.tag = None;
                return settled(over);
            }
            _ => {}
        }
        match rule(path) {
            Rule::Replace if over.is_null() => Some(base),
            Rule::Replace => settled(over),
            Rule::Pairs => self.values(pairs::mapping(base), pairs::mapping(over), path, true),
            Rule::Names => self.values(pairs::names(base, path), pairs::names(over, path), path, false),
            Rule::Hosts => self.values(pairs::hosts(base), pairs::hosts(over), path, false).map(unique::texts),
            Rule::List => self.values(pairs::list(base), pairs::list(over), path, false).map(unique::texts),
            Rule::Unique(key) => self.values(base, over, path, false).map(|node| unique::by(node, key)),
            Rule::Build => self.values(pairs::build(base), pairs::build(over), path, false),
            Rule::Logging if other_driver(&base, &over) => settled(over),
            Rule::Logging | Rule::ByType => self.values(base, over, path, false),
        }
    }

    /// Merges by type. `nulls` says whether a null in a mapping replaces what stood there.
    fn values(&self, base: Node, over: Node, path: &[&str], nulls: bool) -> Option<Node> {
        if over.is_null() {
            return Some(base);
        }
        match (base, over) {
            (Node { value: Value::Map(base), .. }, Node { value: Value::Map(other), span, .. }) => {
                Some(Node::new(Value::Map(self.maps(base, other, path, nulls)), span))
            }
            (Node { value: Value::Seq(mut items), .. }, Node { value: Value::Seq(others), span, .. }) => {
                items.extend(others.into_iter().filter_map(settled));
                Some(Node::new(Value::Seq(items), span))
            }
            (base, over) if matches!(base.value, Value::Map(_) | Value::Seq(_)) => {
                let key = path.last().copied().filter(|key| !key.is_empty()).unwrap_or("the value");
                let message = format!(
                    "`{key}` is {} here and {} at {}, and the two do not merge",
                    over.kind(),
                    base.kind(),
                    base.span
                );
                let help = "write both in the same form, or put `!override` in front of this one";
                self.findings.push(Diagnostic::error("compose-merge", over.span, message).help(help));
                Some(base)
            }
            (_, over) => settled(over),
        }
    }

    fn maps(&self, mut base: Map, over: Map, path: &[&str], nulls: bool) -> Map {
        for Entry { key, value } in over {
            let merged = match base.get_mut(&key.text) {
                None => settled(value),
                Some(_) if nulls && value.is_null() && value.tag.is_none() => Some(value),
                Some(slot) => {
                    let own = std::mem::replace(slot, Node::new(Value::Null, key.span.clone()));
                    let below: Vec<&str> = path.iter().copied().chain([key.text.as_str()]).collect();
                    self.nodes(own, value, &below)
                }
            };
            match merged {
                Some(value) => drop(base.insert(key, value)),
                None => drop(base.remove(&key.text)),
            }
        }
        base
    }
}

/// The value with its merge tags carried out, where there is nothing to merge with.
fn settled(mut node: Node) -> Option<Node> {
    match node.tag.as_ref().map(|tag| tag.value.as_str()) {
        Some(RESET) => return None,
        Some(OVERRIDE) => node.tag = None,
        _ => {}
    }
    node.value = match node.value {
        Value::Seq(items) => Value::Seq(items.into_iter().filter_map(settled).collect()),
        Value::Map(map) => {
            let entry = |Entry { key, value }| settled(value).map(|value| Entry { key, value });
            Value::Map(map.into_iter().filter_map(entry).collect())
        }
        other => other,
    };
    Some(node)
}

fn other_driver(base: &Node, over: &Node) -> bool {
    let driver = |node: &Node| node.get("driver").and_then(Node::resolved);
    matches!((driver(base), driver(over)), (Some(base), Some(over)) if base != over)
}

/// Whether two values say the same, wherever they stand.
pub(super) fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Seq(one), Value::Seq(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let in_other = |entry: &Entry| other.get(&entry.key.text).is_some_and(|value| same(&entry.value, value));
            one.len() == other.len() && one.iter().all(in_other)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests;
