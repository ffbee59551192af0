//! What happens to every key of the Compose schema: one table for each kind of mapping. A key that
//! is not mapped is reported with what its loss means and what to do; a key that no table knows is an
//! error. Keys that begin with `x-` belong to other tools.
//!
//! To map another key, say [`mapped`] in its table and read it in the module of its concern.

#[cfg(test)]
mod reference;
mod service;
mod top_level;

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::yaml::fields::{Findings, suggest};
use crate::yaml::{Entry, Map, Node, Value};

pub(super) use service::{
    BIND_OPTIONS, CONFIG_MOUNT, DEPENDENCY, DEPLOY, DEPLOY_LIMITS, DEPLOY_RESERVATIONS, DEPLOY_RESOURCES, ENV_FILE,
    EXTENDS, HEALTHCHECK, KOMPOX, PORT, SERVICE, VOLUME_MOUNT, VOLUME_OPTIONS,
};
pub(super) use top_level::{CONFIG, INCLUDE, SECRET, TOP, VOLUME};

/// The keys of one kind of mapping.
pub(super) struct Table(&'static [Rule]);

/// A key and what happens to it.
struct Rule {
    key: &'static str,
    handling: Handling,
}

enum Handling {
    /// Read, or judged by its value, where its concern lives.
    Mapped,
    /// Reported: why it is not mapped, and what to do.
    Reported { severity: Severity, why: &'static str, instead: &'static str },
}

/// A key that some module reads.
const fn mapped(key: &'static str) -> Rule {
    Rule { key, handling: Handling::Mapped }
}

/// A key without which the containers would do, see or be allowed something else: the entry is rejected.
const fn needed(key: &'static str, why: &'static str, instead: &'static str) -> Rule {
    Rule { key, handling: Handling::Reported { severity: Severity::Error, why, instead } }
}

/// A key without which the App still does what it is for.
const fn missed(key: &'static str, why: &'static str, instead: &'static str) -> Rule {
    Rule { key, handling: Handling::Reported { severity: Severity::Warning, why, instead } }
}

/// A key that means nothing in a cluster.
const fn idle(key: &'static str, why: &'static str, instead: &'static str) -> Rule {
    Rule { key, handling: Handling::Reported { severity: Severity::Info, why, instead } }
}

impl Table {
    /// Reports every key of a mapping that is unknown or not mapped. `what` names the mapping.
    pub(super) fn check(&self, map: &Map, what: &str, findings: &Findings) {
        for entry in map {
            let key = entry.key.text.as_str();
            let at = entry.key.span.clone();
            let rule = self.0.iter().find(|rule| rule.key == key);
            match rule.map(|rule| &rule.handling) {
                Some(Handling::Mapped) => {}
                Some(Handling::Reported { severity, why, instead }) if asks_for_something(&entry.value) => {
                    findings.push(report(*severity, key, what, why, instead, at));
                }
                Some(Handling::Reported { .. }) => {}
                None if key.starts_with("x-") => {}
                None => findings.push(self.unknown(key, what, at)),
            }
        }
    }

    /// Whether [`check`](Self::check) takes some unknown key of the mapping for a misspelt `key`, so that
    /// nothing more needs to be said about its absence.
    pub(super) fn is_misspelt(&self, key: &str, map: &Map) -> bool {
        let known = |text: &str| text.starts_with("x-") || self.0.iter().any(|rule| rule.key == text);
        let mut unknown = map.into_iter().map(|entry| entry.key.text.as_str()).filter(|text| !known(text));
        unknown.any(|text| self.meant(text) == Some(key))
    }

    fn meant(&self, key: &str) -> Option<&'static str> {
        suggest(key, self.0.iter().map(|rule| rule.key))
    }

    fn unknown(&self, key: &str, what: &str, at: Span) -> Diagnostic {
        let diagnostic = Diagnostic::error("unknown-key", at, format!("{what} has no key `{key}`"));
        match self.meant(key) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => diagnostic.help("remove it, or begin it with `x-` if it is for another tool"),
        }
    }
}

fn report(severity: Severity, key: &str, what: &str, why: &str, instead: &str, at: Span) -> Diagnostic {
    let effect = if severity == Severity::Error { "cannot be kept" } else { "has no effect" };
    let message = format!("`{key}` of {what} {effect}: {why}");
    Diagnostic { severity, ..Diagnostic::error("unmapped-key", at, message) }.help(instead)
}

/// Null, `false` and empty collections ask for nothing.
fn asks_for_something(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => false,
        Value::Seq(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Int(_) | Value::Float(_) => true,
    }
}

/// The value of a key that must be there; reports at the key, or else at the mapping.
pub(super) fn required<'n>(map: &'n Map, key: &str, what: &str, at: &Span, findings: &Findings) -> Option<&'n Node> {
    let entry = map.entry(key);
    if let Some(value) = entry.map(|entry| &entry.value).filter(|node| !node.is_null()) {
        return Some(value);
    }
    if misspelt(map, key) {
        return None;
    }
    let at = entry.map_or(at, |entry| &entry.key.span).clone();
    findings.push(Diagnostic::error("missing-key", at, format!("{what} needs `{key}`")).help(format!("add `{key}:`")));
    None
}

/// Whether an unknown key was probably meant to be this one: then that it is missing is no news.
pub(super) fn misspelt(map: &Map, key: &str) -> bool {
    let meant = |entry: &Entry| {
        let text = entry.key.text.as_str();
        text != key && !text.starts_with("x-") && suggest(text, [key]).is_some()
    };
    map.get(key).is_none() && map.iter().any(meant)
}

/// The value of a key; null is absent.
pub(super) fn optional<'n>(map: &'n Map, key: &str) -> Option<&'n Node> {
    map.get(key).filter(|node| !node.is_null())
}
