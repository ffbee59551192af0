//! Mappings: ordered, with unique text keys.

use std::collections::BTreeMap;

use super::{Dialect, Node};
use crate::diagnostic::Span;

/// Below this many entries a search through the list is faster than an index.
const INDEXED_FROM: usize = 16;

/// A mapping in the order of the file. Keys are text; a key that was written as a number or a
/// boolean is the text that the dialect makes of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    entries: Vec<Entry>,
    /// Position by key; empty for small mappings. Keeps hostile files from costing quadratic time.
    index: BTreeMap<String, usize>,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A key with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key's text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// The text as written, for plain keys that the dialect changed.
    pub(super) written: Option<Box<str>>,
}

impl Key {
    /// A key.
    #[must_use]
    pub fn new(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), span, written: None }
    }
}

impl Map {
    /// A mapping without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), index: BTreeMap::new() }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// The values, to be changed in place.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    /// The keys, with their values to be changed in place.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Node)> {
        self.entries.iter_mut().map(|entry| (&entry.key, &mut entry.value))
    }

    /// The keys with their values, to be changed in place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Node)> {
        self.entries.iter_mut().map(|entry| (&entry.key, &mut entry.value))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key, to be changed in place.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let at = self.position(key)?;
        self.entries.get_mut(at).map(|entry| &mut entry.value)
    }

    /// A key with its value.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(self.position(key)?)
    }

    /// Sets a key: replaces key and value where it exists, else appends; returns the entry that stood
    /// there.
    pub fn insert(&mut self, key: Key, value: Node) -> Option<Entry> {
        let entry = Entry { key, value };
        if let Some(slot) = self.position(&entry.key.text).and_then(|at| self.entries.get_mut(at)) {
            return Some(std::mem::replace(slot, entry));
        }
        if !self.index.is_empty() {
            self.index.insert(entry.key.text.clone(), self.entries.len());
        }
        self.entries.push(entry);
        if self.index.is_empty() && self.entries.len() >= INDEXED_FROM {
            self.rebuild();
        }
        None
    }

    /// Takes a key out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.position(key)?;
        let entry = self.entries.remove(at);
        self.rebuild();
        Some(entry)
    }

    /// Keeps the entries that `keep` wants.
    pub fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(keep);
        self.rebuild();
    }

    /// The same mapping with plain keys and values typed by another dialect.
    pub(super) fn in_dialect(&self, dialect: Dialect) -> Self {
        let mut map = Self::new();
        for Entry { key, value } in &self.entries {
            let text = key.written.as_deref().and_then(|text| dialect.key_text(text));
            let key = Key { text: text.unwrap_or_else(|| key.text.clone()), ..key.clone() };
            map.insert(key, value.in_dialect(dialect));
        }
        map
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            self.entries.iter().position(|entry| entry.key.text == key)
        } else {
            self.index.get(key).copied()
        }
    }

    fn rebuild(&mut self) {
        self.index.clear();
        if self.entries.len() >= INDEXED_FROM {
            self.index = self.entries.iter().enumerate().map(|(at, entry)| (entry.key.text.clone(), at)).collect();
        }
    }
}

impl IntoIterator for Map {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = &'m Entry;
    type IntoIter = std::slice::Iter<'m, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Entry> for Map {
    /// Later entries replace earlier ones with the same key.
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut map = Self::new();
        for Entry { key, value } in entries {
            map.insert(key, value);
        }
        map
    }
}
