//! Which keys of a Compose file have no effect, or cannot be kept, and what to do about each.

use super::conform::Place;
use super::types::{Mapping, Type};
use super::{Handling, SERVICE, TOP, Table};
use crate::diagnostic::{Diagnostic, Severity};
use crate::yaml::fields::Findings;
use crate::yaml::{Entry, Map, Node, Value};

/// Reports the keys of a file outside its services, whose keys matter only where they take part.
pub(in super::super) fn explain_file(root: &Map, findings: &Findings) {
    let place = Place::of("the Compose file");
    for entry in root.iter().filter(|entry| entry.key.text != "services") {
        TOP.explain_entry(entry, &place, findings);
    }
}

/// Reports the keys of a service.
pub(in super::super) fn explain_service(service: &Map, place: &Place, findings: &Findings) {
    SERVICE.explain(service, place, findings);
}

impl Table {
    fn explain(&self, map: &Map, place: &Place, findings: &Findings) {
        for entry in map {
            self.explain_entry(entry, place, findings);
        }
    }

    fn explain_entry(&self, Entry { key, value }: &Entry, place: &Place, findings: &Findings) {
        let Some(rule) = self.rule(&key.text) else { return };
        let below = place.key(&key.text);
        match &rule.handling {
            Handling::Mapped(_) => rule.of.explain(value, &below, findings),
            Handling::Reported { severity, why, instead } if asks_for_something(value, &rule.of) => {
                let effect = if *severity == Severity::Error { "cannot be kept" } else { "has no effect" };
                let message = format!("{below} {effect}: {why}");
                let diagnostic = Diagnostic::error("unmapped-key", key.span.clone(), message).help(*instead);
                findings.push(Diagnostic { severity: *severity, ..diagnostic });
            }
            Handling::Reported { .. } | Handling::Detail => {}
        }
    }
}

impl Type {
    fn explain(&self, node: &Node, place: &Place, findings: &Findings) {
        match (&node.value, self.list, self.map) {
            (Value::Seq(items), Some(list), _) => {
                items.iter().for_each(|item| list.items.explain(item, place, findings));
            }
            (Value::Map(map), _, Some(Mapping::Table(table))) => table.explain(map, place, findings),
            (Value::Map(map), _, Some(Mapping::Named(of, word))) => {
                map.iter().for_each(|entry| of.explain(&entry.value, &place.named(word, &entry.key.text), findings));
            }
            _ => {}
        }
    }
}

/// Null, empty collections, and what holds anyway ask for nothing.
fn asks_for_something(node: &Node, of: &Type) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Bool(value) => *value != of.normally,
        Value::Seq(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty() && of.truth(text) != Some(of.normally),
        Value::Int(_) | Value::Float(_) => true,
    }
}
