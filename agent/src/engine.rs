//! The engine: what makes an App be looked at, in which order, and who is told.
//!
//! ```text
//! commit ───────┐                 ┌─ worker ─┐
//! change in the ├─► queue of Apps ├─ worker ─┼─► ledger ─► observers (report, …)
//! cluster, timer┘                 └─ worker ─┘
//! ```
//!
//! A change of one App costs the work of that App, however many there are.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kompox_core::next::Next as After;
use kompox_manifests::id::AppId;
use tokio::task::JoinSet;
use tracing::{error, warn};

use self::ledger::Generation;
use self::queue::{Cause, Key, Next};
use self::source::{Due, Source};
use crate::cluster::cache::News;
use crate::context::{Agent, Standing, Wish};
use crate::departure::{self, Elsewhere};
use crate::failure::{DEPENDS_ON, Failure, Kind};
use crate::health::{Look, RollBack};
use crate::memory::Memory;
use crate::outcome::{AppOutcome, Outcome, State};
use crate::reconcile::{Siblings, reconcile, rollback};
use crate::restart;

pub(crate) use self::scheduler::Scheduler;

pub(crate) mod ledger;
pub(crate) mod observer;
pub(crate) mod queue;
mod scheduler;
pub(crate) mod source;

/// How many Apps are worked on at once. Most of that time is waiting for the API server: its answers come one after
/// the other, so that an App has two requests under way on average. With 8, a new fleet waited more than the API server
/// worked (`make bench ARGS="--cold 3"`).
const WORKERS: usize = 24;
/// How long the first look at the cluster may take before Apps are told that it cannot be seen.
const FIRST_SIGHT: Duration = Duration::from_secs(30);
/// Time between two looks at an App that is being removed, when nothing is heard of it.
const GOING: Duration = Duration::from_secs(30);
/// How often a command that ends tries again what may pass by itself.
const TRIES: u32 = 8;

/// See the module.
pub(crate) struct Engine {
    agent: Arc<Agent>,
    sources: Vec<Arc<Source>>,
    queue: Arc<Scheduler>,
}

impl Engine {
    /// An engine for these sources.
    pub(crate) fn new(agent: Arc<Agent>, sources: Vec<Arc<Source>>) -> Arc<Self> {
        Arc::new(Self { agent, sources, queue: Arc::default() })
    }

    /// What waits for being looked at.
    pub(crate) fn queue(&self) -> Arc<Scheduler> {
        Arc::clone(&self.queue)
    }

    /// Makes a source fetch now or soon, as a forge asks for; nothing else is looked at.
    pub(crate) fn fetch_soon(&self, source: &str) {
        self.sources.iter().filter(|of| of.name == source).for_each(|source| source.fetch_soon());
    }

    /// Works for ever. Dropping the future ends all work.
    pub(crate) async fn run(self: &Arc<Self>) {
        let mut tasks = JoinSet::new();
        self.start_work(&mut tasks).await;
        for index in 0..self.sources.len() {
            let engine = Arc::clone(self);
            tasks.spawn(async move { engine.sources[index].run(&|due| engine.enqueue(index, due)).await });
        }
        ended_early(&mut tasks).await;
    }

    /// Fetches every source once and works until everything has ended well or badly, or what may pass has
    /// not passed. A source of which nothing could be fetched has no outcome.
    pub(crate) async fn settle(self: &Arc<Self>) -> Vec<Option<Outcome>> {
        let mut tasks = JoinSet::new();
        self.start_work(&mut tasks).await;
        let mut fetched = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            fetched.push(source.fetch(&|due| self.enqueue(index, due)).await.is_ok());
            self.enqueue(index, Due::Timer);
        }
        while !self.is_settled() {
            tokio::select! {
                () = self.queue.ended() => {}
                () = ended_early(&mut tasks) => break,
            }
        }
        self.sources.iter().for_each(|source| source.tell());
        let outcomes = self.sources.iter().map(|source| source.outcome());
        outcomes.zip(fetched).map(|(outcome, fetched)| outcome.filter(|_| fetched)).collect()
    }

    /// Whether nothing more is to be expected.
    fn is_settled(&self) -> bool {
        // Without the Lease nothing gets better any more.
        let tries = if self.agent.may_write().is_ok() { TRIES } else { 1 };
        self.queue.is_idle() || self.sources.iter().all(|source| source.is_settled(tries))
    }

    async fn start_work(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        self.agent.cache.synced(FIRST_SIGHT).await;
        for _ in 0..WORKERS {
            let engine = Arc::clone(self);
            tasks.spawn(async move { engine.work().await });
        }
        let engine = Arc::clone(self);
        tasks.spawn(async move { engine.hear().await });
        for source in &self.sources {
            let source = Arc::clone(source);
            tasks.spawn(async move { source.tell_on().await });
        }
    }

    fn enqueue(&self, source: usize, due: Due) {
        match due {
            Due::Wish(apps) => {
                self.queue.add(apps.into_iter().map(|app| Key { source, app }), Cause::Wish);
                // What left the others may have waited for what this one lists.
                let others = (0..self.sources.len()).filter(|other| *other != source);
                let departed =
                    |source: usize| self.sources[source].departed().into_iter().map(move |app| Key { source, app });
                self.queue.add(others.flat_map(departed), Cause::Event);
            }
            Due::Timer => self.queue.add(self.keys_of(source), Cause::Timer),
        }
    }

    fn keys_of(&self, source: usize) -> Vec<Key> {
        let departed = self.sources[source].departed();
        let ledger = self.sources[source].ledger();
        ledger.apps().chain(&departed).map(|app| Key { source, app: app.clone() }).collect()
    }

    /// Turns news of the cluster into Apps to look at.
    async fn hear(&self) {
        loop {
            let news = self.agent.cache.news().await;
            let keys = || (0..self.sources.len()).flat_map(|source| self.keys_of(source));
            if news.contains(&News::Back) {
                // What was asked meanwhile is heard too.
                self.sources.iter().for_each(|source| source.ask());
                self.queue.add(keys(), Cause::Wish);
                continue;
            }
            if news.contains(&News::Nodes) {
                self.queue.add(keys(), Cause::Event);
            }
            for (index, source) in self.sources.iter().enumerate() {
                if news.contains(&News::Asked(source.name.clone())) {
                    source.ask();
                }
                let mut concerned = source.ledger().concerned(&news);
                concerned.extend(source.departed_concerned(&news));
                self.queue.add(concerned.into_iter().map(|app| Key { source: index, app }), Cause::Event);
            }
        }
    }

    async fn work(&self) {
        loop {
            let turn = self.queue.next().await;
            let next = self.look(&turn.key).await;
            turn.end(next);
        }
    }

    /// One look at an App, and who is to know of it.
    async fn look(&self, key: &Key) -> Next {
        let source = &self.sources[key.source];
        let Some((wish, generation, mut memory)) = source.ledger().begin(&key.app) else {
            self.wake(key.source, self.agent.turns.gone(Some(&source.name), &key.app));
            let departed = AssertUnwindSafe(self.depart(key)).catch_unwind().await;
            return departed.unwrap_or_else(|_| {
                error!(app = %key.app, "the removal of the App broke off; this is a fault of the agent");
                Next::Retry(None)
            });
        };
        // One App that breaks the agent must not take the others with it.
        let looked = AssertUnwindSafe(self.reconcile(key, &generation, &wish, &mut memory)).catch_unwind().await;
        let Look { outcome, again, roll_back, waits } = looked.unwrap_or_else(|_| {
            error!(app = %key.app, "the look at the App broke off; this is a fault of the agent");
            memory = Memory::default();
            let failure = Failure::retry("panic", "the agent broke off its work on the App; its log says where");
            Look::last(AppOutcome::untouched(&wish, State::Failed(failure)))
        });
        let outcome = match roll_back {
            Some(way) => self.roll_back(key, outcome, &way).await,
            None => rollback::told(&wish, outcome),
        };
        let outcome = AppOutcome { disks: self.agent.listings.last(&key.app), ..outcome };
        self.wake(key.source, restart::judged(&self.agent, &wish, &outcome.state, waits));
        let is_news = source.ledger().end(&wish, memory, &outcome);
        if is_news {
            // What stands in the way of an App is told with its failure; this goes on without it.
            for held in outcome.holds.iter().filter(|_| !matches!(outcome.state, State::Failed(_))) {
                warn!(app = %key.app, digest = %held.digest, reason = held.reason, "held");
            }
            for drift in &outcome.drift {
                warn!(app = %key.app, drift, "drifted, and left so");
            }
            source.observers().iter().for_each(|observer| observer.app(&source.name, &outcome));
            source.changed();
            self.wake_dependents(key);
        } else if source.ledger().is_asked(&wish) {
            source.observers().iter().for_each(|observer| observer.unchanged(&source.name, &outcome));
        }
        match &outcome.state {
            State::Failed(Failure { kind: Kind::Fault(After::Retry { after }), .. }) => Next::Retry(*after),
            State::Failed(Failure { kind: Kind::Fault(After::Wait), .. }) => Next::Retry(None),
            _ => again.map_or(Next::Rest, Next::Again),
        }
    }

    /// Lets the wish of the commit that was healthy last stand for the one that has failed.
    async fn roll_back(&self, key: &Key, outcome: AppOutcome, way: &RollBack) -> AppOutcome {
        match self.sources[key.source].wish_of(&key.app, way).await {
            Ok(wish) => {
                warn!(app = %key.app, to = way.to, reason = way.refused.reason, "rolling back");
                self.sources[key.source].ledger().pin(Arc::new(wish));
                self.queue.add([key.clone()], Cause::Wish);
                rollback::preparing(outcome, way)
            }
            Err(why) => rollback::impossible(outcome, way, &why),
        }
    }

    fn wake(&self, source: usize, apps: Vec<AppId>) {
        self.queue.add(apps.into_iter().map(|app| Key { source, app }), Cause::Event);
    }

    async fn reconcile(&self, key: &Key, generation: &Generation, wish: &Wish, memory: &mut Memory) -> Look {
        let standing = match self.standing(key, generation).await {
            Ok(standing) if memory.was_healthy(&wish.digest) => standing,
            Ok(standing) => Standing { waits: self.obstacle(wish), ..standing },
            Err(failure) => return Look::last(AppOutcome::untouched(wish, State::Failed(failure))),
        };
        let Source { sight, words, .. } = self.sources[key.source].as_ref();
        let siblings = Siblings { wishes: &generation.wanted.apps, sight, words, standing };
        reconcile(&self.agent, wish, &siblings, memory).await
    }

    /// How an App stands among all that is listed.
    async fn standing(&self, key: &Key, generation: &Generation) -> Result<Standing, Failure> {
        let elsewhere = |app: &AppId| self.elsewhere(key.source, app);
        let holds = match self.sources[key.source].view(generation, &elsewhere) {
            Some(view) => departure::against(&self.agent, view, &key.app).await?,
            None => Vec::new(),
        };
        let others = self.sources.iter().enumerate().filter(|(index, _)| *index != key.source);
        let given_up = others.filter(|(_, source)| source.ledger().gave_up(&key.app));
        let given_up_by = given_up.map(|(_, source)| source.name.clone()).collect();
        Ok(Standing { holds, given_up_by, waits: None })
    }

    /// The source that lists an App beside one.
    fn lister(&self, beside: usize, app: &AppId) -> Option<usize> {
        let mut sources = self.sources.iter().enumerate();
        sources.position(|(index, source)| index != beside && source.ledger().lists(app))
    }

    /// What the sources beside one say about an App that this one does not list.
    fn elsewhere(&self, beside: usize, app: &AppId) -> Elsewhere {
        if self.lister(beside, app).is_some() {
            return Elsewhere::Listed;
        }
        let mut others = self.sources.iter().enumerate().filter(|(index, _)| *index != beside);
        let doubt = others.find_map(|(_, other)| {
            let doubt = other.ledger().doubt(app)?;
            Some(Elsewhere::Perhaps(format!("source `{}` may list it: {doubt}", other.name)))
        });
        doubt.unwrap_or(Elsewhere::Nowhere)
    }

    /// One look at an App that left its source.
    async fn depart(&self, key: &Key) -> Next {
        let source = &self.sources[key.source];
        let Some(generation) = source.ledger().generation().cloned() else { return Next::Forget };
        if let Some(other) = self.lister(key.source, &key.app) {
            // It has moved; what keeps the other source from taking it over may have ended.
            self.queue.add([Key { source: other, app: key.app.clone() }], Cause::Event);
        }
        let elsewhere = |app: &AppId| self.elsewhere(key.source, app);
        let is_awaited = matches!(elsewhere(&key.app), Elsewhere::Perhaps(_));
        let outcome = match source.view(&generation, &elsewhere) {
            Some(view) => departure::look(&self.agent, view, &key.app).await,
            None => None,
        };
        let next = match outcome.as_ref().map(|outcome| &outcome.state) {
            // The other source's news wake it.
            Some(State::Progressing(_)) if is_awaited => Next::Rest,
            Some(State::Progressing(_)) => Next::Again(GOING),
            Some(State::Failed(Failure { kind: Kind::Fault(After::Retry { after }), .. })) => Next::Retry(*after),
            Some(State::Failed(Failure { kind: Kind::Fault(After::Wait), .. })) => Next::Retry(None),
            Some(State::Failed(_)) => Next::Rest,
            // It ends without anything being heard; the timer comes by.
            Some(State::Paused(_)) => Next::Rest,
            Some(State::Healthy | State::Suspended | State::Removed) | None => Next::Forget,
        };
        let is_news = source.ledger().end_departure(&key.app, outcome.clone());
        if is_news {
            if let Some(outcome) = &outcome {
                source.observers().iter().for_each(|observer| observer.app(&source.name, outcome));
            }
            source.changed();
        }
        next
    }

    /// What an App must wait for that is not deployed yet: the Apps that it depends on.
    fn obstacle(&self, wish: &Wish) -> Option<State> {
        wish.app.reconcile.depends_on.iter().find_map(|other| {
            let name = &other.value.app;
            let Some(of) = self.sources.iter().find(|source| source.ledger().lists(&other.value)) else {
                // It was applied with that one there, and nobody knows what is listed now.
                if self.sources.iter().any(|source| source.ledger().is_recalled()) {
                    return None;
                }
                let text = format!(
                    "{}: the App depends on `{}`, which no source of this agent lists; list it, or take it out of \
                     `dependsOn`",
                    other.at, other.value
                );
                return Some(in_vain(text));
            };
            if let Some(circle) = self.circle(&wish.app.id) {
                let text = format!(
                    "{}: Apps of several sources wait for each other in a circle: {}; take one of these out of `dependsOn`",
                    other.at,
                    circle.iter().map(|app| format!("`{app}`")).collect::<Vec<_>>().join(" → ")
                );
                return Some(in_vain(text));
            }
            let ledger = of.ledger();
            let reason = match ledger.outcome_of(&other.value).map(|outcome| &outcome.state) {
                Some(State::Healthy) => return None,
                Some(State::Failed(failure)) if failure.passes() => format!("waits for `{name}`, which has failed"),
                Some(State::Paused(pause)) => format!("waits for `{name}`, which is {pause}"),
                Some(State::Progressing(_) | State::Removed) | None => format!("waits for `{name}`"),
                // Nothing of that passes by itself, so the commit ends with it.
                Some(State::Failed(_)) => {
                    return Some(in_vain(format!("{}: waits for `{name}`, which has failed", other.at)));
                }
                Some(State::Suspended) => {
                    return Some(in_vain(format!("{}: waits for `{name}`, which is suspended", other.at)));
                }
            };
            Some(State::Progressing(reason))
        })
    }

    /// The shortest way on which an App waits for itself. Within one source there is none: it would be refused there.
    fn circle(&self, app: &AppId) -> Option<Vec<AppId>> {
        let mut came_from: BTreeMap<AppId, AppId> = BTreeMap::new();
        let mut waiting = VecDeque::from([app.clone()]);
        while let Some(next) = waiting.pop_front() {
            let needs = self.sources.iter().find_map(|source| source.ledger().needs(&next)).unwrap_or_default();
            for need in needs {
                if need == *app {
                    let mut circle = vec![need, next];
                    while let Some(before) = circle.last().and_then(|last| came_from.get(last)) {
                        circle.push(before.clone());
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if !came_from.contains_key(&need) {
                    came_from.insert(need.clone(), next.clone());
                    waiting.push_back(need);
                }
            }
        }
        None
    }

    /// Looks again at the Apps that wait for this one.
    fn wake_dependents(&self, key: &Key) {
        for (index, source) in self.sources.iter().enumerate() {
            let waiting: Vec<Key> =
                source.ledger().dependents(&key.app).map(|app| Key { source: index, app: app.clone() }).collect();
            if !waiting.is_empty() {
                self.queue.add(waiting, Cause::Event);
            }
        }
    }
}

/// An App that depends on what does not come.
fn in_vain(text: String) -> State {
    State::Failed(Failure { text, label: DEPENDS_ON, kind: Kind::Obstacle })
}

/// Ends only when a task does, which none should.
async fn ended_early(tasks: &mut JoinSet<()>) {
    match tasks.join_next().await {
        Some(Err(panicked)) => error!(error = %panicked, "a part of the engine broke off"),
        _ => warn!("a part of the engine has ended"),
    }
}

#[cfg(test)]
mod tests;
