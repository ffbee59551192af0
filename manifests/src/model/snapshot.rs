//! `App.snapshotPolicies`.

use crate::diagnostic::{Span, Spanned};

/// When snapshots of which volumes are taken and how long they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// DNS-1123, 1 to 12 characters, unique in the App.
    pub name: String,
    /// Names of the volumes; empty is every volume of type `disk`.
    pub volumes: Vec<String>,
    /// When.
    pub trigger: Trigger,
    /// `suspend`: nothing is taken; what there is stays.
    pub suspend: bool,
    /// What is kept.
    pub retention: Retention,
    /// What runs around the moment of the snapshot.
    pub hooks: Hooks,
    /// `consistency`.
    pub consistency: Consistency,
    /// Where it stands.
    pub at: Span,
}

/// When a policy's snapshots are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `schedule`
    Schedule {
        /// Five cron fields or a macro, as written.
        cron: Spanned<String>,
        /// `timeZone`, an IANA name; `None` is UTC.
        time_zone: Option<Spanned<String>>,
        /// `jitter` in seconds.
        jitter: u64,
        /// `startDeadline` in seconds; `None` is the period, at most a day.
        start_deadline: Option<u64>,
    },
    /// `on: deploy`: before a change of the Pod that mounts the volume.
    Deploy {
        /// Whether the deploy waits for the snapshot, and stops when it fails.
        required: bool,
    },
}

/// How many of each period are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// `keepLast`
    pub last: u32,
    /// `keepHourly`
    pub hourly: u32,
    /// `keepDaily`
    pub daily: u32,
    /// `keepWeekly`
    pub weekly: u32,
    /// `keepMonthly`
    pub monthly: u32,
    /// `keepYearly`
    pub yearly: u32,
}

/// Within how many seconds before the newest snapshot one of each period is kept; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepWithin {
    /// `keepWithin`: every one.
    pub all: u64,
    /// `keepWithinHourly`
    pub hourly: u64,
    /// `keepWithinDaily`
    pub daily: u64,
    /// `keepWithinWeekly`
    pub weekly: u64,
    /// `keepWithinMonthly`
    pub monthly: u64,
    /// `keepWithinYearly`
    pub yearly: u64,
}

/// `retention`; at least one rule keeps something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Counts.
    pub keep: Keep,
    /// Spans of time.
    pub within: KeepWithin,
    /// `minGood`: the newest good snapshots that no rule deletes; at least 1.
    pub min_good: u32,
}

/// `hooks`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `pre`
    pub pre: Option<Hook>,
    /// `post`
    pub post: Option<Hook>,
    /// `session`, instead of `pre` and `post`.
    pub session: Option<Session>,
}

/// A command in a service's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The Compose service.
    pub service: Spanned<String>,
    /// The command's words.
    pub command: Vec<String>,
    /// `timeout` in seconds.
    pub timeout: u64,
    /// `onError`
    pub on_error: HookFailure,
}

/// What happens when a hook fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookFailure {
    /// No snapshot is taken.
    #[default]
    Fail,
    /// The snapshot is taken, and says so.
    Continue,
}

/// A process that is held open until the snapshots are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The Compose service.
    pub service: Spanned<String>,
    /// The command's words.
    pub command: Vec<String>,
    /// The line that the process prints once it is ready.
    pub ready: String,
    /// `timeout` in seconds.
    pub timeout: u64,
}

/// `consistency`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// As after a power cut, unless the hooks do better.
    #[default]
    Crash,
    /// The App is scaled to zero while the snapshots are cut.
    Quiesce,
}
