//! Field-by-field comparison of what we want with what is there.
//!
//! The comparison needs no schema of the kinds: the `managedFields` entry that the API server keeps
//! for our field manager tells, for every list, whether its items are matched by key, and which
//! fields we own and therefore remove by leaving them out. It may report a difference where the
//! server only normalised a value (`0.5` and `500m`) or keeps a list in an order of its own; a dry-run
//! confirms every candidate before it is shown or written. It must never miss one.
//!
//! Format of the field sets: <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>

use kompox_manifests::object::{Kind, Object};
use serde_json::{Map, Value};

use super::mask;
use crate::observed::LiveObject;
use crate::seal;

/// The field manager under which the agent applies.
pub const FIELD_MANAGER: &str = "kompox-agent";

/// What the API server adds inside of values that are owned as one piece. What is missing here costs
/// a dry-run, no more.
const DEFAULTS: [(&str, &str); 3] =
    [("protocol", "TCP"), ("apiVersion", "v1"), ("apiGroup", "rbac.authorization.k8s.io")];

/// One field that would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Path in the object, e.g. `spec.template.spec.containers[gitea].image`. Where the order of a list differs, it is the
    /// list's, and the values are the names of the items that moved.
    pub path: String,
    /// What the cluster holds, masked where secret; `None` when the field is absent.
    pub before: Option<String>,
    /// What the source asks for, masked where secret; `None` when the field goes.
    pub after: Option<String>,
}

/// The fields in which `desired` differs from `live`, sorted by path; empty when nothing differs.
///
/// `managed` is the `managedFields` list to go by: the live object's own, or the one under which
/// people's edits become ours to revert.
#[must_use]
pub fn compare(desired: &Object, live: &LiveObject, managed: &[Value]) -> Vec<FieldChange> {
    walked(desired, live, managed).into_iter().map(|found| found.change).collect()
}

/// The fields among those that [`compare`] finds that no person holds. `taken` is the `managedFields` list under which
/// people's edits are ours.
#[must_use]
pub fn held_by_nobody(desired: &Object, live: &LiveObject, taken: &[Value]) -> Vec<FieldChange> {
    let ours = walked(desired, live, live.managed_fields());
    let is_ours = |found: &Found| !found.owned || ours.contains(found);
    walked(desired, live, taken).into_iter().filter(is_ours).map(|found| found.change).collect()
}

/// The fields whose values differ, as [`compare`] finds them. What it finds beside these has the wanted value already,
/// and only becomes the agent's own with the next apply.
#[must_use]
pub fn of_value(desired: &Object, live: &LiveObject, managed: &[Value]) -> Vec<FieldChange> {
    walked(desired, live, managed).into_iter().filter(|found| !found.same).map(|found| found.change).collect()
}

/// A field that differs.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    change: FieldChange,
    /// Whether its value is the wanted one.
    same: bool,
    /// Whether the field set that was gone by holds it.
    owned: bool,
}

fn walked(desired: &Object, live: &LiveObject, managed: &[Value]) -> Vec<Found> {
    let nothing = Map::new();
    let ours = own_fields(managed).unwrap_or(&nothing);
    let mut walk = Walk { kind: desired.key.kind, path: Vec::new(), found: Vec::new() };
    // Of a live Secret only the hashes of its values are known.
    let (desired_body, live_body) =
        (seal::comparable(desired.key.kind, &desired.body), seal::comparable(live.key.kind, &live.body));
    walk.map(as_map(&desired_body), as_map(&live_body), ours);
    walk.found.sort_by(|a, b| a.change.path.cmp(&b.change.path));
    walk.found.dedup();
    walk.found
}

/// Whether two objects are the same but for what every write moves: resource version, generation
/// and the times of managed fields. Used on a dry-run's result against the live object.
#[must_use]
pub fn same_but_for_bookkeeping(one: &Value, other: &Value) -> bool {
    without_bookkeeping(one) == without_bookkeeping(other)
}

/// What a comparison goes by of a live object, in one text: everything but what every write moves and the
/// status, which controllers write all the time.
#[must_use]
pub fn substance(live: &LiveObject) -> String {
    let mut object = without_bookkeeping(&live.body);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(entries) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
        entries.retain(|entry| entry.get("subresource").and_then(Value::as_str) != Some("status"));
    }
    object.to_string()
}

fn without_bookkeeping(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.remove("generation");
        for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
    }
    object
}

/// The field set of our own server-side applies, if any.
fn own_fields(managed: &[Value]) -> Option<&Map<String, Value>> {
    managed
        .iter()
        .find(|entry| {
            entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER)
                && entry.get("operation").and_then(Value::as_str) == Some("Apply")
                && entry.get("subresource").is_none()
        })?
        .get("fieldsV1")?
        .as_object()
}

fn as_map(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

struct Walk {
    kind: Kind,
    path: Vec<String>,
    found: Vec<Found>,
}

impl Walk {
    fn map(
        &mut self,
        desired: Option<&Map<String, Value>>,
        live: Option<&Map<String, Value>>,
        ours: &Map<String, Value>,
    ) {
        let nothing = Map::new();
        let desired = desired.unwrap_or(&nothing);
        for (name, wanted) in desired {
            if self.is_identity(name) || is_empty(wanted) {
                continue;
            }
            let found = live.and_then(|live| live.get(name));
            let owned = ours.get(&format!("f:{name}")).and_then(Value::as_object);
            self.path.push(name.clone());
            self.value(wanted, found, owned);
            self.path.pop();
        }
        for field in ours.keys() {
            let Some(name) = field.strip_prefix("f:") else { continue };
            let found = live.and_then(|live| live.get(name));
            let wanted = desired.get(name);
            // An empty value that is wanted (`podSelector: {}`) and there is no difference.
            let both_empty = wanted.is_some() && found.is_some_and(is_empty);
            if wanted.is_none_or(is_empty) && !both_empty {
                self.path.push(name.to_owned());
                self.record(found, None, true);
                self.path.pop();
            }
        }
    }

    /// `owned` is our field set below this value: `None` when we do not own it at all, empty when we
    /// own it as one atomic piece.
    fn value(&mut self, wanted: &Value, found: Option<&Value>, owned: Option<&Map<String, Value>>) {
        let Some(owned) = owned else {
            // The identity of metadata and the top level is never owned; descend to what can be.
            if self.path.len() == 1 && wanted.is_object() {
                return self.map(as_map(wanted), found.and_then(Value::as_object), &Map::new());
            }
            return self.record(found, Some(wanted), false);
        };
        if owned.is_empty() {
            if !found.is_some_and(|found| contains(found, wanted)) {
                self.record(found, Some(wanted), true);
            }
            return;
        }
        match wanted {
            Value::Object(wanted) => self.map(Some(wanted), found.and_then(Value::as_object), owned),
            Value::Array(wanted) => self.list(wanted, found.and_then(Value::as_array), owned),
            scalar => {
                if found != Some(scalar) {
                    self.record(found, Some(scalar), true);
                }
            }
        }
    }

    fn list(&mut self, wanted: &[Value], found: Option<&Vec<Value>>, owned: &Map<String, Value>) {
        let found = found.map(Vec::as_slice).unwrap_or_default();
        let keyed: Vec<OwnedItem<'_>> = owned.iter().filter_map(|(field, below)| owned_item(field, below)).collect();
        if keyed.is_empty() {
            // A set (`v:`): order means nothing, membership everything.
            if wanted.iter().any(|item| !found.contains(item)) || owned_values_left_out(owned, wanted) {
                self.record(Some(&Value::Array(found.to_vec())), Some(&Value::Array(wanted.to_vec())), true);
            }
            return;
        }
        let mut shared = Vec::new();
        for item in wanted {
            let entry = keyed.iter().find(|(key, _)| has_key(item, key, true));
            let place = entry.and_then(|(key, _)| found.iter().position(|candidate| has_key(candidate, key, false)));
            let live = place.and_then(|place| found.get(place));
            self.path.push(item_name(item));
            match entry {
                Some((key, below)) => {
                    shared.extend(place.map(|place| Placed { place, key }));
                    self.map(as_map(item), live.and_then(Value::as_object), below);
                }
                None => self.record(None, Some(item), false),
            }
            self.path.pop();
        }
        self.order(&shared);
        for (key, _) in &keyed {
            if !wanted.iter().any(|item| has_key(item, key, true)) {
                let live = found.iter().find(|candidate| has_key(candidate, key, false));
                self.path.push(live.map_or_else(|| item_name(&Value::Object(key.clone())), item_name));
                self.record(live, None, true);
                self.path.pop();
            }
        }
    }

    /// Compares the order of the items that both lists hold, given as it is wanted: containers start in the order of
    /// their list, and a variable may refer to those before it. What others put in between is no matter of ours.
    fn order(&mut self, wanted: &[Placed<'_>]) {
        let mut live = wanted.to_vec();
        live.sort_by_key(|item| item.place);
        let moved = |(one, other): (&Placed<'_>, &Placed<'_>)| one.place != other.place;
        let mut pairs = wanted.iter().zip(&live);
        let (Some(first), Some(last)) = (pairs.clone().position(moved), pairs.rposition(moved)) else { return };
        // Of a long list, what stands before and behind would hide what moved.
        let names = |items: &[Placed<'_>]| {
            let names = items.iter().take(last + 1).skip(first).map(|item| key_name(item.key));
            Value::String(names.collect::<Vec<_>>().join(", "))
        };
        self.record(Some(&names(&live)), Some(&names(wanted)), true);
    }

    fn record(&mut self, before: Option<&Value>, after: Option<&Value>, owned: bool) {
        // Owned by us, wanted no longer, and gone already: nothing to do or to say.
        if before.is_none() && after.is_none() {
            return;
        }
        let path = self.shown_path();
        let show = |value: Option<&Value>| value.map(|value| mask::shown(self.kind, &path, value));
        let same = before == after;
        let (before, after) = (show(before), show(after));
        self.found.push(Found { change: FieldChange { path, before, after }, same, owned });
    }

    /// Segments joined by dots; list items stand in brackets behind their list.
    fn shown_path(&self) -> String {
        let mut shown = String::new();
        for segment in &self.path {
            if !shown.is_empty() && !segment.starts_with('[') {
                shown.push('.');
            }
            shown.push_str(segment);
        }
        shown
    }

    /// Fields that name the object rather than describe it; they are in no field set.
    fn is_identity(&self, name: &str) -> bool {
        match self.path.as_slice() {
            [] => matches!(name, "apiVersion" | "kind"),
            [parent] if parent == "metadata" => matches!(name, "name" | "namespace"),
            _ => false,
        }
    }
}

/// An item that is wanted, and its place in the list that the cluster holds.
#[derive(Clone, Copy)]
struct Placed<'a> {
    place: usize,
    key: &'a Map<String, Value>,
}

/// A list item in our field set: its key, and what we own of it.
type OwnedItem<'a> = (Map<String, Value>, &'a Map<String, Value>);

fn owned_item<'a>(field: &str, below: &'a Value) -> Option<OwnedItem<'a>> {
    Some((serde_json::from_str(field.strip_prefix("k:")?).ok()?, below.as_object()?))
}

/// Whether `item` has the list key `key`. A wanted item may leave out a key field that the server
/// fills with its default (`protocol: TCP`).
fn has_key(item: &Value, key: &Map<String, Value>, defaults: bool) -> bool {
    key.iter().all(|(field, value)| match item.get(field) {
        Some(given) => given == value,
        None => defaults && field == "protocol" && value == "TCP",
    })
}

/// How a list item is called in a path: by its name where it has one.
pub(super) fn item_name(item: &Value) -> String {
    const NAMES: [&str; 8] = ["name", "mountPath", "containerPort", "port", "ip", "key", "topologyKey", "uid"];
    let name = NAMES.iter().find_map(|name| match item.get(name)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    format!("[{}]", name.unwrap_or_default())
}

/// How a list item is called among its neighbours: by its whole key, which no other one has.
fn key_name(key: &Map<String, Value>) -> String {
    let part = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    key.values().map(part).collect::<Vec<_>>().join("/")
}

/// Whether our field set holds a set member (`v:…`) that is wanted no longer.
fn owned_values_left_out(owned: &Map<String, Value>, wanted: &[Value]) -> bool {
    owned
        .keys()
        .filter_map(|field| field.strip_prefix("v:"))
        .any(|text| serde_json::from_str::<Value>(text).is_ok_and(|value| !wanted.contains(&value)))
}

/// Whether `found` is what `wanted` says and nothing more, but for defaults of the server.
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let mut asked = wanted.iter().filter(|(_, wanted)| !is_empty(wanted));
            let mut left =
                found.iter().filter(|(name, value)| !is_empty(value) && wanted.get(*name).is_none_or(is_empty));
            asked.all(|(name, wanted)| found.get(name).is_some_and(|found| contains(found, wanted)))
                && left.all(|(name, value)| {
                    DEFAULTS.iter().any(|default| *default == (name.as_str(), value.as_str().unwrap_or_default()))
                })
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| contains(found, wanted))
        }
        _ => found == wanted,
    }
}

/// The API server drops empty values; an empty one and an absent one are the same.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
