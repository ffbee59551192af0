//! The page: from what a commit asks of one App to running objects, one call a stage.
//!
//! ```text
//! wish ─► observe ─► plan ─► confirm ─► restart ─► apply ─► health ─► outcome
//!  │         │        │         │          │         │         │
//! desire   observe   core:   confirm    restart   apply     health
//! engine   cache     plan    (dry-run)  core:     disks     core:
//!          disks                        prepull   cluster   health
//! ```
//!
//! [`crate::engine`] decides which App is looked at when, and tells everybody what came of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kompox_core::observed::{LiveObject, ObservedApp};
use kompox_core::pause::Pause;
use kompox_core::plan::{self, AppliedRecord, BY_HAND, Corrections, Settings, Subject, What};
use kompox_core::windows;
use kompox_manifests::labels;
use kompox_manifests::object::Kind;

use crate::applied::{self, Files};
use crate::apply::{self, Applied};
use crate::confirm::{self, Care, Confirmed};
use crate::context::{Agent, Planned, Standing, Wish};
use crate::failure::{Failure, Kind as FailureKind};
use crate::health::{self, Look};
use crate::memory::{Inputs, Memory};
use crate::meter::Stage;
use crate::new_disks::{self, Said, Words};
use crate::observe;
use crate::outcome::{self, AppOutcome, HeldFact, State};
use crate::rebuild::{self, Rebuilt, Sight};
use crate::restart;

use self::chapter::Chapter;

mod chapter;
mod files;
mod preview;
pub(crate) mod rollback;

pub(crate) use preview::{Preview, preview};

/// All that a commit asks for beside one App, and what is known of its source.
pub(crate) struct Siblings<'a> {
    /// Everything that the commit asks for.
    pub(crate) wishes: &'a [Arc<Wish>],
    /// What is known of a cluster that was rebuilt.
    pub(crate) sight: &'a Sight,
    /// What is known of words for new disks.
    pub(crate) words: &'a Words,
    /// How the App stands among them.
    pub(crate) standing: Standing,
}

/// Brings one App to what a commit asks for, as far as it goes now. What remains (a Pod that starts, a
/// provider that is down) is in the outcome; coming again with the same memory goes on. When nothing has
/// changed since it was settled, nothing is done at all.
pub(crate) async fn reconcile(agent: &Agent, wish: &Wish, siblings: &Siblings<'_>, memory: &mut Memory) -> Look {
    if memory.asks_providers() {
        agent.listings.forget(&wish.app.id);
    }
    let mut inputs = Inputs::of(agent, wish, &siblings.standing, memory);
    if let Some(state) = memory.settled(&inputs) {
        let outcome = AppOutcome::untouched(wish, state.clone());
        let outcome = AppOutcome { holds: memory.holds.clone(), drift: memory.drift.clone(), ..outcome };
        return Look { again: memory.alarm(wish), ..Look::last(outcome) };
    }
    memory.holds.clear();
    memory.drift.clear();
    memory.unwatched = false;
    let mut look = match stages(agent, wish, siblings, memory).await {
        Ok(look) => look,
        Err(failure) => Look::last(AppOutcome::untouched(wish, State::Failed(failure))),
    };
    inputs.asked_disks(agent, wish);
    memory.ended(inputs, &mut look.outcome);
    look.again = look.again.into_iter().chain(memory.alarm(wish)).min();
    look
}

async fn stages(agent: &Agent, wish: &Wish, siblings: &Siblings<'_>, memory: &mut Memory) -> Result<Look, Failure> {
    agent.cache.check()?; //                                                          a blind agent decides nothing
    let observed = agent.meter.time(Stage::Observe, observe::observe(agent, wish)).await?; // IO: cache, provider
    let rebuilt = rebuild::recognize(agent, siblings.sight, siblings.wishes, wish, &observed).await?; // IO: rare
    let said = new_disks::said(agent, siblings.words, wish, &observed).await?; //         IO: rare
    let applied = last_applied(agent, wish, &observed, memory).await?; //                  IO: once
    if let Some(look) = rollback::given_up(wish, applied.as_ref()) {
        return Ok(look); //                                                                pure: it was tried
    }
    if let Some(look) = waits(wish, siblings, applied.as_ref()) {
        return Ok(look); //                                                                pure: `dependsOn`
    }
    let known = Known { rebuilt, said, corrections: corrections(wish, applied.as_ref(), memory), applied };
    let planned = agent.meter.time_now(Stage::Plan, || plan(agent, wish, siblings, observed, &known)); // pure
    if let Some(look) = paused(wish, &planned) {
        return Ok(look); //                                                               pure: a person's word
    }
    let planned = certain(agent, wish, siblings, planned, &known).await?; //              IO: before disks are made
    memory.holds = HeldFact::of(&planned.plan);
    if let Some(look) = restart::under_way(agent, wish, siblings, &planned, memory).await? {
        return Ok(look); //                                                               IO: a Pod that pulls images
    }
    let confirmed = agent.meter.time(Stage::Confirm, confirm(agent, wish, planned, memory)).await?; // IO: dry-runs
    memory.unwatched = blocked_unseen(confirmed.planned()) || is_going(&confirmed.planned().observed);
    memory.drift = outcome::drift(&confirmed.planned().plan);
    memory.holds = HeldFact::of(&confirmed.planned().plan); //                             some hold nothing after all
    agreed(agent, wish, confirmed.planned(), memory)?; //                                  pure: what a person has seen
    if let Some(look) = restart::prepare(agent, wish, siblings, confirmed.planned(), memory).await? {
        return Ok(look); //                                                               IO: likewise
    }
    new_disks::use_up(agent, siblings.words, wish, confirmed.planned()).await?; //         IO: before such a disk is made
    let chapter = Chapter::begin(agent, wish, confirmed.planned(), memory); //             pure
    let applied = agent.meter.time(Stage::Apply, apply::apply(agent, confirmed)).await; // IO: writes
    match &applied.stopped {
        Some(failure) => memory.refused(&wish.commit.id, failure),
        None => memory.accepted(&wish.commit.id),
    }
    memory.unwatched |= applied.left.is_some();
    memory.agreed |= agent.review.is_some() && applied.done.wrote();
    if applied.done.disks_created > 0 {
        new_disks::made(agent, siblings.words, wish, &applied.planned.observed).await?; // IO: likewise, after it
    }
    let restored = restored(&applied, known.applied.as_ref()); //                          pure
    note(agent, wish, &applied, chapter, memory).await?; //                                IO: when it is new
    let mut look = health::look(agent, wish, applied, memory).await; //                   IO: cache
    look.outcome.restored = restored;
    look.roll_back = rollback::way_back(wish, &look.outcome, memory); //                   pure
    Ok(look)
}

/// An App waits for those that it depends on before it is deployed. What is deployed is looked after, however they are.
fn waits(wish: &Wish, siblings: &Siblings<'_>, applied: Option<&AppliedRecord>) -> Option<Look> {
    let state = siblings.standing.waits.clone()?;
    let is_deployed = applied.is_some_and(|applied| *applied.inputs == *wish.digest);
    (!is_deployed).then(|| Look { waits: true, ..Look::last(AppOutcome::untouched(wish, state)) })
}

/// A plan that a person was shown and asked about is carried out, and no other one.
fn agreed(agent: &Agent, wish: &Wish, planned: &Planned, memory: &Memory) -> Result<(), Failure> {
    let covered = agent.review.as_ref().is_none_or(|review| review.covers(&planned.plan));
    if covered || memory.agreed || !planned.plan.writes() {
        return Ok(());
    }
    let text = format!(
        "{}: what would be done is no longer what was shown: the cluster has changed meanwhile; nothing was written, look \
         at the plan once more",
        wish.app.at
    );
    Err(Failure { text, label: "plan-changed", kind: FailureKind::Obstacle })
}

/// Whether an object stands in the way that is not among those that are watched, because it is none of ours.
fn blocked_unseen(planned: &Planned) -> bool {
    planned.plan.actions.iter().any(|action| match &action.what {
        What::Blocked { subject: Subject::Object(key), .. } => !planned.observed.objects.contains_key(key),
        _ => false,
    })
}

/// Whether something of an App is being deleted: that it does not end is no news that a watch brings.
fn is_going(observed: &ObservedApp) -> bool {
    observed.objects.values().any(LiveObject::is_terminating)
}

/// What is known of an App beside what is seen of it.
struct Known {
    rebuilt: Rebuilt,
    said: Said,
    applied: Option<AppliedRecord>,
    corrections: Corrections,
}

/// What was put back lately; what is asked for anew was not yet. Who deletes a Namespace deletes with it what says that
/// it was applied: that alone asks for nothing.
fn corrections(wish: &Wish, applied: Option<&AppliedRecord>, memory: &mut Memory) -> Corrections {
    let is_applied = applied.is_some_and(|applied| *applied.inputs == *wish.digest);
    if is_applied {
        memory.was_applied = Some(Arc::clone(&wish.digest));
    } else if applied.is_some() || memory.was_applied.as_ref() != Some(&wish.digest) {
        memory.was_applied = None;
        memory.corrections = Corrections::default();
    }
    memory.corrections.clone()
}

/// What was applied last of the App. A Namespace that is not there holds nothing that could be read.
async fn last_applied(
    agent: &Agent,
    wish: &Wish,
    observed: &ObservedApp,
    memory: &mut Memory,
) -> Result<Option<AppliedRecord>, Failure> {
    let is_deployed = observed.objects.keys().any(|key| key.kind == Kind::Namespace);
    let stored = match &memory.applied {
        Some(stored) if is_deployed => stored.clone(),
        None if is_deployed => applied::load(agent.cluster.as_ref(), &wish.names).await?,
        _ => None,
    };
    let record = stored.as_ref().map(|stored| stored.record.clone());
    memory.applied = Some(stored);
    Ok(record)
}

/// How many objects were put back to what had been applied `before`.
fn restored(applied: &Applied, before: Option<&AppliedRecord>) -> usize {
    applied.carried_out().filter(|action| applied.planned.plan.puts_back(action, before)).count()
}

/// Writes down what was applied and what happened.
async fn note(
    agent: &Agent,
    wish: &Wish,
    applied: &Applied,
    chapter: Chapter,
    memory: &mut Memory,
) -> Result<(), Failure> {
    let Applied { planned, done, stopped, .. } = applied;
    let before = memory.applied.clone().flatten();
    let refused = wish.instead_of.as_deref().cloned();
    let record = AppliedRecord::of(&planned.app, &wish.commit.id, &wish.digest, &planned.observed);
    let known = before.as_ref().map(|before| &before.record);
    let record = AppliedRecord { refused, ..record }.with_rendered(&planned.plan, known);
    let is_new = known.is_none_or(|known| !known.says_the_same(&record));
    // The same files may be rendered to something else that the cluster does not tell from what was before.
    let is_written = !is_new && !done.wrote() && known.is_some_and(|known| known.is_rendered_as(&record));
    if !is_new || (before.is_none() && memory.was_applied.is_some()) {
        memory.corrections.note(applied.carried_out(), Timestamp::now());
    }
    if is_written && files::is_kept(wish, before.as_ref()) {
        return Ok(());
    }
    if stopped.is_some() || agent.may_write().is_err() {
        return Ok(());
    }
    let suspended = planned.app.reconcile.suspend;
    if suspended && (before.is_none() || files::is_kept(wish, before.as_ref())) {
        return Ok(());
    }
    let files = files::to_keep(wish, before.as_ref()).await; //                            IO: the store of the source
    let (record, history) = match &before {
        // Nothing of it is applied, but whoever goes on without Git must know that it is suspended.
        Some(before) if suspended => (before.record.clone(), before.history.clone()),
        Some(_) if is_written && matches!(files, Files::NotYet) => return Ok(()),
        Some(before) if !is_new && !done.wrote() => (record, before.history.clone()),
        _ => {
            let history = chapter.written(before.as_ref(), &record, done.wrote());
            (record, history)
        }
    };
    // Whether it was written is not known before it has succeeded.
    memory.applied = None;
    let saved =
        applied::save(agent.cluster.as_ref(), &wish.names, (&record, &history, &files), before.as_ref()).await?;
    memory.applied = Some(Some(saved));
    Ok(())
}

fn plan(agent: &Agent, wish: &Wish, siblings: &Siblings<'_>, observed: ObservedApp, known: &Known) -> Planned {
    let (app, now) = (Arc::clone(&wish.app), Timestamp::now());
    let Standing { holds, given_up_by, waits: _ } = siblings.standing.clone();
    let settings = Settings {
        source: source_of(wish, &observed),
        new_disks: agent.new_disks,
        commit_time: wish.commit.time,
        rebuild: known.rebuilt.against(&app),
        installation: known.said.installation.clone(),
        spent: known.said.spent.clone(),
        people: agent.people.clone(),
        now,
        accepted: wish.commit.accepted.clone(),
        inputs: Some(wish.digest.to_string()),
        applied: known.applied.clone(),
        holds,
        given_up_by,
        corrections: known.corrections.clone(),
        may_restart: wish.source.is_none() || windows::is_open(&app.reconcile.windows, now),
    };
    let plan = plan::plan(&app, &observed, &settings);
    Planned { app, observed, settings, plan }
}

/// An App that a person has paused is looked at again when that ends.
fn paused(wish: &Wish, planned: &Planned) -> Option<Look> {
    let now = planned.settings.now;
    let pause = Pause::of_app(&planned.observed, now).ok().flatten()?;
    let again = Duration::try_from(pause.until.duration_since(now)).ok();
    Some(Look { again, ..Look::last(AppOutcome::untouched(wish, State::Paused(pause))) })
}

/// The source that an App is marked with. What a person applies by hand stays the source's that
/// deployed it.
fn source_of(wish: &Wish, observed: &ObservedApp) -> String {
    let marked = observed.objects.values().find(|live| live.key.kind == Kind::Namespace);
    let marked = marked.and_then(|namespace| namespace.annotation(labels::SOURCE));
    wish.source.as_deref().or(marked).unwrap_or(BY_HAND).to_owned()
}

/// A plan that makes or assigns a disk is made once more from what the provider and the API server say now:
/// what was seen before may be some moments old, and a disk too many cannot be taken back.
async fn certain(
    agent: &Agent,
    wish: &Wish,
    siblings: &Siblings<'_>,
    planned: Planned,
    known: &Known,
) -> Result<Planned, Failure> {
    let acts_on_disks = |what: &What| matches!(what, What::CreateDisk(_) | What::AssignDisk(_));
    if !planned.plan.actions.iter().any(|action| acts_on_disks(&action.what)) {
        return Ok(planned);
    }
    observe::compare_volumes(agent, wish, &planned.observed).await?;
    agent.listings.forget(&wish.app.id);
    let observed = observe::observe(agent, wish).await?;
    Ok(plan(agent, wish, siblings, observed, known))
}

/// Dry-runs the plan. A refusal is remembered: the same commit is not tried again where only a person can
/// help.
async fn confirm(agent: &Agent, wish: &Wish, planned: Planned, memory: &mut Memory) -> Result<Confirmed, Failure> {
    let commit = &wish.commit.id;
    if let Some(failure) = memory.refusal(commit) {
        return Err(failure.clone());
    }
    let is_new = planned.new_namespace().is_some();
    let confirmed = confirm::confirm(agent, planned, Care::InPlace).await;
    match &confirmed {
        // It is tried in its place.
        Ok(_) if is_new => {}
        Ok(_) => memory.accepted(commit),
        Err(failure) => memory.refused(commit, failure),
    }
    confirmed
}

#[cfg(test)]
mod tests;
