//! Shows what the agent knows in the cluster itself: custom resources (`kubectl get kompoxapps -A`) and Events.
//!
//! ```text
//! engine ─► Views (an observer) ─► board: what is to be shown ─┐
//!                                                              ├─► writer ─► one request, or none
//! watches of the views ──────────► live: what is shown ────────┘
//! ```
//!
//! One task writes, one request after the other, and nobody waits for it. Where the definitions
//! (`deploy/manifests/05-crds.yaml`) are not installed, Events alone are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kompox_core::next::Next;
use kompox_core::views::source::{HeldCommit, SourceFacts};
use kompox_core::views::{SOURCE_LABEL, ViewKey, ViewKind};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info};

use self::board::{Board, Shown};
use self::live::LiveViews;
use self::writer::Writer;
use crate::cluster::views::{ViewApi, live_view};
use crate::cluster::watch::{Audience, Sighting, Timing, Topic, WatchApi, follow};
use crate::cluster::{ClusterError, SYSTEM_NAMESPACE};
use crate::config::SourceConfig;
use crate::context::Agent;
use crate::engine::Scheduler;
use crate::engine::observer::{Came, Observer};
use crate::outcome::{AppOutcome, Outcome};
use crate::record::CommitRecord;

mod board;
mod facts;
mod live;
mod writer;

/// Kinds that are watched. Snapshots are made by people, and answered.
const KINDS: [ViewKind; 4] = ViewKind::ALL;
/// How often it is looked, at last, whether the definitions have been installed.
const RARELY: Duration = Duration::from_mins(10);

/// See the module.
pub(crate) struct Views {
    state: Mutex<State>,
    /// Something may be shown wrongly.
    wake: Notify,
    /// Somebody waits for everything being shown.
    rest: Notify,
    /// What Apps wait to be looked at.
    queue: OnceLock<Arc<Scheduler>>,
}

struct State {
    board: Board,
    live: LiveViews,
    /// Kinds of which it is known whether they are served, and why not.
    heard: BTreeMap<ViewKind, Option<String>>,
    /// The sources of the configuration.
    sources: BTreeSet<String>,
    /// The writer has nothing to do.
    at_rest: bool,
}

impl State {
    /// Any view may be shown wrongly, now that those of a kind can be written.
    fn mark_all(&mut self, kind: ViewKind) {
        let now = Instant::now();
        let mut marked = self.board.all();
        marked.extend(self.live.of(ViewKind::Snapshot).map(|live| Shown::Snapshot(live.key.clone())));
        // Views of sources that are not configured any more.
        let is_foreign = |source: Option<&String>| source.is_some_and(|source| !self.sources.contains(source));
        let strays = self.live.of(kind).filter(|live| is_foreign(live.labels.get(SOURCE_LABEL)));
        marked.extend(strays.map(|live| Shown::Stray(live.key.clone())));
        marked.into_iter().for_each(|shown| self.board.mark(shown, now));
    }
}

impl Views {
    /// Shows nothing yet.
    pub(crate) fn new(sources: &[SourceConfig]) -> Arc<Self> {
        let mut board = Board::default();
        for config in sources {
            board.source(facts::source(config, Timestamp::now()), SYSTEM_NAMESPACE, Instant::now());
        }
        let sources = sources.iter().map(|config| config.name.clone()).collect();
        let state = State { board, live: LiveViews::default(), heard: BTreeMap::new(), sources, at_rest: false };
        Arc::new(Self { state: Mutex::new(state), wake: Notify::new(), rest: Notify::new(), queue: OnceLock::new() })
    }

    /// Watches and writes, as long as the tasks live.
    pub(crate) fn start<C>(self: &Arc<Self>, cluster: &Arc<C>, agent: &Arc<Agent>) -> JoinSet<()>
    where
        C: WatchApi + ViewApi + 'static,
    {
        let mut tasks = JoinSet::new();
        for kind in KINDS {
            let (views, api) = (Arc::clone(self), Arc::clone(cluster));
            let usual = Timing::default();
            let timing = Timing { waits: (Duration::from_secs(1), usual.waits.1), unserved: RARELY, ..usual };
            tasks.spawn(async move { follow(api.as_ref(), Topic::Views(kind), views.as_ref(), timing).await });
        }
        let api = Arc::clone(cluster) as Arc<dyn ViewApi>;
        let writer = Writer::new(Arc::clone(self), api, Arc::clone(agent));
        tasks.spawn(writer.run());
        tasks
    }

    /// Lets the work on Apps go first from now on.
    pub(crate) fn behind(&self, queue: Arc<Scheduler>) {
        // There is one engine for each of these.
        let _ = self.queue.set(queue);
    }

    /// Whether Apps wait to be looked at.
    fn is_busy(&self) -> bool {
        self.queue.get().is_some_and(|queue| queue.backlog().0 > 0)
    }

    /// Ends when everything that is known now is shown, as far as that goes.
    pub(crate) async fn flush(&self) {
        loop {
            let rest = self.rest.notified();
            {
                let mut state = self.state();
                let is_heard = KINDS.iter().all(|kind| state.heard.contains_key(kind));
                if is_heard && state.at_rest && state.board.next().is_none() {
                    return;
                }
                let now = Instant::now();
                // What would wait for something better to say is said now.
                for shown in state.board.take_due(now + RARELY) {
                    state.board.mark(shown, now);
                }
                state.at_rest = false;
            }
            self.wake.notify_one();
            rest.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.at_rest = false;
        drop(state);
        self.wake.notify_one();
    }

    /// Changes what is known of a source.
    fn change_source(&self, source: &str, change: impl FnOnce(&mut SourceFacts)) {
        self.change(|state| {
            let Some(memory) = state.board.source_memory(source) else { return };
            let mut facts = SourceFacts { at: Timestamp::now(), ..memory.facts().clone() };
            change(&mut facts);
            if facts.says_the_same(memory.facts()) {
                return;
            }
            state.board.source(facts, SYSTEM_NAMESPACE, Instant::now());
        });
    }
}

impl Observer for Views {
    fn app(&self, source: &str, outcome: &AppOutcome) {
        self.change(|state| match facts::app(source, outcome, Timestamp::now()) {
            Some(facts) => state.board.app(facts, Instant::now()),
            None => state.board.app_gone(&outcome.id, Instant::now()),
        });
    }

    fn commit(&self, source: &str, record: &CommitRecord, _before: Option<&CommitRecord>) {
        self.change_source(source, |facts| {
            facts.commit = Some(record.id.clone());
            facts.apps = None;
            facts.rejected.clear();
        });
    }

    fn fetched(&self, source: &str, came: Came<'_>) {
        self.change_source(source, |facts| {
            (facts.held, facts.fetch_error) = match came {
                Came::Taken => (None, None),
                Came::Held { commit, reason } => {
                    (Some(HeldCommit { commit: commit.to_owned(), reason: reason.to_owned() }), None)
                }
                Came::Failed(fault) => (facts.held.take(), Some(fault.to_string())),
            };
        });
    }

    fn source(&self, source: &str, record: &CommitRecord, outcome: &Outcome) {
        self.change_source(source, |facts| facts::enter(facts, &record.id, outcome));
        if !outcome.complete {
            return;
        }
        // Views of Apps that went while no agent was looking.
        self.change(|state| {
            let of_source = |key: &&ViewKey| {
                let live = state.live.get(key);
                live.and_then(|live| live.labels.get(SOURCE_LABEL)).is_some_and(|label| label == source)
            };
            let keys: Vec<ViewKey> = state.live.of(ViewKind::App).map(|live| live.key.clone()).collect();
            let strays =
                keys.iter().filter(of_source).filter(|key| state.board.behind(key, SYSTEM_NAMESPACE).is_none());
            let strays: Vec<Shown> = strays.cloned().map(Shown::Stray).collect();
            strays.into_iter().for_each(|stray| state.board.mark(stray, Instant::now()));
        });
    }

    fn undelivered(&self, source: &str, waiting: usize) {
        self.change_source(source, |facts| facts.undelivered = Some(waiting));
    }
}

impl Audience for Views {
    fn listed(&self, topic: Topic, seen: Vec<Sighting>, _version: &str) {
        let Topic::Views(kind) = topic else { return };
        self.change(|state| {
            state.heard.insert(kind, None);
            state.live.listed(kind, seen.iter().filter_map(|sighting| live_view(kind, sighting)).collect());
            state.mark_all(kind);
        });
    }

    fn seen(&self, topic: Topic, sighting: Sighting) {
        let Topic::Views(kind) = topic else { return };
        let Some(view) = live_view(kind, &sighting) else { return };
        self.disturbed(view.key.clone(), |live| live.seen(view));
    }

    fn gone(&self, topic: Topic, sighting: &Sighting) {
        let (Topic::Views(kind), Some(namespace)) = (topic, sighting.namespace.clone()) else { return };
        let key = ViewKey { kind, namespace, name: sighting.name.clone() };
        self.disturbed(key.clone(), |live| live.gone(&key, &sighting.uid));
    }

    fn connected(&self, topic: Topic) {
        let Topic::Views(kind) = topic else { return };
        self.change(|state| {
            state.heard.insert(kind, None);
            // What was to be written while the watch was broken was let go.
            if state.live.connected(kind) {
                state.mark_all(kind);
            }
        });
    }

    fn lost(&self, topic: Topic, error: &ClusterError) -> bool {
        let Topic::Views(kind) = topic else { return false };
        self.change(|state| {
            let was_served = state.live.lost(kind);
            let before = state.heard.insert(kind, Some(error.to_string())).flatten();
            // What passes by itself is no matter of definitions that are missing.
            let passes = matches!(error.next(), Next::Retry { .. });
            if passes || (was_served && error.next() != Next::Stalled) {
                debug!(%kind, %error, "the watch of views is interrupted");
            } else if before != Some(error.to_string()) {
                info!(%error, "{kind} objects are not shown; deploy/manifests has what they need");
            }
        });
        false
    }
}

impl Views {
    /// Somebody else has changed a view, or removed it: it is written again.
    fn disturbed(&self, key: ViewKey, change: impl FnOnce(&mut LiveViews) -> bool) {
        let mut state = self.state();
        if !change(&mut state.live) {
            return;
        }
        let Some(shown) = state.board.behind(&key, SYSTEM_NAMESPACE) else { return };
        state.board.mark(shown, Instant::now());
        state.at_rest = false;
        drop(state);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests;
