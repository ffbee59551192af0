//! What the agent remembers of a source: one small JSON document in a ConfigMap of the system
//! Namespace, so that nothing durable lies on a local disk.

use std::collections::BTreeSet;

use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::{Value, json};

use super::error::{Cause, ClusterError};
use super::{ClusterApi, SYSTEM_NAMESPACE};

/// The largest document in bytes. The API server takes 1 MiB for a ConfigMap with everything around it.
const LIMIT: usize = 900 * 1024;

/// What the names of the ConfigMaps begin with.
const PREFIX: &str = "kompox-source-";

/// What follows the source's name in the document that [`crate::rebuild`] keeps. No source has a dot in
/// its name.
pub(crate) const REBUILT: &str = ".rebuilt";

/// What follows the source's name in the document that [`crate::new_disks`] keeps.
pub(crate) const NEW_DISKS: &str = ".new-disks";

/// What follows the source's name in the document of what people ask of it ([`crate::asked`]).
pub(crate) const ASKED: &str = ".asked";

/// Key of the document in the ConfigMap.
const DOCUMENT: &str = "state.json";

/// A document as it was loaded or saved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    /// The document.
    pub(crate) value: Value,
    /// Its version, for the next [`save`].
    pub(crate) resource_version: String,
}

/// Loads the document of a source; `None` when none was ever saved.
///
/// # Errors
/// When it cannot be read, or is no JSON any more.
pub(crate) async fn load(api: &dyn ClusterApi, source: &str) -> Result<Option<Stored>, ClusterError> {
    let key = key(source);
    let Some(object) = api.get(&key).await? else { return Ok(None) };
    let text = object.body.pointer("/data").and_then(|data| data.get(DOCUMENT)).and_then(Value::as_str);
    let value = match text {
        None => Value::Null,
        Some(text) => serde_json::from_str(text).map_err(|error| {
            let why = format!("{DOCUMENT} in it is no JSON ({error}); delete the ConfigMap to begin anew");
            ClusterError::new(format!("read {key}"), Cause::Configuration(why))
        })?,
    };
    Ok(Some(Stored { value, resource_version: object.resource_version }))
}

/// Saves the document of a source in the place of `previous`, the version that was loaded or saved
/// last (`None`: there is none yet).
///
/// # Errors
/// [`Cause::Changed`] or [`Cause::AlreadyExists`] when another agent saved in the meantime,
/// [`Cause::TooLarge`] when the document is too large.
pub(crate) async fn save(
    api: &dyn ClusterApi,
    source: &str,
    value: &Value,
    previous: Option<&str>,
) -> Result<Stored, ClusterError> {
    let key = key(source);
    let text = value.to_string();
    if text.len() > LIMIT {
        return Err(ClusterError::new(format!("save {key}"), Cause::TooLarge { size: text.len(), limit: LIMIT }));
    }
    let data = json!({DOCUMENT: text});
    let object = match previous {
        Some(version) => api.patch(&key, version, &json!({"data": data})).await?,
        None => {
            let body = json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                // Not `kompox`: that label is of the Apps' objects.
                "metadata": {
                    "name": key.name,
                    "namespace": SYSTEM_NAMESPACE,
                    "labels": {"app.kubernetes.io/managed-by": "kompox-agent"},
                },
                "data": data,
            });
            api.create(&key, &body).await?
        }
    };
    Ok(Stored { value: value.clone(), resource_version: object.resource_version })
}

/// Names of all sources that a document was saved for.
///
/// # Errors
/// When they cannot be listed.
pub(crate) async fn sources(api: &dyn ClusterApi) -> Result<BTreeSet<String>, ClusterError> {
    let records = api.list_records().await?;
    let names = records.iter().filter_map(|name| name.strip_prefix(PREFIX));
    let is_record = |name: &&str| ![REBUILT, NEW_DISKS, ASKED].iter().any(|suffix| name.ends_with(suffix));
    Ok(names.filter(is_record).map(str::to_owned).collect())
}

/// The source of which something is asked in the ConfigMap with this name.
pub(crate) fn asked_of(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.strip_suffix(ASKED)
}

fn key(source: &str) -> ObjectKey {
    ObjectKey { kind: Kind::ConfigMap, namespace: Some(SYSTEM_NAMESPACE.to_owned()), name: format!("{PREFIX}{source}") }
}

#[cfg(test)]
mod tests;
