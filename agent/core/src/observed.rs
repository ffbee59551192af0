//! What the cluster was seen to hold.

use std::fmt;

use kompox_manifests::object::ObjectKey;
use serde_json::Value;

/// An object as the API server returned it.
#[derive(Clone, PartialEq)]
pub struct LiveObject {
    /// Identity.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The whole object, `metadata.managedFields` and `status` included.
    pub body: Value,
}

impl fmt::Debug for LiveObject {
    // A Secret's body must never reach a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LiveObject({} at {})", self.key, self.resource_version)
    }
}

impl LiveObject {
    /// `metadata.labels[name]`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.body.pointer("/metadata/labels")?.get(name)?.as_str()
    }

    /// `metadata.annotations[name]`.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.body.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.body.pointer("/metadata/deletionTimestamp").is_some()
    }
}
