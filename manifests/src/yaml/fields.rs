//! Typed reading of trees, with every problem collected.
//!
//! A reader opens a mapping as [`Fields`], takes the keys that it knows one by one, and closes it with
//! [`Fields::finish`], which reports every key that nobody took. A value of the wrong type is reported
//! where it stands and read as absent, so that one mistake hides no other. A key whose value is null
//! counts as absent, as it does for Compose and Kubernetes.
//!
//! A reader that declares the mapping's [`Shape`] gets its keys checked against that, and the shape cannot
//! say anything else than the reader does: in debug builds, and so in every test, each reading is held
//! against the declared type, and a declared key that nobody reads is found.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::shape::{Shape, Type};
use super::{Dialect, Entry, Map, Node, Value};
use crate::diagnostic::{Diagnostic, Severity, Span, Spanned};

/// Where readers put what they find.
#[derive(Debug, Default)]
pub struct Findings(RefCell<Vec<Diagnostic>>);

impl Findings {
    /// Nothing found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding, which says what to do: debug builds, and so all tests, take no other.
    pub fn push(&self, diagnostic: Diagnostic) {
        debug_assert!(diagnostic.help.is_some(), "nothing says what to do: {diagnostic}");
        self.0.borrow_mut().push(diagnostic);
    }

    /// Adds several.
    pub fn extend(&self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Whether an error is among them.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Everything found, in the order of finding.
    #[must_use]
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// A mapping that is being read.
#[derive(Debug)]
pub struct Fields<'n, 'f> {
    what: &'n str,
    at: Span,
    map: &'n Map,
    taken: Vec<&'static str>,
    shape: Option<&'static Shape>,
    findings: &'f Findings,
}

impl<'n, 'f> Fields<'n, 'f> {
    /// Opens a mapping; `what` names it in messages, e.g. `App.spec.ingress`. Anything but a mapping
    /// is reported.
    pub fn of(node: &'n Node, what: &'n str, findings: &'f Findings) -> Option<Self> {
        match &node.value {
            Value::Map(map) => {
                Some(Self { what, at: node.span.clone(), map, taken: Vec::new(), shape: None, findings })
            }
            _ => wrong_type(node, what, "a mapping", findings),
        }
    }

    /// Opens a mapping that is not there: it has no keys, and what it lacks is reported at `at`.
    pub fn absent(at: &Span, what: &'n str, findings: &'f Findings) -> Self {
        static NOTHING: Map = Map::new();
        Self { what, at: at.clone(), map: &NOTHING, taken: Vec::new(), shape: None, findings }
    }

    /// Declares what the mapping may hold.
    #[must_use]
    pub fn shaped(mut self, shape: &'static Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// Holds what is read against what is declared.
    fn declared(&self, key: &str, fits: impl FnOnce(&Type) -> bool) {
        let declared = self.shape.map(|shape| shape.field(key).is_some_and(|field| fits(&field.of)));
        debug_assert!(declared != Some(false), "`{}` of `{}` is read as it is not declared", key, self.what);
    }

    /// Where the readers' findings go.
    #[must_use]
    pub fn findings(&self) -> &'f Findings {
        self.findings
    }

    /// Where the mapping stands.
    #[must_use]
    pub fn at(&self) -> &Span {
        &self.at
    }

    /// A key with its value, also when that is null.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.declared(key, |_| true);
        if !self.taken.contains(&key) {
            self.taken.push(key);
        }
        self.map.entry(key)
    }

    /// The value of a key; null is absent.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !node.is_null())
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<&'n Node> {
        let declared = self.shape.and_then(|shape| shape.field(key)).is_none_or(|field| field.required);
        debug_assert!(declared, "`{key}` of `{}` is not declared as required", self.what);
        let node = self.get(key);
        if node.is_none() {
            let at = self.map.entry(key).map_or_else(|| self.at.clone(), |entry| entry.key.span.clone());
            let message = format!("`{}` needs `{key}`", self.what);
            self.findings.push(Diagnostic::error("missing-key", at, message).help(format!("add `{key}:`")));
        }
        node
    }

    /// A string.
    pub fn string(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.declared(key, Type::is_string);
        let node = self.get(key)?;
        string(node, key, self.findings)
    }

    /// A string that must be there.
    pub fn required_string(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.declared(key, Type::is_string);
        let node = self.required(key)?;
        string(node, key, self.findings)
    }

    /// Any scalar as the text that stands there.
    pub fn text(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.declared(key, Type::is_text);
        let node = self.get(key)?;
        text(node, key, self.findings)
    }

    /// A boolean.
    pub fn boolean(&mut self, key: &'static str) -> Option<Spanned<bool>> {
        self.declared(key, |of| matches!(of, Type::Boolean));
        let node = self.get(key)?;
        boolean(node, key, self.findings)
    }

    /// An integer from `min` to `max`.
    pub fn integer(&mut self, key: &'static str, min: u64, max: u64) -> Option<Spanned<u64>> {
        self.declared(key, |of| matches!(of, Type::Integer(least, most) if (*least, *most) == (min, max)));
        let node = self.get(key)?;
        integer(node, key, min, max, self.findings)
    }

    /// A port, 1 to 65535.
    pub fn port(&mut self, key: &'static str) -> Option<Spanned<u16>> {
        self.declared(key, |of| matches!(of, Type::Integer(1, 65_535)));
        let node = self.get(key)?;
        port(node, key, self.findings)
    }

    /// The items of a list; empty when absent.
    pub fn list(&mut self, key: &'static str) -> &'n [Node] {
        self.declared(key, |of| of.items().is_some());
        self.get(key).and_then(|node| list(node, key, self.findings)).unwrap_or_default()
    }

    /// A list of strings; empty when absent.
    pub fn strings(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        self.declared(key, |of| of.items().is_some_and(Type::is_string));
        let findings = self.findings;
        self.list(key).iter().filter_map(|item| string(item, key, findings)).collect()
    }

    /// A list of scalars as texts; empty when absent.
    pub fn texts(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        self.declared(key, |of| of.items().is_some_and(Type::is_text));
        let findings = self.findings;
        self.list(key).iter().filter_map(|item| text(item, key, findings)).collect()
    }

    /// A mapping of scalars, each as the text that stands there; a null value is the empty text.
    pub fn text_map(&mut self, key: &'static str) -> BTreeMap<String, String> {
        self.declared(key, |of| matches!(of, Type::Texts));
        self.get(key).map(|node| text_map(node, key, self.findings)).unwrap_or_default()
    }

    /// A mapping inside this one, opened under the name `what`; its shape is the declared one.
    pub fn section(&mut self, key: &'static str, what: &'n str) -> Option<Fields<'n, 'f>> {
        self.declared(key, |of| matches!(of, Type::Mapping(_)));
        let shape = match self.shape.and_then(|shape| shape.field(key)).map(|field| field.of) {
            Some(Type::Mapping(shape)) => Some(shape),
            _ => None,
        };
        let node = self.get(key)?;
        Some(Fields { shape, ..Fields::of(node, what, self.findings)? })
    }

    /// One of several words, each with its meaning.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<Spanned<T>> {
        let words =
            |of: &Type| matches!(of, Type::Word(words) if words.iter().eq(choices.iter().map(|(word, _)| word)));
        self.declared(key, words);
        let node = self.get(key)?;
        choice(node, key, choices, self.findings)
    }

    /// Reports every key that is not declared, or without a declaration was not taken, with the known key
    /// that was probably meant.
    pub fn finish(self) {
        let known = match self.shape {
            Some(shape) => shape.fields().map(|field| field.name).collect(),
            None => self.taken.clone(),
        };
        let unread = known.iter().find(|key| !self.taken.contains(key));
        debug_assert!(unread.is_none(), "`{}` declares a key that nobody reads: {unread:?}", self.what);
        for entry in self.map {
            let key = entry.key.text.as_str();
            if known.contains(&key) {
                continue;
            }
            let message = format!("`{}` has no key `{key}`", self.what);
            let help = match (suggest(key, known.iter().copied()), known.as_slice()) {
                (Some(meant), _) => format!("did you mean `{meant}`?"),
                (None, [only]) => format!("the only key is `{only}`"),
                (None, known) => format!("known keys are {}", enumerate(known)),
            };
            self.findings.push(Diagnostic::error("unknown-key", entry.key.span.clone(), message).help(help));
        }
    }
}

/// Reads a string.
pub fn string(node: &Node, what: &str, findings: &Findings) -> Option<Spanned<String>> {
    match &node.value {
        Value::String(text) => Some(Spanned::new(text.clone(), node.span.clone())),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let written = node.written().unwrap_or_default();
            let message = format!("`{what}` must be a string, found {}", node.kind());
            let help = format!("put it in quotes: \"{written}\"");
            findings.push(Diagnostic::error("wrong-type", node.span.clone(), message).help(help));
            None
        }
        _ => wrong_type(node, what, "a string", findings),
    }
}

/// Reads any scalar but null as the text that stands there.
pub fn text(node: &Node, what: &str, findings: &Findings) -> Option<Spanned<String>> {
    match node.written() {
        Some(text) if !node.is_null() => Some(Spanned::new(text, node.span.clone())),
        _ => wrong_type(node, what, "a string", findings),
    }
}

/// Reads a boolean; `yes`, `on`, `y` and their opposites count in every dialect, as they do where Go reads a
/// boolean, but not in quotes.
pub fn boolean(node: &Node, what: &str, findings: &Findings) -> Option<Spanned<bool>> {
    match &node.in_dialect(Dialect::Kubernetes).value {
        Value::Bool(value) => Some(Spanned::new(*value, node.span.clone())),
        Value::String(_) => {
            let message = format!("`{what}` must be `true` or `false`, found a string");
            let help = "write `true` or `false`, without quotes";
            findings.push(Diagnostic::error("wrong-type", node.span.clone(), message).help(help));
            None
        }
        _ => wrong_type(node, what, "`true` or `false`", findings),
    }
}

/// Reads an integer from `min` to `max`.
pub fn integer(node: &Node, what: &str, min: u64, max: u64, findings: &Findings) -> Option<Spanned<u64>> {
    match &node.value {
        Value::Int(value) => match u64::try_from(*value) {
            Ok(value) if (min..=max).contains(&value) => Some(Spanned::new(value, node.span.clone())),
            _ => {
                let message = format!("`{what}` must be from {min} to {max}, found {value}");
                let help = "write a number from this range";
                findings.push(Diagnostic::error("out-of-range", node.span.clone(), message).help(help));
                None
            }
        },
        Value::String(text) if text.parse::<u64>().is_ok() => {
            let message = format!("`{what}` must be an integer, found a string");
            let help = format!("write it without quotes: {text}");
            findings.push(Diagnostic::error("wrong-type", node.span.clone(), message).help(help));
            None
        }
        _ => wrong_type(node, what, "an integer", findings),
    }
}

/// Reads a port, 1 to 65535.
pub fn port(node: &Node, what: &str, findings: &Findings) -> Option<Spanned<u16>> {
    let Spanned { value, at } = integer(node, what, 1, u64::from(u16::MAX), findings)?;
    Some(Spanned::new(u16::try_from(value).ok()?, at))
}

/// Reads a list.
pub fn list<'n>(node: &'n Node, what: &str, findings: &Findings) -> Option<&'n [Node]> {
    match &node.value {
        Value::Seq(items) => Some(items),
        _ => wrong_type(node, what, "a list", findings),
    }
}

/// Reads a mapping of scalars, each as the text that stands there; a null value is the empty text.
pub fn text_map(node: &Node, what: &str, findings: &Findings) -> BTreeMap<String, String> {
    let Value::Map(map) = &node.value else {
        wrong_type::<()>(node, what, "a mapping", findings);
        return BTreeMap::new();
    };
    let pair = |entry: &Entry| match entry.value.written() {
        Some(text) => Some((entry.key.text.clone(), text)),
        None => wrong_type(&entry.value, &entry.key.text, "a string, number or boolean", findings),
    };
    map.iter().filter_map(pair).collect()
}

/// Reads one of several words.
pub fn choice<T: Copy>(node: &Node, what: &str, choices: &[(&str, T)], findings: &Findings) -> Option<Spanned<T>> {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    // `off` may be a boolean in the document's dialect; what was written is what was meant.
    let given = text(node, what, findings)?;
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == given.value) {
        return Some(Spanned::new(*value, given.at));
    }
    let message = format!("`{what}` cannot be `{}`", given.value);
    let help = match (suggest(&given.value, words.iter().copied()), words.as_slice()) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, [only]) => format!("write `{only}`"),
        (None, words) => format!("write one of {}", enumerate(words)),
    };
    findings.push(Diagnostic::error("unknown-value", given.at, message).help(help));
    None
}

/// Reports a value of the wrong type; always `None`.
pub fn wrong_type<T>(node: &Node, what: &str, wanted: &str, findings: &Findings) -> Option<T> {
    let message = format!("`{what}` must be {wanted}, found {}", node.kind());
    findings.push(Diagnostic::error("wrong-type", node.span.clone(), message).help(format!("write {wanted}")));
    None
}

/// The candidate that was probably meant, when one is close enough.
pub fn suggest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A long text is no misspelt word, and comparing it would cost quadratic time.
    if given.len() > 64 {
        return None;
    }
    let folded = given.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
    let nearest = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    (nearest.0 <= 1 + folded.chars().count() / 5).then_some(nearest.1)
}

/// `a`, `b` and `c`, each marked as code.
#[must_use]
pub fn enumerate(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "none".into(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests;
