//! What people read when something in their files is wrong: severity, code, the place, one sentence
//! of why and one of what to do.

pub mod catalogue;
mod json;
mod quote;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use self::quote::Colour;

/// A file of the source whose text may be quoted in diagnostics.
#[derive(PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the repository's root.
    pub path: String,
    /// The file's text; empty when it must not be quoted (it may hold secrets).
    pub text: String,
}

impl fmt::Debug for SourceFile {
    // The text may be long and may hold passwords; the path is enough to tell files apart.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SourceFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A range of a source file. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Line of the first character.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Byte offset of the first character in the file's text.
    pub start: usize,
    /// Byte offset behind the last character.
    pub end: usize,
}

impl Span {
    /// The whole-file span: line 1, column 1, nothing marked.
    #[must_use]
    pub fn file(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), line: 1, column: 1, start: 0, end: 0 }
    }

    /// The same place, with nothing to quote: what stands there is secret.
    #[must_use]
    pub fn without_text(&self) -> Self {
        let file = Arc::new(SourceFile { path: self.file.path.clone(), text: String::new() });
        Self { file, start: 0, end: 0, ..self.clone() }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", harmless(&self.file.path), self.line, self.column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A value together with the place that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Span,
}

impl<T> Spanned<T> {
    /// Joins a value with its place.
    pub fn new(value: T, at: Span) -> Self {
        Self { value, at }
    }
}

/// How bad it is. Errors reject the entry; warnings and information never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The entry is rejected.
    Error,
    /// Accepted, but probably not what was meant.
    Warning,
    /// Accepted; worth knowing.
    Info,
}

impl Severity {
    /// The word for it: `error`, `warning`, `info`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// One finding. Never holds a secret value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable, kebab-case name of the rule, e.g. `unknown-key`.
    pub code: &'static str,
    /// Where it stands.
    pub at: Span,
    /// What is wrong and why, one sentence without a final full stop.
    pub message: String,
    /// What to do about it, one sentence without a final full stop.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, at: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, at, message: sentence(message.into()), help: None }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, at: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    /// An information at a place.
    pub fn info(code: &'static str, at: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, ..Self::error(code, at, message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(sentence(help.into()));
        self
    }
}

impl fmt::Display for Diagnostic {
    /// One line: `file:line:column: message`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.at, self.message)
    }
}

/// Sorts by file, line, column, severity and code, and folds findings that say the same of the same
/// place (a file that two entries include is read twice).
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    fn key(diagnostic: &Diagnostic) -> impl Ord + '_ {
        let Diagnostic { severity, code, at, message, help } = diagnostic;
        (&at.file.path, at.line, at.column, severity, code, message, help, at.end)
    }
    diagnostics.sort_by(|one, other| key(one).cmp(&key(other)));
    diagnostics.dedup_by(|one, other| key(one) == key(other));
}

/// Longest message or help, in characters; what people wrote may be quoted in it.
const LONGEST_SENTENCE: usize = 600;

/// A text that is safe to print and not endless.
fn sentence(text: String) -> String {
    let text = match harmless(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(harmless) => harmless,
    };
    match text.char_indices().nth(LONGEST_SENTENCE) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// The text with every character that could steer a terminal, or reorder what is read, spelt out.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let spell = |character: char| {
        let escaped = is_harmful(character).then(|| character.escape_default().to_string());
        escaped.unwrap_or_else(|| character.to_string())
    };
    Cow::Owned(text.chars().map(spell).collect())
}

/// Control characters, and those that change the direction of text.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
