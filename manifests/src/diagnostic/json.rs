//! Diagnostics for editors and other programs.

use serde_json::{Value, json};

use super::Diagnostic;

impl Diagnostic {
    /// `{severity, code, file, line, column, endLine?, endColumn?, message, help}`; lines and columns
    /// count from 1, columns in characters; the end is the place behind the last character, left out
    /// where nothing is marked or the file's text is withheld; `help` may be null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { severity, code, at, message, help } = self;
        let mut object = json!({
            "severity": severity.name(),
            "code": code,
            "file": at.file.path,
            "line": at.line,
            "column": at.column,
            "message": message,
            "help": help,
        });
        if let Some((line, column)) = self.end() {
            object["endLine"] = line.into();
            object["endColumn"] = column.into();
        }
        object
    }

    /// Line and column behind the last marked character.
    fn end(&self) -> Option<(usize, usize)> {
        let marked = self.at.file.text.get(self.at.start..self.at.end).filter(|marked| !marked.is_empty())?;
        let line = usize::try_from(self.at.line).ok()?;
        let column = usize::try_from(self.at.column).ok()?;
        Some(match marked.rsplit_once('\n') {
            Some((above, last)) => (line + above.matches('\n').count() + 1, last.chars().count() + 1),
            None => (line, column + marked.chars().count()),
        })
    }
}
