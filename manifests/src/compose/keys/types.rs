//! What the values of a Compose file are, in the terms of its JSON schema: a value may be one of several
//! scalars, a list, or a mapping, and the key decides which.

use super::Table;
use crate::compose::scalar::truth;
use crate::yaml::{Node, Value};

const NULL: u8 = 1;
const BOOL: u8 = 1 << 1;
const INT: u8 = 1 << 2;
const FLOAT: u8 = 1 << 3;
const STRING: u8 = 1 << 4;

/// What a value may be.
#[derive(Clone, Copy)]
pub(in super::super) struct Type {
    scalars: u8,
    /// What a key that is left out stands for, where it is `true` or `false`.
    pub(super) normally: bool,
    /// The only texts, where there are only some.
    pub(super) words: &'static [&'static str],
    /// The smallest and the largest integer.
    pub(super) range: Option<(i128, i128)>,
    pub(super) list: Option<List>,
    pub(super) map: Option<Mapping>,
}

/// A list.
#[derive(Clone, Copy)]
pub(super) struct List {
    pub(super) items: &'static Type,
    /// Whether no item may stand there twice.
    pub(super) distinct: bool,
}

/// A mapping.
#[derive(Clone, Copy)]
pub(super) enum Mapping {
    /// With the keys of a table.
    Table(&'static Table),
    /// With names that Compose takes. The word says what has such a name; empty where the key above says it.
    Named(&'static Type, &'static str),
    /// With keys of any kind.
    Free(&'static Type),
    /// With anything.
    Unchecked,
}

/// A text.
pub(in super::super) const TEXT: Type = Type::scalar(STRING);
/// `true` or `false`, also as a text, which interpolation makes of it.
pub(super) const FLAG: Type = Type::scalar(BOOL | STRING);
/// The same for a key that is `true` where it is left out.
pub(super) const FLAG_ON: Type = Type { normally: true, ..FLAG };
/// `true` or `false` only.
pub(super) const BOOLEAN: Type = Type::scalar(BOOL);
/// An integer, also as a text.
pub(super) const COUNT: Type = Type::scalar(INT | STRING);
/// An integer only.
pub(super) const INTEGER: Type = Type::scalar(INT);
/// A number, also as a text.
pub(super) const NUMBER: Type = Type::scalar(INT | FLOAT | STRING);
/// A number only.
pub(super) const ONLY_NUMBER: Type = Type::scalar(INT | FLOAT);
/// Anything that is no collection, but null.
pub(super) const SCALAR: Type = Type::scalar(BOOL | INT | FLOAT | STRING);
/// A list of texts.
pub(super) const TEXTS: Type = Type::list(&TEXT);
/// A list of texts, each only once.
pub(super) const DISTINCT: Type = TEXTS.distinct();
/// A text or a list of them.
pub(in super::super) const TEXT_OR_TEXTS: Type = TEXT.or_list(&TEXT);
/// A text or a list of them, each only once.
pub(super) const TEXT_OR_DISTINCT: Type = TEXT_OR_TEXTS.distinct();
/// A command: nothing, a text that is split into words, or the words.
pub(super) const COMMAND: Type = TEXT_OR_TEXTS.or_null();
/// A mapping of scalars, or a list of `NAME=value`.
pub(super) const PAIRS: Type = Type::free(&const { SCALAR.or_null() }).or_list(&TEXT);
/// A mapping of scalars, or a list of `NAME=value`, each only once.
pub(super) const DISTINCT_PAIRS: Type = PAIRS.distinct();
/// A mapping of host names to addresses, or a list of `NAME=address`.
pub(super) const HOSTS: Type = Type::free(&TEXT_OR_TEXTS).or_list(&TEXT).distinct();
/// Options of a driver.
pub(super) const OPTIONS: Type = Type::free(&NUMBER);
/// A mapping of texts.
pub(super) const TEXT_MAP: Type = Type::free(&TEXT);
/// A mapping of anything.
pub(super) const ANYTHING: Type = Type { map: Some(Mapping::Unchecked), ..Type::scalar(0) };

impl Type {
    const fn scalar(scalars: u8) -> Self {
        Self { scalars, normally: false, words: &[], range: None, list: None, map: None }
    }

    /// A list.
    pub(super) const fn list(items: &'static Self) -> Self {
        Self::scalar(0).or_list(items)
    }

    /// A mapping with the keys of a table.
    pub(super) const fn table(table: &'static Table) -> Self {
        Self::scalar(0).or_table(table)
    }

    /// A mapping of names; `word` says what has such a name.
    pub(super) const fn named(of: &'static Self, word: &'static str) -> Self {
        Self { map: Some(Mapping::Named(of, word)), ..Self::scalar(0) }
    }

    /// A mapping with any keys.
    pub(super) const fn free(of: &'static Self) -> Self {
        Self { map: Some(Mapping::Free(of)), ..Self::scalar(0) }
    }

    /// One of several words.
    pub(super) const fn words(words: &'static [&'static str]) -> Self {
        Self { words, ..Self::scalar(STRING) }
    }

    pub(super) const fn or_null(self) -> Self {
        Self { scalars: self.scalars | NULL, ..self }
    }

    pub(super) const fn or_list(self, items: &'static Self) -> Self {
        Self { list: Some(List { items, distinct: false }), ..self }
    }

    pub(super) const fn or_table(self, table: &'static Table) -> Self {
        Self { map: Some(Mapping::Table(table)), ..self }
    }

    pub(super) const fn or_named(self, of: &'static Self) -> Self {
        Self { map: Some(Mapping::Named(of, "")), ..self }
    }

    /// Integers from `min` to `max`.
    pub(super) const fn within(self, min: i128, max: i128) -> Self {
        Self { range: Some((min, max)), ..self }
    }

    /// Items of the list stand there only once.
    pub(super) const fn distinct(self) -> Self {
        match self.list {
            Some(list) => Self { list: Some(List { distinct: true, ..list }), ..self },
            None => self,
        }
    }

    /// Whether a value is of the right kind; what lies in it is not looked at.
    pub(super) fn admits(&self, node: &Node) -> bool {
        let kind = match &node.value {
            Value::Null => NULL,
            Value::Bool(_) => BOOL,
            Value::Int(_) => INT,
            // JSON makes no difference between 1 and 1.0.
            Value::Float(value) if value.fract() == 0.0 => INT | FLOAT,
            Value::Float(_) => FLOAT,
            Value::String(_) => STRING,
            Value::Seq(_) => return self.list.is_some(),
            Value::Map(_) => return self.map.is_some(),
        };
        self.scalars & kind != 0
    }

    /// Whether a text is fine.
    pub(super) fn is_textual(&self) -> bool {
        self.scalars & STRING != 0
    }

    /// What a text says, where `true` or `false` is wanted.
    pub(super) fn truth(&self, text: &str) -> Option<bool> {
        if self.scalars & BOOL != 0 { truth(text) } else { None }
    }

    /// What is wanted, in words that fit behind "must be".
    pub(super) fn wanted(&self) -> String {
        let mut wanted = Vec::new();
        let mut add = |said: bool, text| {
            if said {
                wanted.push(text);
            }
        };
        let number = self.scalars & (INT | FLOAT);
        let any = self.scalars & SCALAR.scalars == SCALAR.scalars;
        if any {
            return "a string, number or boolean".to_owned();
        }
        add(self.scalars & BOOL != 0, "`true` or `false`");
        add(number == INT, "an integer");
        add(number & FLOAT != 0, "a number");
        // A text is fine for these as well, but nobody needs to write one.
        add(self.is_textual() && self.scalars & (BOOL | INT | FLOAT) == 0, "a string");
        add(self.list.is_some(), "a list");
        add(self.map.is_some(), "a mapping");
        match wanted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => wanted.concat(),
        }
    }
}
