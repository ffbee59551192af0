//! What happens to every key of the Compose schema: one table for each kind of mapping, with the type of
//! each key's value. A key that is not mapped is reported with what its loss means and what to do; a key
//! that no table knows, or a value of another type, is an error. Keys that begin with `x-` belong to other
//! tools.
//!
//! To map another key, say [`mapped`] in its table and read it in the module of its concern.

mod conform;
mod container;
mod deploy;
mod details;
mod explain;
pub mod reference;
mod resources;
mod service;
#[cfg(test)]
mod tests;
mod top_level;
mod types;
mod workload;

use crate::diagnostic::Severity;
use crate::yaml::{Map, Node};

pub(super) use conform::Place;
pub(super) use container::{CONFIG_MOUNT, VOLUME_MOUNT};
pub(super) use explain::{explain_file, explain_service};
pub(super) use service::{EXTENDS, SERVICE};
pub(super) use top_level::{FILE, INCLUDE, TOP};

use types::Type;

/// The keys of one kind of mapping.
pub(super) struct Table {
    /// Several kinds of mappings share some of them.
    groups: &'static [&'static [Rule]],
    /// Those that must be there.
    required: &'static [&'static str],
    /// Whether keys that begin with `x-` may stand among them.
    extensible: bool,
}

/// A key, what its value is, and what happens to it.
struct Rule {
    key: &'static str,
    of: Type,
    handling: Handling,
}

enum Handling {
    /// Read, or judged by its value, where its concern lives; how, in words for people.
    Mapped(&'static str),
    /// Reported: why it is not mapped, and what to do.
    Reported { severity: Severity, why: &'static str, instead: &'static str },
    /// Says more about a key above it, and goes the way of that.
    Detail,
}

/// A key that some module reads, and what becomes of it.
const fn mapped(key: &'static str, of: Type, how: &'static str) -> Rule {
    Rule { key, of, handling: Handling::Mapped(how) }
}

/// A key without which the containers would do, see or be allowed something else: the entry is rejected.
const fn needed(key: &'static str, of: Type, why: &'static str, instead: &'static str) -> Rule {
    Rule { key, of, handling: Handling::Reported { severity: Severity::Error, why, instead } }
}

/// A key without which the App still does what it is for.
const fn missed(key: &'static str, of: Type, why: &'static str, instead: &'static str) -> Rule {
    Rule { key, of, handling: Handling::Reported { severity: Severity::Warning, why, instead } }
}

/// A key that means nothing in a cluster.
const fn idle(key: &'static str, of: Type, why: &'static str, instead: &'static str) -> Rule {
    Rule { key, of, handling: Handling::Reported { severity: Severity::Info, why, instead } }
}

/// A key below one that is reported as a whole.
const fn detail(key: &'static str, of: Type) -> Rule {
    Rule { key, of, handling: Handling::Detail }
}

impl Table {
    /// A mapping in which keys of other tools may stand.
    const fn new(groups: &'static [&'static [Rule]]) -> Self {
        Self { groups, required: &[], extensible: true }
    }

    /// The same without keys of other tools.
    const fn closed(self) -> Self {
        Self { extensible: false, ..self }
    }

    /// The same with keys that must be there.
    const fn requiring(self, required: &'static [&'static str]) -> Self {
        Self { required, ..self }
    }

    fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.groups.iter().copied().flatten()
    }

    fn rule(&self, key: &str) -> Option<&'static Rule> {
        self.rules().find(|rule| rule.key == key)
    }
}

/// The value of a key; null is absent.
pub(super) fn optional<'n>(map: &'n Map, key: &str) -> Option<&'n Node> {
    map.get(key).filter(|node| !node.is_null())
}
