use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kompox_core::plan::Counts;

use super::*;
use crate::context::CommitRef;
use crate::failure::Failure;
use crate::testing::commit_id;

fn app(name: &str, state: State) -> AppOutcome {
    let commit =
        CommitRef { id: commit_id(1), time: "2026-01-02T03:04:05Z".parse().unwrap(), accepted: BTreeSet::new() };
    AppOutcome {
        id: format!("/ws/w/prv/p/cls/c/app/{name}").parse().unwrap(),
        commit: Arc::new(commit),
        done: Counts { created: 2, ..Counts::default() },
        state,
        faults: 0,
        holds: Vec::new(),
        inputs: None,
        restored: 0,
        disks: None,
        drift: Vec::new(),
    }
}

fn failed(kind: Kind, label: &'static str) -> State {
    State::Failed(Failure { text: "because".into(), label, kind })
}

fn outcome(apps: Vec<AppOutcome>) -> Outcome {
    Outcome { apps, rejected: Vec::new(), diagnostics: Vec::new(), complete: true }
}

/// The sample with this name and these labels.
fn sample(metrics: &Metrics, series: &str) -> Option<String> {
    metrics.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
}

#[test]
fn looks_and_commits_are_counted_by_source() {
    let metrics = Metrics::new(&Arc::default());
    assert_eq!((sample(&metrics, "kompox_leader").as_deref(), metrics.page()), (Some("0"), None));
    metrics.leads(Some(Arc::default()));
    metrics.commit("ops", &CommitRecord::new(&commit_id(1), "here"), None);
    metrics.fetched("ops", Came::Held { commit: &commit_id(2), reason: "rewritten" });
    let drift = vec!["Service k4x-a/web: edited".to_owned()];
    metrics.app("ops", &AppOutcome { drift, ..app("a", State::Healthy) });
    metrics.app("ops", &app("b", failed(Kind::Obstacle, "held")));
    metrics.app("ops", &app("b", failed(Kind::Obstacle, "held")));
    metrics.app("dev", &AppOutcome { restored: 1, ..app("c", failed(Kind::Obstacle, "blocked")) });
    for (series, value) in [
        ("kompox_leader", "1"),
        ("kompox_commits_total{source=\"ops\"}", "1"),
        ("kompox_reconciles_total{source=\"ops\",outcome=\"held\"}", "2"),
        ("kompox_reconciles_total{source=\"ops\",outcome=\"healthy\"}", "1"),
        ("kompox_reconciles_total{source=\"dev\",outcome=\"blocked\"}", "1"),
        ("kompox_writes_total{source=\"ops\"}", "6"),
        ("kompox_drift_corrections_total{source=\"dev\"}", "1"),
        ("kompox_fetches_total{source=\"ops\",outcome=\"held\"}", "1"),
        ("kompox_app_drifted_objects{source=\"ops\",app=\"/ws/w/prv/p/cls/c/app/a\"}", "1"),
        ("kompox_app_drifted_objects{source=\"ops\",app=\"/ws/w/prv/p/cls/c/app/b\"}", "0"),
        ("kompox_queue_depth", "0"),
        ("kompox_queue_oldest_seconds", "0"),
        ("kompox_app_state{source=\"ops\",app=\"/ws/w/prv/p/cls/c/app/b\",state=\"held\"}", "1"),
    ] {
        assert_eq!(sample(&metrics, series).as_deref(), Some(value), "{series}");
    }
    let page = metrics.page().unwrap();
    assert!(page.contains("holds the Lease") && page.contains("/app/b  held"), "{page}");
    assert!(!page.contains("because"), "causes are for the log and the statuses: {page}");
}

#[test]
fn what_the_work_takes_is_told_by_stage_and_by_verb() {
    let meter = Arc::new(Meter::default());
    let metrics = Metrics::new(&meter);
    meter.time_now(Stage::Plan, || ());
    for well in [true, true, false] {
        meter.request("apply", well);
    }
    for (series, value) in [
        ("kompox_api_requests_total{verb=\"apply\",outcome=\"ok\"}", "2"),
        ("kompox_api_requests_total{verb=\"apply\",outcome=\"failed\"}", "1"),
        ("kompox_stage_duration_seconds_bucket{stage=\"plan\",le=\"+Inf\"}", "1"),
        ("kompox_stage_duration_seconds_bucket{stage=\"plan\",le=\"120\"}", "1"),
        ("kompox_stage_duration_seconds_count{stage=\"fetch\"}", "0"),
    ] {
        assert_eq!(sample(&metrics, series).as_deref(), Some(value), "{series}");
    }
    assert_eq!(sample(&metrics, "kompox_queue_depth"), None, "a standby has none");
}

#[test]
fn apps_that_are_gone_have_no_series() {
    let metrics = Metrics::new(&Arc::default());
    for name in ["a", "b", "c"] {
        metrics.app("ops", &app(name, State::Healthy));
    }
    metrics.app("ops", &app("b", State::Removed));
    metrics.source("ops", &CommitRecord::new(&commit_id(1), "here"), &outcome(vec![app("a", State::Healthy)]));
    let text = metrics.text();
    assert!(text.contains("/app/a\"") && !text.contains("/app/b\"") && !text.contains("/app/c\""), "{text}");
    metrics.leads(None);
    assert!(!metrics.text().contains("/app/a\""), "a standby does not know how Apps are");
}

#[test]
fn a_source_succeeds_when_all_its_apps_are_healthy() {
    let series = "kompox_source_last_success_timestamp_seconds{source=\"ops\"}";
    let record = CommitRecord::new(&commit_id(1), "here");
    let metrics = Metrics::new(&Arc::default());
    metrics.source("ops", &record, &outcome(vec![app("a", State::Progressing("soon".into()))]));
    metrics.source("ops", &record, &outcome(vec![app("a", failed(Kind::Unhealthy, "CrashLoopBackOff"))]));
    metrics.source("ops", &record, &Outcome { complete: false, ..outcome(vec![app("a", State::Healthy)]) });
    assert_eq!(sample(&metrics, series), None);
    metrics.source("ops", &record, &outcome(vec![app("a", State::Healthy)]));
    assert!(sample(&metrics, series).is_some());
}

/// As if everything had succeeded long ago.
fn age(metrics: &Metrics) {
    for source in metrics.numbers().sources.values_mut() {
        source.last_success = source.last_success.map(|_| Timestamp::UNIX_EPOCH);
        source.apps.values_mut().for_each(|app| app.last_success = app.last_success.map(|_| Timestamp::UNIX_EPOCH));
    }
}

#[test]
fn looks_that_find_nothing_new_move_the_times_of_success() {
    let (source, app_of) = ("kompox_source_last_success_timestamp_seconds{source=\"ops\"}", |name: &str| {
        format!("kompox_app_last_success_timestamp_seconds{{source=\"ops\",app=\"/ws/w/prv/p/cls/c/app/{name}\"}}")
    });
    let record = CommitRecord::new(&commit_id(1), "here");
    let metrics = Metrics::new(&Arc::default());
    let is_old = |series: &str| sample(&metrics, series).map(|value| value == "0");
    let (a, b) = (app("a", State::Healthy), app("b", State::Healthy));
    let all = || vec![a.clone(), b.clone(), app("c", State::Suspended), app("d", State::Removed)];
    all().iter().for_each(|app| metrics.app("ops", app));
    metrics.source("ops", &record, &outcome(all()));
    let writes = sample(&metrics, "kompox_writes_total{source=\"ops\"}");
    age(&metrics);
    for known in [&a, &b] {
        metrics.unchanged("ops", known);
    }
    assert_eq!((is_old(&app_of("a")), is_old(&app_of("b"))), (Some(false), Some(false)));
    assert_eq!(is_old(source), Some(true), "one was not looked at");
    metrics.unchanged("ops", &app("c", State::Suspended));
    assert_eq!(is_old(source), Some(false));
    assert_eq!(sample(&metrics, "kompox_writes_total{source=\"ops\"}"), writes, "it is no news");
    // The next round is one of its own.
    age(&metrics);
    metrics.unchanged("ops", &a);
    metrics.unchanged("ops", &a);
    assert_eq!(is_old(source), Some(true));
    // What is not well holds it up, until all are.
    let broken = app("b", failed(Kind::Unhealthy, "CrashLoopBackOff"));
    metrics.app("ops", &broken);
    age(&metrics);
    for known in [&a, &broken, &app("c", State::Suspended)] {
        metrics.unchanged("ops", known);
    }
    metrics.source("ops", &record, &outcome(vec![a.clone(), broken]));
    assert_eq!((is_old(source), is_old(&app_of("b"))), (Some(true), Some(true)));
    metrics.app("ops", &b);
    metrics.source("ops", &record, &outcome(vec![a.clone(), b.clone()]));
    assert_eq!(is_old(source), Some(false));
    // Of another commit nothing is known yet.
    metrics.commit("ops", &record, None);
    age(&metrics);
    all().iter().for_each(|app| metrics.unchanged("ops", app));
    assert_eq!(is_old(source), Some(true));
    metrics.leads(None);
    assert_eq!(is_old(source), None, "a standby does not know");
}

#[test]
fn a_source_without_apps_succeeds_with_every_fetch() {
    let series = "kompox_source_last_success_timestamp_seconds{source=\"ops\"}";
    let metrics = Metrics::new(&Arc::default());
    metrics.fetched("ops", Came::Taken);
    assert_eq!(sample(&metrics, series), None);
    metrics.source("ops", &CommitRecord::new(&commit_id(1), "here"), &outcome(Vec::new()));
    age(&metrics);
    metrics.fetched("ops", Came::Held { commit: &commit_id(2), reason: "rewritten" });
    assert_eq!(sample(&metrics, series).as_deref(), Some("0"));
    metrics.fetched("ops", Came::Taken);
    assert_ne!(sample(&metrics, series).as_deref(), Some("0"));
}

#[test]
fn statuses_that_wait_are_told_by_the_holder_of_the_lease() {
    let series = "kompox_undelivered_statuses{source=\"ops\"}";
    let metrics = Metrics::new(&Arc::default());
    metrics.undelivered("ops", 3);
    assert_eq!(sample(&metrics, series), None);
    metrics.leads(Some(Arc::default()));
    assert_eq!(sample(&metrics, series).as_deref(), Some("3"));
    metrics.undelivered("ops", 0);
    assert_eq!(sample(&metrics, series).as_deref(), Some("0"));
    metrics.leads(None);
    metrics.leads(Some(Arc::default()));
    assert_eq!(sample(&metrics, series), None, "nobody has said yet");
}

#[test]
fn series_of_apps_are_bounded() {
    let metrics = Metrics::new(&Arc::default());
    for number in 0..=MOST_APPS {
        metrics.app("ops", &app(&format!("a{number}"), State::Healthy));
    }
    let count = metrics.text().lines().filter(|line| line.starts_with("kompox_app_state{")).count();
    assert_eq!(count, MOST_APPS);
    let healthy = sample(&metrics, "kompox_reconciles_total{source=\"ops\",outcome=\"healthy\"}");
    assert_eq!(healthy, Some((MOST_APPS + 1).to_string()));
}

#[test]
fn values_of_labels_are_escaped() {
    assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
}

#[test]
fn the_documentation_lists_every_metric_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `kompox_")?.split_once("` | ")?;
            Some((name, rest.split_once(" |")?.0))
        })
        .collect();
    let known: Vec<(&str, &str)> =
        METRICS.iter().map(|(name, sort, _)| (name.strip_prefix("kompox_").unwrap(), *sort)).collect();
    assert_eq!(rows, known);
}
