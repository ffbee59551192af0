//! How far each watch has come, and since when one is broken.

use std::collections::BTreeMap;
use std::time::Duration;

use kompox_core::next::Next;
use tokio::time::Instant;

use super::Topic;
use crate::cluster::ClusterError;
use crate::cluster::error::Cause;

/// How long a watch may be broken before nothing is decided any more: less than it takes to come back from
/// a restart of the API server, so that nothing waits for that alone.
const GRACE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub(super) struct Progress {
    topics: BTreeMap<Topic, State>,
}

#[derive(Default)]
struct State {
    listed: bool,
    /// It was established once.
    begun: bool,
    broken: Option<(Instant, ClusterError)>,
}

impl Progress {
    pub(super) fn listed(&mut self, topic: Topic) {
        self.topics.entry(topic).or_default().listed = true;
    }

    /// Whether everything can be seen again now, after something could not.
    pub(super) fn connected(&mut self, topic: Topic) -> bool {
        let state = self.topics.entry(topic).or_default();
        state.begun = true;
        state.broken.take().is_some() && self.topics.values().all(|state| state.broken.is_none())
    }

    /// Whether it is news: nothing was broken before, or a person must act for this topic now.
    pub(super) fn lost(&mut self, topic: Topic, error: &ClusterError, now: Instant) -> bool {
        let is_first = self.topics.values().all(|state| state.broken.is_none());
        let state = self.topics.entry(topic).or_default();
        let before = state.broken.take();
        let needs_somebody = error.next() == Next::Stalled && before.as_ref().is_none_or(|(_, known)| known != error);
        state.broken = Some((before.map_or(now, |(since, _)| since), error.clone()));
        is_first || needs_somebody
    }

    /// Why nothing may be decided by what was seen; `None` when all is well.
    pub(super) fn blind(&self, now: Instant) -> Option<ClusterError> {
        let mut waiting = None;
        for topic in Topic::all() {
            let Some(State { listed, begun, broken }) = self.topics.get(&topic) else {
                waiting = waiting.or_else(|| Some(unseen(topic)));
                continue;
            };
            match broken {
                // A person must act: the words of that say more than any other's.
                Some((_, error)) if error.next() == Next::Stalled => return Some(error.clone()),
                Some((since, error)) if !(*listed && *begun) || now.duration_since(*since) >= GRACE => {
                    waiting = Some(error.clone());
                }
                None if !(*listed && *begun) => waiting = waiting.or_else(|| Some(unseen(topic))),
                Some(_) | None => {}
            }
        }
        waiting
    }
}

fn unseen(topic: Topic) -> ClusterError {
    ClusterError::new(format!("watch {topic:?}"), Cause::Unreachable("it has not been listed yet".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(cause: Cause) -> ClusterError {
        ClusterError::new("watch", cause)
    }

    fn all_well() -> Progress {
        let mut progress = Progress::default();
        for topic in Topic::all() {
            progress.listed(topic);
            assert!(!progress.connected(topic));
        }
        progress
    }

    #[test]
    fn nothing_is_seen_before_every_topic_is_listed_and_watched() {
        let now = Instant::now();
        let mut progress = Progress::default();
        assert!(progress.blind(now).is_some());
        for topic in Topic::all() {
            progress.listed(topic);
            assert!(progress.blind(now).is_some());
            progress.connected(topic);
        }
        assert!(progress.blind(now).is_none());
    }

    #[test]
    fn a_short_break_is_borne_and_a_long_one_is_not() {
        let (mut progress, now) = (all_well(), Instant::now());
        let cut = error(Cause::Unreachable("cut".into()));
        assert!(progress.lost(Topic::Pods, &cut, now));
        assert!(!progress.lost(Topic::Nodes, &cut, now), "it is told once");
        assert!(progress.blind(now + GRACE / 2).is_none());
        // Trying again in vain does not begin a new break.
        assert!(!progress.lost(Topic::Pods, &cut, now + GRACE / 2));
        assert_eq!(progress.blind(now + GRACE), Some(cut));
        assert!(!progress.connected(Topic::Pods), "nodes are still not seen");
        assert!(progress.connected(Topic::Nodes));
        assert!(progress.blind(now + GRACE).is_none());
    }

    #[test]
    fn a_missing_right_is_told_at_once_and_first() {
        let (mut progress, now) = (all_well(), Instant::now());
        let missing = error(Cause::Forbidden("may not watch pods".into()));
        progress.lost(Topic::Nodes, &error(Cause::Unreachable("cut".into())), now - GRACE);
        assert!(progress.lost(Topic::Pods, &missing, now));
        assert!(!progress.lost(Topic::Pods, &missing, now));
        assert_eq!(progress.blind(now), Some(missing));
    }

    #[test]
    fn what_was_never_seen_bears_no_break() {
        let mut progress = Progress::default();
        for topic in Topic::all().filter(|topic| *topic != Topic::Pods) {
            progress.listed(topic);
            progress.connected(topic);
        }
        let cut = error(Cause::Unreachable("cut".into()));
        progress.lost(Topic::Pods, &cut, Instant::now());
        assert_eq!(progress.blind(Instant::now()), Some(cut));
    }
}
