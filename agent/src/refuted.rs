//! Candidates that the API server refuted: the diff saw a difference where it only normalised a value.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kompox_core::observed::LiveObject;
use kompox_core::plan::{Action, What, diff};
use kompox_manifests::object::{Object, ObjectKey};
use sha2::{Digest as _, Sha256};

/// Candidates that a dry-run refuted: not asked again until the object or the wish changes. Of the object
/// only what a comparison goes by counts, not its status.
#[derive(Debug, Default)]
pub(crate) struct Refuted(Mutex<HashMap<ObjectKey, Candidate>>);

/// A wish and the object that was compared with it, in short.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    wish: [u8; 32],
    live: [u8; 32],
}

impl Candidate {
    fn of(object: &Object, live: &LiveObject) -> Self {
        Self {
            wish: Sha256::digest(object.body.to_string()).into(),
            live: Sha256::digest(diff::substance(live)).into(),
        }
    }
}

impl Refuted {
    /// Whether an action is a candidate that was refuted.
    pub(crate) fn drops(&self, action: &Action) -> bool {
        let What::Change { object, live, takeover: None, .. } = &action.what else { return false };
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.get(&object.key).is_some_and(|known| *known == Candidate::of(object, live))
    }

    /// Remembers that an object is as wished already.
    pub(crate) fn remember(&self, object: &Object, live: &LiveObject) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.insert(object.key.clone(), Candidate::of(object, live));
    }
}

#[cfg(test)]
mod tests {
    use kompox_manifests::object::Kind;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::memory;

    fn key() -> ObjectKey {
        ObjectKey { kind: Kind::Deployment, namespace: Some("shop".into()), name: "web".into() }
    }

    /// The candidate that a live object with this body makes.
    fn candidate(body: Value) -> Action {
        let live = LiveObject { key: key(), uid: "u".into(), resource_version: "1".into(), body };
        let object = memory::object(key(), json!({"spec": {"cpu": "500m"}}));
        let what = What::Change { object, live, fields: Vec::new(), takeover: None, restarts: false, assumed: false };
        Action { what, reason: String::new(), origin: None }
    }

    fn body(version: &str, cpu: &str, ready: u32) -> Value {
        json!({
            "metadata": {"resourceVersion": version, "managedFields": [
                {"manager": "kompox-agent", "time": version},
                {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:ready": ready}},
            ]},
            "spec": {"cpu": cpu},
            "status": {"ready": ready},
        })
    }

    #[test]
    fn a_new_status_is_no_reason_to_ask_again_and_a_new_value_is() {
        let refuted = Refuted::default();
        let first = candidate(body("7", "0.5", 0));
        assert!(!refuted.drops(&first));
        if let What::Change { object, live, .. } = &first.what {
            refuted.remember(object, live);
        }
        assert!(refuted.drops(&candidate(body("8", "0.5", 1))));
        assert!(!refuted.drops(&candidate(body("9", "0.6", 1))));
    }
}
