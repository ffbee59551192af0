//! What reconciling came to, as facts that views and Events are made from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kompox_core::next::Next;
use kompox_core::views::app::{AppFacts, AppState, Hold, Trouble, TroubleSort};
use kompox_core::views::source::{RejectedEntry, SourceFacts, SourceSpec};

use crate::config::SourceConfig;
use crate::failure::{Failure, Kind};
use crate::outcome::{AppOutcome, Outcome, State};

/// The facts about an App; `None` for one of which nothing is left to show.
pub(super) fn app(source: &str, outcome: &AppOutcome, now: Timestamp) -> Option<AppFacts> {
    let done = outcome.done;
    Some(AppFacts {
        id: outcome.id.clone(),
        source: source.to_owned(),
        commit: outcome.commit.id.clone(),
        inputs: outcome.inputs.as_deref().map(str::to_owned),
        drifted: outcome.restored,
        done,
        state: state(outcome)?,
        holds: outcome
            .holds
            .iter()
            .map(|held| Hold { what: held.reason.clone(), digest: Some(held.digest.to_string()) })
            .collect(),
        drift: outcome.drift.clone(),
        at: now,
    })
}

fn state(outcome: &AppOutcome) -> Option<AppState> {
    let left_git = outcome.inputs.is_none();
    Some(match &outcome.state {
        State::Healthy => AppState::Healthy,
        State::Suspended => AppState::Suspended,
        State::Paused(pause) => AppState::Paused(pause.to_string()),
        State::Removed => return None,
        State::Progressing(text) if left_git => AppState::LeftOver(text.clone()),
        State::Progressing(text) => AppState::Progressing(text.clone()),
        State::Failed(failure) => AppState::Failed(trouble(failure)),
    })
}

fn trouble(failure: &Failure) -> Trouble {
    let sort = match failure.kind {
        Kind::Rejected => TroubleSort::Rejected,
        Kind::Obstacle if failure.label == "held" => TroubleSort::Held,
        Kind::Obstacle => TroubleSort::Blocked,
        Kind::Unhealthy => TroubleSort::Unhealthy,
        Kind::Fault(Next::Retry { .. } | Next::Wait) => TroubleSort::Retrying,
        Kind::Fault(Next::Stalled) => TroubleSort::Stalled,
    };
    Trouble { sort, label: failure.label, text: failure.text.clone() }
}

/// What is known of a source before anything was heard of it.
pub(super) fn source(config: &SourceConfig, now: Timestamp) -> SourceFacts {
    SourceFacts {
        name: config.name.clone(),
        spec: SourceSpec {
            url: config.location.to_string(),
            reference: config.reference.to_string(),
            path: config.path.clone(),
        },
        commit: None,
        held: None,
        fetch_error: None,
        rejected: Vec::new(),
        left_over: Vec::new(),
        apps: None,
        undelivered: None,
        at: now,
    }
}

/// Enters how everything is that a commit asks for.
pub(super) fn enter(facts: &mut SourceFacts, commit: &str, outcome: &Outcome) {
    facts.commit = Some(commit.to_owned());
    let rejected = outcome.rejected.iter();
    facts.rejected =
        rejected.map(|(path, failure)| RejectedEntry { path: path.clone(), cause: failure.text.clone() }).collect();
    let left = outcome.apps.iter().filter(|app| app.inputs.is_none() && app.state != State::Removed);
    facts.left_over = left.map(|app| app.id.slashed().to_owned()).collect();
    if outcome.complete {
        let apps = outcome.apps.iter().filter_map(|app| Some((app.id.app.clone(), state(app)?)));
        facts.apps = Some(apps.collect::<BTreeMap<_, _>>());
    }
}
