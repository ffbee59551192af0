//! Files of `KEY=VALUE` lines. They may hold passwords: no message repeats a value.
//!
//! `export ` in front is dropped, blank lines and lines that begin with `#` are skipped, the first
//! `=` splits. One space behind it is dropped and the rest kept as it is, unless it is quoted: `"…"`
//! knows `\\ \" \n \r \t`, `'…'` is literal. Nothing is interpolated.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourceFile, Span, Spanned};

/// Code of everything about such files.
pub(super) const CODE: &str = "env-file";

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Quotes and escapes mean something.
    Quoted,
    /// Everything behind the `=` is the value.
    Raw,
}

/// A variable that a file sets.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) key: Spanned<String>,
    pub(super) value: String,
    /// Whether it was encrypted.
    pub(super) secret: bool,
}

/// The settings of a file, in order, repeated keys included.
///
/// # Errors
/// Every line that is no pair.
pub(super) fn parse(file: &Arc<SourceFile>, text: &str, values: Values) -> Result<Vec<Setting>, Vec<Diagnostic>> {
    let mut settings = Vec::new();
    let mut problems = Vec::new();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let place = Line { file, number, start };
        start += line.len();
        match place.setting(line.trim_end_matches('\n').trim_end_matches('\r'), values) {
            Ok(setting) => settings.extend(setting),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// Whether a name is `[A-Za-z_][A-Za-z0-9_]*`.
pub(super) fn is_key(name: &str) -> bool {
    let first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    name.as_bytes().first().is_some_and(first) && name.bytes().all(|byte| first(&byte) || byte.is_ascii_digit())
}

/// The control character that has no business in a text file, with its offset.
pub(super) fn control_character(text: &str) -> Option<usize> {
    text.char_indices().find(|&(at, character)| is_stray(character, &text[at..])).map(|(at, _)| at)
}

fn is_stray(character: char, rest: &str) -> bool {
    match character {
        '\n' | '\t' => false,
        '\r' => !rest.starts_with("\r\n"),
        other => other.is_control(),
    }
}

struct Line<'a> {
    file: &'a Arc<SourceFile>,
    /// Counted from 0.
    number: usize,
    /// Byte offset in the file.
    start: usize,
}

impl Line<'_> {
    fn setting(&self, line: &str, values: Values) -> Result<Option<Setting>, Box<Diagnostic>> {
        if let Some(at) = control_character(line) {
            let message = "the line holds a control character";
            return Err(self.problem(line, at, message, "remove it; in double quotes write \\r for a carriage return"));
        }
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Ok(None);
        }
        let statement = trimmed.strip_prefix("export ").map_or(trimmed, str::trim_start);
        let key_at = line.len() - statement.len();
        let Some((key, value)) = statement.split_once('=') else {
            return Err(self.problem(
                line,
                key_at,
                "the line has no `=`",
                "write `KEY=VALUE`, or `#` in front of a comment",
            ));
        };
        if !is_key(key) {
            let message = "what stands before the `=` is no variable name";
            let help = "use letters, digits and `_`, no digit first, and no space before the `=`";
            return Err(self.problem(line, key_at, message, help));
        }
        let value = value.strip_prefix(' ').filter(|_| values == Values::Quoted).unwrap_or(value);
        let value_at = line.len() - value.len();
        let value = match (values, value.chars().next()) {
            (Values::Quoted, Some('"')) => unescape(&value[1..]),
            (Values::Quoted, Some('\'')) => literal(&value[1..]),
            _ => Ok(value.to_owned()),
        };
        match value {
            Ok(value) => {
                let key = Spanned::new(key.to_owned(), self.span(line, key_at, key.len()));
                Ok(Some(Setting { key, value, secret: false }))
            }
            Err((offset, message, help)) => Err(self.problem(line, value_at + 1 + offset, message, help)),
        }
    }

    /// The place of some bytes of the line.
    fn span(&self, line: &str, at: usize, length: usize) -> Span {
        let column = line.get(..at).unwrap_or(line).chars().count() + 1;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let start = self.start + at.min(line.len());
        Span {
            file: Arc::clone(self.file),
            line: count(self.number + 1),
            column: count(column),
            start,
            end: start + length,
        }
    }

    fn problem(&self, line: &str, at: usize, message: &str, help: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(CODE, self.span(line, at, 0), message).help(help))
    }
}

/// Offset, message and help of a broken value.
type Broken = (usize, &'static str, &'static str);

/// Behind the opening double quote.
fn unescape(quoted: &str) -> Result<String, Broken> {
    let mut value = String::with_capacity(quoted.len());
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return end(quoted, at + 1).map(|()| value),
            '\\' => value.push(match characters.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                Some((_, 'r')) => '\r',
                Some((_, 't')) => '\t',
                _ => {
                    let message = "a backslash in double quotes must be followed by `\\`, `\"`, `n`, `r` or `t`";
                    return Err((at, message, "write `\\\\` for a backslash, or use single quotes"));
                }
            }),
            other => value.push(other),
        }
    }
    Err((quoted.len(), "the double quote is not closed", "close it on the same line; write `\\n` for a line break"))
}

/// Behind the opening single quote.
fn literal(quoted: &str) -> Result<String, Broken> {
    let Some(at) = quoted.find('\'') else {
        let help = "close it on the same line; only double quotes know `\\n` for a line break";
        return Err((quoted.len(), "the single quote is not closed", help));
    };
    end(quoted, at + 1).map(|()| quoted[..at].to_owned())
}

/// Nothing but space may follow a closing quote.
fn end(quoted: &str, at: usize) -> Result<(), Broken> {
    if quoted[at..].trim().is_empty() {
        return Ok(());
    }
    Err((at, "something follows the closing quote", "quote the whole value; put a comment on a line of its own"))
}

#[cfg(test)]
mod tests;
