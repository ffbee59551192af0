//! What the agent spends: time by stage, and requests to the API server. Only counted here;
//! [`crate::metrics`] shows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A part of the work whose time is told by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Asking for the newest revision of a source, and getting it.
    Fetch,
    /// From the files of a commit to what it asks for.
    Convert,
    /// What is there of an App, the provider's disks included.
    Observe,
    /// What is to be done about it.
    Plan,
    /// Dry-runs.
    Confirm,
    /// Writes.
    Apply,
}

impl Stage {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Fetch, Self::Convert, Self::Observe, Self::Plan, Self::Confirm, Self::Apply];

    /// The word for a label.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Convert => "convert",
            Self::Observe => "observe",
            Self::Plan => "plan",
            Self::Confirm => "confirm",
            Self::Apply => "apply",
        }
    }
}

/// Upper bounds of the buckets of a [`Histogram`], in seconds, as they are written.
pub(crate) const BOUNDS: [(f64, &str); 8] = [
    (0.001, "0.001"),
    (0.01, "0.01"),
    (0.05, "0.05"),
    (0.25, "0.25"),
    (1.0, "1"),
    (5.0, "5"),
    (30.0, "30"),
    (120.0, "120"),
];

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    /// How often it took no longer than each bound, and longer than the one before.
    pub(crate) buckets: [u64; BOUNDS.len()],
    /// How often in all.
    pub(crate) count: u64,
    /// Seconds in all.
    pub(crate) sum: f64,
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|(bound, _)| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Readings>);

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    /// Time by stage.
    pub(crate) stages: BTreeMap<Stage, Histogram>,
    /// Requests by their verb and whether they were answered with what was asked for.
    pub(crate) requests: BTreeMap<(String, bool), u64>,
}

impl Meter {
    fn readings(&self) -> MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works, and counts how long that takes. Work that is given up is not counted.
    pub(crate) async fn time<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.readings().stages.entry(stage).or_default().add(began.elapsed());
        done
    }

    /// The same for work that does not wait for anything.
    pub(crate) fn time_now<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.readings().stages.entry(stage).or_default().add(began.elapsed());
        done
    }

    /// Counts a request to the API server. `verb` is one of the few words that the agent itself has.
    pub(crate) fn request(&self, verb: &str, is_well: bool) {
        *self.readings().requests.entry((verb.to_owned(), is_well)).or_default() += 1;
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Readings {
        self.readings().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_falls_into_the_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for millis in [0, 10, 11, 4_000, 500_000] {
            histogram.add(Duration::from_millis(millis));
        }
        assert_eq!(histogram.buckets, [1, 1, 1, 0, 0, 1, 0, 0]);
        assert_eq!(histogram.count, 5, "what is longer than every bound counts too");
        assert!((histogram.sum - 504.021).abs() < 0.001, "{}", histogram.sum);
    }
}
