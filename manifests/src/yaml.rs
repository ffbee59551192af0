//! YAML as a tree with positions.
//!
//! No serde here: a typed reader that stops at the first problem, or that forgets where a value
//! stood, cannot tell people what is wrong with their file. The tree keeps the place of every key
//! and value, the order of maps, the text of scalars as they were written, and local tags.
//!
//! Plain scalars are typed by a [`Dialect`], because the two worlds that meet here disagree on what
//! `yes` is: Compose files, KOM and their like are read as Compose's loader reads them, Kubernetes
//! manifests as kubectl does. Typed reading, with all problems collected, is in [`fields`].

mod build;
mod decode;
pub mod fields;
mod map;
mod place;
mod scalar;
pub mod shape;
#[cfg(test)]
mod tests;
mod timestamp;

use std::fmt;
use std::sync::Arc;

pub use self::decode::decode;
pub use self::map::{Entry, Key, Map};
pub use self::scalar::{Dialect, format_float};

use self::build::Limits;
use self::place::Places;
use crate::diagnostic::{Diagnostic, SourceFile, Span, Spanned};

/// One value of a document, with its place.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands. A block mapping or sequence is marked by its first key or dash; a value that
    /// came in through an alias or a merge key by the place of its anchor.
    pub span: Span,
    /// A local tag (`!reset`, `!override`, …) with its place. Tags of YAML's core schema are applied
    /// while reading and do not appear here.
    pub tag: Option<Spanned<String>>,
    /// What is secret in the value: it was decrypted, or is made of something that was.
    pub secret: Option<Secret>,
    form: Form,
}

/// A secret in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What it is, in words that can begin a sentence; never the value.
    pub what: Arc<str>,
    /// Where the secret begins in a text, in bytes.
    pub from: usize,
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, span, tag, secret, form } = self;
        let mut node = formatter.debug_struct("Node");
        match secret {
            Some(secret) => node.field("secret", &secret.what).field("span", span),
            None => node.field("value", value).field("span", span).field("tag", tag).field("form", form),
        };
        node.finish()
    }
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `false` and, in [`Dialect::Kubernetes`], `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// An integer, from `i64::MIN` to `u64::MAX`.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping; its keys are unique.
    Map(Map),
}

/// How a scalar was written, as far as later readers need to know.
#[derive(Clone, Debug, Default, PartialEq)]
enum Form {
    /// Quoted, folded, or not a scalar at all.
    #[default]
    Other,
    /// A plain scalar; the text, when it is not the value itself.
    Plain(Option<Box<str>>),
    /// A literal block (`|`): its lines are lines of the file.
    Literal,
}

impl Node {
    /// A node that no parser saw: what interpolation, merging and normalisation put in its place.
    #[must_use]
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span, tag: None, secret: None, form: Form::Other }
    }

    /// A node that is a text.
    #[must_use]
    pub fn string(text: impl Into<String>, span: Span) -> Self {
        Self::new(Value::String(text.into()), span)
    }

    /// Whether the value is null (or nothing was written).
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The text, when the value is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, when the value is a sequence.
    #[must_use]
    pub fn as_seq(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, when the value is a mapping.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value of a key, when the value is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// The text of any scalar as it stands in the file: `64` → `64`, `0444` → `0444`, null → empty.
    /// `None` for sequences and mappings.
    #[must_use]
    pub fn written(&self) -> Option<String> {
        match (&self.value, &self.form) {
            (Value::Seq(_) | Value::Map(_), _) => None,
            (Value::Null, _) => Some(String::new()),
            (Value::String(text), _) => Some(text.clone()),
            (_, Form::Plain(Some(text))) => Some(text.to_string()),
            _ => self.resolved(),
        }
    }

    /// The text of any scalar after typing, as Compose's own loader prints it: `0444` → `292`,
    /// `1.10` → `1.1`, `TRUE` → `true`, null → empty. `None` for sequences and mappings.
    #[must_use]
    pub fn resolved(&self) -> Option<String> {
        match &self.value {
            Value::Seq(_) | Value::Map(_) => None,
            Value::Null => Some(String::new()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(format_float(*value)),
            Value::String(text) => Some(text.clone()),
        }
    }

    /// The instant that Go's YAML reader takes a plain text for, as it prints it; `None` for any other value.
    #[must_use]
    pub fn timestamp(&self) -> Option<String> {
        match (&self.value, &self.form) {
            (Value::String(text), Form::Plain(_)) => timestamp::printed(text),
            _ => None,
        }
    }

    /// What the value is, in words that fit behind "expected a mapping, found …".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::String(_) => "a string",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The same tree with its plain scalars and keys typed by another dialect.
    #[must_use]
    pub fn in_dialect(&self, dialect: Dialect) -> Self {
        let (value, form) = match (&self.value, &self.form) {
            (Value::Seq(items), _) => {
                (Value::Seq(items.iter().map(|item| item.in_dialect(dialect)).collect()), Form::Other)
            }
            (Value::Map(map), _) => (Value::Map(map.in_dialect(dialect)), Form::Other),
            (value, form) => match plain_text(value, form) {
                Some(text) => scalar::plain(text, dialect),
                None => (value.clone(), form.clone()),
            },
        };
        Self { value, form, span: self.span.clone(), tag: self.tag.clone(), secret: self.secret.clone() }
    }
}

/// The text of a plain scalar.
fn plain_text<'n>(value: &'n Value, form: &'n Form) -> Option<&'n str> {
    match (value, form) {
        (_, Form::Plain(Some(text))) => Some(text),
        (Value::String(text), Form::Plain(None)) => Some(text),
        _ => None,
    }
}

/// Reads all documents of a text. `file` is what positions refer to; its own text may be withheld
/// (see [`SourceFile::text`]). A document with nothing in it is a null node, so that documents can be
/// counted; a text with nothing but comments has no documents.
///
/// # Errors
/// Every problem that could be found: one for broken syntax or a limit, all duplicate or unusable
/// keys, bad merges and tags.
pub fn parse(file: &Arc<SourceFile>, text: &str, dialect: Dialect) -> Result<Vec<Node>, Vec<Diagnostic>> {
    build::documents(text, &Places::direct(file), dialect, Limits::DEFAULT)
}

/// Reads the documents inside a string node: YAML that is written as a block scalar in another file.
/// Positions refer to the outer file: exactly for a literal block (`|`), to the whole scalar for any
/// other form, where lines were folded or characters escaped.
///
/// # Errors
/// As [`parse`]; also when the node is no string.
pub fn parse_embedded(node: &Node, dialect: Dialect) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let Some(text) = node.as_str() else {
        let message = format!("expected YAML in a string, found {}", node.kind());
        let help = "write it as a block of text: `|` behind the key, and the lines indented below";
        return Err(vec![Diagnostic::error("wrong-type", node.span.clone(), message).help(help)]);
    };
    let places = match node.form {
        Form::Literal => Places::literal(&node.span, text),
        Form::Plain(_) | Form::Other => Places::fixed(&node.span),
    };
    build::documents(text, &places, dialect, Limits::DEFAULT)
}
