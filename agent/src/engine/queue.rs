//! Which App is looked at next. Pure: the caller brings the clock and the dice.
//!
//! A key is in the queue once, however many triggers name it. One that is being worked on and is
//! triggered again runs once more afterwards. Sources take turns, and inside a source so do Apps. What
//! failed waits longer every time; only news that may mend it goes before its time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kompox_manifests::id::AppId;
use tokio::time::Instant;

use crate::pace::Backoff;

/// Events of one change come together: so long is waited for the rest of them.
const GATHER: Duration = Duration::from_millis(25);
/// The first wait after a failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// An App of a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The source, by its place in the configuration.
    pub(crate) source: usize,
    /// The App.
    pub(crate) app: AppId,
}

/// Why an App is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is asked for something else now (a commit, a person): at once, whatever failed before.
    Wish,
    /// Something of it changed in the cluster.
    Event,
    /// It is time for a look.
    Timer,
}

/// What comes after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing, until it is triggered.
    Rest,
    /// Another look after this time.
    Again(Duration),
    /// Another try after the key's back-off, and not before the time that was asked for.
    Retry(Option<Duration>),
    /// Nothing ever: the App is no longer there.
    Forget,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<Key, Entry>,
    /// What can be taken now, by source.
    lanes: BTreeMap<usize, VecDeque<Key>>,
    /// What can be taken later.
    later: BTreeSet<(Instant, Key)>,
    /// The source that was served last.
    served: usize,
}

#[derive(Debug)]
struct Entry {
    state: State,
    backoff: Backoff,
    /// After a failure: not before this time, but for a wish.
    not_before: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// It can be taken, since then.
    Ready(Instant),
    Later(Instant),
    /// Being worked on; when it is due again, and whether a wish says so.
    Running(Option<(Instant, bool)>),
}

impl Queue {
    /// Adds a key, or brings the time forward at which it is due.
    pub(crate) fn add(&mut self, key: &Key, cause: Cause, now: Instant) {
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry {
            state: State::Idle,
            backoff: Backoff::new(WAITS.0, WAITS.1),
            not_before: None,
        });
        let earliest = match cause {
            Cause::Wish => {
                entry.backoff.reset();
                entry.not_before = None;
                now
            }
            Cause::Event => now + GATHER,
            Cause::Timer => now,
        };
        let at = entry.not_before.map_or(earliest, |not_before| not_before.max(earliest));
        match &mut entry.state {
            State::Ready(_) => {}
            State::Running(again) => {
                let (known, wished) = again.unwrap_or((at, false));
                *again = Some((known.min(at), wished || cause == Cause::Wish));
            }
            State::Later(known) if *known <= at => {}
            State::Idle | State::Later(_) => self.schedule(key, at, now),
        }
    }

    fn schedule(&mut self, key: &Key, at: Instant, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let State::Later(before) = entry.state {
            self.later.remove(&(before, key.clone()));
        }
        if at <= now {
            entry.state = State::Ready(at);
            self.lanes.entry(key.source).or_default().push_back(key.clone());
        } else {
            entry.state = State::Later(at);
            self.later.insert((at, key.clone()));
        }
    }

    /// Takes the next key to work on, if one is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Key> {
        while let Some((at, key)) = self.later.first().cloned()
            && at <= now
        {
            self.schedule(&key, at, now);
        }
        let after = self.lanes.range(self.served + 1..).map(|(source, _)| *source);
        let source = after.chain(self.lanes.keys().copied()).find(|source| !self.lanes[source].is_empty())?;
        let key = self.lanes.get_mut(&source)?.pop_front()?;
        self.served = source;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.state = State::Running(None);
        }
        Some(key)
    }

    /// Ends the work on a key. `dice` is in `0.0..1.0`.
    pub(crate) fn done(&mut self, key: &Key, next: Next, now: Instant, dice: f64) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let State::Running(again) = entry.state else { return };
        let mut due = match next {
            Next::Rest | Next::Again(_) | Next::Forget => {
                entry.backoff.reset();
                entry.not_before = None;
                if let Next::Again(after) = next { Some(now + after) } else { None }
            }
            Next::Retry(asked) => {
                let at = now + entry.backoff.wait(asked, dice);
                entry.not_before = Some(at);
                Some(at)
            }
        };
        if let Some((at, wished)) = again {
            let at = if wished { now } else { entry.not_before.map_or(at, |not_before| not_before.max(at)) };
            due = Some(due.map_or(at, |due| due.min(at)));
        }
        entry.state = State::Idle;
        match due {
            Some(at) => self.schedule(key, at, now),
            None if next == Next::Forget => drop(self.entries.remove(key)),
            None => {}
        }
    }

    /// When a key becomes due that is not yet.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether a key could be taken now.
    pub(crate) fn has_ready(&self) -> bool {
        self.lanes.values().any(|lane| !lane.is_empty())
    }

    /// How many keys could be taken now, and how long the first of them has waited.
    pub(crate) fn backlog(&self, now: Instant) -> (usize, Duration) {
        let due = self.entries.values().filter_map(|entry| match entry.state {
            State::Ready(since) | State::Later(since) if since <= now => Some(since),
            _ => None,
        });
        let (count, oldest) = due.fold((0, now), |(count, oldest), since| (count + 1, oldest.min(since)));
        (count, now.duration_since(oldest))
    }

    /// Whether nothing waits and nothing is being worked on.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.values().all(|entry| entry.state == State::Idle)
    }
}

#[cfg(test)]
mod tests;
