//! Departure: Apps that a source has deployed and lists no more. What is seen of them together with what
//! the commit lists is judged by the core ([`kompox_core::plan::sweep`]); what goes is deleted here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use jiff::Timestamp;
use kompox_core::observed::ObservedApp;
use kompox_core::pause::Pause;
use kompox_core::plan::sweep::Listing;
use kompox_core::plan::{self, Counts, Departed, Hold, Leave, Plan, removal};
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;
use kompox_manifests::object::Kind;
use tokio::sync::Mutex;

use crate::applied::{self, Stored};
use crate::context::{Agent, CommitRef};
use crate::deletion;
use crate::desire::Wanted;
use crate::failure::Failure;
use crate::outcome::{AppOutcome, HeldFact, State};

/// What one source lists, and what else is known for judging it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// Name of the source.
    pub(crate) source: &'a str,
    /// The commit.
    pub(crate) commit: &'a Arc<CommitRef>,
    /// What it lists.
    pub(crate) wanted: &'a Wanted,
    /// What the other sources of this agent say about an App.
    pub(crate) elsewhere: &'a (dyn Fn(&AppId) -> Elsewhere + Send + Sync),
    /// What is remembered of the Apps that left.
    pub(crate) left: &'a Left,
}

/// What the other sources say about an App that one source lists no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// None of them lists it: it has left.
    Nowhere,
    /// One of them lists it: it has moved.
    Listed,
    /// One of them may list it; which one, why nobody knows, and whose act tells.
    Perhaps(String),
}

/// What is remembered of the Apps that left one source, as long as what is asked for is the same: another commit may
/// have them back.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Which they are, and the Namespaces that were looked through: every look at any App of the source asks.
    found: SyncMutex<Option<(u64, Arc<[AppId]>)>>,
    /// What was applied last of them, as far as it was read: nobody writes it meanwhile.
    records: Mutex<BTreeMap<AppId, Option<Stored>>>,
}

impl Left {
    /// The Apps that a source has deployed in this cluster and that its commit lists no more. None where it is not
    /// certain what the commit lists.
    fn apps(&self, agent: &Agent, view: View<'_>) -> Arc<[AppId]> {
        // Read first: what changes meanwhile is found the next time.
        let owners = agent.cache.owners_revision();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, apps)) = found.as_ref().filter(|(of, _)| *of == owners) {
            return Arc::clone(apps);
        }
        let apps: Arc<[AppId]> = if view.wanted.certain { unlisted(agent, view) } else { Arc::default() };
        *found = Some((owners, Arc::clone(&apps)));
        apps
    }

    async fn record(&self, agent: &Agent, id: &AppId, names: &Names) -> Result<Option<Stored>, Failure> {
        let mut records = self.records.lock().await;
        if let Some(known) = records.get(id) {
            return Ok(known.clone());
        }
        let stored = applied::load(agent.cluster.as_ref(), names).await?;
        records.insert(id.clone(), stored.clone());
        Ok(stored)
    }

    async fn put_record(&self, id: &AppId, stored: Stored) {
        self.records.lock().await.insert(id.clone(), Some(stored));
    }

    async fn forget_record(&self, id: &AppId) {
        self.records.lock().await.remove(id);
    }
}

fn unlisted(agent: &Agent, view: View<'_>) -> Arc<[AppId]> {
    let is_listed = |slashed: &str| view.wanted.lists(slashed) || view.wanted.may_list(slashed);
    let unlisted = agent.cache.unlisted_of_source(view.source, is_listed);
    let ids = unlisted.iter().filter_map(|slashed| AppId::from_slashed(slashed).ok());
    ids.filter(|id| id.cluster == agent.cluster_id).collect()
}

/// An App that left, with everything that is known of it.
struct Gone {
    id: AppId,
    names: Names,
    observed: ObservedApp,
    stored: Option<Stored>,
}

impl Gone {
    fn departed(&self) -> Departed<'_> {
        let applied = self.stored.as_ref().map(|stored| &stored.record);
        Departed { id: &self.id, observed: &self.observed, applied }
    }

    /// Whether nothing of it is left but its Namespace.
    fn is_bare(&self) -> bool {
        self.observed.objects.keys().all(|key| key.kind == Kind::Namespace)
    }

    /// Whether a removal would take anything away, be it only the record of what was applied last.
    fn is_anything_left(&self) -> bool {
        self.stored.is_some() || !self.is_bare()
    }
}

/// The Apps that a source has deployed in this cluster and that its commit lists no more, nor any other
/// source for certain. None where it is not certain what the commit lists.
///
/// Also those that another source may list: nothing of them is deleted before that is known, but what comes where they
/// were is judged as if they leave.
pub(crate) fn apps(agent: &Agent, view: View<'_>) -> Vec<AppId> {
    let left = view.left.apps(agent, view);
    left.iter().filter(|id| (view.elsewhere)(id) != Elsewhere::Listed).cloned().collect()
}

/// As [`apps`], those of which something is left.
pub(crate) fn present(agent: &Agent, view: View<'_>) -> Vec<AppId> {
    let bare =
        |id: &AppId| agent.cache.objects(&Names::of(id).hashes.instance).keys().all(|key| key.kind == Kind::Namespace);
    apps(agent, view).into_iter().filter(|id| !bare(id)).collect()
}

/// What must be accepted before an App comes that is not deployed yet.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn against(agent: &Agent, view: View<'_>, id: &AppId) -> Result<Vec<Hold>, Failure> {
    if present(agent, view).is_empty() || is_deployed(agent, &agent.cache.apps_of_source(view.source), id) {
        return Ok(Vec::new());
    }
    let gone = gone(agent, view, None).await?;
    Ok(listing(agent, view, &gone).judge().of(id))
}

/// Plans the removal of an App; `None` when it has not left.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn plan(agent: &Agent, view: View<'_>, id: &AppId) -> Result<Option<Plan>, Failure> {
    agent.cache.check()?;
    let gone = gone(agent, view, Some(id)).await?;
    Ok(gone.iter().find(|app| app.id == *id).map(|app| plan_one(agent, view, &gone, app)))
}

/// Looks at an App that left: removes it, as far as it goes now. `None` when it has not left, or nothing
/// of it is left to speak of.
pub(crate) async fn look(agent: &Agent, view: View<'_>, id: &AppId) -> Option<AppOutcome> {
    let (mut done, mut holds) = (Counts::default(), Vec::new());
    let state = match remove(agent, view, id, &mut done, &mut holds).await {
        Ok(state) => state?,
        Err(failure) => State::Failed(failure),
    };
    let commit = Arc::clone(view.commit);
    Some(AppOutcome {
        id: id.clone(),
        commit,
        done,
        state,
        faults: 0,
        holds,
        inputs: None,
        restored: 0,
        disks: None,
        drift: Vec::new(),
    })
}

async fn remove(
    agent: &Agent,
    view: View<'_>,
    id: &AppId,
    done: &mut Counts,
    holds: &mut Vec<HeldFact>,
) -> Result<Option<State>, Failure> {
    agent.cache.check()?;
    let gone = gone(agent, view, Some(id)).await?;
    let app = gone.iter().find(|app| app.id == *id).filter(|app| app.departed().belongs_to(view.source));
    let Some(app) = app else { return Ok(None) };
    if let Ok(Some(pause)) = Pause::of_app(&app.observed, Timestamp::now()) {
        return Ok(Some(State::Paused(pause)));
    }
    if let Elsewhere::Perhaps(doubt) = (view.elsewhere)(id)
        && app.is_anything_left()
    {
        return Ok(Some(State::Progressing(format!("nothing of it is deleted yet: it left this source, but {doubt}"))));
    }
    let plan = plan_one(agent, view, &gone, app);
    *holds = HeldFact::of(&plan);
    if let Some(obstacle) = plan.obstacle() {
        return Err(Failure::of_obstacle(obstacle));
    }
    if let Some(stored) = app.stored.as_ref().filter(|stored| plan.writes() && stored.keeps.is_some()) {
        let left = applied::leave(agent.cluster.as_ref(), &app.names, stored).await?;
        view.left.put_record(id, left).await;
    }
    deletion::leftovers(agent, &plan.actions, done).await?;
    if let Some(left) = plan.undone().next() {
        return Err(Failure::of_obstacle(left));
    }
    if plan.writes() {
        return Ok(Some(State::Progressing("its objects are being deleted".to_owned())));
    }
    let going = app.observed.objects.values().filter(|live| live.is_terminating()).count();
    if going > 0 {
        return Ok(Some(State::Progressing(format!("{going} of its objects are still going"))));
    }
    if let Some(stored) = &app.stored {
        let forgotten = applied::forget(agent.cluster.as_ref(), &app.names, stored).await;
        // Also where that failed: somebody may have written to it, and it is read anew.
        view.left.forget_record(id).await;
        forgotten?;
    }
    Ok(Some(State::Removed))
}

fn plan_one(agent: &Agent, view: View<'_>, gone: &[Gone], app: &Gone) -> Plan {
    let listing = listing(agent, view, gone);
    let leave = Leave {
        source: view.source,
        holds: listing.judge().of(&app.id),
        protection: listing.protection(&app.departed()),
        accepted: &view.commit.accepted,
        now: Timestamp::now(),
    };
    removal(app.departed(), leave)
}

fn listing<'a>(agent: &Agent, view: View<'a>, gone: &'a [Gone]) -> Listing<'a> {
    let written = agent.cache.apps_of_source(view.source);
    let listed = view.wanted.apps.iter().map(|wish| wish.app.as_ref());
    Listing {
        deployed: listed.clone().map(|app| &app.id).filter(|id| is_deployed(agent, &written, id)).collect(),
        listed: listed.collect(),
        entries: &view.wanted.entries,
        elsewhere: &view.wanted.elsewhere,
        departed: gone.iter().map(Gone::departed).collect(),
    }
}

/// Whether an App is deployed. `written` are the Apps that the source has ever written: their Namespaces stay.
fn is_deployed(agent: &Agent, written: &BTreeSet<String>, id: &AppId) -> bool {
    written.contains(id.slashed()) && plan::is_deployed(id, &seen(agent, &Names::of(id)))
}

/// What is seen of an App in the cluster.
fn seen(agent: &Agent, names: &Names) -> ObservedApp {
    ObservedApp { objects: agent.cache.objects(&names.hashes.instance), ..ObservedApp::default() }
}

/// Everything that is known of the Apps that left. Of those that are long gone, only `asked` is looked up.
async fn gone(agent: &Agent, view: View<'_>, asked: Option<&AppId>) -> Result<Vec<Gone>, Failure> {
    let mut all = Vec::new();
    for id in apps(agent, view) {
        let names = Names::of(&id);
        let mut gone = Gone { stored: None, observed: seen(agent, &names), id, names };
        if !gone.is_bare() || asked == Some(&gone.id) {
            gone.stored = view.left.record(agent, &gone.id, &gone.names).await?;
        }
        all.push(gone);
    }
    Ok(all)
}
