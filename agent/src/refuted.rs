//! Candidates that the API server refuted: the diff saw a difference where it only normalised a value.

use std::collections::HashMap;
use std::sync::Mutex;

use kompox_core::plan::{Action, What};
use kompox_manifests::object::{Object, ObjectKey};
use sha2::{Digest as _, Sha256};

/// Candidates that a dry-run refuted: not asked again until the object or the wish changes.
#[derive(Debug, Default)]
pub(crate) struct Refuted(Mutex<HashMap<ObjectKey, (String, [u8; 32])>>);

impl Refuted {
    fn holds(&self, key: &ObjectKey, version: &str, wish: &[u8; 32]) -> bool {
        let memory = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        memory.get(key).is_some_and(|(seen, digest)| seen == version && digest == wish)
    }

    /// Whether an action is a candidate that was refuted.
    pub(crate) fn drops(&self, action: &Action) -> bool {
        match &action.what {
            What::Change { object, live, takeover: None, .. } => {
                self.holds(&object.key, &live.resource_version, &digest(object))
            }
            _ => false,
        }
    }

    /// Remembers that an object of this version is as wished already.
    pub(crate) fn remember(&self, key: ObjectKey, version: String, wish: [u8; 32]) {
        let mut memory = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        memory.insert(key, (version, wish));
    }
}

/// What is wished of an object, in short.
pub(crate) fn digest(object: &Object) -> [u8; 32] {
    Sha256::digest(object.body.to_string()).into()
}
