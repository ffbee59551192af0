//! From bytes to text: UTF-8 without byte order mark and without NUL.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourceFile, Span};

/// Code of everything that makes a file no text.
const CODE: &str = "file-encoding";

/// The text of a file and the file that diagnostics refer to. With `quotable` false (a file of
/// secrets) diagnostics show positions only.
///
/// # Errors
/// Bytes that are not UTF-8, a byte order mark, or a NUL character, each with its position.
pub fn decode(path: &str, bytes: &[u8], quotable: bool) -> Result<(Arc<SourceFile>, String), Diagnostic> {
    let (text, broken) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(error) => (String::from_utf8_lossy(bytes).into_owned(), Some(error.valid_up_to())),
    };
    let shown = if quotable { text.clone() } else { String::new() };
    let file = Arc::new(SourceFile { path: path.to_owned(), text: shown });
    let fail = |at: usize, end: usize, message: &str, help: &str| {
        Err(Diagnostic::error(CODE, place(&file, &text, at, end), message).help(help))
    };
    if let Some(at) = broken {
        return fail(at, at, "the file is not UTF-8 text: this byte begins no character", "save the file as UTF-8");
    }
    if text.starts_with('\u{feff}') {
        return fail(0, 3, "the file begins with a byte order mark", "save the file as UTF-8 without BOM");
    }
    if let Some(at) = text.find('\0') {
        return fail(at, at + 1, "the file holds a NUL character", "remove it; YAML files are text");
    }
    Ok((file, text))
}

/// The span of a byte range that begins at a character boundary of `text`.
fn place(file: &Arc<SourceFile>, text: &str, start: usize, end: usize) -> Span {
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Span {
        file: Arc::clone(file),
        line: count(before.matches('\n').count() + 1),
        column: count(before[line_start..].chars().count() + 1),
        start,
        end,
    }
}
