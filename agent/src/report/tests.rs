use std::collections::BTreeSet;
use std::sync::Arc;

use kompox_core::next::Next;

use super::*;
use crate::context::CommitRef;
use crate::testing::commit_id;

const NAME: &str = "c1";

fn counts(created: usize) -> Counts {
    Counts { created, ..Counts::default() }
}

fn app(name: &str, created: usize, state: AppState) -> AppOutcome {
    let commit =
        CommitRef { id: commit_id(1), time: "2026-01-02T03:04:05Z".parse().unwrap(), accepted: BTreeSet::new() };
    AppOutcome {
        id: format!("/ws/w1/prv/p1/cls/c1/app/{name}").parse().unwrap(),
        commit: Arc::new(commit),
        done: counts(created),
        state,
        faults: 0,
        holds: Vec::new(),
        inputs: None,
        restored: 0,
        disks: None,
        drift: Vec::new(),
    }
}

fn outcome(apps: Vec<AppOutcome>) -> Outcome {
    Outcome { apps, rejected: Vec::new(), diagnostics: Vec::new(), complete: true }
}

fn failure(kind: Kind, text: &str) -> Failure {
    Failure { text: text.into(), label: "test", kind }
}

fn failed(kind: Kind, text: &str) -> AppState {
    AppState::Failed(failure(kind, text))
}

fn progressing() -> AppState {
    AppState::Progressing("starting".into())
}

const RETRY: Kind = Kind::Fault(Next::Retry { after: None });

/// Enters an outcome in which Apps failed so many times in a row.
fn enter_with(record: &mut CommitRecord, outcome: &Outcome, faults: u32) {
    let with_faults = |app: &AppOutcome| AppOutcome { faults, ..app.clone() };
    let apps: Vec<AppOutcome> = outcome.apps.iter().map(with_faults).collect();
    apps.iter().for_each(|app| count(record, app));
    let (rejected, diagnostics) = (outcome.rejected.clone(), Vec::new());
    enter(record, &Outcome { apps, rejected, diagnostics, complete: outcome.complete });
}

/// Every status that a forge is told of a commit that goes through these outcomes, in order.
fn told(outcomes: &[(Outcome, u32)]) -> Vec<(String, State, String)> {
    let mut record = CommitRecord::new(&commit_id(1), "main");
    let mut outbox: Vec<Status> = vec![seen(NAME)];
    for (outcome, faults) in outcomes {
        enter_with(&mut record, outcome, *faults);
        for status in statuses(NAME, &record) {
            // As the outbox does: only what is new about a context.
            if outbox.iter().rfind(|told| told.context == status.context) != Some(&status) {
                outbox.push(status);
            }
        }
    }
    outbox.into_iter().map(|status| (status.context, status.state, status.description)).collect()
}

fn states(outcomes: &[(Outcome, u32)]) -> Vec<(String, State)> {
    told(outcomes).into_iter().map(|(context, state, _)| (context, state)).collect()
}

fn of(context: &str, state: State) -> (String, State) {
    (context.to_owned(), state)
}

#[test]
fn a_good_commit_is_pending_once_and_then_a_success() {
    let outcomes = [
        (outcome(vec![app("a", 3, progressing()), app("b", 0, AppState::Healthy)]), 0),
        (outcome(vec![app("a", 0, progressing()), app("b", 0, AppState::Healthy)]), 0),
        (outcome(vec![app("a", 0, AppState::Healthy), app("b", 0, AppState::Healthy)]), 0),
    ];
    let told = told(&outcomes);
    let shown: Vec<(&str, State, &str)> = told.iter().map(|(c, s, d)| (c.as_str(), *s, d.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("kompox/c1", State::Pending, "planning"),
            ("kompox/c1/a", State::Success, "3 created"),
            ("kompox/c1", State::Success, "3 created"),
        ]
    );
}

#[test]
fn only_apps_that_change_or_fail_have_a_context() {
    let outcomes = [(
        outcome(vec![
            app("changed", 1, AppState::Healthy),
            app("failing", 0, failed(Kind::Unhealthy, "CrashLoopBackOff")),
            app("quiet", 0, AppState::Healthy),
            app("suspended", 0, AppState::Suspended),
        ]),
        0,
    )];
    let contexts: Vec<String> = told(&outcomes).into_iter().map(|(context, ..)| context).collect();
    assert_eq!(contexts, ["kompox/c1", "kompox/c1/changed", "kompox/c1/failing", "kompox/c1"]);
}

#[test]
fn a_failure_that_heals_becomes_a_success_and_stays_one() {
    let unhealthy = |text: &str| failed(Kind::Unhealthy, text);
    let outcomes = [
        (outcome(vec![app("a", 1, unhealthy("CrashLoopBackOff: 3 restarts"))]), 0),
        (outcome(vec![app("a", 0, unhealthy("CrashLoopBackOff: 4 restarts"))]), 0),
        (outcome(vec![app("a", 0, progressing())]), 0),
        (outcome(vec![app("a", 0, AppState::Healthy)]), 0),
        // Drift later on, and a node that dies: no news about the commit.
        (outcome(vec![app("a", 1, progressing())]), 0),
        (outcome(vec![app("a", 0, unhealthy("node is gone"))]), 0),
        (outcome(vec![app("a", 0, failed(RETRY, "timeout"))]), 99),
    ];
    let expected = [
        of("kompox/c1", State::Pending),
        of("kompox/c1/a", State::Failure),
        of("kompox/c1", State::Failure),
        of("kompox/c1/a", State::Success),
        of("kompox/c1", State::Success),
    ];
    assert_eq!(states(&outcomes), expected);
}

#[test]
fn faults_that_pass_are_borne_for_a_while() {
    for kind in [RETRY, Kind::Fault(Next::Wait)] {
        let bad = |faults| (outcome(vec![app("a", 0, failed(kind, "timeout"))]), faults);
        let good = (outcome(vec![app("a", 1, AppState::Healthy)]), 0);
        let borne = states(&[bad(1), bad(PATIENCE), good]);
        assert_eq!(
            borne,
            [of("kompox/c1", State::Pending), of("kompox/c1/a", State::Success), of("kompox/c1", State::Success)]
        );
        assert_eq!(states(&[bad(PATIENCE + 1)]).last(), Some(&of("kompox/c1", State::Error)));
    }
}

#[test]
fn what_nobody_can_wait_out_is_an_error_at_once() {
    let forbidden = failed(Kind::Fault(Next::Stalled), "forbidden");
    assert_eq!(states(&[(outcome(vec![app("a", 0, forbidden)]), 0)]).last(), Some(&of("kompox/c1", State::Error)));
}

#[test]
fn an_error_gives_way_to_what_the_commit_came_to_but_not_back() {
    let step = |state| (outcome(vec![app("a", 0, state)]), PATIENCE + 1);
    let told = states(&[
        step(failed(RETRY, "timeout")),
        step(failed(Kind::Unhealthy, "ImagePullBackOff")),
        step(failed(RETRY, "timeout")),
    ]);
    let source: Vec<State> =
        told.iter().filter(|(context, _)| context == "kompox/c1").map(|(_, state)| *state).collect();
    assert_eq!(source, [State::Pending, State::Error, State::Failure]);
}

#[test]
fn a_rejected_entry_fails_the_commit_and_the_first_cause_is_the_commits() {
    let mut rejected = outcome(vec![app("a", 2, AppState::Healthy), app("b", 0, failed(RETRY, "timeout"))]);
    rejected.rejected = vec![("x/kompoxops.yml".into(), failure(Kind::Rejected, "x/kompoxops.yml:3:5: no"))];
    let (context, state, text) = told(&[(rejected, 0)]).pop().unwrap();
    assert_eq!(
        (context.as_str(), state, text.as_str()),
        ("kompox/c1", State::Failure, "2 created; x/kompoxops.yml:3:5: no")
    );
    let mut alone = outcome(Vec::new());
    alone.rejected = vec![("x".into(), failure(Kind::Rejected, "x:1:1: no"))];
    assert_eq!(told(&[(alone, 0)]).pop().unwrap().2, "nothing applied; x:1:1: no");
}

#[test]
fn there_are_at_most_two_statuses_a_changed_app_and_two_for_the_source() {
    let names = ["a", "b", "c"];
    let all = |created, state: AppState| outcome(names.map(|name| app(name, created, state.clone())).into());
    for end in [AppState::Healthy, failed(Kind::Unhealthy, "down"), failed(Kind::Rejected, "no")] {
        let outcomes =
            [(all(1, progressing()), 0), (all(0, progressing()), 1), (all(0, end.clone()), 0), (all(0, end), 0)];
        assert!(told(&outcomes).len() <= 2 * names.len() + 2);
    }
}

#[test]
fn a_commit_that_ended_is_not_superseded() {
    let mut record = CommitRecord::new(&commit_id(1), "main");
    record.apps.insert("w1/p1/c1/a".into(), AppRecord { state: State::Pending, description: "x".into() });
    let ended = superseded(NAME, &record, &commit_id(0xabcd));
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].context.as_str(), ended[0].state), ("kompox/c1", State::Error));
    assert!(ended[0].description.starts_with("superseded by 00000000"), "{}", ended[0].description);
    for state in [State::Success, State::Failure, State::Error] {
        assert!(superseded(NAME, &CommitRecord { state, ..record.clone() }, "b").is_empty());
    }
}

#[test]
fn what_is_wrong_is_kept_in_whole_sentences() {
    let mut record = CommitRecord::new(&commit_id(1), "main");
    let away = || outcome(vec![app("a", 0, failed(RETRY, "no connection"))]);
    enter_with(&mut record, &away(), 1);
    assert_eq!((record.state, record.problems.as_slice()), (State::Pending, ["no connection".to_owned()].as_slice()));
    assert!(statuses(NAME, &record).is_empty());
    enter_with(&mut record, &away(), PATIENCE + 1);
    assert_eq!(record.state, State::Error);
    enter_with(&mut record, &outcome(vec![app("a", 1, AppState::Healthy)]), 0);
    assert_eq!((record.state, record.problems.len()), (State::Success, 0));
    enter_with(&mut record, &away(), PATIENCE + 1);
    assert_eq!((record.state, record.problems.len()), (State::Success, 1));
}

#[test]
fn nothing_final_is_told_before_every_app_was_looked_at() {
    let bad = || app("a", 0, failed(Kind::Unhealthy, "down"));
    let partly = Outcome { complete: false, ..outcome(vec![bad(), app("b", 0, progressing())]) };
    let whole = outcome(vec![bad(), app("b", 2, AppState::Healthy)]);
    let source: Vec<(State, String)> = told(&[(partly, 0), (whole, 0)])
        .into_iter()
        .filter(|(context, ..)| context == "kompox/c1")
        .map(|(_, state, text)| (state, text))
        .collect();
    assert_eq!(source, [(State::Pending, "planning".into()), (State::Failure, "2 created; a: down".into())]);
}
