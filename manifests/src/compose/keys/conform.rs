//! Whether a Compose file has the form that the schema asks for: known keys, values of the right type, and
//! the keys that must be there. Everything that is wrong is reported where it stands, once; a value of the
//! wrong type is blanked, so that readers find no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::types::{List, Mapping, Type};
use super::{Rule, Table};
use crate::compose::scalar::shown;
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::fields::{Findings, enumerate, suggest};
use crate::yaml::{Map, Node, Value};

/// Where in a Compose file something stands, in words.
#[derive(Clone)]
pub(in super::super) struct Place {
    /// Such as ``service `web` ``.
    root: String,
    /// Keys below it, with dots between them.
    path: String,
}

impl Place {
    /// The place of something that messages call by these words.
    pub(in super::super) fn of(root: impl Into<String>) -> Self {
        Self { root: root.into(), path: String::new() }
    }

    /// A service.
    pub(in super::super) fn service(name: &str) -> Self {
        Self::entry("service", name)
    }

    fn entry(word: &str, name: &str) -> Self {
        Self::of(format!("{word} `{name}`"))
    }

    /// The value of a key.
    pub(in super::super) fn key(&self, key: &str) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { root: self.root.clone(), path }
    }

    /// The entry of a mapping of names.
    pub(super) fn named(&self, word: &str, name: &str) -> Self {
        if word.is_empty() { self.key(name) } else { Self::entry(word, name) }
    }

    /// The last key, marked as code.
    fn last(&self) -> String {
        match self.path.rsplit('.').next().filter(|key| !key.is_empty()) {
            Some(key) => format!("`{key}`"),
            None => self.root.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.root),
            path => write!(formatter, "`{path}` of {}", self.root),
        }
    }
}

impl Type {
    /// Reports everything in a value that is not of this type, and blanks it.
    pub(in super::super) fn conform(&self, node: &mut Node, place: &Place, findings: &Findings) {
        let at = node.span.clone();
        self.check(node, place, &at, findings);
    }

    /// Whether the value itself, whatever lies in it, is sound. `key` is where its key stands, for a value that is
    /// nothing.
    fn check(&self, node: &mut Node, place: &Place, key: &Span, findings: &Findings) -> bool {
        if !self.admits(node) {
            self.refuse(node, place, key, findings);
            node.value = Value::Null;
            return false;
        }
        match (&mut node.value, self.list, self.map) {
            (Value::Seq(items), Some(list), _) => list.check(items, place, findings),
            (Value::Map(map), _, Some(Mapping::Table(table))) => table.check(map, place, &node.span, findings),
            (Value::Map(map), _, Some(Mapping::Named(of, word))) => {
                check_names(map, place, findings);
                for (entry, value) in map.entries_mut() {
                    of.check(value, &place.named(word, &entry.text), &entry.span, findings);
                }
            }
            // Here nothing may be a value: what is not sound has to go.
            (Value::Map(map), _, Some(Mapping::Free(of))) => {
                let mut unsound = BTreeSet::new();
                for (entry, value) in map.entries_mut() {
                    if !of.check(value, &place.key(&entry.text), &entry.span, findings) {
                        unsound.insert(entry.text.clone());
                    }
                }
                if !unsound.is_empty() {
                    map.retain(|entry| !unsound.contains(&entry.key.text));
                }
            }
            (Value::String(_), ..) if !self.words.is_empty() => return self.check_word(node, place, findings),
            (Value::Int(number), ..) => {
                if let Some((min, max)) = self.range.filter(|(min, max)| !(*min..=*max).contains(number)) {
                    let message = format!("{} must be from {min} to {max}, found {number}", place.last());
                    let help = "write a number from this range";
                    findings.push(Diagnostic::error("out-of-range", node.span.clone(), message).help(help));
                    node.value = Value::Null;
                    return false;
                }
            }
            _ => {}
        }
        true
    }

    fn refuse(&self, node: &Node, place: &Place, key: &Span, findings: &Findings) {
        // What is not there has no place of its own.
        let at = if node.is_null() { key } else { &node.span };
        let message = format!("{} must be {}, found {}", place.last(), self.wanted(), node.kind());
        let diagnostic = Diagnostic::error("wrong-type", at.clone(), message);
        let diagnostic = match (node.written().filter(|text| !text.is_empty()), node.is_null()) {
            (Some(written), _) if self.is_textual() => diagnostic.help(format!("put it in quotes: \"{written}\"")),
            (_, true) => diagnostic.help("give it a value, or remove the key"),
            _ => diagnostic.help(format!("write {}", self.wanted())),
        };
        findings.push(diagnostic);
    }

    fn check_word(&self, node: &mut Node, place: &Place, findings: &Findings) -> bool {
        let Some(given) = node.as_str().filter(|given| !self.words.contains(given)) else { return true };
        let message = format!("{} cannot be `{}`", place.last(), shown(given, &node.span));
        let help = match (suggest(given, self.words.iter().copied()), self.words) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, [only]) => format!("write `{only}`"),
            (None, words) => format!("write one of {}", enumerate(words)),
        };
        findings.push(Diagnostic::error("unknown-value", node.span.clone(), message).help(help));
        node.value = Value::Null;
        false
    }
}

impl List {
    fn check(&self, items: &mut [Node], place: &Place, findings: &Findings) {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for item in items {
            let at = item.span.clone();
            self.items.check(item, place, &at, findings);
            let Some(text) = item.written().filter(|_| self.distinct && !item.is_null()) else { continue };
            if let Some(first) = seen.get(&text) {
                let message = format!("`{}` stands in {} already, at {first}", shown(&text, &at), place.last());
                findings.push(Diagnostic::error("repeated", at, message).help("remove one of the two"));
                item.value = Value::Null;
            } else {
                seen.insert(text, at);
            }
        }
    }
}

impl Table {
    fn check(&self, map: &mut Map, place: &Place, at: &Span, findings: &Findings) {
        for name in self.required {
            if map.entry(name).is_none() && !self.is_misspelt(name, map) {
                findings.push(missing(place, name, at));
            }
        }
        for (key, value) in map.entries_mut() {
            match self.rule(&key.text) {
                Some(Rule { of, .. }) => {
                    of.check(value, &place.key(&key.text), &key.span, findings);
                }
                None if self.is_foreign(&key.text) => {}
                None => findings.push(self.unknown(&key.text, place, key.span.clone())),
            }
        }
    }

    /// Whether a key is another tool's.
    fn is_foreign(&self, key: &str) -> bool {
        self.extensible && key.starts_with("x-")
    }

    fn meant(&self, key: &str) -> Option<&'static str> {
        suggest(key, self.rules().map(|rule| rule.key))
    }

    fn unknown(&self, key: &str, place: &Place, at: Span) -> Diagnostic {
        let diagnostic = Diagnostic::error("unknown-key", at, format!("{place} has no key `{key}`"));
        match self.meant(key) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None if self.extensible => diagnostic.help("remove it, or begin it with `x-` if it is for another tool"),
            None => diagnostic.help("remove it"),
        }
    }

    /// Whether some unknown key was probably meant to be this one: then that it is missing is no news.
    pub(in super::super) fn is_misspelt(&self, key: &str, map: &Map) -> bool {
        let known = |text: &str| self.is_foreign(text) || self.rule(text).is_some();
        let mut unknown = map.into_iter().map(|entry| entry.key.text.as_str()).filter(|text| !known(text));
        unknown.any(|text| self.meant(text) == Some(key))
    }

    /// The value of a key without which there is nothing to do, although the schema allows that. A value that has been
    /// blanked is not missed again.
    pub(in super::super) fn required<'n>(
        &self,
        map: &'n Map,
        key: &str,
        place: &Place,
        at: &Span,
        findings: &Findings,
    ) -> Option<&'n Node> {
        match map.entry(key) {
            Some(entry) => Some(&entry.value).filter(|node| !node.is_null()),
            None => {
                if !self.is_misspelt(key, map) {
                    findings.push(missing(place, key, at));
                }
                None
            }
        }
    }
}

fn missing(place: &Place, key: &str, at: &Span) -> Diagnostic {
    Diagnostic::error("missing-key", at.clone(), format!("{place} needs `{key}`")).help(format!("add `{key}:`"))
}

/// Compose takes no other names.
fn check_names(map: &Map, place: &Place, findings: &Findings) {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    for entry in map {
        if entry.key.text.is_empty() || !entry.key.text.bytes().all(usable) {
            let message = format!("`{}` cannot be a name in {place}", entry.key.text);
            let help = "use letters, digits, `.`, `_` and `-` only";
            findings.push(Diagnostic::error("bad-name", entry.key.span.clone(), message).help(help));
        }
    }
}
