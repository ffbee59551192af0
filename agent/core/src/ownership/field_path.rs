//! Values by the paths of conflict messages: `.spec.containers[name="app"].image`.

use serde_json::{Deserializer, Map, Value};

/// The value at `path` (in the form of [`super::FieldSet::paths`]); `None` when there is none or the
/// path is in another form.
#[must_use]
pub fn value_at<'value>(value: &'value Value, path: &str) -> Option<&'value Value> {
    if path.is_empty() {
        return Some(value);
    }
    match value {
        Value::Object(fields) => {
            let path = path.strip_prefix('.')?;
            // A name may hold dots (an annotation's), so the object decides where it ends.
            fields.iter().find_map(|(name, field)| {
                let rest = path.strip_prefix(name.as_str())?;
                if rest.is_empty() || rest.starts_with(['.', '[']) { value_at(field, rest) } else { None }
            })
        }
        Value::Array(items) => {
            let (selector, rest) = Selector::parse(path)?;
            value_at(selector.pick(items)?, rest)
        }
        _ => None,
    }
}

/// `[name="app"]`, `[="value"]` or `[3]`.
enum Selector {
    Keys(Map<String, Value>),
    Value(Value),
    Index(usize),
}

impl Selector {
    /// The selector at the start of `path`, and what follows it.
    fn parse(path: &str) -> Option<(Self, &str)> {
        let inner = path.strip_prefix('[')?;
        if let Some(rest) = inner.strip_prefix('=') {
            let (value, rest) = parse_value(rest)?;
            return Some((Self::Value(value), rest.strip_prefix(']')?));
        }
        if inner.starts_with(|first: char| first.is_ascii_digit()) {
            let (index, rest) = inner.split_once(']')?;
            return Some((Self::Index(index.parse().ok()?), rest));
        }
        let mut keys = Map::new();
        let mut rest = inner;
        loop {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = parse_value(after)?;
            keys.insert(name.to_owned(), value);
            if let Some(after) = after.strip_prefix(']') {
                return Some((Self::Keys(keys), after));
            }
            rest = after.strip_prefix(',')?;
        }
    }

    fn pick<'value>(&self, items: &'value [Value]) -> Option<&'value Value> {
        match self {
            // A key that the item leaves out has its default (the protocol of a port).
            Self::Keys(keys) => items.iter().find(|item| {
                keys.iter().any(|(name, _)| item.get(name).is_some())
                    && keys.iter().all(|(name, wanted)| item.get(name).is_none_or(|value| value == wanted))
            }),
            Self::Value(wanted) => items.iter().find(|item| *item == wanted),
            Self::Index(index) => items.get(*index),
        }
    }
}

/// The JSON value at the start of a text, and what follows it.
fn parse_value(text: &str) -> Option<(Value, &str)> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let end = values.byte_offset();
    Some((value, text.get(end..)?))
}
