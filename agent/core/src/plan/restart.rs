//! Restarts are deliberate: what each one costs, and which of them nobody has asked for.
//!
//! A Pod template can differ from the one that runs although the commit asks for nothing new: this
//! agent renders something otherwise than the one before it, or the nodes' labels have changed. That is
//! seen by the digest of the Pod as it was rendered when it was applied ([`AppliedRecord::pod`]): rendered
//! is compared with rendered, so that neither what people edit nor what the cluster drops has a part in it.
//! Such a restart is held until the App's next commit, a person's word, or a window; upgrading the agent
//! restarts nothing. What people edited in the same object waits with it: an apply does all or nothing.
//! A Pod that is rendered as it was applied differs by somebody's edit, which is put back at once.

use std::fmt;

use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde::Serialize;
use serde_json::Value;

use super::action::{Action, What};
use super::diff::{self, FieldChange};
use super::hold::{Hold, HoldCause};
use super::{AppliedRecord, Settings, digest};
use crate::observed::{LiveObject, ObservedApp};
use crate::ownership;

/// Seconds that a Pod gets to stop where its template says nothing.
const GRACE_PERIOD: u64 = 30;

/// What an action does to the App's Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Downtime {
    /// The Pod stops, then a new one starts: a disk has one writer, so they never run side by side.
    Restart {
        /// Seconds that stopping takes at most.
        stop_seconds: u64,
        /// Seconds after its start before which the new Pod cannot be ready.
        ready_seconds: u64,
    },
    /// The Pod stops, and none follows.
    ForGood,
    /// None was running.
    Stopped,
}

impl fmt::Display for Downtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart { stop_seconds, ready_seconds } => {
                write!(formatter, "restarts the Pod: down for at most {stop_seconds} s until it has stopped, then ")?;
                match ready_seconds {
                    0 => formatter.write_str("until the new one is ready"),
                    seconds => write!(formatter, "until the new one is ready, which takes {seconds} s or more"),
                }
            }
            Self::ForGood => formatter.write_str("stops the Pod"),
            Self::Stopped => formatter.write_str("no Pod is running"),
        }
    }
}

/// Whether an object's Pod stops with it.
pub(super) fn runs_the_pod(key: &ObjectKey) -> bool {
    key.kind == Kind::Deployment
}

/// Whether a change of these fields of an object replaces the Pod.
#[must_use]
pub fn restarts(object: &Object, fields: &[FieldChange]) -> bool {
    runs_the_pod(&object.key) && fields.iter().any(is_of_the_pod)
}

/// Whether a change of an object that was tried leaves the Pod that runs as it is: what it asks for is there already,
/// put there by the server as its default, and only whose field it is changes.
#[must_use]
pub fn leaves_the_pod(object: &Object, live: &LiveObject, tried: &LiveObject) -> bool {
    let pod = |live: &LiveObject| live.body.pointer("/spec/template").cloned();
    runs_the_pod(&object.key) && pod(live).is_some() && pod(live) == pod(tried)
}

/// Whether a field is one of the Pod that a Deployment makes.
pub(super) fn is_of_the_pod(field: &FieldChange) -> bool {
    field.path.starts_with("spec.template")
}

/// What replacing the Pod of a Deployment costs, from the wanted Deployment and the one that runs.
#[must_use]
pub fn downtime(wanted: &Value, live: &Value) -> Downtime {
    if live.pointer("/spec/replicas").and_then(Value::as_u64) == Some(0) {
        return Downtime::Stopped;
    }
    // The old Pod stops by its own rules, the new one starts by the new ones.
    let grace = live.pointer("/spec/template/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
    let containers = wanted.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let first_look = |container: &Value| {
        ["startupProbe", "readinessProbe"].iter().filter_map(|probe| delay(container.get(*probe)?)).max()
    };
    let ready_seconds = containers.into_iter().flatten().filter_map(first_look).max().unwrap_or(0);
    Downtime::Restart { stop_seconds: grace.unwrap_or(GRACE_PERIOD), ready_seconds }
}

fn delay(probe: &Value) -> Option<u64> {
    probe.get("initialDelaySeconds")?.as_u64()
}

/// Whether the Pod is rendered as it was when it was applied last; `None` where nothing tells that.
pub(super) fn is_as_applied(rendered: Option<&str>, applied: Option<&AppliedRecord>) -> Option<bool> {
    Some(applied?.pod.as_deref()? == rendered?)
}

/// Holds every restart that neither the commit nor a person has asked for. The object waits alone:
/// everything else of the App goes on. `rendered` is the digest of the Pod.
pub(super) fn guard(rendered: Option<&str>, observed: &ObservedApp, settings: &Settings, actions: &mut [Action]) {
    let (Some(inputs), Some(applied)) = (&settings.inputs, &settings.applied) else { return };
    // A Secret that operators keep in the cluster has changed: its new content is meant to take effect.
    let asked = *inputs != applied.inputs || super::applied::externals_digest(observed) != applied.externals;
    if asked || settings.may_restart {
        return;
    }
    let why = match is_as_applied(rendered, Some(applied)) {
        Some(true) => return,
        Some(false) => "this agent renders the Pod otherwise than it was applied, or the nodes have changed",
        // An earlier build has applied it, and this one may well render it otherwise. Where nothing differs, it is
        // written down now; else it can be told from no edit.
        None => "how the Pod was rendered when it was applied is not known",
    };
    for action in actions {
        let Some(hold) = hold(action, why, settings) else { continue };
        if hold.is_accepted(&settings.accepted) {
            continue;
        }
        let candidate = match &action.what {
            // Of what people edited, no dry-run can show that it changes nothing.
            What::Change { takeover: None, .. } => Some(Box::new(action.what.clone())),
            _ => None,
        };
        *action = hold.action(action.what.subject(), action.origin.clone());
        if let What::Held { candidate: held, .. } = &mut action.what {
            *held = candidate;
        }
    }
}

/// The hold of an action that would restart the Pod.
fn hold(action: &Action, why: &str, settings: &Settings) -> Option<Hold> {
    let part = |object: &Object, pointer: &str| {
        digest::of_body(object.key.kind, object.body.pointer(pointer).unwrap_or(&Value::Null))
    };
    // The Pod that would follow is the same one, whatever people edit in the meantime.
    let (object, live, fields, facts, restarts) = match &action.what {
        What::Change { object, live, fields, restarts: true, .. } => {
            let facts = vec![object.key.to_string(), part(object, "/spec/template")];
            (object, live, fields, facts, "this would restart the Pod")
        }
        What::Replace { object, live, fields, .. } if runs_the_pod(&object.key) => {
            let facts = vec![object.key.to_string(), "replaced".to_owned(), part(object, "/spec")];
            (object, live, fields, facts, "making it anew would restart the Pod")
        }
        _ => return None,
    };
    let reason = format!("{}; {why}; the commit asks for nothing new, and {restarts}", action.reason);
    let then = "it is done with the App's next commit, or in a window of `reconcile.windows`";
    // What people hold of it may be a wish that is respected: then nothing of theirs is put back.
    let is_edited = ownership::takeover(live, &object.body, &settings.people).is_some_and(|takeover| {
        let of_nobody = diff::held_by_nobody(object, live, &takeover.managed_fields);
        fields.iter().any(|field| !of_nobody.contains(field))
    });
    let remedy = if is_edited {
        format!("{then}; what people edited is put back with it, and can be undone by hand before")
    } else {
        then.to_owned()
    };
    Some(Hold { cause: HoldCause::Restart, facts, reason, remedy })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(spec: &Value) -> Value {
        json!({"spec": {"replicas": 1, "template": {"spec": spec}}})
    }

    #[test]
    fn downtime_goes_by_the_old_pods_grace_and_the_new_pods_probes() {
        let live = deployment(&json!({"terminationGracePeriodSeconds": 90}));
        let wanted = deployment(&json!({"terminationGracePeriodSeconds": 5, "containers": [
            {"readinessProbe": {"initialDelaySeconds": 3}}, {"startupProbe": {"initialDelaySeconds": 12}}, {},
        ]}));
        let cost = downtime(&wanted, &live);
        assert_eq!(cost, Downtime::Restart { stop_seconds: 90, ready_seconds: 12 });
        assert_eq!(
            cost.to_string(),
            "restarts the Pod: down for at most 90 s until it has stopped, then until the new one is ready, which takes \
             12 s or more"
        );
        let plain = downtime(&deployment(&json!({})), &deployment(&json!({})));
        assert_eq!(plain, Downtime::Restart { stop_seconds: 30, ready_seconds: 0 });
        assert_eq!(downtime(&wanted, &json!({"spec": {"replicas": 0}})), Downtime::Stopped);
    }
}
