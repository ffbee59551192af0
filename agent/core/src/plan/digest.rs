//! What names a plan: a review of one plan is no review of another.
//!
//! The digest is SHA-256 over the actions in a normal form: what is done to which object, with hashes
//! of the fields that the agent owns and of the values that it replaces. It is the same in every
//! process and at every run, as long as the same would be done to the same: resource versions, the
//! words of reasons and the order of the observation have no part in it.
//!
//! Secret values take part as changed or same only, as the plan shows them: else whoever sees the
//! digest could try passwords against it. What they are is bound by the commit that they come from.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::action::{Action, Subject, What};
use super::diff::FieldChange;
use super::kind::ActionKind;
use super::{Plan, mask};

/// Digits of a hash that is compared with one other hash, and kept for every object.
const SHORT: usize = 16;

/// SHA-256 of a plan, or of several; 64 hexadecimal digits when shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanDigest([u8; 32]);

impl fmt::Display for PlanDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PlanDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl PlanDigest {
    /// The digest of one App's plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut actions: Vec<[u8; 32]> = plan.actions.iter().map(of_action).collect();
        actions.sort_unstable();
        let mut parts = Parts::new("plan");
        parts.text(&plan.app.to_string());
        actions.iter().for_each(|action| parts.bytes(action));
        Self(parts.finish())
    }

    /// The digest of the plans of several Apps, in any order.
    #[must_use]
    pub fn of_all<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Self {
        let mut digests: Vec<Self> = plans.into_iter().map(Self::of).collect();
        digests.sort_unstable();
        let mut parts = Parts::new("plans");
        digests.iter().for_each(|digest| parts.bytes(&digest.0));
        Self(parts.finish())
    }
}

fn of_action(action: &Action) -> [u8; 32] {
    let mut parts = Parts::new(ActionKind::of(&action.what).word());
    match &action.what {
        // Its name comes from the time of the commit, which a merge changes.
        What::CreateDisk(spec) => {
            parts.text(&spec.volume);
            parts.text(&spec.size.to_string());
            parts.text(&format!("{:?} {:?}", spec.source, spec.options));
        }
        What::AssignDisk(disk) => {
            parts.text(&disk.volume);
            parts.text(&disk.handle);
        }
        What::Create { object, assumed: _ } => {
            parts.text(&object.key.to_string());
            parts.value(&mask::masked(object.key.kind, &object.body));
        }
        What::Change { object, live: _, fields, takeover: _, restarts, assumed: _ } => {
            parts.text(&object.key.to_string());
            parts.value(&mask::masked(object.key.kind, &object.body));
            parts.fields(fields);
            parts.text(&restarts.to_string());
        }
        What::Replace { object, live, fields, assumed: _ } => {
            parts.text(&object.key.to_string());
            parts.text(&live.uid);
            parts.value(&mask::masked(object.key.kind, &object.body));
            parts.fields(fields);
        }
        What::GiveBack { live, claim } => {
            parts.text(&live.key.to_string());
            parts.text(&live.uid);
            parts.text(&claim.uid);
        }
        What::Delete(live) => {
            parts.text(&live.key.to_string());
            parts.text(&live.uid);
        }
        What::Drifted { key, fields, candidate: _ } => {
            parts.text(&key.to_string());
            parts.fields(fields);
        }
        What::Keep(subject)
        | What::Left { subject, .. }
        | What::Awaited { subject, .. }
        | What::Blocked { subject, .. } => parts.text(&named(subject)),
        What::Held { subject, remedy: _, digest, candidate: _ } => {
            parts.text(&named(subject));
            parts.text(&digest.to_string());
        }
    }
    parts.finish()
}

/// What an action is about, as people read it.
pub(super) fn named(subject: &Subject) -> String {
    match subject {
        Subject::Object(key) => key.to_string(),
        Subject::Volume(name) => format!("volume {name}"),
        Subject::App => "the whole app".to_owned(),
    }
}

/// A hash over parts that cannot run into each other.
struct Parts(Sha256);

impl Parts {
    fn new(what: &str) -> Self {
        let mut parts = Self(Sha256::new());
        parts.text(what);
        parts
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes.len().to_be_bytes());
        self.0.update(bytes);
    }

    fn fields(&mut self, fields: &[FieldChange]) {
        for FieldChange { path, before, after } in fields {
            self.text(path);
            for value in [before, after] {
                self.text(if value.is_some() { "value" } else { "absent" });
                self.text(value.as_deref().unwrap_or_default());
            }
        }
    }

    /// A JSON value, with the names of objects in order whatever the map behind them does.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.text(&format!("array {}", items.len()));
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(fields) => {
                self.text(&format!("object {}", fields.len()));
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort_unstable();
                for name in names {
                    self.text(name);
                    fields.get(name).into_iter().for_each(|field| self.value(field));
                }
            }
            scalar => self.text(&scalar.to_string()),
        }
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// A hash of the Pod that a rendered Deployment makes, and of the selector that finds it. What is secret in it has its
/// full part: it lies in a Secret, and is shown nowhere.
pub(super) fn of_pod(deployment: &Value) -> String {
    let mut parts = Parts::new("pod");
    for pointer in ["/spec/template", "/spec/selector"] {
        parts.value(deployment.pointer(pointer).unwrap_or(&Value::Null));
    }
    PlanDigest(parts.finish()).to_string()
}

/// A short hash of a rendered object, likewise whole and shown nowhere.
pub(super) fn of_rendered(body: &Value) -> String {
    let mut parts = Parts::new("rendered");
    parts.value(body);
    PlanDigest(parts.finish()).to_string().chars().take(SHORT).collect()
}

/// A hash of an object's masked body, for the facts of holds.
pub(super) fn of_body(kind: kompox_manifests::object::Kind, body: &Value) -> String {
    let mut parts = Parts::new("body");
    parts.value(&mask::masked(kind, body));
    PlanDigest(parts.finish()).to_string()
}
