//! What is remembered of an App from one look to the next. Losing it (a restart) costs repeated dry-runs
//! and a look at its Pods, nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kompox_core::health::{Limits, Rollout};
use kompox_core::plan::{Corrections, HoldDigest};
use kompox_core::windows;
use tokio::time::Instant;

use crate::applied::Stored;
use crate::cluster::cache::Revision;
use crate::context::{Agent, Standing, Wish};
use crate::disks::Serial;
use crate::failure::{Failure, Kind};
use crate::outcome::{AppOutcome, HeldFact, State};
use crate::restart::Preparation;

/// Time between two looks at an App while something stands in its way that no watch shows.
const UNWATCHED: Duration = Duration::from_secs(60);

/// The memory of one App.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The commit that the API server refused, until a newer one comes.
    refusal: Option<(String, Failure)>,
    /// The commit that the API server accepted last: what it refuses of that later is not the commit's fault.
    accepted: Option<String>,
    /// The rollout under way, or the one that ended.
    rollout: Option<Watched>,
    /// What was looked at last, and what that came to for good.
    settled: Option<(Inputs, State)>,
    /// How often in a row it failed through something that may pass.
    faults: u32,
    /// What must be done before its Pod is stopped.
    pub(crate) preparation: Option<Preparation>,
    /// What was applied last; `None` before it was read.
    pub(crate) applied: Option<Option<Stored>>,
    /// How the App was at the last look.
    pub(crate) state: Option<State>,
    /// What was asked for when it was seen healthy last.
    pub(crate) healthy: Option<Arc<str>>,
    /// What was put back lately of what others change or delete.
    pub(crate) corrections: Corrections,
    /// What was asked for while the cluster said that it was applied; `None` once something else is.
    pub(crate) was_applied: Option<Arc<str>>,
    /// What was held at the last look.
    pub(crate) holds: Vec<HeldFact>,
    /// What others had changed then and was left so.
    pub(crate) drift: Vec<String>,
    /// A plan that a person has agreed to was begun: what follows is the rest of it.
    pub(crate) agreed: bool,
    /// What stood in the way at the last look is somebody else's (an object, a webhook): no watch shows when it ends.
    pub(crate) unwatched: bool,
    /// What providers said before does not count any more.
    asks_providers: bool,
}

/// Everything that a look at an App depends on, in short: while it is the same, another look finds the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inputs {
    digest: Arc<str>,
    accepted: BTreeSet<HoldDigest>,
    standing: Standing,
    cluster: Revision,
    disks: Option<Serial>,
    /// Until when something is left as it is because it was put back too often.
    fight: Option<Timestamp>,
    /// Whether a window of `reconcile.windows` is open.
    window: bool,
}

impl Inputs {
    /// What a look at an App depends on now.
    pub(crate) fn of(agent: &Agent, wish: &Wish, standing: &Standing, memory: &Memory) -> Self {
        let now = Timestamp::now();
        Self {
            fight: memory.corrections.over_at(now),
            window: windows::is_open(&wish.app.reconcile.windows, now),
            digest: Arc::clone(&wish.digest),
            accepted: wish.commit.accepted.clone(),
            standing: standing.clone(),
            cluster: agent.cache.revision(&wish.names.hashes.instance, &wish.names.namespace),
            disks: agent.listings.serial(wish),
        }
    }

    /// Takes the provider's answer that the look has asked for.
    pub(crate) fn asked_disks(&mut self, agent: &Agent, wish: &Wish) {
        self.disks = agent.listings.serial(wish);
    }
}

/// A rollout of one App.
#[derive(Debug)]
pub(crate) struct Watched {
    digest: Arc<str>,
    /// When it began.
    pub(crate) began: Instant,
    /// What was seen of it.
    pub(crate) rollout: Rollout,
    /// It ended well, and nothing was written since then.
    pub(crate) settled: bool,
    /// What Events said of its Pods, and when they were read.
    pub(crate) events: Option<(Instant, Vec<Event>)>,
}

impl Watched {
    fn new(digest: &Arc<str>, limits: Limits) -> Self {
        Self {
            digest: Arc::clone(digest),
            began: Instant::now(),
            rollout: Rollout::new(limits),
            settled: false,
            events: None,
        }
    }
}

impl Memory {
    /// What a look with these inputs came to for good, when there was one.
    pub(crate) fn settled(&self, inputs: &Inputs) -> Option<&State> {
        self.settled.as_ref().filter(|(of, _)| of == inputs && inputs.disks.is_some()).map(|(_, state)| state)
    }

    /// Remembers what a look came to. What is still on its way, may pass, or wrote something is looked at
    /// again.
    pub(crate) fn ended(&mut self, inputs: Inputs, outcome: &mut AppOutcome) {
        if outcome.state == State::Healthy {
            self.healthy = Some(Arc::clone(&inputs.digest));
        }
        let lasting = match &outcome.state {
            State::Healthy | State::Suspended | State::Removed => !self.unwatched,
            // It ends without anything being heard.
            State::Paused(_) => false,
            // It goes on watching its Pods, and cannot be told from one that is on its way.
            State::Failed(failure) => failure.kind == Kind::Obstacle && !self.unwatched,
            State::Progressing(_) => false,
        };
        self.settled = (lasting && !outcome.done.wrote()).then(|| (inputs, outcome.state.clone()));
        let passes = matches!(&outcome.state, State::Failed(failure) if failure.passes());
        self.faults = if passes { self.faults.saturating_add(1) } else { 0 };
        outcome.faults = self.faults;
        outcome.holds.clone_from(&self.holds);
        outcome.drift.clone_from(&self.drift);
        self.state = Some(outcome.state.clone());
    }

    /// When something changes that nothing is heard of: what was put back too often may be put back again, a window
    /// opens for what is held, or somebody else's object is out of the way.
    pub(crate) fn alarm(&self, wish: &Wish) -> Option<Duration> {
        let now = Timestamp::now();
        let windows = &wish.app.reconcile.windows;
        let opening = if self.holds.is_empty() { None } else { windows::next_opening(windows, now) };
        let next = self.corrections.over_at(now).into_iter().chain(opening).min();
        let next = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        next.into_iter().chain(self.unwatched.then_some(UNWATCHED)).min()
    }

    /// Forgets what spares a look: a person may have mended what no watch shows.
    pub(crate) fn look_anew(&mut self) {
        self.settled = None;
        self.refusal = None;
        self.asks_providers = true;
    }

    /// Whether the look that begins is to ask the App's providers, whatever they said before.
    pub(crate) fn asks_providers(&mut self) -> bool {
        std::mem::take(&mut self.asks_providers)
    }

    /// Whether what an App asks for was seen healthy.
    pub(crate) fn was_healthy(&self, digest: &Arc<str>) -> bool {
        self.rollout.as_ref().is_some_and(|watched| watched.settled && watched.digest == *digest)
    }

    /// Why a commit cannot be deployed, when that is known.
    pub(crate) fn refusal(&self, commit: &str) -> Option<&Failure> {
        self.refusal.as_ref().filter(|(refused, _)| refused == commit).map(|(_, failure)| failure)
    }

    /// Remembers that the API server accepted a commit.
    pub(crate) fn accepted(&mut self, commit: &str) {
        self.accepted = Some(commit.to_owned());
    }

    /// Remembers a refusal that a newer commit alone can mend.
    pub(crate) fn refused(&mut self, commit: &str, failure: &Failure) {
        if failure.kind == Kind::Rejected && self.accepted.as_deref() != Some(commit) {
            self.refusal = Some((commit.to_owned(), failure.clone()));
        }
    }

    /// The rollout; a new one when something else is asked for or something was written to one that had
    /// ended.
    pub(crate) fn rollout(&mut self, digest: &Arc<str>, written: bool, limits: Limits) -> &mut Watched {
        let watched = self.rollout.get_or_insert_with(|| Watched::new(digest, limits));
        if watched.digest != *digest || (written && watched.settled) {
            *watched = Watched::new(digest, limits);
        } else if written {
            // Its time goes on: something that is written again and again never gets healthy either.
            watched.rollout = Rollout::new(limits);
        }
        watched
    }

    /// Forgets a rollout: something may have been written, and how it went is not known.
    pub(crate) fn unsettled(&mut self) {
        self.rollout = None;
    }
}
