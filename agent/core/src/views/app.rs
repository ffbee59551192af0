//! `KompoxApp`: how an App is.

use jiff::Timestamp;
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::{Aspect, Condition, Finding, Truth, shown, whole_seconds};
use super::{LiveView, View, ViewKey, ViewKind, app_labels, value};
use crate::plan::Counts;
use crate::plan::text::summary;
use crate::report::short_id;

/// Most holds that a status lists.
const MOST_HOLDS: usize = 20;

/// Which App a `KompoxApp` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppSpec {
    /// Resource ID of the App: `/ws/W/prv/P/cls/C/app/A`.
    pub id: String,
    /// Name of the source that it comes from.
    pub source: String,
}

/// How the App is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AppStatus {
    /// The generation of the object that this status is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last commit that changed this App.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// The same, as short as people write it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub short_commit: String,
    /// Digest of everything that the commit says about this App.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// When something was last written for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_applied_time: Option<Timestamp>,
    /// What was written then.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_applied: String,
    /// What is held and waits for a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub holds: Vec<Hold>,
    /// How it is: Ready, Synced, Progressing, Degraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// What is held, why, and how to let it go.
    #[schemars(length(max = 1_000))]
    pub what: String,
    /// The digest that lets exactly this plan go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub digest: Option<String>,
}

/// What a reconcile came to for an App, as far as views, Events and metrics tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFacts {
    /// The App.
    pub id: AppId,
    /// Name of the source that it comes from.
    pub source: String,
    /// The commit that was reconciled.
    pub commit: String,
    /// Digest of everything that the commit says about this App, where it is known.
    pub inputs: Option<String>,
    /// What was written.
    pub done: Counts,
    /// How many of these writes put back what others had changed since the commit was applied.
    pub drifted: usize,
    /// How it is now.
    pub state: AppState,
    /// What is held.
    pub holds: Vec<Hold>,
    /// What others have changed and is left so, because the App wants it to be reported only.
    pub drift: Vec<String>,
    /// When this was found.
    pub at: Timestamp,
}

/// How an App is after a reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppState {
    /// As the commit asks, and available.
    Healthy,
    /// Written, and on its way; what it waits for.
    Progressing(String),
    /// Not as the commit asks.
    Failed(Trouble),
    /// `reconcile.suspend`: left alone.
    Suspended,
    /// Left alone until a person's pause ends: until when and why.
    Paused(String),
    /// No longer in the source, and kept: why.
    LeftOver(String),
}

/// Why an App is not as its commit asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What sort of trouble it is.
    pub sort: TroubleSort,
    /// A stable word for it: `ImagePullBackOff`, `held`.
    pub label: &'static str,
    /// What is wrong, where, why and what to do. Free of secrets.
    pub text: String,
}

/// The sorts of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TroubleSort {
    /// The commit is wrong; nothing was written.
    Rejected,
    /// It cannot be done without a person.
    Blocked,
    /// It waits for a person's word.
    Held,
    /// Written, and it does not become healthy.
    Unhealthy,
    /// The agent, the cluster or the provider failed; it is tried again.
    Retrying,
    /// The same, until a person does something.
    Stalled,
}

impl AppFacts {
    /// Whether something was written because the commit, or what it refers to, changed.
    #[must_use]
    pub fn commit_wrote(&self) -> bool {
        self.done.written() > self.drifted
    }
}

/// What is known of an App over several reconciles: the newest facts, and what older ones said that
/// still counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppMemory {
    facts: AppFacts,
    changed: Option<Changed>,
    applied: Option<Applied>,
}

/// The commit that changed an App last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Changed {
    commit: String,
    inputs: Option<String>,
}

/// The last time that something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Applied {
    at: Timestamp,
    what: String,
}

impl AppMemory {
    /// An App of which nothing was known.
    #[must_use]
    pub fn new(facts: AppFacts) -> Self {
        let mut memory = Self { facts: facts.clone(), changed: None, applied: None };
        memory.absorb(facts);
        memory
    }

    /// Takes what the newest reconcile found.
    pub fn absorb(&mut self, facts: AppFacts) {
        if facts.done.wrote() {
            self.applied = Some(Applied { at: whole_seconds(facts.at), what: summary(facts.done) });
        }
        let changes = match &self.changed {
            // The first time, whether the commit changed it shows in what was written; else an older
            // view knows.
            None => facts.commit_wrote(),
            Some(Changed { inputs, .. }) if facts.inputs.is_some() => *inputs != facts.inputs,
            Some(_) => facts.commit_wrote(),
        };
        if changes {
            self.changed = Some(Changed { commit: facts.commit.clone(), inputs: facts.inputs.clone() });
        }
        self.facts = facts;
    }

    /// The newest facts.
    #[must_use]
    pub fn facts(&self) -> &AppFacts {
        &self.facts
    }

    /// The key of the App's view.
    #[must_use]
    pub fn key(&self) -> ViewKey {
        key(&self.facts.id)
    }

    /// The App's view. What this memory does not know (the agent was restarted) is kept from the live one.
    #[must_use]
    pub fn view(&self, live: Option<&LiveView>) -> View {
        let before = live.and_then(|live| AppStatus::deserialize(&live.status).ok()).unwrap_or_default();
        let Self { facts, changed, applied } = self;
        let (commit, inputs) = match changed {
            Some(Changed { commit, inputs }) => (commit.clone(), inputs.clone()),
            // What is in the view was found by an earlier run; without a digest it cannot be doubted.
            None if !before.commit.is_empty() && (facts.inputs.is_none() || facts.inputs == before.inputs) => {
                (before.commit, before.inputs)
            }
            None => (facts.commit.clone(), facts.inputs.clone()),
        };
        let (last_applied_time, last_applied) = match applied {
            Some(Applied { at, what }) => (Some(*at), what.clone()),
            None => (before.last_applied_time, before.last_applied),
        };
        let holds = facts.holds.iter().take(MOST_HOLDS);
        let status = AppStatus {
            observed_generation: None,
            short_commit: short_id(&commit).to_owned(),
            commit,
            inputs,
            last_applied_time,
            last_applied,
            holds: holds.map(|hold| Hold { what: shown(&hold.what), digest: hold.digest.clone() }).collect(),
            conditions: Vec::new(),
        };
        let names = Names::of(&facts.id);
        View {
            key: key(&facts.id),
            labels: app_labels(&names, &facts.source),
            spec: Some(value(&AppSpec { id: facts.id.to_string(), source: facts.source.clone() })),
            status: value(&status),
            findings: findings(facts),
            passing: matches!(
                facts.state,
                AppState::Progressing(_) | AppState::Failed(Trouble { sort: TroubleSort::Retrying, .. })
            ),
        }
    }
}

/// The view of an App whose source is no longer configured: it says that nobody looks any more.
#[must_use]
pub fn orphaned(live: &LiveView, source: &str) -> View {
    let mut status = AppStatus::deserialize(&live.status).unwrap_or_default();
    (status.observed_generation, status.conditions) = (None, Vec::new());
    status.holds.clear();
    let text = format!("the source `{source}` is no longer in agent.yml: the App is left as it is");
    let finding = |aspect, truth| Finding::new(aspect, truth, "SourceRemoved", &text);
    View {
        key: live.key.clone(),
        labels: live.labels.clone(),
        spec: Some(live.spec.clone()),
        status: value(&status),
        findings: vec![
            finding(Aspect::Ready, Truth::Unknown),
            finding(Aspect::Synced, Truth::Unknown),
            finding(Aspect::Progressing, Truth::False),
            finding(Aspect::Degraded, Truth::False),
        ],
        passing: false,
    }
}

/// The key of an App's view.
#[must_use]
pub fn key(id: &AppId) -> ViewKey {
    let names = Names::of(id);
    ViewKey { kind: ViewKind::App, namespace: names.namespace, name: names.app }
}

/// Ready, Synced, Progressing and Degraded of an App.
#[must_use]
pub fn findings(facts: &AppFacts) -> Vec<Finding> {
    let mut findings = of_state(&facts.state);
    // Drift that is left makes an App neither unready nor degraded: its owner wants it so.
    let is_synced = |finding: &&mut Finding| finding.aspect == Aspect::Synced && finding.truth == Truth::True;
    if !facts.drift.is_empty()
        && let Some(synced) = findings.iter_mut().find(is_synced)
    {
        *synced = Finding::new(Aspect::Synced, Truth::False, "Drifted", &facts.drift.join("; "));
    }
    findings
}

fn of_state(state: &AppState) -> Vec<Finding> {
    use Truth::{False, True, Unknown};
    // Ready, Synced, Progressing, Degraded.
    let (truths, reason, text) = match state {
        AppState::Healthy => ([True, True, False, False], "Healthy", "as the commit asks, and available"),
        AppState::Progressing(text) => ([False, True, True, False], "Progressing", text.as_str()),
        AppState::Suspended => {
            ([Unknown, Unknown, False, False], "Suspended", "reconcile.suspend is set: the App is left alone")
        }
        AppState::Paused(text) => ([Unknown, Unknown, False, False], "Paused", text.as_str()),
        AppState::LeftOver(text) => ([Unknown, False, False, False], "NotInSource", text.as_str()),
        AppState::Failed(Trouble { sort, label, text }) => {
            let truths = match sort {
                TroubleSort::Rejected | TroubleSort::Blocked | TroubleSort::Held => [False, False, False, True],
                TroubleSort::Unhealthy => [False, True, False, True],
                TroubleSort::Retrying => [Unknown, Unknown, True, False],
                TroubleSort::Stalled => [Unknown, Unknown, False, True],
            };
            (truths, *label, text.as_str())
        }
    };
    [Aspect::Ready, Aspect::Synced, Aspect::Progressing, Aspect::Degraded]
        .into_iter()
        .zip(truths)
        .map(|(aspect, truth)| Finding::new(aspect, truth, reason, text))
        .collect()
}
