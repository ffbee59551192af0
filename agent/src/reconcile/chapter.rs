//! What is written into the history of an App: what a look does, and how what was done before has ended. It costs
//! no request of its own: it lies with the record of what was applied.

use jiff::Timestamp;
use kompox_core::health;
use kompox_core::history::{self, Cause, End, Entry, History};
use kompox_core::plan::AppliedRecord;
use kompox_manifests::object::{Kind as ObjectKind, ObjectKey};

use crate::applied::Stored;
use crate::context::{Agent, Planned, Wish};
use crate::failure::{Failure, Kind};
use crate::memory::Memory;
use crate::outcome::State;

/// What is known before anything is written.
pub(super) struct Chapter {
    time: Timestamp,
    commit: String,
    changes: Vec<String>,
    restarted: bool,
    /// How the change before has ended, and the seconds without a Pod.
    end: (End, Option<String>, Option<u64>),
}

impl Chapter {
    /// What a plan is about to do.
    pub(super) fn begin(agent: &Agent, wish: &Wish, planned: &Planned, memory: &Memory) -> Self {
        let (changes, restarted) = history::changes(&planned.plan);
        let before = memory.applied.iter().flatten().find(|stored| stored.history.open().is_some());
        let end = before.map_or((End::Open, None, None), |before| ended(agent, wish, before, memory));
        Self { time: planned.settings.now, commit: wish.commit.id.clone(), changes, restarted, end }
    }

    /// The history with what was done, if something was.
    pub(super) fn written(self, before: Option<&Stored>, record: &AppliedRecord, wrote: bool) -> History {
        let mut history = before.map(|before| before.history.clone()).unwrap_or_default();
        let Self { time, commit, changes, restarted, end: (end, reason, downtime) } = self;
        history.close(end, reason, downtime);
        if wrote {
            let cause = match before.map(|before| &before.record) {
                Some(before) if before.inputs != record.inputs => Cause::Commit,
                Some(before) if before.externals != record.externals => Cause::Secrets,
                Some(before) if before.says_the_same(record) => Cause::Drift,
                _ => Cause::Commit,
            };
            let (end, reason, downtime_seconds) = (End::Open, None, None);
            history.add(Entry { time, commit, cause, changes, restarted, end, reason, downtime_seconds });
        }
        history
    }
}

/// How a change has ended, as far as the App shows it now.
fn ended(agent: &Agent, wish: &Wish, before: &Stored, memory: &Memory) -> (End, Option<String>, Option<u64>) {
    let names = wish.names.as_ref();
    let (kind, namespace) = (ObjectKind::Deployment, Some(names.namespace.clone()));
    let deployment = ObjectKey { kind, namespace, name: names.workload() };
    let workload = agent.cache.workload(&names.hashes.instance, &deployment).unwrap_or_default();
    // What became healthy once has ended well, whatever came over it later.
    let was_healthy = memory.healthy.as_ref().is_some_and(|inputs| **inputs == *before.record.inputs)
        // This process has not looked before.
        || (memory.state.is_none() && workload.deployment.is_some() && health::assess(&workload).reason().is_none());
    let began = before.history.open().map(|entry| entry.time);
    match &memory.state {
        _ if was_healthy => (End::Healthy, None, began.and_then(|began| history::downtime(began, &workload.pods))),
        Some(State::Failed(Failure { kind: Kind::Unhealthy, text, .. })) => (End::Failed, Some(text.clone()), None),
        // Something else is done now before anybody could tell.
        _ => (End::Replaced, None, None),
    }
}
