//! JSON Schemas of KOM and of `kompoxops.yml`.

use serde_json::{Value, json};

use super::resource::KomKind;
use super::shape::{self, ID_ANNOTATION};
use crate::schema::{Definitions, SHORT_LABEL, nullable, whole};
use crate::yaml::shape::Shape;

/// The JSON Schema of `kompoxops.yml`.
#[must_use]
pub fn kompoxops() -> String {
    crate::schema::document(&shape::SINGLE)
}

/// The JSON Schema of one KOM document; a file may hold several.
#[must_use]
pub fn kom() -> String {
    let mut definitions = Definitions::default();
    let mut root = definitions.shape(&shape::DOCUMENT);
    let mut kinds: Vec<Value> = KomKind::ALL
        .into_iter()
        .map(|kind| {
            let spec = shape::spec(kind);
            let required = if has_required(spec) { json!(["metadata", "spec"]) } else { json!(["metadata"]) };
            let properties = json!({ "metadata": metadata(kind), "spec": spec_of(&mut definitions, spec) });
            when(kind.name(), &json!({ "properties": properties, "required": required }))
        })
        .collect();
    let defaults = spec_of(&mut definitions, &shape::DEFAULTS);
    kinds.push(when(shape::DEFAULTS.name, &json!({ "properties": { "spec": defaults } })));
    root["allOf"] = json!(kinds);
    definitions.finish("KOM", root)
}

/// What holds for documents of one kind.
fn when(kind: &str, then: &Value) -> Value {
    json!({ "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] }, "then": then })
}

/// A spec may be left out where nothing in it must be there.
fn spec_of(definitions: &mut Definitions, spec: &'static Shape) -> Value {
    let reference = definitions.reference(spec);
    if has_required(spec) { reference } else { nullable(reference) }
}

fn has_required(shape: &'static Shape) -> bool {
    shape.fields().any(|field| field.required)
}

/// Name and Resource ID of a kind.
fn metadata(kind: KomKind) -> Value {
    let levels = KomKind::ALL.into_iter().take_while(|level| *level <= kind);
    let id: String = levels.map(|level| format!("/{}/{SHORT_LABEL}", level.short())).collect();
    let id = json!({ "type": "string", "pattern": whole(&id) });
    json!({
        "type": "object",
        "required": ["name", "annotations"],
        "properties": {
            "name": { "type": "string" },
            "annotations": { "type": "object", "required": [ID_ANNOTATION], "properties": { ID_ANNOTATION: id } },
        },
    })
}

#[cfg(test)]
pub(super) mod tests;
