//! `KompoxSource`: how a repository or folder is, and what of it is deployed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::app::{AppState, TroubleSort};
use super::condition::{Aspect, Condition, Finding, Truth, shown};
use super::{View, ViewKey, ViewKind, source_labels, value};
use crate::report::short_id;

/// Most entries and problems that a status lists; the log has all.
const MOST: usize = 50;

/// What a `KompoxSource` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    /// Where it is, without user name and password.
    pub url: String,
    /// Which commit of it is wanted: `branch main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Folder below which entries are looked for; empty for the root.
    pub path: String,
}

/// How the source is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceStatus {
    /// The generation of the object that this status is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The commit that is being deployed, or is deployed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// The same, as short as people write it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub short_commit: String,
    /// The last commit that was deployed whole, with every App healthy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub applied_commit: String,
    /// The same, as short as people write it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub short_applied_commit: String,
    /// A newer commit that is not deployed until a person decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldCommit>,
    /// The Apps of the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apps: Option<AppCounts>,
    /// Entries of the commit that are wrong, and why; at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub rejected: Vec<RejectedEntry>,
    /// Apps in the cluster that the commit no longer lists, `W/P/C/A`; at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub left_over: Vec<String>,
    /// Commit statuses that the forge has not taken for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undelivered_statuses: Option<i64>,
    /// How it is: Ready, Progressing, Degraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// A commit that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldCommit {
    /// Its id.
    pub commit: String,
    /// Why it waits.
    #[schemars(length(max = 1_000))]
    pub reason: String,
}

/// An entry that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedEntry {
    /// Its file.
    pub path: String,
    /// What is wrong with it.
    #[schemars(length(max = 1_000))]
    pub cause: String,
}

/// How many Apps are in which state. Their sum is the number of Apps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppCounts {
    /// As the commit asks, and available.
    pub healthy: i64,
    /// On their way, or tried again.
    pub progressing: i64,
    /// Blocked, held, refused or unhealthy.
    pub failed: i64,
    /// Suspended or paused.
    pub left_alone: i64,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFacts {
    /// Its name.
    pub name: String,
    /// What it is.
    pub spec: SourceSpec,
    /// The commit that is reconciled; `None` before the first.
    pub commit: Option<String>,
    /// A newer commit that is held.
    pub held: Option<HeldCommit>,
    /// Why nothing could be fetched the last time.
    pub fetch_error: Option<String>,
    /// Entries of the commit that are wrong.
    pub rejected: Vec<RejectedEntry>,
    /// Apps in the cluster that the commit no longer lists, `W/P/C/A`.
    pub left_over: Vec<String>,
    /// The state of each App of the commit, by its name; `None` before all of them were looked at once.
    pub apps: Option<BTreeMap<String, AppState>>,
    /// Commit statuses that the forge has not taken for a while; `None` before that is known.
    pub undelivered: Option<usize>,
    /// When this was found.
    pub at: Timestamp,
}

/// The last commit of each source that was deployed whole is remembered over reconciles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMemory {
    facts: SourceFacts,
    applied: Option<String>,
}

impl SourceMemory {
    /// A source of which nothing was known.
    #[must_use]
    pub fn new(facts: SourceFacts) -> Self {
        let mut memory = Self { facts: facts.clone(), applied: None };
        memory.absorb(facts);
        memory
    }

    /// Takes what was found last.
    pub fn absorb(&mut self, facts: SourceFacts) {
        if facts.is_deployed() {
            self.applied.clone_from(&facts.commit);
        }
        self.facts = facts;
    }

    /// The newest facts.
    #[must_use]
    pub fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    /// The key of the source's view; `system` is the agent's own Namespace.
    #[must_use]
    pub fn key(&self, system: &str) -> ViewKey {
        key(&self.facts.name, system)
    }

    /// The source's view. What this memory does not know is kept from the live one.
    #[must_use]
    pub fn view(&self, system: &str, live: Option<&super::LiveView>) -> View {
        let before = live.and_then(|live| SourceStatus::deserialize(&live.status).ok()).unwrap_or_default();
        let Self { facts, applied } = self;
        let commit = facts.commit.clone().unwrap_or(before.commit);
        let applied = applied.clone().unwrap_or(before.applied_commit);
        let held = facts.held.as_ref();
        let status = SourceStatus {
            observed_generation: None,
            short_commit: short_id(&commit).to_owned(),
            commit,
            short_applied_commit: short_id(&applied).to_owned(),
            applied_commit: applied,
            held: held.map(|held| HeldCommit { commit: held.commit.clone(), reason: shown(&held.reason) }),
            apps: facts.apps.as_ref().map(counts).or(before.apps),
            rejected: facts
                .rejected
                .iter()
                .take(MOST)
                .map(|entry| RejectedEntry { path: shown(&entry.path), cause: shown(&entry.cause) })
                .collect(),
            left_over: facts.left_over.iter().take(MOST).cloned().collect(),
            undelivered_statuses: match facts.undelivered {
                None => before.undelivered_statuses,
                Some(count) => i64::try_from(count).ok().filter(|count| *count > 0),
            },
            conditions: Vec::new(),
        };
        let findings = findings(facts);
        View {
            key: key(&facts.name, system),
            labels: source_labels(&facts.name),
            spec: Some(value(&facts.spec)),
            status: value(&status),
            passing: super::condition::find(&findings, Aspect::Progressing)
                .is_some_and(|finding| finding.truth == Truth::True),
            findings,
        }
    }
}

impl SourceFacts {
    /// Whether other facts, found at another time, say nothing else.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        *self == Self { at: self.at, ..other.clone() }
    }

    /// Whether the commit is deployed whole. A commit asks for an App to be suspended; a pause is a person's, and
    /// nobody knows what the commit would change once it ends.
    fn is_deployed(&self) -> bool {
        let as_asked = |state: &AppState| matches!(state, AppState::Healthy | AppState::Suspended);
        self.rejected.is_empty() && self.apps.as_ref().is_some_and(|apps| apps.values().all(as_asked))
    }
}

/// The key of a source's view.
#[must_use]
pub fn key(source: &str, system: &str) -> ViewKey {
    ViewKey { kind: ViewKind::Source, namespace: system.to_owned(), name: source.to_owned() }
}

/// Counts Apps by state.
#[must_use]
pub fn counts(apps: &BTreeMap<String, AppState>) -> AppCounts {
    let mut counts = AppCounts::default();
    for state in apps.values() {
        match state {
            AppState::Healthy => counts.healthy += 1,
            AppState::Progressing(_) => counts.progressing += 1,
            AppState::Failed(trouble) if trouble.sort == TroubleSort::Retrying => counts.progressing += 1,
            AppState::Failed(_) => counts.failed += 1,
            AppState::Suspended | AppState::Paused(_) | AppState::LeftOver(_) => counts.left_alone += 1,
        }
    }
    counts
}

/// Ready, Progressing and Degraded of a source: what is wrong with it itself, then with its Apps.
fn findings(facts: &SourceFacts) -> Vec<Finding> {
    let (truths, reason, text) = verdict(facts);
    [Aspect::Ready, Aspect::Progressing, Aspect::Degraded]
        .into_iter()
        .zip(truths)
        .map(|(aspect, truth)| Finding::new(aspect, truth, reason, &text))
        .collect()
}

fn verdict(facts: &SourceFacts) -> ([Truth; 3], &'static str, String) {
    use Truth::{False, True, Unknown};
    const WRONG: [Truth; 3] = [False, False, True];
    if let Some(held) = &facts.held {
        return (WRONG, "CommitHeld", format!("{} is held: {}", short_id(&held.commit), held.reason));
    }
    if let Some(error) = &facts.fetch_error {
        // The last good commit goes on being reconciled.
        return (WRONG, "FetchFailed", error.clone());
    }
    if let Some(entry) = facts.rejected.first() {
        return (WRONG, "Rejected", count(facts.rejected.len(), "entry is wrong", "entries are wrong", &entry.cause));
    }
    let Some(apps) = &facts.apps else {
        let text = if facts.commit.is_some() { "the Apps are being looked at" } else { "no commit was seen yet" };
        return ([Unknown, True, False], "Starting", text.to_owned());
    };
    let AppCounts { healthy: _, progressing, failed, left_alone: _ } = counts(apps);
    let first = |wanted: fn(&AppState) -> bool| {
        let found = apps.iter().find(|(_, state)| wanted(state));
        found.map(|(app, state)| format!("{app}: {}", words(state))).unwrap_or_default()
    };
    if failed > 0 {
        let cause = first(|state| matches!(state, AppState::Failed(trouble) if trouble.sort != TroubleSort::Retrying));
        let text = count(usize::try_from(failed).unwrap_or_default(), "App failed", "Apps failed", &cause);
        return ([False, Truth::from(progressing > 0), True], "AppsFailed", text);
    }
    if progressing > 0 {
        let cause = first(|state| matches!(state, AppState::Progressing(_) | AppState::Failed(_)));
        let number = usize::try_from(progressing).unwrap_or_default();
        return ([False, True, False], "AppsProgressing", count(number, "App on its way", "Apps on their way", &cause));
    }
    let paused = apps.values().filter(|state| matches!(state, AppState::Paused(_))).count();
    if paused > 0 {
        let cause = first(|state| matches!(state, AppState::Paused(_)));
        return ([Unknown, False, False], "AppsPaused", count(paused, "App is paused", "Apps are paused", &cause));
    }
    ([True, False, False], "Deployed", "every App is as the commit asks".to_owned())
}

fn words(state: &AppState) -> &str {
    match state {
        AppState::Healthy => "healthy",
        AppState::Suspended => "suspended",
        AppState::Progressing(text) | AppState::Paused(text) | AppState::LeftOver(text) => text,
        AppState::Failed(trouble) => &trouble.text,
    }
}

fn count(number: usize, one: &str, several: &str, first: &str) -> String {
    let what = if number == 1 { one } else { several };
    format!("{number} {what}; {first}")
}
