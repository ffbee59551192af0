//! What is to be shown, and what of it may differ from what is shown. No IO.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kompox_core::events::{Occurrence, Teller};
use kompox_core::views::ViewKey;
use kompox_core::views::app::{self, AppFacts, AppMemory};
use kompox_core::views::source::{SourceFacts, SourceMemory};
use kompox_manifests::id::AppId;
use tokio::time::Instant;

/// News that come together are shown together.
const GATHER: Duration = Duration::from_millis(250);
/// A state that passes is shown when it has lasted this long: most pass sooner, and one write does for all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most Events that wait for being sent; the oldest go first.
const MOST_NEWS: usize = 500;

/// Something that is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    /// A source.
    Source(String),
    /// An App.
    App(AppId),
    /// The disks of an App.
    Disks(AppId),
    /// The answer to a snapshot that a person asks for.
    Snapshot(ViewKey),
    /// A view that nothing here stands behind.
    Stray(ViewKey),
}

/// See the module.
#[derive(Default)]
pub(super) struct Board {
    apps: BTreeMap<AppId, AppMemory>,
    /// Whose a namespace is: every view that changes is asked for it, and an App's names are hashes.
    namespaces: BTreeMap<String, AppId>,
    tellers: BTreeMap<AppId, Teller>,
    sources: BTreeMap<String, SourceMemory>,
    due: BTreeMap<Shown, Instant>,
    news: VecDeque<(AppId, Occurrence)>,
}

impl Board {
    /// Takes what came of a look at an App.
    pub(super) fn app(&mut self, facts: AppFacts, now: Instant) {
        let id = facts.id.clone();
        self.news.extend(
            self.tellers.entry(id.clone()).or_default().tell(&facts).into_iter().map(|news| (id.clone(), news)),
        );
        let surplus = self.news.len().saturating_sub(MOST_NEWS);
        self.news.drain(..surplus);
        match self.apps.get_mut(&id) {
            Some(memory) => memory.absorb(facts),
            None => {
                self.namespaces.insert(app::key(&id).namespace, id.clone());
                self.apps.insert(id.clone(), AppMemory::new(facts));
            }
        }
        let wait = if self.apps[&id].view(None).passing { PATIENCE } else { GATHER };
        self.mark(Shown::App(id.clone()), now + wait);
        self.mark(Shown::Disks(id), now + wait);
    }

    /// Nothing of an App is left to show.
    pub(super) fn app_gone(&mut self, id: &AppId, now: Instant) {
        self.apps.remove(id);
        self.namespaces.retain(|_, app| app != id);
        self.tellers.remove(id);
        self.mark(Shown::App(id.clone()), now + GATHER);
    }

    /// Takes what is known of a source.
    pub(super) fn source(&mut self, facts: SourceFacts, system: &str, now: Instant) {
        let name = facts.name.clone();
        match self.sources.get_mut(&name) {
            Some(memory) => memory.absorb(facts),
            None => drop(self.sources.insert(name.clone(), SourceMemory::new(facts))),
        }
        let wait = if self.sources[&name].view(system, None).passing { PATIENCE } else { GATHER };
        self.mark(Shown::Source(name), now + wait);
    }

    /// What is known of an App.
    pub(super) fn app_memory(&self, id: &AppId) -> Option<&AppMemory> {
        self.apps.get(id)
    }

    /// What is known of a source.
    pub(super) fn source_memory(&self, name: &str) -> Option<&SourceMemory> {
        self.sources.get(name)
    }

    /// Everything that is known.
    pub(super) fn all(&self) -> Vec<Shown> {
        let of_app = |id: &AppId| [Shown::App(id.clone()), Shown::Disks(id.clone())];
        let sources = self.sources.keys().cloned().map(Shown::Source);
        sources.chain(self.apps.keys().flat_map(of_app)).collect()
    }

    /// What a view shows.
    pub(super) fn behind(&self, key: &ViewKey, system: &str) -> Option<Shown> {
        use kompox_core::views::ViewKind;
        let app = || self.namespaces.get(&key.namespace).cloned();
        match key.kind {
            ViewKind::Source => {
                let memory = self.sources.get(&key.name).filter(|memory| memory.key(system) == *key)?;
                Some(Shown::Source(memory.facts().name.clone()))
            }
            ViewKind::App => app().filter(|id| app::key(id) == *key).map(Shown::App),
            ViewKind::Disk => app().map(Shown::Disks),
            ViewKind::Snapshot => Some(Shown::Snapshot(key.clone())),
        }
    }

    /// Something may be shown wrongly from a time on.
    pub(super) fn mark(&mut self, shown: Shown, at: Instant) {
        let due = self.due.entry(shown).or_insert(at);
        *due = at.min(*due);
    }

    /// Takes everything that is to be shown by now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Shown> {
        let due: Vec<Shown> = self.due.iter().filter(|(_, at)| **at <= now).map(|(shown, _)| shown.clone()).collect();
        self.due.retain(|_, at| *at > now);
        due
    }

    /// When something is to be shown next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Whether an App's view is still to be written.
    pub(super) fn awaits(&self, id: &AppId) -> bool {
        self.due.contains_key(&Shown::App(id.clone()))
    }

    /// Takes all news.
    pub(super) fn take_news(&mut self) -> VecDeque<(AppId, Occurrence)> {
        std::mem::take(&mut self.news)
    }

    /// Puts news back that cannot be told yet.
    pub(super) fn put_back(&mut self, news: VecDeque<(AppId, Occurrence)>) {
        let newer = std::mem::replace(&mut self.news, news);
        self.news.extend(newer);
    }
}
