//! `apply`: one reconcile from a working tree, by a person.

use std::sync::Arc;
use std::time::Duration;

use kompox_core::plan::{Counts, NewDisks, Plan, text};
use serde_json::{Value, json};

use super::plan::as_text;
use super::{Exit, answer, confirmed, run, talk, tree};
use crate::args::{ApplyArgs, Output};
use crate::cluster::fenced::Fenced;
use crate::cluster::lease::Patience;
use crate::cluster::{ClusterApi, identity};
use crate::context::{Agent, Commit};
use crate::memory::Memory;
use crate::outcome::{Outcome, State};
use crate::reconcile;

/// Time between two looks at Pods that start.
const SOON: Duration = Duration::from_secs(1);

/// `apply`.
///
/// # Errors
/// The files or the cluster cannot be read, another agent holds the Lease, or nobody could be asked.
pub(crate) async fn apply(args: ApplyArgs) -> anyhow::Result<Exit> {
    let commit = tree::open(&args.tree.path)?;
    let cluster_id = tree::cluster_of(&args.tree, &commit)?;
    let cluster = Arc::new(run::connected(&args.tree.kube).await?);
    identity::check(cluster.as_ref(), &cluster_id).await?;
    if !args.yes {
        let reader = run::reader_of(Arc::clone(&cluster) as Arc<dyn ClusterApi>, cluster_id.clone(), NewDisks::Allow);
        let preview = reconcile::preview(&reader, &commit).await?;
        tree::loaded(&preview.wanted);
        talk(&as_text(&preview));
        let question = format!("Apply this to {}?", cluster.origin());
        // What is refused now may be accepted a moment later, and would be written unseen.
        let may_write = preview.plans.iter().any(Plan::writes) || !preview.refused.is_empty();
        if may_write && !confirmed(&question)? {
            talk("nothing was written");
            return Ok(Exit::Error);
        }
    }
    identity::claim(cluster.as_ref(), &cluster_id).await?;
    let leadership = run::lead(&cluster, Patience::UntilHolderIsAlive).await?;
    let lost = leadership.signal();
    let fenced: Arc<dyn ClusterApi> = Arc::new(Fenced::new(cluster, lost.clone()));
    let agent = Agent { lost: Some(lost), ..run::reader_of(fenced, cluster_id, NewDisks::Allow) };
    let result = to_the_end(&agent, &commit).await;
    leadership.release().await;
    let (outcome, done) = result?;
    super::show(&outcome.diagnostics);
    answer(&match args.output {
        Output::Text => told(&outcome, done),
        Output::Json => format!("{:#}\n", as_json(&outcome, done)),
    })?;
    Ok(run::exit_of(&outcome))
}

/// Reconciles until nothing is on its way any more; gives the last outcome and all that was done.
async fn to_the_end(agent: &Agent, commit: &Commit) -> anyhow::Result<(Outcome, Counts)> {
    let mut memory = Memory::default();
    let mut done = Counts::default();
    let mut last_reason = String::new();
    loop {
        let outcome = reconcile::reconcile(agent, commit, &mut memory).await?;
        done += outcome.done();
        if !outcome.progressing() {
            return Ok((outcome, done));
        }
        for app in &outcome.apps {
            if let State::Progressing(reason) = &app.state
                && *reason != last_reason
            {
                talk(&format!("{}: {reason}", app.id.app));
                last_reason.clone_from(reason);
            }
        }
        tokio::time::sleep(SOON).await;
    }
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
        State::Progressing(reason) => ("progressing", format!("on its way: {reason}")),
        State::Failed(failure) => ("failed", failure.text.clone()),
    }
}
