//! Fields that a cluster drops: its API server is older than they are, their feature gate is off, or a webhook takes
//! them away. The answer to a dry-run shows them. Sending them again changes nothing, so they are no difference.

use std::borrow::Cow;
use std::collections::BTreeSet;

use kompox_manifests::object::{Kind, Object};
use serde_json::Value;

use super::diff::{self, item_name};
use super::{Action, What, objects, restart};
use crate::observed::LiveObject;

/// Paths of the fields that an object asks for and that the answer to applying it lacks, in the form of
/// [`FieldChange::path`](super::diff::FieldChange::path). Items of lists are never among them: a webhook that takes one
/// away says nothing of the next one. The keys of a Secret neither: they are no fields of the API.
#[must_use]
pub fn dropped(object: &Object, answer: &LiveObject) -> BTreeSet<String> {
    let mut dropped = BTreeSet::new();
    if object.key.kind != Kind::Secret {
        walk(&mut object.body.clone(), &answer.body, "", &mut |path| {
            dropped.insert(path.to_owned());
            true
        });
    }
    dropped
}

/// The field of the API at a path: without the names of list items.
#[must_use]
pub fn field_of(path: &str) -> String {
    let mut parts = path.split('[');
    let mut field = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        field.push_str("[]");
        field.push_str(part.rsplit_once(']').map_or("", |(_, behind)| behind));
    }
    field
}

/// Takes what is dropped out of a change: its fields, its reason, and whether it restarts the Pod. Gives whether
/// anything of the change is left.
pub fn leave_out(action: &mut Action, dropped: &BTreeSet<String>) -> bool {
    let What::Change { object, live, fields, takeover, restarts, .. } = &mut action.what else { return true };
    let managed = takeover.as_deref().unwrap_or(live.managed_fields());
    let left = diff::compare(&without(object, live, Some(dropped)), live, managed);
    if let Some(start) = action.reason.strip_suffix(&objects::in_words(fields)) {
        action.reason = format!("{start}{}", objects::in_words(&left));
    }
    *restarts = restart::restarts(object, &left);
    *fields = left;
    !fields.is_empty()
}

/// The object without those of its fields that are known to be dropped and that are not there either.
pub(super) fn without<'o>(
    object: &'o Object,
    live: &LiveObject,
    dropped: Option<&BTreeSet<String>>,
) -> Cow<'o, Object> {
    let Some(dropped) = dropped else { return Cow::Borrowed(object) };
    let mut kept = object.clone();
    walk(&mut kept.body, &live.body, "", &mut |path| !dropped.contains(path));
    Cow::Owned(kept)
}

/// Asks of every field that is wanted and not there whether it is kept.
fn walk(wanted: &mut Value, found: &Value, path: &str, keeps: &mut dyn FnMut(&str) -> bool) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.retain(|name, value| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match found.get(name) {
                Some(found) => {
                    walk(value, found, &path, keeps);
                    true
                }
                None => says_nothing(value) || keeps(&path),
            }
        }),
        (Value::Array(wanted), Value::Array(found)) => {
            for (index, item) in wanted.iter_mut().enumerate() {
                let name = item_name(item);
                let is_same = |other: &&Value| item_name(other) == name;
                // Ports of two protocols have one name.
                let same = found.get(index).filter(is_same).or_else(|| found.iter().find(is_same));
                if let Some(same) = same.filter(|_| item.is_object()) {
                    walk(item, same, &format!("{path}{name}"), keeps);
                }
            }
        }
        _ => {}
    }
}

/// What the API server leaves out where it stands for the default.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(says_nothing),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kompox_manifests::diagnostic::{SourceFile, Span};
    use kompox_manifests::object::ObjectKey;
    use serde_json::json;

    use super::*;
    use crate::plan::diff::compare;

    fn object(kind: Kind, body: Value) -> Object {
        let file = Arc::new(SourceFile { path: "compose.yml".into(), text: String::new() });
        let key = ObjectKey { kind, namespace: Some("ns".into()), name: "web".into() };
        Object { key, body, origin: Span::file(&file) }
    }

    fn answer(kind: Kind, body: Value) -> LiveObject {
        let ObjectKey { namespace, name, .. } = object(kind, Value::Null).key;
        let key = ObjectKey { kind, namespace, name };
        LiveObject { key, uid: "u".into(), resource_version: "1".into(), body }
    }

    fn wanted() -> Object {
        object(
            Kind::Deployment,
            json!({"spec": {"paused": false, "new": {"deep": 1}, "template": {"containers": [
                {"name": "web", "image": "i", "lifecycle": {"stopSignal": "SIGQUIT", "preStop": {"exec": {}}}},
                {"name": "db", "lifecycle": {"stopSignal": "SIGINT"}},
                {"name": "gone", "stopSignal": "SIGINT"},
            ], "args": ["a", "b"]}}}),
        )
    }

    fn found() -> LiveObject {
        answer(
            Kind::Deployment,
            json!({"spec": {"template": {"containers": [
                {"name": "injected"},
                {"name": "db", "lifecycle": {}, "imagePullPolicy": "Always"},
                {"name": "web", "image": "other", "lifecycle": {"preStop": {"exec": {}}}},
            ], "args": ["a"]}}}),
        )
    }

    #[test]
    fn what_an_answer_lacks_is_dropped_and_what_it_has_otherwise_is_not() {
        let dropped: Vec<String> = dropped(&wanted(), &found()).into_iter().collect();
        assert_eq!(
            dropped,
            [
                "spec.new",
                "spec.template.containers[db].lifecycle.stopSignal",
                "spec.template.containers[web].lifecycle.stopSignal",
            ]
        );
        let fields: BTreeSet<String> = dropped.iter().map(|path| field_of(path)).collect();
        assert_eq!(
            fields.into_iter().collect::<Vec<_>>(),
            ["spec.new", "spec.template.containers[].lifecycle.stopSignal"]
        );
    }

    #[test]
    fn a_key_of_a_secret_is_no_field() {
        let secret = object(Kind::Secret, json!({"data": {"a": "Yg=="}}));
        assert_eq!(dropped(&secret, &answer(Kind::Secret, json!({}))), BTreeSet::new());
    }

    #[test]
    fn what_is_dropped_is_no_difference_unless_it_is_there() {
        let mut live = found();
        live.body["metadata"] = json!({"managedFields": [{
            "manager": "kompox-agent", "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:new": {}, "f:template": {"f:args": {}}}},
        }]});
        let wanted = object(Kind::Deployment, json!({"spec": {"new": {"deep": 1}, "template": {"args": ["a"]}}}));
        let paths = |live: &LiveObject, dropped: Option<&BTreeSet<String>>| {
            let compared = without(&wanted, live, dropped);
            let changes = compare(&compared, live, live.managed_fields());
            changes.into_iter().map(|change| change.path).collect::<Vec<_>>()
        };
        let known = BTreeSet::from(["spec.new".to_owned()]);
        assert_eq!(paths(&live, None), ["spec.new"]);
        assert_eq!(paths(&live, Some(&known)), Vec::<String>::new());
        let live = LiveObject { key: wanted.key.clone(), ..live.clone() };
        let mut changed = wanted.clone();
        changed.body["spec"]["template"]["args"] = json!(["b"]);
        let change = |object: &Object| Action {
            what: What::Change {
                object: object.clone(),
                live: live.clone(),
                fields: compare(object, &live, live.managed_fields()),
                takeover: None,
                restarts: true,
                assumed: false,
            },
            reason: "spec.new and 1 more differ".to_owned(),
            origin: None,
        };
        let mut action = change(&changed);
        assert!(leave_out(&mut action, &known));
        assert_eq!(action.reason, "spec.template.args differs");
        assert!(!leave_out(&mut change(&wanted), &known));
        // The API server is a newer one by now.
        let mut live = live;
        live.body["spec"]["new"] = json!({"deep": 2});
        assert_eq!(paths(&live, Some(&known)), ["spec.new"]);
    }
}
