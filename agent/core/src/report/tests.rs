use proptest::prelude::*;

use super::*;

fn cause(subject: &str, reason: &str) -> Cause {
    Cause { subject: subject.to_owned(), reason: reason.to_owned() }
}

fn said(outcome: &Outcome) -> (State, String) {
    let status = outcome.status(source_context("cluster1"));
    assert_eq!(status.context, "kompox/cluster1");
    (status.state, status.description)
}

#[test]
fn a_description_has_counts_and_the_first_cause() {
    let counts = Counts { changed: 2, disks_created: 1, ..Counts::default() };
    let failed = Outcome::Unhealthy(counts, cause("db", "ImagePullBackOff"));
    assert_eq!(said(&failed), (State::Failure, "2 changed, 1 disk created; db: ImagePullBackOff".to_owned()));
    assert_eq!(said(&Outcome::Healthy(counts)), (State::Success, "2 changed, 1 disk created".to_owned()));
    let waiting = Outcome::Waiting(counts);
    assert_eq!(said(&waiting), (State::Pending, "2 changed, 1 disk created; waiting for health".to_owned()));
}

#[test]
fn every_count_is_named() {
    let counts = Counts {
        created: 1,
        changed: 2,
        replaced: 8,
        deleted: 3,
        disks_created: 4,
        disks_assigned: 7,
        left: 9,
        awaited: 10,
        held: 5,
        blocked: 6,
    };
    let text = "1 created, 2 changed, 8 replaced, 3 deleted, 4 disks created, 7 disks assigned, 9 left as they are, 10 \
                waiting, 6 blocked, 5 held";
    assert_eq!(said(&Outcome::Healthy(counts)).1, text);
    assert_eq!(said(&Outcome::Healthy(Counts::default())).1, "nothing to change");
}

#[test]
fn a_wrong_commit_fails_and_outside_trouble_is_an_error() {
    let rejected = Outcome::Rejected(cause("app/kompoxops.yml:3:5", "unknown key `imag`"));
    let text = "nothing applied; app/kompoxops.yml:3:5: unknown key `imag`";
    assert_eq!(said(&rejected), (State::Failure, text.to_owned()));
    let faulted = Outcome::Faulted(cause("", "the API server does not answer"));
    assert_eq!(said(&faulted), (State::Error, "the API server does not answer".to_owned()));
    let superseded = Outcome::Superseded { by: "0123456789abcdef0123456789abcdef01234567".to_owned() };
    assert_eq!(said(&superseded), (State::Error, "superseded by 01234567".to_owned()));
    assert_eq!(said(&Outcome::Working), (State::Pending, "planning".to_owned()));
}

#[test]
fn a_long_description_is_cut_between_characters() {
    let text = description(&"ä".repeat(200));
    assert_eq!(text.chars().count(), MAX_DESCRIPTION);
    assert!(text.ends_with("ä…"));
    let just_fits = "ä".repeat(MAX_DESCRIPTION);
    assert_eq!(description(&just_fits), just_fits);
}

#[test]
fn control_and_direction_characters_go() {
    assert_eq!(description(" a\u{1b}[31m\r\nb\tc\0\u{202e}d\u{200b}e "), "a [31m b c de");
}

#[test]
fn long_contexts_are_cut_with_a_hash_and_stay_different() {
    let long = "x".repeat(300);
    let one = app_context("cluster1", &format!("{long}1"));
    let other = app_context("cluster1", &format!("{long}2"));
    assert_eq!(one.chars().count(), MAX_CONTEXT);
    assert_ne!(one, other);
    assert_eq!(one, app_context("cluster1", &format!("{long}1")));
    assert_eq!(app_context("cluster1", "web"), "kompox/cluster1/web");
}

#[test]
fn a_status_survives_json() {
    let status = Outcome::Healthy(Counts::default()).status(app_context("c", "web"));
    let json = serde_json::to_string(&status).unwrap();
    assert_eq!(json, r#"{"context":"kompox/c/web","state":"success","description":"nothing to change"}"#);
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
}

proptest! {
    #[test]
    fn any_text_gives_one_short_line(subject in any::<String>(), reason in any::<String>(), name in any::<String>()) {
        let status = Outcome::Faulted(Cause { subject, reason }).status(app_context(&name, &name));
        prop_assert!(status.description.chars().count() <= MAX_DESCRIPTION);
        prop_assert!(status.context.chars().count() <= MAX_CONTEXT);
        for text in [&status.description, &status.context] {
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(text.trim(), text.as_str());
        }
    }
}
