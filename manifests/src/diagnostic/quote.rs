//! Diagnostics for people: the place, the quoted line with the mark, and what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Severity, Span, harmless, is_harmful};

/// Whether the output goes to something that shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// With the terminal's escape sequences.
    Always,
}

impl Diagnostic {
    /// The finding in rustc's manner, without a final newline:
    ///
    /// ```text
    /// error[unknown-key]: `app` has no key `volume`
    ///   --> web/kompoxops.yml:7:3
    ///    |
    ///  7 |   volume:
    ///    |   ^^^^^^
    ///    |
    ///    = help: did you mean `volumes`?
    /// ```
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Info => Level::INFO,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code);
        let path = harmless(&self.at.file.path);
        let mut group = Group::with_title(title);
        match Quote::of(&self.at) {
            Some(Quote { line, start, end }) => {
                let number = usize::try_from(self.at.line).unwrap_or(usize::MAX);
                let mark = AnnotationKind::Primary.span(start..end);
                group = group.element(Snippet::source(line).line_start(number).path(path).annotation(mark));
            }
            None => {
                let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
                let origin = Origin::path(path).line(place(self.at.line)).char_column(place(self.at.column));
                group = group.element(origin);
            }
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            // Links to files that the reader does not have lead nowhere.
            Colour::Always => Renderer::styled().hyperlink(false),
        };
        renderer.render(&[group])
    }
}

/// The first line of a span, with the bytes to mark.
struct Quote {
    line: String,
    start: usize,
    end: usize,
}

impl Quote {
    /// `None` when the file's text is withheld, or the span is the whole file.
    fn of(at: &Span) -> Option<Self> {
        let text = at.file.text.as_str();
        if text.is_empty() || (at.start == 0 && at.end == 0) {
            return None;
        }
        let before = text.get(..at.start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = text.get(at.start..)?;
        let line_end = at.start + rest.find('\n').unwrap_or(rest.len());
        let end = at.end.clamp(at.start, line_end);
        let lead = visible(text.get(line_start..at.start)?);
        let marked = visible(text.get(at.start..end)?);
        let tail = visible(text.get(end..line_end)?.trim_end());
        let (start, end) = (lead.len(), lead.len() + marked.len());
        Some(Self { line: format!("{lead}{marked}{tail}"), start, end })
    }
}

/// A line's text with one visible character for each character that could do harm, so that columns
/// stay what they are.
fn visible(text: &str) -> String {
    let show = |character: char| if is_harmful(character) && character != '\t' { '\u{fffd}' } else { character };
    text.chars().map(show).collect()
}
