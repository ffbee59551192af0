//! How many statuses wait for the forge, told to whoever shows it. Most are taken within moments, and what is over
//! before anybody can look is not worth a request to the API server: the number is told when it has been another one
//! than was told for a while. The caller brings the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::observer::Observer;

/// How long the number must have been another one. Shorter than `run --once` waits for the forge, so that it too says
/// what is left.
const LASTING: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) struct Backlog {
    observers: Vec<Arc<dyn Observer>>,
    lasting: Duration,
    /// What was told last; nothing yet by this process.
    told: Option<usize>,
    /// When it is told anew, unless the number is what was told again by then.
    due: Option<Instant>,
}

impl Backlog {
    /// A backlog of which these want to know.
    pub(crate) fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self { observers, lasting: LASTING, told: None, due: None }
    }

    /// As [`Backlog::new`], with another patience.
    #[cfg(test)]
    pub(super) fn lasting(observers: Vec<Arc<dyn Observer>>, lasting: Duration) -> Self {
        Self { lasting, ..Self::new(observers) }
    }

    /// Takes how many wait; tells it when it is time.
    pub(super) fn see(&mut self, source: &str, waiting: usize, now: Instant) {
        if self.told == Some(waiting) {
            self.due = None;
            return;
        }
        let due = *self.due.get_or_insert(now + self.lasting);
        if now >= due {
            self.tell(source, waiting);
        }
    }

    /// Tells it now: there is nothing to wait for.
    pub(super) fn tell(&mut self, source: &str, waiting: usize) {
        self.due = None;
        if self.told.replace(waiting) != Some(waiting) {
            self.observers.iter().for_each(|observer| observer.undelivered(source, waiting));
        }
    }

    /// When it is told, if that is to come.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<usize>>);

    impl Observer for Heard {
        fn undelivered(&self, source: &str, waiting: usize) {
            assert_eq!(source, "ops");
            self.0.lock().unwrap().push(waiting);
        }
    }

    #[test]
    fn the_number_is_told_when_it_has_lasted() {
        let heard = Arc::new(Heard::default());
        let mut backlog = Backlog::new(vec![Arc::clone(&heard) as _]);
        let began = Instant::now();
        let mut see = |seconds: u64, waiting| {
            backlog.see("ops", waiting, began + Duration::from_secs(seconds));
            (
                backlog.due().map(|due| due.duration_since(began).as_secs()),
                std::mem::take(&mut *heard.0.lock().unwrap()),
            )
        };
        // What an earlier process has told may be wrong: also nothing is said once.
        assert_eq!(see(0, 0), (Some(20), vec![]));
        assert_eq!(see(20, 0), (None, vec![0]));
        // Commits come and are told.
        for second in 21..60 {
            assert_eq!(see(second, 2), (Some(second + 20), vec![]), "{second}");
            assert_eq!(see(second, 0), (None, vec![]), "{second}");
        }
        // The forge takes nothing any more, however many more come.
        assert_eq!(see(100, 1), (Some(120), vec![]));
        assert_eq!(see(110, 3), (Some(120), vec![]));
        assert_eq!(see(120, 4), (None, vec![4]));
        assert_eq!(see(121, 4), (None, vec![]));
        // It takes one after the other again.
        assert_eq!(see(130, 3), (Some(150), vec![]));
        assert_eq!(see(131, 0), (Some(150), vec![]));
        assert_eq!(see(150, 0), (None, vec![0]));
    }

    #[test]
    fn who_waits_for_nothing_more_is_told_at_once() {
        let heard = Arc::new(Heard::default());
        let mut backlog = Backlog::new(vec![Arc::clone(&heard) as _]);
        backlog.see("ops", 2, Instant::now());
        backlog.tell("ops", 0);
        backlog.tell("ops", 0);
        assert_eq!((backlog.due(), heard.0.lock().unwrap().as_slice()), (None, [0].as_slice()));
    }
}
