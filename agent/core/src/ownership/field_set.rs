//! Sets of fields, as `managedFields[].fieldsV1` writes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of fields of one object.
///
/// The JSON form is a tree: a key names a step (`f:<field>`, `k:<keys of a list item>`,
/// `v:<value of a set item>`, `i:<index>`); an empty object, or a `.` beside deeper steps, says that
/// the field itself is in the set, not only what lies below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Whether the field that this node stands for is in the set.
    member: bool,
    /// Deeper steps by their raw key.
    children: BTreeMap<String, FieldSet>,
}

/// The key that says that a field which has deeper steps is in the set itself.
const SELF: &str = ".";

impl FieldSet {
    /// Reads a `fieldsV1` value; `None` when it is none.
    #[must_use]
    pub fn parse(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (key, value) in fields.as_object()? {
            if key == SELF {
                set.member = true;
            } else {
                set.children.insert(key.clone(), Self::parse_step(value)?);
            }
        }
        Some(set)
    }

    fn parse_step(value: &Value) -> Option<Self> {
        let leaf = value.as_object()?.is_empty();
        let mut set = Self::parse(value)?;
        set.member |= leaf;
        Some(set)
    }

    /// The `fieldsV1` value of this set.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut object = Map::new();
        if self.member {
            object.insert(SELF.to_owned(), Value::Object(Map::new()));
        }
        for (key, child) in &self.children {
            let leaf = child.member && child.children.is_empty();
            object.insert(key.clone(), if leaf { Value::Object(Map::new()) } else { child.to_value() });
        }
        Value::Object(object)
    }

    /// Whether no field is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Adds every field of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.member |= other.member;
        for (key, child) in &other.children {
            self.children.entry(key.clone()).or_default().extend(child);
        }
    }

    /// Splits the set: first the fields that `takes` accepts, then the others. `takes` is given the
    /// raw keys from the root to the field.
    #[must_use]
    pub fn partition(&self, takes: &dyn Fn(&[&str]) -> bool) -> (Self, Self) {
        self.partition_below(&mut Vec::new(), takes)
    }

    fn partition_below<'set>(&'set self, path: &mut Vec<&'set str>, takes: &dyn Fn(&[&str]) -> bool) -> (Self, Self) {
        let takes_this = self.member && takes(path);
        let mut taken = Self { member: takes_this, ..Self::default() };
        let mut left = Self { member: self.member && !takes_this, ..Self::default() };
        for (key, child) in &self.children {
            path.push(key);
            let (child_taken, child_left) = child.partition_below(path, takes);
            path.pop();
            for (set, part) in [(&mut taken, child_taken), (&mut left, child_left)] {
                if !part.is_empty() {
                    set.children.insert(key.clone(), part);
                }
            }
        }
        (taken, left)
    }

    /// The deepest fields of the set, as the API server writes them in its conflict messages:
    /// `.spec.template.spec.containers[name="app"].image`. A list item or map that is in the set
    /// together with something below it is not named again.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths(&mut String::new(), &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &mut String, paths: &mut Vec<String>) {
        if self.member && self.children.is_empty() && !prefix.is_empty() {
            paths.push(prefix.clone());
        }
        for (key, child) in &self.children {
            let length = prefix.len();
            prefix.push_str(&step_text(key));
            child.collect_paths(prefix, paths);
            prefix.truncate(length);
        }
    }

    /// Whether the field at `path` (in the form of [`FieldSet::paths`]) or something below it is in
    /// the set.
    #[must_use]
    pub fn touches(&self, path: &str) -> bool {
        if path.is_empty() {
            return !self.is_empty();
        }
        self.children.iter().any(|(key, child)| {
            // A name may hold dots (an annotation's), so the steps of the set decide where one ends.
            path.strip_prefix(step_text(key).as_str())
                .is_some_and(|rest| (rest.is_empty() || rest.starts_with(['.', '['])) && child.touches(rest))
        })
    }
}

/// One step as the API server writes it for people.
fn step_text(key: &str) -> String {
    match key.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", keys)) => match serde_json::from_str::<BTreeMap<String, Value>>(keys) {
            Ok(keys) => {
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
            Err(_) => format!("[{keys}]"),
        },
        Some(("v", value)) => format!("[={value}]"),
        Some(("i", index)) => format!("[{index}]"),
        _ => format!(".{key}"),
    }
}
