//! Restarts are deliberate: what each one costs, and which of them nobody has asked for.
//!
//! A Pod template can differ from the one that runs although the commit asks for nothing new: this
//! agent renders something otherwise than the one before it, or the nodes' labels have changed. Such a
//! restart is held until the App's next commit, a person's word, or a window; upgrading the agent
//! restarts nothing. What people edited in the same object waits with it: an apply does all or nothing.

use std::fmt;

use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde::Serialize;
use serde_json::Value;

use super::action::{Action, What};
use super::diff::{self, FieldChange};
use super::hold::{Hold, HoldCause};
use super::objects::named;
use super::{Settings, digest, unsupported};
use crate::observed::ObservedApp;

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

fn is_of_the_pod(field: &FieldChange) -> bool {
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

/// Holds every restart that neither the commit nor a person has asked for. The object waits alone:
/// everything else of the App goes on.
pub(super) fn guard(observed: &ObservedApp, settings: &Settings, actions: &mut [Action]) {
    let (Some(inputs), Some(applied)) = (&settings.inputs, &settings.applied) else { return };
    // A Secret that operators keep in the cluster has changed: its new content is meant to take effect.
    let asked = *inputs != applied.inputs || super::applied::externals_digest(observed) != applied.externals;
    if asked || settings.may_restart {
        return;
    }
    for action in actions {
        let Some(hold) = hold(action, observed) else { continue };
        if hold.is_accepted(&settings.accepted) {
            continue;
        }
        *action = hold.action(action.what.subject(), action.origin.clone());
    }
}

/// The hold of an action that would restart the Pod, unless all it does to the Pod template is to put people's edits
/// back. What a person removed nobody holds any more: it looks like what this agent renders for the first time.
fn hold(action: &Action, observed: &ObservedApp) -> Option<Hold> {
    let Action { what, reason, .. } = action;
    let part = |object: &Object, pointer: &str| {
        digest::of_body(object.key.kind, object.body.pointer(pointer).unwrap_or(&Value::Null))
    };
    let then = "it is done with the App's next commit, or in a window of `reconcile.windows`";
    let (facts, reason, remedy) = match what {
        What::Change { object, live, takeover, restarts: true, .. } => {
            let compared = unsupported::without(object, live, observed.dropped.get(&object.key));
            let taken = takeover.as_deref().unwrap_or(live.managed_fields());
            let (edited, ours) = diff::by_people_or_not(&compared, live, taken);
            let of_the_pod = |fields: Vec<FieldChange>| fields.into_iter().filter(is_of_the_pod).collect::<Vec<_>>();
            let ours = of_the_pod(ours);
            if ours.is_empty() {
                return None;
            }
            let (why, remedy) = if edited.is_empty() {
                (", and the commit asks for nothing new; this would restart the Pod".to_owned(), then.to_owned())
            } else {
                let edit = match of_the_pod(edited) {
                    within if within.is_empty() => "the edit".to_owned(),
                    within => format!("the edit of {}", named(&within)),
                };
                let why = format!(
                    "; no person holds {}, and the commit asks for nothing new; undoing {edit} would apply that too, and \
                     restart the Pod",
                    named(&ours)
                );
                (why, format!("{then}; before, the edit can be undone by hand"))
            };
            // The Pod that would follow is the same one, whatever people edit in the meantime.
            (vec![object.key.to_string(), part(object, "/spec/template")], format!("{reason}{why}"), remedy)
        }
        What::Replace { object, .. } if runs_the_pod(&object.key) => (
            vec![object.key.to_string(), "replaced".to_owned(), part(object, "/spec")],
            format!("{reason}, and the commit asks for nothing new; making it anew would restart the Pod"),
            then.to_owned(),
        ),
        _ => return None,
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
