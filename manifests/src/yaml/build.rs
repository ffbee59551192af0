//! From the parser's events to trees: aliases expanded, merge keys merged, keys checked, within limits.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, StructureStyle, Tag, options};

use super::place::Places;
use super::{Dialect, Form, Key, Map, Node, Value, plain_text, scalar};
use crate::diagnostic::{Diagnostic, Span, Spanned};

/// How much a text may ask for, aliases expanded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Values and keys.
    pub(super) nodes: usize,
    /// Bytes of scalars.
    pub(super) bytes: usize,
    /// Nested collections.
    pub(super) depth: usize,
}

impl Limits {
    /// Far above what people write (the largest Compose files have some thousand values), far below
    /// what hurts.
    pub(super) const DEFAULT: Self = Self { nodes: 100_000, bytes: 16 << 20, depth: 64 };
}

/// Reads all documents; see [`super::parse`].
pub(super) fn documents(
    text: &str,
    places: &Places,
    dialect: Dialect,
    limits: Limits,
) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        // Our own limit speaks first, in our own words.
        flow_nesting_limit: limits.depth + 8,
        block_nesting_limit: limits.depth + 8,
    };
    let mut builder = Builder {
        text,
        places,
        dialect,
        limits,
        used: Cost::default(),
        stack: Vec::new(),
        anchors: HashMap::new(),
        documents: Vec::new(),
        problems: Vec::new(),
    };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str_with_options(text, options);
    while let Some(next) = parser.next_event() {
        let step = match next {
            Ok((event, at)) => builder.event(event, &at),
            Err(error) => Err(syntax(&error, places)),
        };
        if let Err(fatal) = step {
            builder.problems.push(fatal);
            break;
        }
    }
    if builder.problems.is_empty() { Ok(builder.documents) } else { Err(builder.problems) }
}

/// A scanner's or parser's complaint, with what to do where the usual cause is known.
fn syntax(error: &ScanError, places: &Places) -> Diagnostic {
    let at = places.span(error.marker(), error.marker());
    let (code, help) = match error.kind() {
        ErrorKind::RecursionLimitExceeded => ("yaml-limit", "nest less deeply"),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => ("yaml-syntax", "indent with spaces; YAML allows no tabs there"),
        ErrorKind::MappingValueNotAllowed => (
            "yaml-syntax",
            "put a value that holds a colon in quotes, or mend the indentation of this line or the one above",
        ),
        ErrorKind::UnexpectedCharacter { .. } => ("yaml-syntax", "put the value in quotes"),
        ErrorKind::UnclosedQuotedScalar => ("yaml-syntax", "add the closing quote"),
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping => ("yaml-syntax", "add the closing bracket"),
        _ => ("yaml-syntax", "correct this line, or the one above it"),
    };
    Diagnostic::error(code, at, format!("this is not valid YAML: {}", error.info())).help(help)
}

/// What a tree costs.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// A finished tree with its cost.
#[derive(Clone)]
struct Built {
    node: Node,
    cost: Cost,
}

/// A collection that is not finished.
struct Frame {
    at: Span,
    tag: Option<Spanned<String>>,
    anchor: usize,
    flow: bool,
    cost: Cost,
    kind: FrameKind,
}

enum FrameKind {
    Seq(Vec<Node>),
    Map { map: Map, key: Option<PendingKey>, merges: Vec<Node> },
}

enum PendingKey {
    Key(Key),
    /// `<<`
    Merge(Span),
    /// Reported already; the value is dropped.
    Unusable,
}

struct Builder<'t> {
    text: &'t str,
    places: &'t Places,
    dialect: Dialect,
    limits: Limits,
    used: Cost,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    documents: Vec<Node>,
    problems: Vec<Diagnostic>,
}

impl Builder<'_> {
    /// Takes one event. An error ends the reading; other problems are collected.
    fn event(&mut self, event: Event<'_>, at: &granit_parser::Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                let built = self.scalar(&text, style, tag.as_deref(), at)?;
                self.finished(built, anchor)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.open(FrameKind::Seq(Vec::new()), style, anchor, tag.as_deref(), at)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let kind = FrameKind::Map { map: Map::new(), key: None, merges: Vec::new() };
                self.open(kind, style, anchor, tag.as_deref(), at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.stack.pop() {
                    let (built, anchor) = self.close(frame, at);
                    self.finished(built, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let built = self.alias(anchor, at)?;
                self.finished(built, 0)?;
            }
            Event::UnresolvedAlias(name) => {
                let message = format!("`*{name}` refers to no anchor above it in this document");
                let help = format!("write `&{name}` in front of the value that is meant");
                self.problems.push(Diagnostic::error("yaml-alias", self.span(at), message).help(help));
                self.finished(Built { node: Node::new(Value::Null, self.span(at)), cost: Cost::default() }, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn span(&self, at: &granit_parser::Span) -> Span {
        self.places.span(&at.start, &at.end)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: &granit_parser::Span,
    ) -> Result<Built, Diagnostic> {
        // The parser writes `~` where nothing stands.
        let nothing = style == ScalarStyle::Plain && at.byte_range().is_some_and(|range| range.is_empty());
        let text = if nothing { "" } else { text };
        let mut span = self.span(at);
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            // The parser's span runs into the next line's indent.
            let trailing = at.slice(self.text).map_or(0, |source| source.len() - source.trim_end().len());
            span.end = span.end.saturating_sub(trailing).max(span.start);
        }
        self.charge(Cost { nodes: 1, bytes: text.len(), depth: 0 }, &span)?;
        let (value, form) = match style {
            ScalarStyle::Plain => scalar::plain(text, self.dialect),
            ScalarStyle::Literal => (Value::String(text.to_owned()), Form::Literal),
            _ => (Value::String(text.to_owned()), Form::Other),
        };
        let mut node = Node { value, span, tag: None, secret: None, form };
        if let Some(tag) = tag {
            self.apply_tag(&mut node, text, tag, at);
        }
        Ok(Built { cost: Cost { nodes: 1, bytes: text.len(), depth: 0 }, node })
    }

    /// Applies a tag of the core schema, keeps a local one, reports any other.
    fn apply_tag(&mut self, node: &mut Node, text: &str, tag: &Tag, at: &granit_parser::Span) {
        let span = at.tag_span().map_or_else(|| self.span(at), |tag| self.span(&tag));
        let Some(core) = tag.core_suffix() else {
            if tag.original() == "!" {
                (node.value, node.form) = (Value::String(text.to_owned()), Form::Other);
            } else {
                node.tag = Some(Spanned::new(tag.original(), span));
            }
            return;
        };
        let fits = match (core, &node.value) {
            ("str", _) => {
                (node.value, node.form) = (Value::String(text.to_owned()), Form::Other);
                true
            }
            ("float", Value::Int(value)) => {
                node.value = Value::Float(*value as f64);
                true
            }
            ("null", Value::Null) | ("bool", Value::Bool(_)) | ("int", Value::Int(_)) | ("float", Value::Float(_)) => {
                true
            }
            ("null" | "bool" | "int" | "float", Value::String(_)) => {
                // A quoted scalar with a tag is typed by its tag.
                let (value, form) = scalar::plain(text, self.dialect);
                let typed = matches!(
                    (core, &value),
                    ("null", Value::Null)
                        | ("bool", Value::Bool(_))
                        | ("int", Value::Int(_))
                        | ("float", Value::Float(_))
                );
                if typed {
                    (node.value, node.form) = (value, form);
                }
                typed
            }
            _ => false,
        };
        if !fits {
            let message = format!("`!!{core}` does not fit this value, {}", node.kind());
            self.problems.push(Diagnostic::error("yaml-tag", span, message).help("remove the tag"));
        }
    }

    fn open(
        &mut self,
        kind: FrameKind,
        style: StructureStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: &granit_parser::Span,
    ) -> Result<(), Diagnostic> {
        let span = self.span(at);
        self.charge(Cost { nodes: 1, bytes: 0, depth: 1 }, &span)?;
        let mut kept = None;
        if let Some(tag) = tag {
            let tag_span = at.tag_span().map_or_else(|| span.clone(), |tag| self.span(&tag));
            let wanted = if matches!(kind, FrameKind::Seq(_)) { "seq" } else { "map" };
            match tag.core_suffix() {
                Some(core) if core == wanted => {}
                Some(core) => {
                    let message = format!("`!!{core}` does not fit here");
                    self.problems.push(Diagnostic::error("yaml-tag", tag_span, message).help("remove the tag"));
                }
                None => kept = Some(Spanned::new(tag.original(), tag_span)),
            }
        }
        let flow = style == StructureStyle::Flow;
        let cost = Cost { nodes: 1, bytes: 0, depth: 1 };
        self.stack.push(Frame { at: span, tag: kept, anchor, flow, cost, kind });
        Ok(())
    }

    fn close(&mut self, frame: Frame, at: &granit_parser::Span) -> (Built, usize) {
        let Frame { at: mut span, tag, anchor, flow, cost, kind } = frame;
        if flow {
            span.end = self.span(at).end.max(span.end);
        }
        let value = match kind {
            FrameKind::Seq(items) => {
                if let (false, Some(first)) = (flow, items.first()) {
                    span.end = span.end.max(first.span.end);
                }
                Value::Seq(items)
            }
            FrameKind::Map { mut map, merges, .. } => {
                if let (false, Some(first)) = (flow, map.iter().next()) {
                    span = first.key.span.clone();
                }
                for source in merges {
                    self.merge(&mut map, source);
                }
                Value::Map(map)
            }
        };
        (Built { node: Node { value, span, tag, secret: None, form: Form::Other }, cost }, anchor)
    }

    /// Adds what a merge key brings and the mapping does not say itself; of several, the first wins.
    fn merge(&mut self, map: &mut Map, source: Node) {
        match source.value {
            Value::Map(other) => {
                for super::Entry { key, value } in other {
                    if map.get(&key.text).is_none() {
                        map.insert(key, value);
                    }
                }
            }
            Value::Seq(items) if items.iter().all(|item| item.as_map().is_some()) => {
                for item in items {
                    self.merge(map, item);
                }
            }
            _ => {
                let message = format!("`<<` merges a mapping or a list of mappings, found {}", source.kind());
                let help = "write `<<: *name`, with `&name` at a mapping above";
                self.problems.push(Diagnostic::error("yaml-merge", source.span, message).help(help));
            }
        }
    }

    fn alias(&mut self, anchor: usize, at: &granit_parser::Span) -> Result<Built, Diagnostic> {
        let span = self.span(at);
        let Some(built) = self.anchors.get(&anchor) else {
            let message = "this alias lies inside the value that it refers to";
            return Err(Diagnostic::error("yaml-alias", span, message).help("write the value out"));
        };
        let cost = built.cost;
        self.charge(cost, &span)?;
        match self.anchors.get(&anchor) {
            Some(built) => Ok(built.clone()),
            None => Ok(Built { node: Node::new(Value::Null, span), cost: Cost::default() }),
        }
    }

    /// Puts a finished tree where it belongs.
    fn finished(&mut self, built: Built, anchor: usize) -> Result<(), Diagnostic> {
        if anchor != 0 {
            // The copy that aliases are made from is memory too.
            self.charge(Cost { depth: 0, ..built.cost }, &built.node.span)?;
            self.anchors.insert(anchor, built.clone());
        }
        let dialect = self.dialect;
        let Some(frame) = self.stack.last_mut() else {
            self.documents.push(built.node);
            return Ok(());
        };
        frame.cost.nodes += built.cost.nodes;
        frame.cost.bytes += built.cost.bytes;
        frame.cost.depth = frame.cost.depth.max(built.cost.depth + 1);
        match &mut frame.kind {
            FrameKind::Seq(items) => items.push(built.node),
            FrameKind::Map { map, key, merges } => match key.take() {
                None => *key = Some(pending(map, merges, built.node, dialect, &mut self.problems)),
                Some(PendingKey::Key(key)) => {
                    map.insert(key, built.node);
                }
                Some(PendingKey::Merge(at)) => {
                    // Where the `<<` stands is where people look for a merge that is wrong.
                    let span = if built.node.is_null() { at } else { built.node.span.clone() };
                    merges.push(Node { span, ..built.node });
                }
                Some(PendingKey::Unusable) => {}
            },
        }
        Ok(())
    }

    /// Counts a cost against the limits.
    fn charge(&mut self, cost: Cost, at: &Span) -> Result<(), Diagnostic> {
        self.used.nodes = self.used.nodes.saturating_add(cost.nodes);
        self.used.bytes = self.used.bytes.saturating_add(cost.bytes);
        let depth = self.stack.len() + cost.depth;
        let message = if self.used.nodes > self.limits.nodes {
            format!("the file has more than {} values, aliases expanded", self.limits.nodes)
        } else if self.used.bytes > self.limits.bytes {
            format!("the file has more than {} bytes of text, aliases expanded", self.limits.bytes)
        } else if depth > self.limits.depth {
            format!("values are nested more than {} deep", self.limits.depth)
        } else {
            return Ok(());
        };
        Err(Diagnostic::error("yaml-limit", at.clone(), message).help("split the file, or use fewer aliases"))
    }
}

/// Checks a node that stands where a key is expected.
fn pending(map: &Map, merges: &[Node], node: Node, dialect: Dialect, problems: &mut Vec<Diagnostic>) -> PendingKey {
    let plain = plain_text(&node.value, &node.form);
    if plain == Some("<<") {
        if merges.is_empty() {
            return PendingKey::Merge(node.span);
        }
        let help = "merge a list instead: `<<: [*a, *b]`";
        problems.push(Diagnostic::error("duplicate-key", node.span, "`<<` stands here a second time").help(help));
        return PendingKey::Unusable;
    }
    let (text, written) = match (plain, &node.value) {
        (Some(plain), _) => match dialect.key_text(plain) {
            Some(text) => {
                let written = (text != plain).then(|| plain.into());
                (text, written)
            }
            None => return unusable(&node, problems),
        },
        (None, Value::String(text)) => (text.clone(), None),
        _ => return unusable(&node, problems),
    };
    if let Some(first) = map.entry(&text) {
        let Span { line, column, .. } = first.key.span;
        let message = format!("`{text}` stands here a second time; the first is on line {line}, column {column}");
        problems.push(Diagnostic::error("duplicate-key", node.span, message).help("remove one of the two"));
        return PendingKey::Unusable;
    }
    PendingKey::Key(Key { text, span: node.span, written })
}

fn unusable(node: &Node, problems: &mut Vec<Diagnostic>) -> PendingKey {
    let message = format!("a key must be text, found {}", node.kind());
    problems.push(Diagnostic::error("yaml-key", node.span.clone(), message).help("write the key in quotes"));
    PendingKey::Unusable
}
