//! The official JSON schema, taken apart into the keys that it knows.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A key of the schema.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// What it says of the key's value, references resolved.
    pub(super) value: Value,
    /// Keys that must stand beside it.
    pub(super) required: Vec<String>,
    /// Whether it must be there itself.
    is_required: bool,
}

/// Every key of the schema by its path: keys with dots between them, `*` for a name that people choose, `[]` for an
/// item of a list.
pub(super) struct Schema {
    root: Value,
    pub(super) keys: BTreeMap<String, Key>,
    /// Paths of mappings that take no other keys than their own; whether keys that begin with `x-` are theirs.
    pub(super) closed: BTreeMap<String, bool>,
}

impl Schema {
    pub(super) fn read(root: Value) -> Result<Self> {
        let mut schema = Self { root, keys: BTreeMap::new(), closed: BTreeMap::new() };
        let root = schema.root.clone();
        schema.walk(&root, "", &[])?;
        Ok(schema)
    }

    /// A schema without its outermost reference.
    pub(super) fn resolved(&self, schema: &Value) -> Result<Value> {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Ok(schema.clone()) };
        let pointer = reference.strip_prefix('#').with_context(|| format!("{reference} lies elsewhere"))?;
        let target = self.root.pointer(pointer).with_context(|| format!("{reference} is not there"))?;
        self.resolved(target)
    }

    /// Whether a key must be there wherever what it lies in is.
    pub(super) fn is_required(&self, path: &str) -> bool {
        self.keys.get(path).is_some_and(|key| key.is_required)
    }

    /// `required` are keys that must stand in the mapping whatever this part of its schema says.
    fn walk(&mut self, schema: &Value, path: &str, required: &[String]) -> Result<()> {
        let schema = self.resolved(schema)?;
        let own = list(&schema["required"]).iter().filter_map(text);
        let required: Vec<String> = required.iter().cloned().chain(own).collect();
        for part in list(&schema["allOf"]) {
            self.walk(part, path, &required)?;
        }
        for part in list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"])) {
            self.walk(part, path, &[])?;
        }
        let patterns = schema["patternProperties"].as_object().cloned().unwrap_or_default();
        if let Some(properties) = schema["properties"].as_object() {
            let closed = [&schema["additionalProperties"], &schema["unevaluatedProperties"]];
            if closed.contains(&&Value::Bool(false)) {
                let merged = list(&schema["allOf"])
                    .iter()
                    .any(|part| self.resolved(part).is_ok_and(|part| part["patternProperties"].get("^x-").is_some()));
                self.closed.insert(path.to_owned(), patterns.contains_key("^x-") || merged);
            }
            for (name, value) in properties {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let others = required.iter().filter(|other| *other != name).cloned().collect();
                let is_required = required.contains(name);
                let key = Key { value: self.resolved(value)?, required: others, is_required };
                self.keys.entry(below.clone()).or_insert(key);
                self.walk(value, &below, &[])?;
            }
        }
        for (_, value) in patterns.iter().filter(|(pattern, _)| *pattern != "^x-") {
            self.walk(value, &format!("{path}.*"), &[])?;
        }
        if schema.get("items").is_some() {
            self.walk(&schema["items"].clone(), &format!("{path}[]"), &[])?;
        }
        Ok(())
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
