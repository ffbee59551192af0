//! Report: what people are told of a commit. From what the reconciles came to it makes the record
//! that `status` shows and the statuses that go to the forge. Pure; delivering is the outbox's work.

use std::collections::BTreeSet;

use kompox_core::plan::Counts;
use kompox_core::report::{Cause, Outcome as Word, State, Status, app_context, source_context};

use crate::failure::{DEPENDS_ON, Failure, Kind};
use crate::outcome::{AppOutcome, HeldFact, Outcome, State as AppState};
use crate::record::{AppRecord, CommitRecord, DriftRecord, HeldRecord};

/// After so many looks in a row at an App that failed through no fault of the commit, its status says so.
const PATIENCE: u32 = 5;

/// The status of a commit that was just seen.
pub(crate) fn seen(status_name: &str) -> Status {
    Word::Working.status(source_context(status_name))
}

/// The status that ends a commit which a newer one replaced before it ended. Its Apps have only
/// statuses that are final.
pub(crate) fn superseded(status_name: &str, record: &CommitRecord, by: &str) -> Vec<Status> {
    if record.state.is_final() {
        return Vec::new();
    }
    vec![Word::Superseded { by: by.to_owned() }.status(source_context(status_name))]
}

/// Counts what was done for a commit.
pub(crate) fn count(record: &mut CommitRecord, app: &AppOutcome) {
    if app.done.wrote() {
        *record.done.entry(app.id.slashed().to_owned()).or_default() += app.done;
    }
}

/// Enters how everything is into the commit's record. A commit that succeeded stays a success: what
/// happens to its Apps later is no news about the commit.
pub(crate) fn enter(record: &mut CommitRecord, outcome: &Outcome) {
    record.problems = outcome.failures().map(|failure| failure.text.clone()).collect();
    enter_standing(record, outcome);
    if record.state == State::Success {
        return;
    }
    for app in &outcome.apps {
        let Status { state, description, .. } = of_app(record, app).status(String::new());
        let concerns = record.done.contains_key(app.id.slashed()) || matches!(state, State::Failure | State::Error);
        match record.apps.get_mut(app.id.slashed()) {
            Some(known) if is_news(known.state, state) => *known = AppRecord { state, description },
            None if concerns => drop(record.apps.insert(app.id.slashed().to_owned(), AppRecord { state, description })),
            Some(_) | None => {}
        }
    }
    let present: BTreeSet<&str> = outcome.apps.iter().map(|app| app.id.slashed()).collect();
    record.apps.retain(|app, _| present.contains(app.as_str()));
    let Status { state, description, .. } = of_source(record, outcome).status(String::new());
    tell(record, state, description);
}

/// Enters what waits for a person's word and what is left drifted, and nothing of how the commit goes.
pub(crate) fn enter_standing(record: &mut CommitRecord, outcome: &Outcome) {
    record.held = outcome.apps.iter().flat_map(held).collect();
    let drifted = outcome.apps.iter().filter(|app| !app.drift.is_empty());
    record.drift =
        drifted.map(|app| DriftRecord { app: app.id.slashed().to_owned(), drift: app.drift.clone() }).collect();
}

/// What of an App waits for a person's word.
fn held(app: &AppOutcome) -> impl Iterator<Item = HeldRecord> {
    let record = |held: &HeldFact| HeldRecord {
        app: app.id.slashed().to_owned(),
        digest: held.digest.clone(),
        reason: held.reason.clone(),
    };
    app.holds.iter().map(record)
}

/// Whether a state says more about a commit than the one that people were told. It is told once:
/// causes that change their words (one more restart) would otherwise be a status at every look.
fn is_news(told: State, now: State) -> bool {
    let weight = |state| match state {
        State::Pending => 0,
        // Not the commit's fault, so no last word on it.
        State::Error => 1,
        State::Failure => 2,
        State::Success => 3,
    };
    weight(now) > weight(told)
}

fn tell(record: &mut CommitRecord, state: State, description: String) {
    // One pending status a commit is enough; what it waits for is in `status`.
    if is_news(record.state, state) || record.description.is_empty() {
        record.state = state;
        record.description = description;
    }
}

/// The statuses that a commit's record comes to: the source's, and one for each App that it changes
/// or that fails on it, once they ended.
pub(crate) fn statuses(status_name: &str, record: &CommitRecord) -> Vec<Status> {
    let status = |context, state, description: &str| Status {
        context,
        state,
        description: description.to_owned(),
        target_url: None,
    };
    let mut statuses: Vec<Status> = record
        .apps
        .iter()
        .filter(|(_, app)| app.state.is_final())
        .map(|(id, app)| status(app_context(status_name, app_name(id)), app.state, &app.description))
        .collect();
    if record.state.is_final() {
        statuses.push(status(source_context(status_name), record.state, &record.description));
    }
    statuses
}

/// The name of an App in `W/P/C/A`.
fn app_name(slashed: &str) -> &str {
    slashed.rsplit('/').next().unwrap_or(slashed)
}

fn of_app(record: &CommitRecord, app: &AppOutcome) -> Word {
    let counts = record.done.get(app.id.slashed()).copied().unwrap_or_default();
    match &app.state {
        AppState::Healthy | AppState::Suspended | AppState::Removed => Word::Healthy(counts),
        AppState::Progressing(_) | AppState::Paused(_) => Word::Waiting(counts),
        AppState::Failed(failure) => of_failure(counts, failure, "", app.faults),
    }
}

fn of_source(record: &CommitRecord, outcome: &Outcome) -> Word {
    let mut counts = Counts::default();
    for done in record.done.values() {
        counts += *done;
    }
    // What is wrong with the commit says more than what is wrong around it.
    let of_commit = |kind: Kind| !matches!(kind, Kind::Fault(_));
    let failures = || {
        let rejected = outcome.rejected.iter().map(|(_, failure)| ("", failure, 0));
        let apps = outcome.apps.iter().filter_map(|app| match &app.state {
            AppState::Failed(failure) => Some((app.id.app.as_str(), failure, app.faults)),
            AppState::Healthy
            | AppState::Suspended
            | AppState::Paused(_)
            | AppState::Removed
            | AppState::Progressing(_) => None,
        });
        rejected.chain(apps)
    };
    // An App that waits for another one in vain is told of only where that one has nothing to say.
    let is_cause = |failure: &Failure| failure.label != DEPENDS_ON;
    let worst = failures()
        .find(|(_, failure, _)| is_cause(failure) && of_commit(failure.kind))
        .or_else(|| failures().find(|(_, failure, _)| is_cause(failure)))
        .or_else(|| failures().next());
    match worst {
        // The numbers are not known yet, and there may be worse.
        _ if !outcome.complete => Word::Waiting(counts),
        Some((_, failure, _)) if outcome.progressing() && !of_commit(failure.kind) => Word::Waiting(counts),
        Some((subject, failure, faults)) => of_failure(counts, failure, subject, faults),
        None if outcome.progressing() => Word::Waiting(counts),
        None => Word::Healthy(counts),
    }
}

fn of_failure(counts: Counts, failure: &Failure, subject: &str, faults_in_a_row: u32) -> Word {
    let cause = Cause { subject: subject.to_owned(), reason: failure.text.clone() };
    match failure.kind {
        Kind::Rejected if counts.wrote() => Word::Unhealthy(counts, cause),
        Kind::Rejected => Word::Rejected(cause),
        Kind::Obstacle | Kind::Unhealthy => Word::Unhealthy(counts, cause),
        Kind::Fault(_) if faults_in_a_row <= PATIENCE && failure.passes() => Word::Waiting(counts),
        Kind::Fault(_) => Word::Faulted(cause),
    }
}

#[cfg(test)]
mod tests;
