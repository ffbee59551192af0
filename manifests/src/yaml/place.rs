//! From the parser's positions to positions in the file that people edit.

use std::sync::Arc;

use granit_parser::Marker;

use crate::diagnostic::{SourceFile, Span};

/// Where the parsed text lies in its file.
pub(super) enum Places {
    /// The text is the file.
    Direct(Arc<SourceFile>),
    /// The text is a literal block: line by line the file's, indented.
    Lines { file: Arc<SourceFile>, first_line: u32, indent: u32, lines: Vec<Line> },
    /// The text is a scalar whose lines are not the file's; everything is where the scalar is.
    Fixed(Span),
}

/// A line of a literal block.
pub(super) struct Line {
    /// Byte offset of its first character in the block's text.
    inner: usize,
    /// Byte offset of the same character in the file.
    outer: usize,
}

impl Places {
    pub(super) fn direct(file: &Arc<SourceFile>) -> Self {
        Self::Direct(Arc::clone(file))
    }

    pub(super) fn fixed(scalar: &Span) -> Self {
        Self::Fixed(scalar.clone())
    }

    /// For a literal block at `scalar`, whose span begins at its first character behind the indent.
    pub(super) fn literal(scalar: &Span, text: &str) -> Self {
        Self::lines(scalar, text).unwrap_or_else(|| Self::fixed(scalar))
    }

    /// `None` when the file's text is withheld or is not what the block says.
    fn lines(scalar: &Span, text: &str) -> Option<Self> {
        let outer_text = &scalar.file.text;
        let indent = usize::try_from(scalar.column).ok()?.checked_sub(1)?;
        // The span begins at the first line that is not empty.
        let skipped = text.len() - text.trim_start_matches('\n').len();
        let mut outer = scalar.start.checked_sub(indent)?;
        for _ in 0..skipped {
            outer = outer_text.get(..outer.checked_sub(1)?)?.rfind('\n').map_or(0, |newline| newline + 1);
        }
        let first_line = scalar.line.checked_sub(u32::try_from(skipped).ok()?)?;
        let mut inner = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            let rest = outer_text.get(outer..)?;
            let outer_line = rest.split_inclusive('\n').next().unwrap_or_default();
            let content = line.trim_end_matches('\n');
            // An empty line may lack the indent.
            let skip = if content.is_empty() { 0 } else { indent };
            if !outer_line.get(skip..)?.starts_with(content) {
                return None;
            }
            lines.push(Line { inner, outer: outer + skip });
            inner += line.len();
            outer += outer_line.len();
        }
        let indent = u32::try_from(indent).ok()?;
        Some(Self::Lines { file: Arc::clone(&scalar.file), first_line, indent, lines })
    }

    /// The span between two of the parser's positions.
    pub(super) fn span(&self, start: &Marker, end: &Marker) -> Span {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let bytes = |marker: &Marker| marker.byte_offset().unwrap_or_default();
        match self {
            Self::Direct(file) => Span {
                file: Arc::clone(file),
                line: count(start.line()),
                column: count(start.col()).saturating_add(1),
                start: bytes(start),
                end: bytes(end).max(bytes(start)),
            },
            Self::Lines { file, first_line, indent, lines } => {
                let from = outer_offset(lines, bytes(start));
                Span {
                    file: Arc::clone(file),
                    line: first_line.saturating_add(count(start.line().saturating_sub(1))),
                    column: count(start.col()).saturating_add(*indent).saturating_add(1),
                    start: from,
                    end: outer_offset(lines, bytes(end)).max(from),
                }
            }
            Self::Fixed(scalar) => scalar.clone(),
        }
    }
}

/// The file's byte offset of an offset in the block.
fn outer_offset(lines: &[Line], inner: usize) -> usize {
    let after = lines.partition_point(|line| line.inner <= inner);
    after.checked_sub(1).and_then(|at| lines.get(at)).map_or(0, |line| line.outer + (inner - line.inner))
}
