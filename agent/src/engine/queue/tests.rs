use super::*;

fn key(source: usize, app: &str) -> Key {
    Key { source, app: AppId::new("/ws/w/prv/p/cls/c".parse().unwrap(), app) }
}

const SECOND: Duration = Duration::from_secs(1);

/// Takes all that is due, in order, as `source app`.
fn taken(queue: &mut Queue, now: Instant) -> Vec<String> {
    std::iter::from_fn(|| queue.take(now)).map(|key| format!("{} {}", key.source, key.app.app)).collect()
}

#[test]
fn a_key_is_there_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for cause in [Cause::Timer, Cause::Wish, Cause::Event, Cause::Wish] {
        queue.add(&key(0, "a"), cause, now);
    }
    assert_eq!(taken(&mut queue, now + SECOND), ["0 a"]);
}

#[test]
fn sources_take_turns_and_apps_keep_their_order() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for app in ["a", "b", "c"] {
        queue.add(&key(0, app), Cause::Wish, now);
    }
    queue.add(&key(2, "x"), Cause::Wish, now);
    queue.add(&key(1, "z"), Cause::Wish, now);
    queue.add(&key(1, "y"), Cause::Wish, now);
    assert_eq!(taken(&mut queue, now), ["1 z", "2 x", "0 a", "1 y", "0 b", "0 c"]);
}

#[test]
fn what_is_triggered_while_it_is_worked_on_runs_once_more() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.add(&key(0, "a"), Cause::Wish, now);
    assert!(queue.take(now).is_some());
    for _ in 0..3 {
        queue.add(&key(0, "a"), Cause::Event, now);
    }
    assert_eq!(queue.take(now + SECOND), None, "two workers never have the same App");
    queue.done(&key(0, "a"), Next::Rest, now, 0.5);
    assert_eq!(queue.take(now), None, "its events are gathered first");
    assert_eq!(queue.take(now + GATHER), Some(key(0, "a")));
    queue.done(&key(0, "a"), Next::Rest, now + GATHER, 0.5);
    assert!(queue.is_idle());
}

#[test]
fn failures_wait_longer_every_time_and_events_do_not_press_them() {
    let (mut queue, mut now) = (Queue::default(), Instant::now());
    queue.add(&key(0, "a"), Cause::Wish, now);
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert!(queue.take(now).is_some());
        // Its own writes come back as events.
        queue.add(&key(0, "a"), Cause::Event, now);
        queue.done(&key(0, "a"), Next::Retry(None), now, 1.0);
        queue.add(&key(0, "a"), Cause::Event, now);
        queue.add(&key(0, "a"), Cause::Timer, now);
        let due = queue.next_due().unwrap();
        assert_eq!(queue.take(due - Duration::from_millis(1)), None);
        waits.push((due - now).as_secs());
        now = due;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    // A look that ends well forgets them.
    assert!(queue.take(now).is_some());
    queue.done(&key(0, "a"), Next::Rest, now, 1.0);
    queue.add(&key(0, "a"), Cause::Event, now);
    assert_eq!(queue.next_due(), Some(now + GATHER));
}

#[test]
fn a_wish_goes_before_the_time_that_a_failure_waits() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.add(&key(0, "a"), Cause::Wish, now);
    for _ in 0..3 {
        assert!(queue.take(now).is_some());
        queue.done(&key(0, "a"), Next::Retry(Some(SECOND * 600)), now, 1.0);
        queue.add(&key(0, "a"), Cause::Wish, now);
    }
    // Also when it came while the failing work went on.
    assert!(queue.take(now).is_some());
    queue.add(&key(0, "a"), Cause::Wish, now);
    queue.done(&key(0, "a"), Next::Retry(None), now, 1.0);
    assert!(queue.take(now).is_some());
    assert_eq!(queue.later.len(), 0, "no older date is left behind");
}

#[test]
fn the_earlier_date_counts() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.add(&key(0, "a"), Cause::Wish, now);
    assert!(queue.take(now).is_some());
    queue.done(&key(0, "a"), Next::Again(SECOND * 3), now, 0.5);
    assert_eq!(queue.next_due(), Some(now + SECOND * 3));
    queue.add(&key(0, "a"), Cause::Event, now);
    assert_eq!(queue.next_due(), Some(now + GATHER));
    queue.add(&key(0, "a"), Cause::Event, now + Duration::from_millis(10));
    assert_eq!(queue.next_due(), Some(now + GATHER), "more events do not put it off");
    assert!(!queue.is_idle());
    assert!(queue.take(now + GATHER).is_some());
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_retry_waits_as_long_as_the_other_side_asks() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.add(&key(0, "a"), Cause::Wish, now);
    assert!(queue.take(now).is_some());
    queue.done(&key(0, "a"), Next::Retry(Some(SECOND * 600)), now, 1.0);
    assert_eq!(queue.next_due(), Some(now + SECOND * 600));
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.add(&key(0, "a"), Cause::Wish, now);
    assert!(queue.take(now).is_some());
    queue.done(&key(0, "a"), Next::Forget, now, 0.5);
    assert!(queue.entries.is_empty());
    // It came back in the meantime.
    queue.add(&key(0, "a"), Cause::Wish, now);
    assert!(queue.take(now).is_some());
    queue.add(&key(0, "a"), Cause::Wish, now);
    queue.done(&key(0, "a"), Next::Forget, now, 0.5);
    assert!(queue.take(now).is_some());
}

#[test]
fn random_triggers_lose_nothing_and_never_double_a_key() {
    let mut queue = Queue::default();
    let (mut now, mut seed) = (Instant::now(), 7_u64);
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut running: Vec<Key> = Vec::new();
    let mut owed: BTreeSet<Key> = BTreeSet::new();
    for _ in 0..20_000 {
        let any = key(random(3) as usize, ["a", "b", "c", "d"][random(4) as usize]);
        match random(4) {
            0 => {
                let cause = [Cause::Wish, Cause::Event, Cause::Timer][random(3) as usize];
                queue.add(&any, cause, now);
                owed.insert(any);
            }
            1 => now += Duration::from_millis(random(2000)),
            2 if running.len() < 4 => {
                if let Some(key) = queue.take(now) {
                    assert!(!running.contains(&key));
                    owed.remove(&key);
                    running.push(key);
                }
            }
            _ if !running.is_empty() => {
                let key = running.swap_remove(random(running.len() as u64) as usize);
                let next = [Next::Rest, Next::Again(SECOND), Next::Retry(None), Next::Forget][random(4) as usize];
                queue.done(&key, next, now, 0.5);
            }
            _ => {}
        }
    }
    for key in running {
        queue.done(&key, Next::Rest, now, 0.5);
    }
    while let Some(key) = queue.take(now + SECOND * 3600) {
        owed.remove(&key);
        queue.done(&key, Next::Forget, now, 0.5);
    }
    assert!(owed.is_empty(), "{owed:?}");
    assert!(queue.entries.values().all(|entry| entry.state == State::Idle));
    assert!(queue.later.is_empty());
}
