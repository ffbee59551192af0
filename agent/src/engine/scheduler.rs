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
    pub(crate) async fn next(&self) -> Turn<'_> {
        loop {
            let due = {
                let mut queue = self.queue();
                if let Some(key) = queue.take(Instant::now()) {
                    if queue.has_ready() {
                        self.added.notify_one();
                    }
                    return Turn { scheduler: self, key, next: Next::Retry(None) };
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

/// Work on a key, which nobody else gets meanwhile. Dropping it gives the key back, to be tried again.
pub(crate) struct Turn<'s> {
    scheduler: &'s Scheduler,
    /// What is worked on.
    pub(crate) key: Key,
    next: Next,
}

impl Turn<'_> {
    /// Ends the work.
    pub(crate) fn end(mut self, next: Next) {
        self.next = next;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Self { scheduler, key, next } = self;
        scheduler.queue().done(key, *next, Instant::now(), dice());
        // It may be due before anything that the others wait for.
        scheduler.added.notify_one();
        scheduler.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_is_broken_off_is_tried_again() {
        let scheduler = Scheduler::default();
        let key = Key { source: 0, app: "/ws/w/prv/p/cls/c/app/a".parse().unwrap() };
        scheduler.add([key.clone()], Cause::Wish);
        drop(scheduler.next().await);
        assert_eq!(scheduler.next().await.key, key);
        scheduler.next().await.end(Next::Forget);
        assert!(scheduler.is_idle());
    }
}
