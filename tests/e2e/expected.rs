//! Comparison of what is in the cluster with a fixture's `expected.yaml`.
//!
//! The rule is that of `tests/fixtures/README.md`: everything that is expected is there with its
//! value; the server's defaults and what the agent adds on purpose (affinity and claim of the
//! PersistentVolume, names before readiness, its own annotations) may be there on top.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// The kind and name of every expected object with its body.
pub(crate) fn objects() -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(crate::world::fixtures().join("gitea/expected.yaml"))?;
    let options = serde_saphyr::options! { strict_booleans: true };
    text.split("\n---\n")
        .map(|document| {
            serde_saphyr::from_str_with_options(document, options.clone()).context("expected.yaml cannot be read")
        })
        .collect()
}

/// What differs on purpose on the driver `local`: the disk's handle, class and source.
pub(crate) fn on_local_disks(expected: Vec<Value>, volume_object: &str) -> Vec<Value> {
    let old = "k4x-50vf7y-default-13o40q-48owjs";
    let rename = |value: Value| -> Value { rename_all(value, old, volume_object) };
    expected
        .into_iter()
        .map(rename)
        .map(|mut object| {
            match object["kind"].as_str() {
                Some("Namespace") => {
                    object["metadata"]["annotations"]["kompox.dev/provider-driver"] = "local".into();
                }
                Some("PersistentVolume") => {
                    object["spec"]["storageClassName"] = "kompox-local".into();
                    if let Some(spec) = object["spec"].as_object_mut() {
                        spec.remove("csi");
                    }
                }
                Some("PersistentVolumeClaim") => object["spec"]["storageClassName"] = "kompox-local".into(),
                _ => {}
            }
            object
        })
        .collect()
}

fn rename_all(value: Value, old: &str, new: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(old, new)),
        Value::Array(items) => items.into_iter().map(|item| rename_all(item, old, new)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, rename_all(value, old, new))).collect())
        }
        other => other,
    }
}

/// Fails where `live` lacks something of `expected`, with the path.
pub(crate) fn check(live: &Value, expected: &Value, path: &str) -> Result<()> {
    match (live, expected) {
        (Value::Object(live), Value::Object(expected)) => {
            for (name, expected) in expected {
                let empty = matches!(expected, Value::Null) || expected == "" || expected == &Value::Array(Vec::new());
                match live.get(name) {
                    Some(live) => check(live, expected, &format!("{path}.{name}"))?,
                    None if empty => {}
                    None => bail!("{path}.{name} is missing"),
                }
            }
            Ok(())
        }
        (Value::Array(live), Value::Array(expected)) => check_list(live, expected, path),
        (live, expected) => {
            ensure!(live == expected, "{path} is {live}, not {expected}");
            Ok(())
        }
    }
}

/// Lists of named things are compared by name, others in order.
fn check_list(live: &[Value], expected: &[Value], path: &str) -> Result<()> {
    ensure!(live.len() == expected.len(), "{path} has {} items, not {}: {live:?}", live.len(), expected.len());
    let name = |item: &Value| item.get("mountPath").or_else(|| item.get("name")).map(ToString::to_string);
    let by_name: Option<BTreeMap<String, &Value>> = live.iter().map(|item| Some((name(item)?, item))).collect();
    for (index, expected) in expected.iter().enumerate() {
        let found = match (&by_name, name(expected)) {
            (Some(by_name), Some(name)) => *by_name.get(&name).with_context(|| format!("{path}[{name}] is missing"))?,
            _ => &live[index],
        };
        check(found, expected, &format!("{path}[{index}]"))?;
    }
    Ok(())
}
