//! What one source asks for and how far each of its Apps has come. No IO.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use kompox_core::plan::{Counts, HoldDigest};
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;

use crate::cluster::cache::News;
use crate::context::{CommitRef, Wish};
use crate::departure::Left;
use crate::desire::{READ_IT, Wanted};
use crate::fault::Fault;
use crate::memory::Memory;
use crate::outcome::{AppOutcome, HeldFact, Outcome, State};
use crate::record::{CommitRecord, HeldCommit};
use crate::report;

/// What a commit asks for.
pub(crate) struct Generation {
    /// The commit.
    pub(crate) commit: Arc<CommitRef>,
    /// Everything that it asks for and that is wrong with it.
    pub(crate) wanted: Wanted,
    /// What is remembered of the Apps that it lists no more.
    pub(crate) left: Left,
}

impl Generation {
    /// The generation of a commit.
    pub(crate) fn new(commit: CommitRef, wanted: Wanted) -> Self {
        Self { commit: Arc::new(commit), wanted, left: Left::default() }
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Ledger {
    generation: Option<Arc<Generation>>,
    /// Wishes of the generation by App.
    wishes: HashMap<AppId, Arc<Wish>>,
    /// Wishes of older commits that stand for those of the generation, because these did not become healthy.
    pins: BTreeMap<AppId, Arc<Wish>>,
    /// How the Apps are that were looked at for the generation.
    table: HashMap<AppId, AppOutcome>,
    /// What is remembered of Apps that nobody works on.
    memories: HashMap<AppId, Memory>,
    /// Apps that a person wants to be looked at as if nothing were known of them.
    anew: BTreeSet<AppId>,
    /// What is written down of the newest commit.
    record: Option<CommitRecord>,
    /// How the Apps are that left, as far as they were looked at for the generation; `None` where nothing
    /// is to be done about one.
    departed: BTreeMap<AppId, Option<AppOutcome>>,
    /// Why nothing could be fetched lately; it counts while there is no generation.
    unfetched: Option<String>,
}

impl Ledger {
    /// Goes on from what was written down.
    pub(crate) fn new(record: Option<CommitRecord>) -> Self {
        Self { record, ..Self::default() }
    }

    /// What is written down of the newest commit.
    pub(crate) fn record(&self) -> Option<&CommitRecord> {
        self.record.as_ref()
    }

    /// What is asked for now.
    pub(crate) fn generation(&self) -> Option<&Arc<Generation>> {
        self.generation.as_ref()
    }

    /// Makes another commit the one that is recorded; gives the one before.
    pub(crate) fn begin_record(&mut self, record: CommitRecord) -> Option<CommitRecord> {
        self.record.replace(record)
    }

    /// Takes what another commit asks for; gives the Apps that must be looked at because of it: those of
    /// which it asks for something else, those that were not as they should be, and those that left.
    pub(crate) fn take(&mut self, generation: Arc<Generation>) -> Vec<AppId> {
        let before = std::mem::take(&mut self.wishes);
        self.wishes = generation.wanted.apps.iter().map(|wish| (wish.app.id.clone(), Arc::clone(wish))).collect();
        self.table.retain(|app, outcome| {
            let same = match (before.get(app), self.wishes.get(app)) {
                (Some(before), Some(now)) => before.digest == now.digest,
                _ => false,
            };
            // What waits for a person's word may have got it.
            let well = matches!(outcome.state, State::Healthy | State::Suspended) && outcome.holds.is_empty();
            outcome.commit = Arc::clone(&generation.commit);
            same && well
        });
        self.memories.retain(|app, _| self.wishes.contains_key(app));
        // Until a commit asks for something else of the App, what has failed is not tried again.
        self.pins.retain(|app, pin| {
            let refused = pin.instead_of.as_ref().map(|refused| refused.inputs.as_str());
            self.wishes.get(app).is_some_and(|wish| refused == Some(&*wish.digest))
        });
        self.anew.retain(|app| self.wishes.contains_key(app));
        self.departed.clear();
        let earlier = self.generation.replace(generation);
        let due = self.apps().filter(|app| !self.table.contains_key(*app));
        let left = wishes(earlier.as_ref()).map(|wish| &wish.app.id).filter(|app| !self.wishes.contains_key(*app));
        due.chain(left).cloned().collect()
    }

    /// The Apps that news of the cluster are about.
    pub(crate) fn concerned(&self, news: &BTreeSet<News>) -> Vec<AppId> {
        let is_concerned = |wish: &&Arc<Wish>| {
            let Names { hashes, namespace, .. } = wish.names.as_ref();
            news.iter().any(|item| match item {
                News::App(instance) => **instance == *hashes.instance,
                News::Namespace(of) => of == namespace,
                News::Nodes | News::Asked(_) | News::Back => false,
            })
        };
        self.all().filter(is_concerned).map(|wish| wish.app.id.clone()).collect()
    }

    /// Every App that is asked for, in the order of the entries.
    pub(crate) fn apps(&self) -> impl Iterator<Item = &AppId> {
        self.all().map(|wish| &wish.app.id)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Wish>> {
        wishes(self.generation.as_ref())
    }

    /// What people have accepted of the commit that is recorded has changed.
    pub(crate) fn accept(&mut self, accepted: BTreeMap<HoldDigest, Timestamp>) {
        if let Some(record) = &mut self.record {
            record.accepted = accepted;
        }
    }

    /// A newer commit is held, or none is any more; whether that is news.
    pub(crate) fn hold_commit(&mut self, held: Option<HeldCommit>) -> bool {
        let Some(record) = &mut self.record else { return false };
        let is_news = record.held_commit != held;
        record.held_commit = held;
        is_news
    }

    /// Makes the next look at an App that begins a whole one, though nothing of it may have changed. A look that
    /// is under way may have passed what a person has mended.
    pub(crate) fn look_anew(&mut self, app: &AppId) {
        self.anew.insert(app.clone());
    }

    /// Lets an older commit's wish stand for an App's until a commit asks for something else of it. One that came while
    /// the older commit was being read does so already, and is not covered up.
    pub(crate) fn pin(&mut self, wish: Arc<Wish>) {
        let refused = wish.instead_of.as_ref().map(|refused| refused.inputs.as_str());
        if self.wishes.get(&wish.app.id).is_some_and(|asked| refused == Some(&*asked.digest)) {
            self.pins.insert(wish.app.id.clone(), wish);
        }
    }

    /// What is to be brought about of an App.
    fn effective(&self, app: &AppId) -> Option<&Arc<Wish>> {
        self.pins.get(app).or_else(|| self.wishes.get(app))
    }

    /// Whether this is what is to be brought about, and not what an older commit asked for.
    pub(crate) fn is_asked(&self, wish: &Wish) -> bool {
        self.effective(&wish.app.id).is_some_and(|effective| effective.digest == wish.digest)
    }

    /// What is asked of an App now, and what is remembered of it. Nobody else may work on it.
    pub(crate) fn begin(&mut self, app: &AppId) -> Option<(Arc<Wish>, Arc<Generation>, Memory)> {
        let wish = Arc::clone(self.effective(app)?);
        let mut memory = self.memories.remove(app).unwrap_or_default();
        if self.anew.remove(app) {
            memory.look_anew();
        }
        Some((wish, Arc::clone(self.generation.as_ref()?), memory))
    }

    /// Ends the work on an App; whether what came of it is news.
    pub(crate) fn end(&mut self, wish: &Arc<Wish>, memory: Memory, outcome: &AppOutcome) -> bool {
        let app = &wish.app.id;
        let Some(now) = self.wishes.get(app) else { return false };
        self.memories.insert(app.clone(), memory);
        // Something else is asked for by now, and will be looked at.
        if !self.is_asked(wish) {
            return false;
        }
        if let Some(record) = &mut self.record {
            report::count(record, outcome);
        }
        let outcome = AppOutcome { commit: Arc::clone(&now.commit), ..outcome.clone() };
        let is_news = outcome.done.wrote()
            || self.table.get(app).is_none_or(|before| {
                before.state != outcome.state
                    || before.faults != outcome.faults
                    || before.disks != outcome.disks
                    || before.holds != outcome.holds
                    || before.drift != outcome.drift
            });
        self.table.insert(app.clone(), outcome);
        is_news
    }

    /// How an App is that was looked at for what is asked of it now.
    pub(crate) fn outcome_of(&self, app: &AppId) -> Option<&AppOutcome> {
        self.table.get(app)
    }

    /// Whether what is asked for is what was applied last, because no commit could be had.
    pub(crate) fn is_recalled(&self) -> bool {
        self.generation.as_ref().is_some_and(|generation| generation.wanted.recalled)
    }

    /// Whether an App is asked for.
    pub(crate) fn lists(&self, app: &AppId) -> bool {
        self.wishes.contains_key(app)
    }

    /// The Apps that an App waits for, where it is asked for.
    pub(crate) fn needs(&self, app: &AppId) -> Option<Vec<AppId>> {
        let wish = self.wishes.get(app)?;
        Some(wish.app.reconcile.depends_on.iter().map(|other| other.value.clone()).collect())
    }

    /// Apps that wait for another one.
    pub(crate) fn dependents<'a>(&'a self, on: &'a AppId) -> impl Iterator<Item = &'a AppId> {
        let waits = move |wish: &&Arc<Wish>| wish.app.reconcile.depends_on.iter().any(|other| other.value == *on);
        self.all().filter(waits).map(|wish| &wish.app.id)
    }

    /// Ends a look at an App that left; whether what came of it is news.
    pub(crate) fn end_departure(&mut self, app: &AppId, mut outcome: Option<AppOutcome>) -> bool {
        // It is listed again by now.
        if self.wishes.contains_key(app) {
            return false;
        }
        if let Some(AppOutcome { state: State::Failed(failure), faults, .. }) = &mut outcome
            && failure.passes()
        {
            let before = self.departed.get(app).and_then(Option::as_ref).map_or(0, |before| before.faults);
            *faults = before.saturating_add(1);
        }
        if let (Some(record), Some(outcome)) = (&mut self.record, &outcome) {
            report::count(record, outcome);
        }
        let is_news = match (self.departed.get(app), &outcome) {
            (_, Some(outcome)) if outcome.done.wrote() => true,
            (Some(Some(before)), Some(now)) => {
                before.state != now.state || before.faults != now.faults || before.holds != now.holds
            }
            (Some(None), None) => false,
            _ => true,
        };
        self.departed.insert(app.clone(), outcome);
        is_news
    }

    /// Whether it is certain that an App is not asked for.
    pub(crate) fn gave_up(&self, app: &AppId) -> bool {
        let wanted = self.generation.as_ref().map(|generation| &generation.wanted);
        !self.lists(app) && wanted.is_some_and(|wanted| !wanted.may_list(app.slashed()))
    }

    /// Why an App that is not asked for may be all the same, and what a person can do about it.
    pub(crate) fn doubt(&self, app: &AppId) -> Option<String> {
        if self.lists(app) {
            return None;
        }
        let Some(generation) = &self.generation else {
            let fault = self.unfetched.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
            return Some(format!("nothing was fetched of it since the agent started{fault}; {READ_IT}"));
        };
        generation.wanted.doubt(app.slashed())
    }

    /// Nothing could be fetched, and why.
    pub(crate) fn not_fetched(&mut self, fault: &Fault) {
        self.unfetched = Some(fault.to_string());
    }

    /// How everything is that is asked for, and that left. What was not looked at yet is on its way;
    /// `present` are the Apps that left and of which something is in the cluster.
    pub(crate) fn outcome(&self, present: &[AppId]) -> Option<Outcome> {
        let generation = self.generation.as_ref()?;
        let unseen = |app: &AppId| self.unseen(app, &generation.commit);
        let apps = generation.wanted.apps.iter().map(|wish| match self.table.get(&wish.app.id) {
            Some(outcome) => outcome.clone(),
            None => unseen(&wish.app.id),
        });
        let leaving = present.iter().filter(|app| !self.departed.contains_key(*app)).map(unseen);
        let departed = self.departed.values().flatten().cloned().chain(leaving);
        let complete = self.wishes.keys().all(|app| self.table.contains_key(app))
            && present.iter().all(|app| self.departed.contains_key(app));
        Some(Outcome::new(&generation.wanted, apps.chain(departed).collect(), complete))
    }

    /// An App that was not looked at for the generation yet. What waited for a person's word before still does, as
    /// far as anybody knows: whoever accepts one hold must find the others in the list meanwhile.
    fn unseen(&self, app: &AppId, commit: &Arc<CommitRef>) -> AppOutcome {
        let slashed = app.slashed();
        let held = self.record.iter().flat_map(|record| &record.held).filter(|held| held.app == slashed);
        AppOutcome {
            id: app.clone(),
            commit: Arc::clone(commit),
            done: Counts::default(),
            state: State::Progressing("waiting for its turn".to_owned()),
            faults: 0,
            holds: held.map(HeldFact::from).collect(),
            inputs: self.wishes.get(app).map(|wish| Arc::clone(&wish.digest)),
            restored: 0,
            drift: Vec::new(),
            disks: None,
        }
    }

    /// Enters how everything is into the record.
    pub(crate) fn enter(&mut self, outcome: &Outcome) -> Option<&CommitRecord> {
        let recalled = self.is_recalled();
        let record = self.record.as_mut()?;
        if recalled {
            report::enter_standing(record, outcome);
        } else {
            report::enter(record, outcome);
        }
        Some(record)
    }
}

/// What a generation asks for, in the order of the entries.
fn wishes(generation: Option<&Arc<Generation>>) -> impl Iterator<Item = &Arc<Wish>> {
    generation.into_iter().flat_map(|generation| &generation.wanted.apps)
}

#[cfg(test)]
mod tests;
