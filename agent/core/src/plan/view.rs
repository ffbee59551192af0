//! A plan as it is shown: one normal form, from which the texts for people and programs are written.
//!
//! The JSON form of a [`View`] is what `kompox-agent plan --output json` prints of an App; `docs/plan.md`
//! describes it. Names and words never change their meaning; new ones may be added.

use serde::Serialize;

use super::action::{Action, What};
use super::counts::Counts;
use super::diff::FieldChange;
use super::digest::{PlanDigest, named};
use super::kind::ActionKind;
use super::order::Stage;
use super::restart::Downtime;
use super::{Plan, restart};

/// One App's plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// The App's resource ID.
    pub app: String,
    /// Where the App stands: `file:line:column`; absent for one that left the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Names exactly this plan.
    pub digest: String,
    /// How many of what.
    pub counts: Counts,
    /// The actions, in the order in which they are carried out (deletions last, in reverse).
    pub actions: Vec<ActionView>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionView {
    /// What is done.
    pub action: ActionKind,
    /// The stage in which it is done.
    pub stage: Stage,
    /// What it is about.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// The line of the source that asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The fields that differ; secret values are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldView>,
    /// What becomes of the Pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// The final form is known only once other things are made, or cannot be tried beforehand.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
    /// The disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// What a person can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_do: Option<String>,
    /// The digest that lets it go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldView {
    /// Path in the object.
    pub path: String,
    /// What the cluster holds; `null` when the field is absent.
    pub before: Option<String>,
    /// What the source asks for; `null` when the field goes.
    pub after: Option<String>,
}

impl View {
    /// The view of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            app: plan.app.to_string(),
            origin: plan.origin.as_ref().map(ToString::to_string),
            digest: PlanDigest::of(plan).to_string(),
            counts: plan.counts(),
            actions: plan.actions.iter().map(ActionView::of).collect(),
        }
    }
}

impl ActionView {
    fn of(action: &Action) -> Self {
        let shown = Self {
            action: ActionKind::of(&action.what),
            stage: action.what.stage(),
            subject: named(&action.what.subject()),
            reason: action.reason.clone(),
            origin: action.origin.as_ref().map(ToString::to_string),
            fields: Vec::new(),
            downtime: None,
            assumed: false,
            disk: None,
            size_bytes: None,
            to_do: None,
            hold: None,
        };
        match &action.what {
            What::CreateDisk(spec) => Self { disk: Some(spec.name.clone()), size_bytes: Some(spec.size), ..shown },
            What::AssignDisk(disk) => Self { disk: Some(disk.name.clone()), size_bytes: Some(disk.size), ..shown },
            What::Create { assumed, .. } => Self { assumed: *assumed, ..shown },
            What::Change { fields, object, live, restarts, assumed, .. } => Self {
                fields: fields.iter().map(FieldView::of).collect(),
                assumed: *assumed,
                downtime: restarts.then(|| restart::downtime(&object.body, &live.body)),
                ..shown
            },
            What::Replace { fields, object, live, assumed } => Self {
                fields: fields.iter().map(FieldView::of).collect(),
                assumed: *assumed,
                downtime: restart::runs_the_pod(&live.key).then(|| restart::downtime(&object.body, &live.body)),
                ..shown
            },
            What::Delete(live) => {
                Self { downtime: restart::runs_the_pod(&live.key).then_some(Downtime::ForGood), ..shown }
            }
            What::Drifted { fields, .. } => Self { fields: fields.iter().map(FieldView::of).collect(), ..shown },
            What::GiveBack { .. } | What::Keep(_) => shown,
            What::Left { remedy, .. } | What::Awaited { remedy, .. } | What::Blocked { remedy, .. } => {
                Self { to_do: Some(remedy.clone()), ..shown }
            }
            What::Held { remedy, digest, .. } => {
                Self { to_do: Some(remedy.clone()), hold: Some(digest.to_string()), ..shown }
            }
        }
    }
}

impl FieldView {
    fn of(change: &FieldChange) -> Self {
        let FieldChange { path, before, after } = change.clone();
        Self { path, before, after }
    }
}
