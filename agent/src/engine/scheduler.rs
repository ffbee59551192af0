//! The queue with its clock: workers wait here for the next App.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::queue::{Cause, Key, Next, Queue};
use crate::pace::dice;

/// See the module.
#[derive(Default)]
pub(crate) struct Scheduler {
    queue: Mutex<Queue>,
    /// Something was added.
    added: Notify,
    /// Something ended.
    ended: Notify,
}

impl Scheduler {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds keys.
    pub(crate) fn add(&self, keys: impl IntoIterator<Item = Key>, cause: Cause) {
        let now = Instant::now();
        let mut queue = self.queue();
        for key in keys {
            queue.add(&key, cause, now);
        }
        drop(queue);
        self.added.notify_one();
    }

    /// Waits for the next key to work on.
    pub(crate) async fn next(&self) -> Key {
        loop {
            let due = {
                let mut queue = self.queue();
                if let Some(key) = queue.take(Instant::now()) {
                    if queue.has_ready() {
                        self.added.notify_one();
                    }
                    return key;
                }
                queue.next_due()
            };
            let due = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.added.notified() => {}
                () = due => {}
            }
        }
    }

    /// Ends the work on a key.
    pub(crate) fn done(&self, key: &Key, next: Next) {
        self.queue().done(key, next, Instant::now(), dice());
        // It may be due before anything that the others wait for.
        self.added.notify_one();
        self.ended.notify_one();
    }

    /// Waits until some work has ended.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// How many keys could be taken now, and how long the first of them has waited.
    pub(crate) fn backlog(&self) -> (usize, Duration) {
        self.queue().backlog(Instant::now())
    }

    /// Whether nothing waits and nothing is being worked on.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue().is_idle()
    }
}
