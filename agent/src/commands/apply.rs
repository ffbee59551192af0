//! `apply`: one reconcile from a working tree, by a person.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use kompox_core::plan::{BY_HAND, Counts, NewDisks, Plan, text};
use kompox_manifests::labels;
use kompox_manifests::names::Names;
use kompox_manifests::object::Kind;
use serde_json::{Value, json};

use super::plan::as_text;
use super::{Exit, answer, confirmed, run, talk, tree};
use crate::args::{ApplyArgs, Output};
use crate::cluster::cache::Cache;
use crate::cluster::fenced::Fenced;
use crate::cluster::lease::Patience;
use crate::cluster::watch::WatchApi;
use crate::cluster::{ClusterApi, identity, state};
use crate::context::{Agent, Review};
use crate::engine::Engine;
use crate::engine::observer::Observer;
use crate::engine::source::Source;
use crate::outcome::{AppOutcome, Outcome, State};
use crate::reconcile;
use crate::restart;

/// How long the first look at the cluster may take.
const FIRST_SIGHT: Duration = Duration::from_secs(30);

/// `apply`.
///
/// # Errors
/// The files or the cluster cannot be read, another agent holds the Lease, or nobody could be asked.
pub(crate) async fn apply(args: ApplyArgs) -> anyhow::Result<Exit> {
    let commit = tree::open(&args.tree.path, &args.terms)?;
    let cluster_id = tree::cluster_of(&args.tree, &commit)?;
    let cluster = Arc::new(run::connected(&args.tree.kube).await?);
    identity::check(cluster.as_ref(), &cluster_id).await?;
    let cache = Arc::new(Cache::default());
    let _watches = cache.start(&(Arc::clone(&cluster) as Arc<dyn WatchApi>));
    let review = if args.yes {
        None
    } else {
        cache.synced(FIRST_SIGHT).await;
        let api = Arc::clone(&cluster) as Arc<dyn ClusterApi>;
        let reader = run::reader_of(api, Arc::clone(&cache), cluster_id.clone(), NewDisks::Allow);
        let preview = reconcile::preview(&reader, &commit, &state::sources(cluster.as_ref()).await?).await?;
        tree::loaded(&preview.wanted);
        talk(&as_text(&preview));
        match &args.plan {
            Some(digest) if *digest != preview.digest().to_string() => {
                talk(&format!(
                    "nothing was written: the plan is {} by now, and another one was agreed to",
                    preview.digest()
                ));
                return Ok(Exit::Obstacle);
            }
            Some(_) => {}
            None => {
                let question = format!("Apply this to {}?", cluster.origin());
                // What is refused now may be accepted by the time of the next question.
                let is_moot = preview.refused.is_empty() && !preview.plans.iter().any(Plan::writes);
                if !is_moot && !confirmed(&question)? {
                    talk("nothing was written");
                    return Ok(Exit::Error);
                }
            }
        }
        Some(Review::of(&preview.plans))
    };
    identity::claim(cluster.as_ref(), &cluster_id).await?;
    let leadership = run::lead(&cluster, Patience::UntilHolderIsAlive).await?;
    let lost = leadership.signal();
    let fenced: Arc<dyn ClusterApi> = Arc::new(Fenced::new(cluster, lost.clone()));
    let agent =
        Arc::new(Agent { lost: Some(lost), review, ..run::reader_of(fenced, cache, cluster_id, NewDisks::Allow) });
    restart::sweep(&agent).await;
    let talker = Arc::new(Talker::default());
    let source = Source::by_hand(Arc::clone(&agent), &commit, vec![Arc::clone(&talker) as Arc<dyn Observer>]);
    let engine = Engine::new(Arc::clone(&agent), vec![Arc::new(source)]);
    let outcome = engine.settle().await.into_iter().next().flatten();
    leadership.release().await;
    let outcome = outcome.context("the files were not looked at")?;
    outcome.apps.iter().filter_map(|app| comes_back(&agent, app)).for_each(|words| talk(&words));
    let done = talker.done();
    super::show(&outcome.diagnostics);
    answer(&match args.output {
        Output::Text => told(&outcome, done),
        Output::Json => format!("{:#}\n", as_json(&outcome, done)),
    })?;
    Ok(run::exit_of(&outcome))
}

/// Tells the person on the terminal how it goes on, and adds up what was done.
#[derive(Default)]
struct Talker(Mutex<(Counts, BTreeMap<String, String>)>);

impl Talker {
    fn done(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Observer for Talker {
    fn app(&self, _source: &str, outcome: &AppOutcome) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, reasons) = &mut *state;
        *done += outcome.done;
        if let State::Progressing(reason) = &outcome.state
            && reasons.insert(outcome.id.app.clone(), reason.clone()).as_ref() != Some(reason)
        {
            talk(&format!("{}: {reason}", outcome.id.app));
        }
    }
}

/// What Git will do about an App that a source has deployed.
fn comes_back(agent: &Agent, app: &AppOutcome) -> Option<String> {
    let objects = agent.cache.objects(&Names::of(&app.id).hashes.instance);
    let namespace = objects.values().find(|live| live.key.kind == Kind::Namespace)?;
    let source = namespace.annotation(labels::SOURCE).filter(|source| *source != BY_HAND)?;
    let name = &app.id.app;
    Some(format!(
        "{name}: the agent brings it back to the commit of source `{source}` when it runs next; push the change, or keep \
         it for a while with `kompox-agent pause {name}`"
    ))
}

fn told(outcome: &Outcome, done: Counts) -> String {
    let mut shown = String::new();
    for app in &outcome.apps {
        shown.push_str(&format!("{}: {}\n", app.id, state(&app.state).1));
    }
    for (file, failure) in &outcome.rejected {
        shown.push_str(&format!("{file}: rejected: {failure}\n"));
    }
    shown.push_str(&format!("Done: {}.\n", text::summary(done)));
    shown
}

fn as_json(outcome: &Outcome, done: Counts) -> Value {
    let apps: Vec<Value> = outcome
        .apps
        .iter()
        .map(|app| {
            let (state, text) = state(&app.state);
            json!({"app": app.id.to_string(), "state": state, "text": text})
        })
        .collect();
    let rejected: Vec<Value> =
        outcome.rejected.iter().map(|(file, failure)| json!({"file": file, "reason": failure.text})).collect();
    json!({"apps": apps, "rejected": rejected, "done": done})
}

/// An App's state: a stable word and a sentence.
fn state(state: &State) -> (&'static str, String) {
    match state {
        State::Healthy => ("healthy", "healthy".to_owned()),
        State::Suspended => ("suspended", "suspended: nothing was written".to_owned()),
        State::Paused(pause) => ("paused", format!("{pause}; nothing was written")),
        State::Removed => ("removed", "removed".to_owned()),
        State::Progressing(reason) => ("progressing", format!("on its way: {reason}")),
        State::Failed(failure) => ("failed", failure.text.clone()),
    }
}
