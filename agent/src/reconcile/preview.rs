//! The same page, stopped before anything is written: what reconciling would do.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use kompox_core::plan::Plan;
use kompox_manifests::desired::Conversions;

use super::plan;
use crate::confirm::{self, Care};
use crate::context::{Agent, Commit, Wish};
use crate::desire::{self, Wanted};
use crate::failure::Failure;
use crate::observe;
use crate::outcome::{AppOutcome, State};
use crate::rebuild::{self, Sight};

/// How many Apps are looked at at once.
const PARALLEL_APPS: usize = 4;

/// What reconciling would do.
pub(crate) struct Preview {
    /// What the commit asks for.
    pub(crate) wanted: Wanted,
    /// A plan for each App that the API server would accept.
    pub(crate) plans: Vec<Plan>,
    /// Apps that it would not accept, and why.
    pub(crate) refused: Vec<AppOutcome>,
    /// Apps in the cluster that the commit no longer lists, `W/P/C/A`.
    pub(crate) left_over: Vec<String>,
}

/// Plans a whole commit and dry-runs it.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn preview(agent: &Agent, commit: &Commit) -> Result<Preview, Failure> {
    agent.cache.check()?;
    let wanted = desire::desire(commit, &agent.cluster_id, &mut Conversions::default());
    let wishes: Vec<Arc<Wish>> = wanted.apps.iter().cloned().map(Arc::new).collect();
    let sight = Sight::default();
    let planned = stream::iter(&wishes).map(|wish| one(agent, wish, &wishes, &sight)).buffered(PARALLEL_APPS);
    let results: Vec<(&Arc<Wish>, Result<Plan, Failure>)> =
        wishes.iter().zip(planned.collect::<Vec<_>>().await).collect();
    let (mut plans, mut refused) = (Vec::new(), Vec::new());
    for (wish, result) in results {
        match result {
            Ok(plan) => plans.push(plan),
            Err(failure) => refused.push(AppOutcome::untouched(wish, State::Failed(failure))),
        }
    }
    let left_over = left_over(agent, commit.source.as_deref(), &wanted);
    Ok(Preview { wanted, plans, refused, left_over })
}

async fn one(agent: &Agent, wish: &Wish, wishes: &[Arc<Wish>], sight: &Sight) -> Result<Plan, Failure> {
    let observed = observe::observe(agent, wish).await?;
    let rebuilt = rebuild::recognize(agent, sight, wishes, wish, &observed).await?;
    let planned = plan(agent, wish, observed, &rebuilt);
    let confirmed = confirm::confirm(agent.cluster.as_ref(), &agent.refuted, planned, Care::Whole).await?;
    Ok(confirmed.into_planned().plan)
}

/// Apps in the cluster that a source wrote and no longer lists, `W/P/C/A`.
pub(crate) fn left_over(agent: &Agent, source: Option<&str>, wanted: &Wanted) -> Vec<String> {
    let Some(source) = source else { return Vec::new() };
    let listed: BTreeSet<String> = wanted.apps.iter().map(|wish| wish.app.id.slashed()).collect();
    let mut written = agent.cache.apps_of_source(source);
    written.retain(|app| !listed.contains(app) && !wanted.may_list(app));
    written.into_iter().collect()
}
