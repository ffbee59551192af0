//! One source: fetched at its own pace, converted, and told about.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kompox_core::next::Next;
use kompox_core::plan::HoldDigest;
use kompox_manifests::desired::{Conversions, Terms};
use kompox_manifests::diagnostic::{Colour, Severity};
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;
use kompox_manifests::policy::Policy;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use super::ledger::{Generation, Ledger};
use super::observer::{Came, Observer};
use crate::age_keys::{self, AgeKeysFile};
use crate::asked::{Asked, Looks};
use crate::cluster::cache::News;
use crate::config::SourceConfig;
use crate::context::{Agent, Commit, CommitRef};
use crate::departure::{self, Elsewhere, View};
use crate::desire;
use crate::fault::Fault;
use crate::meter::Stage;
use crate::new_disks::Words;
use crate::outcome::Outcome;
use crate::pace::{Backoff, dice, jittered};
use crate::rebuild::Sight;
use crate::record::{CommitRecord, HeldCommit};
use crate::source::{self, Fetched, RevisionId, Snapshot};

mod asking;
mod keeping;

/// News of Apps that come together are told together.
const GATHER: Duration = Duration::from_millis(100);

/// The shortest time between a fetch and the next one that a forge asks for.
const FLOOR: Duration = Duration::from_secs(1);

/// Apps to look at, and why.
pub(crate) enum Due {
    /// Something else is asked for.
    Wish(Vec<AppId>),
    /// It is time for a look at everything.
    Timer,
}

/// When to fetch again after a failure.
pub(crate) struct Unfetched {
    /// The wait until then, when nobody asks for less.
    again: Duration,
    /// What the Git server asked for, which nobody may cut short.
    asked: Option<Duration>,
}

/// A source with all that is known of it.
pub(crate) struct Source {
    /// Its name; where a person applies a working tree, what that is called.
    pub(crate) name: String,
    /// What is known of a cluster that was rebuilt.
    pub(crate) sight: Sight,
    /// What is known of words for new disks.
    pub(crate) words: Words,
    ledger: Mutex<Ledger>,
    /// What people ask of it, as far as it was heard.
    asked: Mutex<Asked>,
    /// People asked something more.
    unheard: Notify,
    /// A forge asks to fetch. Many before the next fetch are as one.
    news: Notify,
    /// Something is to be told.
    untold: Notify,
    observers: Vec<Arc<dyn Observer>>,
    /// Where its commits come from; none where a person applies a working tree.
    origin: Option<Origin>,
    agent: Arc<Agent>,
}

/// Where commits come from.
struct Origin {
    config: SourceConfig,
    policy: Policy,
    source: Box<dyn source::Source>,
    fetcher: tokio::sync::Mutex<Fetcher>,
}

impl Origin {
    /// What its commits are read on now.
    fn terms(&self) -> Terms {
        let keys: Vec<AgeKeysFile> = self.config.age_keys.iter().cloned().collect();
        Terms { policy: self.policy.clone(), decryption: age_keys::decryption(&keys) }
    }
}

/// What fetching remembers.
struct Fetcher {
    conversions: Conversions,
    snapshot: Option<Snapshot>,
    /// What the snapshot was read on.
    terms: Terms,
    /// What people had accepted when it was.
    accepted: BTreeSet<HoldDigest>,
    /// Nothing was fetched yet, and what was applied last stands for it.
    recalled: bool,
    backoff: Backoff,
}

impl Source {
    /// A source of the configuration, which goes on from what was written down about it.
    pub(crate) fn new(
        agent: Arc<Agent>,
        config: SourceConfig,
        policy: Policy,
        source: Box<dyn source::Source>,
        observers: Vec<Arc<dyn Observer>>,
        record: Option<CommitRecord>,
        asked: Asked,
    ) -> Self {
        let fetcher = Fetcher {
            conversions: Conversions::default(),
            snapshot: None,
            terms: Terms::default(),
            accepted: BTreeSet::new(),
            recalled: false,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
        };
        Self {
            name: config.name.clone(),
            asked: Mutex::new(asked),
            origin: Some(Origin { config, policy, source, fetcher: tokio::sync::Mutex::new(fetcher) }),
            ..Self::empty(agent, observers, Ledger::new(record))
        }
    }

    /// A working tree that a person applies.
    pub(crate) fn by_hand(agent: Arc<Agent>, commit: &Commit, observers: Vec<Arc<dyn Observer>>) -> Self {
        let wanted = desire::desire(commit, &agent.cluster_id, &mut Conversions::default());
        let mut ledger = Ledger::default();
        let of_commit = CommitRef::of(commit);
        ledger.take(Arc::new(Generation::new(of_commit, wanted)));
        Self::empty(agent, observers, ledger)
    }

    fn empty(agent: Arc<Agent>, observers: Vec<Arc<dyn Observer>>, ledger: Ledger) -> Self {
        Self {
            name: "by-hand".to_owned(),
            sight: Sight::default(),
            words: Words::default(),
            ledger: Mutex::new(ledger),
            asked: Mutex::default(),
            unheard: Notify::new(),
            news: Notify::new(),
            untold: Notify::new(),
            observers,
            origin: None,
            agent,
        }
    }

    /// What is known, for a moment.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody who is told.
    pub(crate) fn observers(&self) -> &[Arc<dyn Observer>] {
        &self.observers
    }

    /// Something changed that is to be told soon.
    pub(crate) fn changed(&self) {
        self.untold.notify_one();
    }

    /// A forge says that there may be something new.
    pub(crate) fn fetch_soon(&self) {
        self.news.notify_one();
    }

    /// Fetches for ever. `due` is called with the Apps that are to be looked at.
    pub(crate) async fn run(&self, due: &(dyn Fn(Due) + Send + Sync)) {
        let Some(origin) = &self.origin else { return };
        let (mut fetch_at, mut look_at) = (Instant::now(), Instant::now());
        // Not before this when a forge asks.
        let mut free_at = Instant::now();
        let mut unheard = false;
        loop {
            if unheard {
                match self.listen(origin, due).await {
                    Ok(Looks::Apps(apps)) if apps.is_empty() => {
                        unheard = false;
                        // What was accepted may be a commit that is held.
                        if self.ledger().record().is_some_and(|record| record.held_commit.is_some()) {
                            fetch_at = Instant::now();
                        }
                    }
                    Ok(looks) => {
                        unheard = false;
                        self.look_anew(&looks, due);
                        fetch_at = Instant::now();
                    }
                    // Tried again when the loop comes by.
                    Err(error) => warn!(source = self.name, %error, "what people ask of the source cannot be read"),
                }
            }
            if Instant::now() >= fetch_at {
                let (pause, asked) = match self.fetch(due).await {
                    Ok(()) => (jittered(origin.config.interval, dice()), None),
                    Err(Unfetched { again, asked }) => (again, asked),
                };
                fetch_at = Instant::now() + pause;
                free_at = Instant::now() + asked.unwrap_or_default().max(FLOOR);
            }
            if Instant::now() >= look_at {
                due(Due::Timer);
                look_at = Instant::now() + jittered(origin.config.interval, dice());
            }
            // A folder that cannot be read changes all the time; its back-off holds.
            let failed = origin.fetcher.lock().await.backoff.failures() > 0;
            tokio::select! {
                () = sleep_until(fetch_at.min(look_at)) => {}
                () = self.unheard.notified() => unheard = true,
                // A forge that asks is there again: a back-off ends. What the Git server asked for holds.
                () = self.news.notified() => if free_at < fetch_at {
                    info!(source = self.name, "a webhook asks to fetch");
                    fetch_at = free_at;
                },
                () = origin.source.changed(), if !failed => fetch_at = Instant::now(),
            }
        }
    }

    /// Tells for ever what comes of looks at Apps.
    pub(crate) async fn tell_on(&self) {
        loop {
            self.untold.notified().await;
            sleep(GATHER).await;
            self.tell();
        }
    }

    /// Asks for the newest revision.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub(crate) async fn fetch(&self, due: &(dyn Fn(Due) + Send + Sync)) -> Result<(), Unfetched> {
        let Some(origin) = &self.origin else { return Ok(()) };
        let mut fetcher = origin.fetcher.lock().await;
        let accepted = self.accepted(origin);
        let mut held = None;
        let fetched = match self.ask_for_newest(origin, accepted.as_ref()).await {
            Ok(fetched) => {
                held = fetched.held;
                self.take(origin, &mut fetcher, fetched.snapshot, due).await
            }
            Err(fault) => Err(fault),
        };
        match fetched {
            Ok(()) => {
                if self.ledger().hold_commit(held.as_ref().map(HeldCommit::from)) {
                    if let Some(held) = &held {
                        warn!(source = self.name, commit = %held.revision.id, reason = held.reason, "held");
                    }
                    self.changed();
                }
                self.tell_fetched(held.as_ref().map_or(Came::Taken, |held| Came::Held {
                    commit: held.revision.id.as_str(),
                    reason: &held.reason,
                }));
                fetcher.backoff.reset();
                Ok(())
            }
            Err(fault) => {
                warn!(source = self.name, error = %told(&fault), "cannot fetch; the last good commit is kept");
                self.ledger().not_fetched(&fault);
                self.tell_fetched(Came::Failed(&fault));
                self.recall(origin, &mut fetcher, accepted.as_ref(), due).await;
                let asked = match fault.next {
                    Next::Retry { after } => after,
                    Next::Wait | Next::Stalled => None,
                };
                Err(Unfetched { again: fetcher.backoff.wait(asked, dice()), asked })
            }
        }
    }

    /// The newest revision that may be taken up. A person's word makes one that is held the first of a new history.
    async fn ask_for_newest(&self, origin: &Origin, accepted: Option<&RevisionId>) -> Result<Fetched, Fault> {
        let fetched = self.agent.meter.time(Stage::Fetch, origin.source.fetch(accepted)).await?;
        match &fetched.held {
            Some(held) if self.accept(&held.revision.trailers).contains_key(&held.digest) => {
                let newest = self.agent.meter.time(Stage::Fetch, origin.source.fetch(None)).await?;
                // The word is about no other one that may have come meanwhile.
                if newest.snapshot.revision.id != held.revision.id {
                    return Ok(fetched);
                }
                info!(source = self.name, commit = %held.revision.id, digest = %held.digest, "what was held is let go");
                Ok(newest)
            }
            _ => Ok(fetched),
        }
    }

    fn tell_fetched(&self, came: Came<'_>) {
        self.observers.iter().for_each(|observer| observer.fetched(&self.name, came));
    }

    /// The revision that was reconciled last. Another branch or repository in the configuration is a
    /// person's word, not a rewritten history.
    fn accepted(&self, origin: &Origin) -> Option<RevisionId> {
        let ledger = self.ledger();
        let record = ledger.record().filter(|record| record.place == place(&origin.config))?;
        record.id.parse().ok()
    }

    /// Makes a revision the one that is asked for. Every commit that was seen before it ends.
    async fn take(
        &self,
        origin: &Origin,
        fetcher: &mut Fetcher,
        snapshot: Snapshot,
        due: &(dyn Fn(Due) + Send + Sync),
    ) -> Result<(), Fault> {
        let id = snapshot.revision.id.as_str();
        let is_known = self.ledger().record().is_some_and(|record| record.id == id);
        let terms = origin.terms();
        let accepted = self.accept(&snapshot.revision.trailers);
        let said: BTreeSet<HoldDigest> = accepted.keys().cloned().collect();
        if is_known && fetcher.snapshot.is_some() && fetcher.terms == terms && fetcher.accepted == said {
            return Ok(());
        }
        let wanted = self.convert(origin, fetcher, &snapshot, &terms, said.clone()).await?;
        if !is_known {
            info!(source = self.name, commit = id, subject = snapshot.revision.subject, "new commit");
            // What was held is held until its App is looked at.
            let held = self.ledger().record().map(|record| record.held.clone()).unwrap_or_default();
            let record =
                CommitRecord { accepted: accepted.clone(), held, ..CommitRecord::new(id, &place(&origin.config)) };
            let before = self.ledger().begin_record(record.clone());
            self.observers.iter().for_each(|observer| observer.commit(&self.name, &record, before.as_ref()));
        } else {
            self.ledger().accept(accepted);
        }
        announce(&self.name, &wanted);
        let commit = CommitRef { id: id.to_owned(), time: snapshot.revision.time, accepted: said.clone() };
        let before = self.ledger().generation().cloned();
        let mut apps = self.ledger().take(Arc::new(Generation::new(commit, wanted)));
        apps.extend(self.departed());
        fetcher.snapshot = Some(snapshot);
        fetcher.recalled = false;
        fetcher.terms = terms;
        fetcher.accepted = said;
        due(Due::Wish(apps));
        self.changed();
        // To take many Apps apart takes time, which those that have changed need not wait for.
        drop(before);
        Ok(())
    }

    /// Reads what a revision asks for, away from the threads that everything else runs on.
    async fn convert(
        &self,
        origin: &Origin,
        fetcher: &mut Fetcher,
        snapshot: &Snapshot,
        terms: &Terms,
        accepted: BTreeSet<HoldDigest>,
    ) -> Result<desire::Wanted, Fault> {
        let commit = Commit {
            source: Some(self.name.clone()),
            id: snapshot.revision.id.to_string(),
            time: snapshot.revision.time,
            accepted,
            tree: Arc::clone(&snapshot.tree),
            path: origin.config.path.clone(),
            terms: terms.clone(),
        };
        let cluster = self.agent.cluster_id.clone();
        let mut conversions = std::mem::take(&mut fetcher.conversions);
        let converting = tokio::task::spawn_blocking(move || {
            let wanted = desire::desire(&commit, &cluster, &mut conversions);
            (wanted, conversions)
        });
        let converted = self.agent.meter.time(Stage::Convert, converting).await;
        let (wanted, conversions) = converted.map_err(|_| {
            let message = format!("the agent broke off reading commit {}; its log says where", snapshot.revision.id);
            Fault::retry("panic", message)
        })?;
        fetcher.conversions = conversions;
        Ok(wanted)
    }

    /// Tells how the source is.
    pub(crate) fn tell(&self) {
        let Some(outcome) = self.outcome() else { return };
        let (before, record) = {
            let mut ledger = self.ledger();
            let before = ledger.record().map(|record| record.problems.clone()).unwrap_or_default();
            let Some(record) = ledger.enter(&outcome) else { return };
            (before, record.clone())
        };
        for failure in outcome.failures().filter(|failure| !before.contains(&failure.text)) {
            error!(source = self.name, cause = failure.label, "{failure}");
        }
        self.observers.iter().for_each(|observer| observer.source(&self.name, &record, &outcome));
    }

    /// How everything is that is asked for; `None` before anything was fetched.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let present = self.departed();
        self.ledger().outcome(&present)
    }

    /// What a commit lists, for judging which Apps have left. `elsewhere` tells whether another source lists
    /// an App, or may. `None` where a person applies a working tree: nothing is removed because of that.
    pub(crate) fn view<'a>(
        &'a self,
        generation: &'a Generation,
        elsewhere: &'a (dyn Fn(&AppId) -> Elsewhere + Send + Sync),
    ) -> Option<View<'a>> {
        self.origin.as_ref().map(|_| View {
            source: &self.name,
            commit: &generation.commit,
            wanted: &generation.wanted,
            elsewhere,
            left: &generation.left,
        })
    }

    /// The Apps that are not listed any more and of which something is in the cluster, also those that
    /// another source lists now.
    pub(crate) fn departed(&self) -> Vec<AppId> {
        let Some(generation) = self.ledger().generation().cloned() else { return Vec::new() };
        self.view(&generation, &|_| Elsewhere::Nowhere)
            .map(|view| departure::present(&self.agent, view))
            .unwrap_or_default()
    }

    /// The Apps that are not listed any more and that news of the cluster are about.
    pub(crate) fn departed_concerned(&self, news: &BTreeSet<News>) -> Vec<AppId> {
        let Some(generation) = self.ledger().generation().cloned() else { return Vec::new() };
        let Some(view) = self.view(&generation, &|_| Elsewhere::Nowhere) else { return Vec::new() };
        let is_concerned = |id: &AppId| {
            let instance = Names::of(id).hashes.instance;
            news.iter().any(|item| matches!(item, News::App(of) if **of == *instance))
        };
        departure::apps(&self.agent, view).into_iter().filter(is_concerned).collect()
    }

    /// Whether every App has ended well or badly, or has failed so often in a row through something that
    /// may pass.
    pub(crate) fn is_settled(&self, tries: u32) -> bool {
        let Some(outcome) = self.outcome() else { return true };
        outcome.complete && outcome.apps.iter().all(|app| app.is_final() || app.faults >= tries)
    }
}

/// Where commits come from, as the configuration says.
fn place(config: &SourceConfig) -> String {
    format!("{} of {}", config.reference, config.location)
}

/// Logs what is to be said about the files of a commit.
fn announce(source: &str, wanted: &desire::Wanted) {
    for diagnostic in &wanted.diagnostics {
        let text = diagnostic.render(Colour::Never);
        match diagnostic.severity {
            Severity::Error => error!(source, "{text}"),
            Severity::Warning => warn!(source, "{text}"),
            Severity::Info => info!(source, "{text}"),
        }
    }
}

/// A fault with what to do about it.
fn told(fault: &Fault) -> String {
    match &fault.help {
        Some(help) => format!("{fault}; {help}"),
        None => fault.to_string(),
    }
}
