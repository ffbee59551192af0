//! When waiting for a rollout is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Health, Outlook, Reason};

/// How long a rollout may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After this time it has failed, whatever the reason.
    pub deadline: Duration,
    /// How long something that seldom passes ([`Outlook::Unlikely`]) is borne.
    pub patience: Duration,
    /// How long it must stay healthy before it is believed: a container without a readiness probe
    /// counts as ready from its start, also when it ends a moment later.
    pub settle: Duration,
}

impl Limits {
    const PATIENCE: Duration = Duration::from_mins(3);
    const SETTLE: Duration = Duration::from_secs(3);
    const DEADLINE: Duration = Duration::from_mins(10);
    /// Disks are detached and attached first.
    const DEADLINE_WITH_VOLUMES: Duration = Duration::from_mins(30);

    /// The limits of an App; `progress_deadline` is its `reconcile.progressDeadline` in seconds.
    #[must_use]
    pub fn of_app(progress_deadline: Option<u64>, has_volumes: bool) -> Self {
        let default = if has_volumes { Self::DEADLINE_WITH_VOLUMES } else { Self::DEADLINE };
        Self {
            deadline: progress_deadline.map_or(default, Duration::from_secs),
            patience: Self::PATIENCE,
            settle: Self::SETTLE,
        }
    }
}

/// A rollout under watch.
#[derive(Clone, Debug)]
pub struct Rollout {
    limits: Limits,
    healthy_since: Option<Duration>,
    /// When each kind of trouble was first seen. Trouble that comes and goes (a container that runs
    /// for a second between two crashes) counts from its first time.
    troubled_since: BTreeMap<&'static str, Duration>,
}

/// What to do after a look at a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again.
    Wait,
    /// It is done.
    Healthy,
    /// It failed.
    Failed {
        /// Why; after the deadline, what it was waiting for.
        reason: Reason,
        /// Whether the deadline ended it.
        timed_out: bool,
    },
}

impl Rollout {
    /// A rollout that begins now.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, healthy_since: None, troubled_since: BTreeMap::new() }
    }

    /// Judges what was seen at `elapsed` after the beginning.
    pub fn observe(&mut self, elapsed: Duration, health: &Health) -> Verdict {
        let reason = match health {
            Health::Healthy => return self.healthy(elapsed),
            Health::Progressing { reason } | Health::Degraded { reason } => reason,
        };
        self.healthy_since = None;
        let timed_out = elapsed >= self.limits.deadline;
        if timed_out || self.is_hopeless(elapsed, health) {
            return Verdict::Failed { reason: reason.clone(), timed_out };
        }
        Verdict::Wait
    }

    /// How long after `elapsed` the judgement may change although nothing else does; `None` when nothing is
    /// awaited any more.
    #[must_use]
    pub fn next_look(&self, elapsed: Duration) -> Option<Duration> {
        let settled = self.healthy_since.map(|since| since + self.limits.settle);
        let given_up = self.troubled_since.values().map(|since| *since + self.limits.patience);
        let dates = settled.into_iter().chain(given_up).chain([self.limits.deadline]);
        dates.filter(|date| *date > elapsed).min().map(|date| date - elapsed)
    }

    fn healthy(&mut self, elapsed: Duration) -> Verdict {
        let since = *self.healthy_since.get_or_insert(elapsed);
        if elapsed.saturating_sub(since) >= self.limits.settle { Verdict::Healthy } else { Verdict::Wait }
    }

    fn is_hopeless(&mut self, elapsed: Duration, health: &Health) -> bool {
        let Health::Degraded { reason } = health else { return false };
        let since = *self.troubled_since.entry(reason.label).or_insert(elapsed);
        match reason.outlook {
            Outlook::MayHeal => false,
            Outlook::Unlikely => elapsed.saturating_sub(since) >= self.limits.patience,
            Outlook::Never => true,
        }
    }
}
