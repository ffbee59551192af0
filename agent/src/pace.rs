//! When to try again: intervals with jitter, back-off with a cap. Pure: the caller brings the dice.

use std::time::Duration;

/// A number in `0.0..1.0` for the functions of this module.
#[must_use]
pub(crate) fn dice() -> f64 {
    rand::random()
}

/// An interval spread by ±10 %, so that many agents do not ask one server in step. `dice` is in `0.0..1.0`.
#[must_use]
pub(crate) fn jittered(interval: Duration, dice: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * dice.clamp(0.0, 1.0))
}

/// Exponential back-off: doubles from `base` up to `cap`, and takes between half and all of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub(crate) const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, failures: 0 }
    }

    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures in a row were counted.
    #[must_use]
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure and says how long to wait: never less than what the other side asked for, which may
    /// exceed the cap. `dice` is in `0.0..1.0`.
    pub(crate) fn wait(&mut self, asked: Option<Duration>, dice: f64) -> Duration {
        let exponent = self.failures.min(31);
        self.failures = self.failures.saturating_add(1);
        let full = self.base.saturating_mul(2_u32.pow(exponent)).min(self.cap);
        let wait = full.mul_f64(0.5 + 0.5 * dice.clamp(0.0, 1.0));
        asked.map_or(wait, |asked| asked.max(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        let interval = Duration::from_secs(30);
        assert_eq!(jittered(interval, 0.0), Duration::from_secs(27));
        assert_eq!(jittered(interval, 0.5), Duration::from_secs(30));
        assert_eq!(jittered(interval, 1.0), Duration::from_secs(33));
        for _ in 0..1000 {
            let wait = jittered(interval, dice());
            assert!((27.0..=33.0).contains(&wait.as_secs_f64()), "{wait:?}");
        }
    }

    #[test]
    fn back_off_doubles_up_to_the_cap() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
        let waits: Vec<u64> = (0..7).map(|_| backoff.wait(None, 1.0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.wait(None, 0.0), Duration::from_secs(1));
    }

    #[test]
    fn years_of_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
        for _ in 0..10_000 {
            assert!(backoff.wait(None, 0.5) <= Duration::from_secs(60));
        }
        assert_eq!(backoff.failures(), 10_000);
    }

    #[test]
    fn what_the_other_side_asks_for_wins_over_a_shorter_wait() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
        assert_eq!(backoff.wait(Some(Duration::from_secs(600)), 1.0), Duration::from_secs(600));
        assert_eq!(backoff.wait(Some(Duration::from_secs(1)), 1.0), Duration::from_secs(4));
    }
}
