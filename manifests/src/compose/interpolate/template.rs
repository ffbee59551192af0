//! The grammar of one text with variables.

use std::collections::BTreeMap;

use super::{Variable, Variables};

/// Variables inside defaults inside variables: nobody writes more.
const DEPTH: usize = 32;

/// A text with variables, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `at` is the byte offset of the dollar sign in the text.
    Variable {
        name: String,
        operation: Option<Operation>,
        at: usize,
    },
}

#[derive(Debug, PartialEq, Eq)]
struct Operation {
    kind: OperationKind,
    /// With a colon an empty value counts as unset.
    empty_is_unset: bool,
    operand: Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OperationKind {
    /// `-`: the operand when unset.
    Default,
    /// `?`: an error when unset.
    Require,
    /// `+`: the operand when set, else nothing.
    Replace,
}

/// What is wrong with a text, for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: String,
    /// Byte offset of the variable in the text.
    pub(super) at: Option<usize>,
}

impl Problem {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), at: None }
    }

    /// The innermost variable is the one to look at.
    fn within(self, at: usize) -> Self {
        Self { at: self.at.or(Some(at)), ..self }
    }
}

/// A text with its variables replaced.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) text: String,
    /// The first variable in it that was encrypted, and where its value begins, in bytes.
    pub(super) secret: Option<(String, usize)>,
}

impl Filled {
    fn push(&mut self, other: Self) {
        let before = self.text.len();
        self.text.push_str(&other.text);
        self.secret = self.secret.take().or_else(|| other.secret.map(|(name, from)| (name, before + from)));
    }

    fn variable(name: &str, variable: &Variable) -> Self {
        Self { text: variable.value.clone(), secret: variable.secret.then(|| (name.to_owned(), 0)) }
    }
}

impl Template {
    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        Parser { text, rest: text }.template(0)
    }

    /// The text with its variables replaced. Names that are not set, and have no operator that says
    /// what to do then, are added to `unset`
    /// with the byte offset of the first place that wants them.
    pub(super) fn fill(&self, variables: &Variables, unset: &mut BTreeMap<String, usize>) -> Result<Filled, Problem> {
        let mut filled = Filled::default();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.text.push_str(text),
                Piece::Variable { name, operation: None, at } => match variables.get(name) {
                    Some(value) => filled.push(Filled::variable(name, value)),
                    None => drop(unset.entry(name.clone()).or_insert(*at)),
                },
                Piece::Variable { name, operation: Some(operation), at } => {
                    let applied = operation.apply(name, variables, unset);
                    filled.push(applied.map_err(|problem| problem.within(*at))?);
                }
            }
        }
        Ok(filled)
    }
}

impl Operation {
    fn apply(&self, name: &str, variables: &Variables, unset: &mut BTreeMap<String, usize>) -> Result<Filled, Problem> {
        let value = variables.get(name).filter(|variable| !(self.empty_is_unset && variable.value.is_empty()));
        match (self.kind, value) {
            (OperationKind::Default | OperationKind::Require, Some(value)) => Ok(Filled::variable(name, value)),
            (OperationKind::Default, None) | (OperationKind::Replace, Some(_)) => self.operand.fill(variables, unset),
            (OperationKind::Replace, None) => Ok(Filled::default()),
            (OperationKind::Require, None) => {
                let state = if variables.contains_key(name) { "empty" } else { "not set" };
                let mut message = format!("the variable `{name}` is required and {state}");
                // The operand as written: what it refers to may be a secret.
                let reason = self.operand.plain_text();
                if !reason.is_empty() {
                    message = format!("{message}: {reason}");
                }
                Err(Problem::new(message, format!("set `{name}` in the `.env` beside the Compose file")))
            }
        }
    }
}

impl Template {
    /// The text with the names of variables in place of their values.
    fn plain_text(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable { name, .. } => format!("${name}"),
        };
        self.0.iter().map(piece).collect::<String>().trim().to_owned()
    }
}

/// Whether what stands behind a dollar sign makes it a variable.
fn begins_variable(rest: &str) -> bool {
    rest.starts_with(|first: char| first == '{' || first == '_' || first.is_ascii_alphabetic())
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Parser<'t> {
    /// Reads to the end, or inside braces (`depth` above 0) to the brace that closes them.
    fn template(&mut self, depth: usize) -> Result<Template, Problem> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(next) = self.rest.chars().next() {
            match next {
                '}' if depth > 0 => break,
                '$' if self.eat("$$") => text.push('$'),
                // As in a shell, a dollar sign that begins nothing is one.
                '$' if !begins_variable(&self.rest[1..]) => {
                    self.eat("$");
                    text.push('$');
                }
                '$' => {
                    let at = self.text.len() - self.rest.len();
                    self.eat("$");
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(self.variable(depth, at).map_err(|problem| problem.within(at))?);
                }
                other => {
                    text.push(other);
                    self.rest = &self.rest[other.len_utf8()..];
                }
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Template(pieces))
    }

    /// Behind the dollar sign.
    fn variable(&mut self, depth: usize, at: usize) -> Result<Piece, Problem> {
        let braced = self.eat("{");
        let name = self.name().ok_or_else(|| {
            let message = "`${` begins a variable, but a variable name must follow";
            Problem::new(message, "write `$$` for a dollar sign")
        })?;
        if !braced {
            return Ok(Piece::Variable { name: name.to_owned(), operation: None, at });
        }
        if depth >= DEPTH {
            let message = format!("more than {DEPTH} variables are nested in each other");
            return Err(Problem::new(message, "give the inner ones a name of their own in the `.env` file"));
        }
        let operation = self.operation(name, depth)?;
        if !self.eat("}") {
            let message = match self.rest.chars().next() {
                Some(other) => format!("`{other}` cannot follow the name in `${{{name}`"),
                None => format!("`${{{name}` is not closed"),
            };
            return Err(Problem::new(message, "close it with `}`, or write `$$` for a dollar sign"));
        }
        Ok(Piece::Variable { name: name.to_owned(), operation, at })
    }

    fn operation(&mut self, name: &str, depth: usize) -> Result<Option<Operation>, Problem> {
        let empty_is_unset = self.eat(":");
        let kind = if self.eat("-") {
            OperationKind::Default
        } else if self.eat("?") {
            OperationKind::Require
        } else if self.eat("+") {
            OperationKind::Replace
        } else if empty_is_unset {
            let message = format!("`:` in `${{{name}:` must be followed by `-`, `?` or `+`");
            return Err(Problem::new(message, format!("for a default write `${{{name}:-default}}`")));
        } else {
            return Ok(None);
        };
        let operand = self.template(depth + 1)?;
        Ok(Some(Operation { kind, empty_is_unset, operand }))
    }

    fn name(&mut self) -> Option<&'t str> {
        let bytes = self.rest.as_bytes();
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if bytes.first().is_none_or(|first| first.is_ascii_digit() || !part(first)) {
            return None;
        }
        let length = bytes.iter().take_while(|byte| part(byte)).count();
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(name)
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}
