use kompox_core::report::State;

use super::*;
use crate::fault::Fault;

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

fn status(context: &str, state: State, description: &str) -> Status {
    Status { context: context.to_owned(), state, description: description.to_owned(), target_url: None }
}

fn pending() -> Status {
    status("kompox/c", State::Pending, "planning")
}

fn success() -> Status {
    status("kompox/c", State::Success, "2 changed")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn fault(fault: Fault) -> ForgeError {
    ForgeError::Fault(fault)
}

/// A forge in memory, and the sequence of what was asked of it.
#[derive(Default)]
struct Desk {
    outbox: Outbox,
    courier: Courier,
    shown: Vec<(String, Status)>,
    asked: usize,
}

impl Desk {
    fn answer(&self, request: &Request) -> Answer {
        match request {
            Request::Write { .. } => Answer::Written,
            Request::Read { commit } => {
                let mut newest: Vec<Status> = Vec::new();
                for (_, status) in self.shown.iter().filter(|(of, _)| of == commit) {
                    newest.retain(|other| other.context != status.context);
                    newest.push(status.clone());
                }
                Answer::Statuses(newest)
            }
        }
    }

    fn ask(&mut self) -> Option<Request> {
        match self.courier.next(&self.outbox, at(1_000)) {
            Errand::Ask(request) => {
                self.asked += 1;
                assert!(self.asked < 1_000, "endless errands");
                Some(request)
            }
            Errand::Rest | Errand::Wait(_) => None,
        }
    }

    fn deliver(&mut self) {
        while let Some(request) = self.ask() {
            if let Request::Write { commit, status } = &request {
                self.shown.push((commit.clone(), status.clone()));
            }
            let answer = self.answer(&request);
            self.courier.settle(&mut self.outbox, &request, Ok(answer), at(1_000), 0.5).unwrap();
        }
    }

    /// What a killed process leaves: the outbox as it was written down.
    fn restart(&mut self, written_down: &str) {
        self.outbox = serde_json::from_str(written_down).unwrap();
        self.courier = Courier::default();
    }

    fn said(&self) -> Vec<(&str, State)> {
        self.shown.iter().map(|(_, status)| (status.context.as_str(), status.state)).collect()
    }
}

#[test]
fn pending_goes_before_the_final_status_even_when_both_wait() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, pending());
    desk.outbox.put(ONE, success());
    assert!(!desk.outbox.is_delivered());
    desk.deliver();
    assert_eq!(desk.said(), [("kompox/c", State::Pending), ("kompox/c", State::Success)]);
    assert!(desk.outbox.is_delivered());
}

#[test]
fn the_same_news_is_sent_once() {
    let mut desk = Desk::default();
    for _ in 0..3 {
        desk.outbox.put(ONE, success());
        desk.deliver();
    }
    assert_eq!(desk.shown.len(), 1);
    desk.outbox.put(ONE, status("kompox/c", State::Success, "3 changed"));
    desk.deliver();
    assert_eq!(desk.shown.len(), 1, "a commit ends once");
    desk.outbox.put(ONE, pending());
    desk.outbox.put(ONE, status("kompox/c", State::Success, "3 changed"));
    desk.deliver();
    assert_eq!(desk.shown.len(), 3, "unless it begins again");
}

#[test]
fn news_that_was_overtaken_is_not_sent() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, pending());
    desk.outbox.put(ONE, status("kompox/c", State::Pending, "2 changed; waiting for health"));
    desk.outbox.put(ONE, status("kompox/c", State::Failure, "db: ImagePullBackOff"));
    desk.outbox.put(ONE, success());
    desk.deliver();
    let said: Vec<&str> = desk.shown.iter().map(|(_, status)| status.description.as_str()).collect();
    assert_eq!(said, ["2 changed; waiting for health", "2 changed"]);
}

#[test]
fn going_back_to_what_the_forge_has_sends_nothing() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, success());
    desk.deliver();
    desk.outbox.put(ONE, status("kompox/c", State::Failure, "db: CrashLoopBackOff"));
    desk.outbox.put(ONE, success());
    assert!(desk.outbox.is_delivered());
    desk.outbox.put(ONE, pending());
    desk.outbox.put(ONE, success());
    desk.deliver();
    assert_eq!(desk.shown.len(), 3);
}

#[test]
fn commits_are_told_in_the_order_in_which_they_were_seen() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, status("kompox/c", State::Error, "superseded by 22222222"));
    desk.outbox.put(TWO, pending());
    desk.outbox.put(TWO, status("kompox/c/web", State::Success, "1 changed"));
    desk.deliver();
    let said = desk.said();
    assert_eq!(said, [("kompox/c", State::Error), ("kompox/c", State::Pending), ("kompox/c/web", State::Success)]);
}

#[test]
fn a_killed_process_says_nothing_twice_and_nothing_never() {
    // Killed at every point of the sequence, with the outbox as it was written down last.
    let steps = [pending(), success()];
    for killed_after in 0..6 {
        let mut desk = Desk::default();
        let mut written_down = serde_json::to_string(&desk.outbox).unwrap();
        let mut requests = 0;
        'life: for step in steps.clone() {
            desk.outbox.put(ONE, step);
            written_down = serde_json::to_string(&desk.outbox).unwrap();
            while let Some(request) = desk.ask() {
                if let Request::Write { commit, status } = &request {
                    desk.shown.push((commit.clone(), status.clone()));
                }
                requests += 1;
                if requests > killed_after {
                    // Sent, but the answer was never entered.
                    break 'life;
                }
                let answer = desk.answer(&request);
                desk.courier.settle(&mut desk.outbox, &request, Ok(answer), at(1_000), 0.5).unwrap();
            }
        }
        desk.restart(&written_down);
        // The new process works on the same commit and comes to the same end, but what was done is done already.
        desk.deliver();
        desk.outbox.put(ONE, status("kompox/c", State::Success, "nothing to change"));
        desk.deliver();
        let finals = desk.shown.iter().filter(|(_, status)| status.state.is_final()).count();
        assert_eq!(finals, 1, "killed after {killed_after}: {:?}", desk.said());
        let pendings = desk.shown.len() - finals;
        assert!(pendings <= 1, "killed after {killed_after}: {:?}", desk.said());
        assert_eq!(desk.shown.last().unwrap().1.state, State::Success);
    }
}

#[test]
fn what_waits_is_not_told_after_the_end() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, pending());
    let written_down = serde_json::to_string(&desk.outbox).unwrap();
    desk.deliver();
    desk.outbox.put(ONE, success());
    desk.deliver();
    desk.restart(&written_down);
    desk.deliver();
    assert_eq!(desk.said(), [("kompox/c", State::Pending), ("kompox/c", State::Success)]);
    desk.outbox.put(ONE, status("kompox/c", State::Failure, "db: CrashLoopBackOff"));
    desk.deliver();
    assert_eq!(desk.shown.len(), 3, "another end is news");
}

#[test]
fn without_anything_written_down_the_forge_is_asked_first() {
    let mut desk = Desk { shown: vec![(ONE.to_owned(), success())], ..Desk::default() };
    desk.outbox.put(ONE, success());
    desk.deliver();
    assert_eq!(desk.shown.len(), 1);
    assert_eq!(desk.asked, 1);
}

#[test]
fn trouble_is_waited_out_with_back_off() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, success());
    let mut waits = Vec::new();
    let mut now = at(0);
    for _ in 0..3 {
        let Errand::Ask(request) = desk.courier.next(&desk.outbox, now) else { panic!("does not ask") };
        let trouble = Err(fault(Fault::retry("unreachable", "down")));
        assert!(desk.courier.settle(&mut desk.outbox, &request, trouble, now, 1.0).is_err());
        let Errand::Wait(until) = desk.courier.next(&desk.outbox, now) else { panic!("does not wait") };
        waits.push(until.duration_since(now).as_secs());
        now = until;
    }
    assert_eq!(waits, [2, 4, 8]);
    assert!(!desk.outbox.is_delivered());
    desk.deliver();
    assert_eq!(desk.shown.len(), 1);
}

#[test]
fn retry_after_is_respected_and_refused_access_may_pass() {
    for (trouble, seconds) in [
        (Fault::retry("rate-limit", "slow down").after(Some(Duration::from_secs(900))), 900),
        // As a forge answers whose database is busy.
        (Fault::stalled("access-denied", "no"), 2),
    ] {
        let mut desk = Desk::default();
        desk.outbox.put(ONE, success());
        let request = desk.ask().unwrap();
        let answer = Err(fault(trouble));
        assert!(desk.courier.settle(&mut desk.outbox, &request, answer, at(1_000), 1.0).is_err());
        assert_eq!(desk.courier.next(&desk.outbox, at(1_001)), Errand::Wait(at(1_000 + seconds)));
    }
}

#[test]
fn a_write_without_an_answer_is_looked_up_before_it_is_repeated() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, success());
    let read = desk.ask().unwrap();
    let answer = desk.answer(&read);
    desk.courier.settle(&mut desk.outbox, &read, Ok(answer), at(0), 0.5).unwrap();
    let write = desk.ask().unwrap();
    assert!(matches!(write, Request::Write { .. }));
    // It arrived, but the connection broke.
    desk.shown.push((ONE.to_owned(), success()));
    let broken = Err(fault(Fault::retry("connection", "broke off")));
    assert!(desk.courier.settle(&mut desk.outbox, &write, broken, at(0), 0.5).is_err());
    desk.deliver();
    assert_eq!(desk.shown.len(), 1);
    assert!(desk.outbox.is_delivered());
}

#[test]
fn a_commit_that_always_fails_does_not_stop_the_others() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, success());
    desk.outbox.put(TWO, success());
    let first = desk.ask().unwrap();
    assert_eq!(first, Request::Read { commit: ONE.to_owned() });
    let trouble = Err(fault(Fault::retry("forge", "500")));
    assert!(desk.courier.settle(&mut desk.outbox, &first, trouble, at(0), 0.5).is_err());
    assert_eq!(desk.ask().unwrap(), Request::Read { commit: TWO.to_owned() });
}

#[test]
fn what_the_forge_refuses_for_good_is_given_up() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, pending());
    desk.outbox.put(ONE, status("kompox/c/web", State::Success, "1 changed"));
    desk.outbox.put(TWO, success());
    let read = desk.ask().unwrap();
    let refused = Err(ForgeError::Refused("there is no such commit".to_owned()));
    assert!(desk.courier.settle(&mut desk.outbox, &read, refused, at(0), 0.5).is_err());
    desk.deliver();
    assert_eq!(desk.shown, [(TWO.to_owned(), success())]);
    assert!(desk.outbox.is_delivered());
}

#[test]
fn news_that_comes_while_a_request_is_under_way_is_not_lost() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, pending());
    let read = desk.ask().unwrap();
    let answer = desk.answer(&read);
    desk.courier.settle(&mut desk.outbox, &read, Ok(answer), at(0), 0.5).unwrap();
    let write = desk.ask().unwrap();
    desk.outbox.put(ONE, success());
    desk.shown.push((ONE.to_owned(), pending()));
    desk.courier.settle(&mut desk.outbox, &write, Ok(Answer::Written), at(0), 0.5).unwrap();
    desk.deliver();
    assert_eq!(desk.said(), [("kompox/c", State::Pending), ("kompox/c", State::Success)]);
}

#[test]
fn the_outbox_stays_small() {
    let mut outbox = Outbox::default();
    for number in 0..1_000 {
        outbox.put(&format!("{number:040}"), success());
    }
    assert_eq!(outbox.entries.len(), MAX_ENTRIES);
    assert_eq!(outbox.entries.last().unwrap().commit, format!("{:040}", 999));
    let mut desk = Desk { outbox, ..Desk::default() };
    desk.deliver();
    assert_eq!(desk.shown.len(), MAX_ENTRIES);
    assert_eq!(desk.outbox.entries.len(), REMEMBERED_COMMITS);
}

#[test]
fn what_one_outbox_is_told_first_is_told_in_the_same_order() {
    let mut desk = Desk::default();
    let mut news = Outbox::default();
    news.put(ONE, pending());
    desk.outbox.absorb(std::mem::take(&mut news));
    desk.deliver();
    news.put(ONE, pending());
    news.put(ONE, status("kompox/c", State::Failure, "db: ImagePullBackOff"));
    news.put(ONE, success());
    news.put(TWO, pending());
    desk.outbox.absorb(news);
    desk.deliver();
    assert_eq!(
        desk.said().iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        [State::Pending, State::Success, State::Pending]
    );
}

#[test]
fn a_commit_of_many_apps_is_told_once() {
    let mut desk = Desk::default();
    let tell = |desk: &mut Desk, commit: &str| {
        for number in 0..=300 {
            desk.outbox.put(commit, status(&format!("kompox/c/app{number}"), State::Success, "1 changed"));
        }
    };
    tell(&mut desk, ONE);
    desk.deliver();
    assert_eq!(desk.shown.len(), 301);
    tell(&mut desk, ONE);
    assert!(desk.outbox.is_delivered());
    // The next one takes the place of what was delivered, and is whole itself.
    tell(&mut desk, TWO);
    assert_eq!(desk.outbox.waiting(), 301);
    assert_eq!(desk.outbox.entries.len(), 301 + MAX_ENTRIES - 1);
}

#[test]
fn a_commit_whose_end_a_forge_waits_for_is_given_up_last() {
    let mut desk = Desk::default();
    desk.outbox.put(ONE, pending());
    desk.deliver();
    desk.outbox.put(ONE, status("kompox/c", State::Error, "superseded by 22222222"));
    for number in 0..1_000 {
        desk.outbox.put(&format!("{number:040}"), success());
    }
    desk.deliver();
    let of_one: Vec<State> = desk.shown.iter().filter(|(of, _)| of == ONE).map(|(_, status)| status.state).collect();
    assert_eq!(of_one, [State::Pending, State::Error]);
}

#[test]
fn an_empty_outbox_is_short_json_and_unknown_form_is_an_error() {
    assert_eq!(serde_json::to_string(&Outbox::default()).unwrap(), r#"{"entries":[]}"#);
    assert_eq!(serde_json::from_str::<Outbox>("{}").unwrap(), Outbox::default());
    assert!(serde_json::from_str::<Outbox>(r#"{"entries":[{"commit":1}]}"#).is_err());
}
