use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::plan::Counts;
use crate::views::app::{AppFacts, AppState, Trouble, TroubleSort};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn facts(state: AppState) -> AppFacts {
    AppFacts {
        id: "/ws/w/prv/p/cls/c/app/shop".parse().unwrap(),
        source: "ops".into(),
        commit: COMMIT.into(),
        inputs: None,
        done: Counts::default(),
        drifted: 0,
        state,
        holds: Vec::new(),
        drift: Vec::new(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn failed(sort: TroubleSort, label: &'static str, text: &str) -> AppFacts {
    facts(AppState::Failed(Trouble { sort, label, text: text.into() }))
}

fn told(teller: &mut Teller, facts: &AppFacts) -> Vec<String> {
    let line = |news: Occurrence| format!("{:?} {}: {}", news.severity, news.reason, news.note);
    teller.tell(facts).into_iter().map(line).collect()
}

#[test]
fn a_life_is_told_once() {
    let mut teller = Teller::default();
    let counts = Counts { created: 5, disks_created: 1, ..Counts::default() };
    let deployed = AppFacts { done: counts, ..facts(AppState::Progressing("starting".into())) };
    let drifted = |drifted, changed| AppFacts {
        done: Counts { changed, ..Counts::default() },
        drifted,
        ..facts(AppState::Healthy)
    };
    let unhealthy = |text| failed(TroubleSort::Unhealthy, "ImagePullBackOff", text);
    let steps = [
        (
            deployed,
            vec![
                "Normal DiskCreated: new and empty: 1 disk created",
                "Normal Applied: 5 created, 1 disk created for commit 01234567",
            ],
        ),
        (facts(AppState::Healthy), vec![]),
        (drifted(1, 1), vec!["Normal DriftCorrected: 1 object was not as commit 01234567 asks, and put back"]),
        (
            drifted(2, 3),
            vec![
                "Normal DriftCorrected: 2 objects were not as commit 01234567 asks, and put back",
                "Normal Applied: 3 changed for commit 01234567",
            ],
        ),
        (unhealthy("nginx:2 does not exist"), vec!["Warning Unhealthy: nginx:2 does not exist"]),
        // Other words for the same trouble.
        (unhealthy("nginx:2 does not exist (tried 3 times)"), vec![]),
        (facts(AppState::Progressing("a new Pod".into())), vec![]),
        (unhealthy("nginx:2 does not exist (tried 4 times)"), vec![]),
        (facts(AppState::Healthy), vec!["Normal Recovered: as the commit asks, and available again"]),
        (facts(AppState::Healthy), vec![]),
        (failed(TroubleSort::Held, "held", "disk a"), vec!["Warning Held: disk a"]),
        (failed(TroubleSort::Held, "held", "disk a"), vec![]),
        // Another thing is held.
        (failed(TroubleSort::Held, "held", "disk b"), vec!["Warning Held: disk b"]),
        (failed(TroubleSort::Blocked, "blocked", "disk b"), vec!["Warning Blocked: disk b"]),
        (
            failed(TroubleSort::Rejected, "invalid", "compose.yml:3:1: no"),
            vec!["Warning Rejected: compose.yml:3:1: no"],
        ),
        (failed(TroubleSort::Retrying, "timed-out", "no answer"), vec!["Warning Retrying: no answer"]),
        (failed(TroubleSort::Stalled, "forbidden", "no right"), vec!["Warning Stalled: no right"]),
        (facts(AppState::Suspended), vec![]),
        (facts(AppState::Paused("until noon".into())), vec![]),
        (facts(AppState::Healthy), vec!["Normal Recovered: as the commit asks, and available again"]),
    ];
    for (number, (facts, expected)) in steps.into_iter().enumerate() {
        assert_eq!(told(&mut teller, &facts), expected, "step {number}");
    }
}

#[test]
fn a_note_is_one_line_that_the_api_server_takes() {
    let text = format!("first\nsecond {}", "é".repeat(2000));
    let news = Teller::default().tell(&failed(TroubleSort::Stalled, "answer", &text));
    assert!(news[0].note.starts_with("first second é"), "{}", news[0].note);
    assert!(news[0].note.len() <= 1024 && news[0].note.ends_with('…'));
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn topic(namespace: &str) -> Topic {
    Topic {
        namespace: namespace.into(),
        kind: "KompoxApp".into(),
        api_version: "k8s.kompox.dev/v1alpha1".into(),
        name: "shop".into(),
    }
}

fn news(note: &str) -> Occurrence {
    Occurrence { severity: Severity::Normal, reason: "Applied", action: "Apply", note: note.into() }
}

const LIMITS: Limits =
    Limits { window: Duration::from_secs(600), burst: 3, refill: Duration::from_secs(30), memory: 2 };

#[test]
fn the_same_is_told_once_in_a_while() {
    let mut desk = Desk::new(LIMITS);
    let mut take = |seconds| desk.take(&topic("a"), &news("1 changed"), at(seconds));
    let first = take(0).unwrap();
    assert!(first.starts_with("shop."), "{first}");
    assert_eq!([take(1), take(300), take(599)], [None, None, None]);
    // However often it happens: from time to time it is told that it goes on.
    assert_ne!(take(600).unwrap(), first);
    // Another note is another Event.
    assert!(desk.take(&topic("a"), &news("2 changed"), at(601)).is_some());
}

#[test]
fn a_namespace_has_its_share_and_no_more() {
    let mut desk = Desk::new(LIMITS);
    let mut take =
        |namespace: &str, note: u32, seconds| desk.take(&topic(namespace), &news(&note.to_string()), at(seconds));
    for note in 0..3 {
        assert!(take("a", note, 0).is_some());
    }
    assert_eq!(take("a", 3, 0), None);
    assert!(take("b", 3, 0).is_some());
    assert_eq!(take("a", 3, 29), None);
    assert!(take("a", 3, 30).is_some());
    assert_eq!(take("a", 4, 31), None);
    // A clock that is set back grants nothing.
    assert_eq!(take("a", 5, -1000), None);
}

#[test]
fn memory_is_bounded() {
    let mut desk = Desk::new(LIMITS);
    for (seconds, namespace) in ["a", "b", "c", "d"].into_iter().enumerate() {
        assert!(desk.take(&topic(namespace), &news("x"), at(i64::try_from(seconds).unwrap())).is_some());
    }
    let text = format!("{desk:?}");
    assert!(!text.contains(r#"namespace: "a""#) && !text.contains(r#"namespace: "b""#), "{text}");
}

#[test]
fn drift_that_is_left_is_told_once_and_again_when_it_is_another() {
    let mut teller = Teller::default();
    let drifted = |drift: &[&str]| AppFacts {
        drift: drift.iter().map(|&drift| drift.to_owned()).collect(),
        ..facts(AppState::Healthy)
    };
    let one = "Service k4x-a/web: edited by kubectl; spec.ports differs";
    assert_eq!(told(&mut teller, &drifted(&[one])), [format!("Warning Drifted: {one}")]);
    assert!(told(&mut teller, &drifted(&[one])).is_empty());
    assert_eq!(told(&mut teller, &drifted(&[one, "more"])), [format!("Warning Drifted: {one}; more")]);
    assert!(told(&mut teller, &drifted(&[])).is_empty(), "that it ended shows in the conditions");
    assert_eq!(told(&mut teller, &drifted(&[one])).len(), 1);
}
