//! Who owns which field: the algebra of `metadata.managedFields`.
//!
//! A server-side apply removes or resets only what the applying manager owns. What people wrote with
//! `kubectl edit` therefore stays, without a conflict, until their fields are made the agent's:
//! [`takeover`] computes the `managedFields` that does so, and the apply that follows reverts them.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::observed::LiveObject;

mod field_path;
mod field_set;

pub use field_path::value_at;
pub use field_set::FieldSet;

/// The field manager of everything that the agent applies.
pub const FIELD_MANAGER: &str = "kompox-agent";

/// Field managers of the older command line, whose objects are adopted.
pub const LEGACY_MANAGERS: [&str; 2] = ["kompox-converter", "kompox-runtime"];

/// Field managers behind which a person sits; `people` of the configuration names further ones. A trailing `*`
/// stands for any ending; upper and lower case are the same.
pub const PEOPLE: [&str; 14] = [
    "kubectl",
    "kubectl-*",
    "k9s",
    "lens",
    "openlens",
    "freelens",
    // Lens, and browsers in front of Headlamp and Rancher, are named by their HTTP client.
    "node-fetch",
    "mozilla",
    "headlamp",
    "dashboard",
    "dashboard-api",
    "kubernetes-dashboard",
    "oc",
    "curl",
];

/// Set on the Pod template by `kubectl rollout restart`. Removing it would restart the Pod once more.
const RESTARTED_AT: [&str; 5] =
    ["f:spec", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt"];

/// The field managers whose edits the agent reverts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managers(Vec<String>);

impl Default for Managers {
    /// [`PEOPLE`].
    fn default() -> Self {
        Self::people(PEOPLE)
    }
}

impl Managers {
    /// The managers that match one of the patterns (see [`PEOPLE`]), with [`LEGACY_MANAGERS`].
    #[must_use]
    pub fn people<P: Into<String>>(patterns: impl IntoIterator<Item = P>) -> Self {
        let legacy = LEGACY_MANAGERS.into_iter().map(str::to_owned);
        Self(patterns.into_iter().map(Into::into).chain(legacy).map(|name| name.to_lowercase()).collect())
    }

    /// Those of [`PEOPLE`] and more.
    #[must_use]
    pub fn beside_the_known(patterns: &[String]) -> Self {
        Self::people(PEOPLE.iter().map(|&known| known.to_owned()).chain(patterns.iter().cloned()))
    }

    /// Whether a manager's edits are reverted; never the agent's own, whatever a pattern says.
    #[must_use]
    pub fn contains(&self, manager: &str) -> bool {
        if manager == FIELD_MANAGER {
            return false;
        }
        let manager = manager.to_lowercase();
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => manager.starts_with(start),
            None => manager == *pattern,
        })
    }
}

/// Fields that are to become the agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The whole new `metadata.managedFields`.
    pub managed_fields: Vec<Value>,
    /// What changes hands, in the order of the entries.
    pub taken: Vec<TakenField>,
}

/// A field that changes hands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TakenField {
    /// Whose it was.
    pub manager: String,
    /// Where it is; see [`FieldSet::paths`].
    pub path: String,
}

/// What must change in `managedFields` before an apply of `desired` undoes what `managers` wrote;
/// `None` when they hold nothing that the agent wants back.
///
/// The agent wants everything back but the status, metadata other than labels, annotations that
/// `desired` does not set, and the mark of `kubectl rollout restart`.
#[must_use]
pub fn takeover(live: &LiveObject, desired: &Value, managers: &Managers) -> Option<Takeover> {
    let api_version = live.body.get("apiVersion").and_then(Value::as_str)?;
    let annotations = desired.pointer("/metadata/annotations").and_then(Value::as_object);
    let wants = |path: &[&str]| is_wanted_back(path, annotations);

    let mut ours: Option<(usize, FieldSet)> = None;
    let mut gained = FieldSet::default();
    let mut taken = Vec::new();
    let mut entries: Vec<Value> = Vec::new();
    for raw in managed_fields(live) {
        let Some(entry) = Entry::read(raw).filter(|entry| entry.api_version == api_version) else {
            entries.push(raw.clone());
            continue;
        };
        if entry.is_agents_apply() {
            ours = Some((entries.len(), entry.fields));
            entries.push(raw.clone());
            continue;
        }
        if !entry.is_reverted(managers) {
            entries.push(raw.clone());
            continue;
        }
        let (theirs, left) = entry.fields.partition(&wants);
        taken.extend(theirs.paths().into_iter().map(|path| TakenField { manager: entry.manager.to_owned(), path }));
        gained.extend(&theirs);
        if !left.is_empty() {
            entries.push(with_fields(raw, &left));
        }
    }
    if gained.is_empty() {
        return None;
    }
    match ours {
        Some((index, mut fields)) => {
            fields.extend(&gained);
            entries[index] = with_fields(&entries[index], &fields);
        }
        None => entries.push(new_entry(api_version, &gained)),
    }
    Some(Takeover { managed_fields: entries, taken })
}

/// Whether the field at `path` (raw keys) is the agent's to decide.
fn is_wanted_back(path: &[&str], desired_annotations: Option<&Map<String, Value>>) -> bool {
    match path {
        [] | ["f:apiVersion" | "f:kind" | "f:status", ..] => false,
        ["f:metadata", "f:labels", ..] => true,
        ["f:metadata", "f:annotations", annotation] => {
            let name = annotation.strip_prefix("f:").unwrap_or(annotation);
            desired_annotations.is_some_and(|desired| desired.contains_key(name))
        }
        ["f:metadata", ..] => false,
        _ => path != RESTARTED_AT,
    }
}

/// A field manager that holds a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its name.
    pub manager: String,
    /// The subresource through which it wrote; `None` for the object itself.
    pub subresource: Option<String>,
}

/// The managers other than the agent that hold the field at `path` (in the form of
/// [`FieldSet::paths`], which is the form of the API server's conflict messages) or something below.
#[must_use]
pub fn other_owners(live: &LiveObject, path: &str) -> Vec<Owner> {
    let mut owners: Vec<Owner> = managed_fields(live)
        .iter()
        .filter_map(Entry::read)
        .filter(|entry| entry.manager != FIELD_MANAGER && entry.fields.touches(path))
        .map(|entry| Owner {
            manager: entry.manager.to_owned(),
            subresource: Some(entry.subresource.to_owned()).filter(|subresource| !subresource.is_empty()),
        })
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

/// Whether controllers hold anything of the object beside its status: somebody who is neither the agent nor among
/// `people`.
#[must_use]
pub fn has_other_writers(live: &LiveObject, people: &Managers) -> bool {
    managed_fields(live)
        .iter()
        .filter_map(Entry::read)
        .any(|entry| entry.subresource != "status" && entry.manager != FIELD_MANAGER && !people.contains(entry.manager))
}

/// When the agent wrote the object last, in whichever way; `None` when it never did.
#[must_use]
pub fn last_write(live: &LiveObject) -> Option<Timestamp> {
    let own = managed_fields(live).iter().filter(|entry| entry["manager"] == FIELD_MANAGER);
    own.filter_map(|entry| entry["time"].as_str()?.parse().ok()).max()
}

/// Whether the agent applied the object: only such objects are ever pruned.
#[must_use]
pub fn is_applied_by_agent(live: &LiveObject) -> bool {
    managed_fields(live).iter().filter_map(Entry::read).any(|entry| entry.is_agents_apply())
}

/// Whether the object was written by the older command line and not yet adopted.
#[must_use]
pub fn is_legacy(live: &LiveObject) -> bool {
    !is_applied_by_agent(live)
        && managed_fields(live)
            .iter()
            .filter_map(Entry::read)
            .any(|entry| LEGACY_MANAGERS.contains(&entry.manager) && entry.subresource.is_empty())
}

fn managed_fields(live: &LiveObject) -> &[Value] {
    live.body.pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// One entry of `managedFields`.
struct Entry<'raw> {
    manager: &'raw str,
    operation: &'raw str,
    subresource: &'raw str,
    api_version: &'raw str,
    fields: FieldSet,
}

impl<'raw> Entry<'raw> {
    /// `None` for an entry in a form that is not known: it is left as it is.
    fn read(raw: &'raw Value) -> Option<Self> {
        let text = |name: &str| raw.get(name).and_then(Value::as_str);
        Some(Self {
            manager: text("manager")?,
            operation: text("operation")?,
            subresource: text("subresource").unwrap_or_default(),
            api_version: text("apiVersion")?,
            fields: FieldSet::parse(raw.get("fieldsV1")?)?,
        })
    }

    fn is_agents_apply(&self) -> bool {
        self.manager == FIELD_MANAGER && self.operation == "Apply" && self.subresource.is_empty()
    }

    /// Whether what the entry holds may be taken. The agent's own updates (a patch, not an apply)
    /// count: a field that they hold would otherwise never be removed.
    fn is_reverted(&self, managers: &Managers) -> bool {
        matches!(self.subresource, "" | "scale") && (self.manager == FIELD_MANAGER || managers.contains(self.manager))
    }
}

/// The entry with other fields.
fn with_fields(raw: &Value, fields: &FieldSet) -> Value {
    let mut entry = raw.clone();
    entry["fieldsV1"] = fields.to_value();
    entry
}

/// An entry for the agent's first apply. It bears no time: the apply that follows sets it.
fn new_entry(api_version: &str, fields: &FieldSet) -> Value {
    serde_json::json!({
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields.to_value(),
    })
}

#[cfg(test)]
mod tests;
