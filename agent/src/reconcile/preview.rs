//! The same page, stopped before anything is written: what reconciling would do.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use kompox_core::plan::unmanaged::{Managed, Unmanaged, unmanaged};
use kompox_core::plan::{Corrections, Plan, PlanDigest};
use kompox_manifests::desired::Conversions;
use kompox_manifests::names::Names;

use super::{Known, Siblings, last_applied, plan};
use crate::confirm::{self, Care};
use crate::context::{Agent, Commit, CommitRef, Standing, Wish};
use crate::departure::{self, Elsewhere, Left, View};
use crate::desire::{self, Wanted};
use crate::failure::Failure;
use crate::memory::Memory;
use crate::new_disks::{self, Words};
use crate::observe;
use crate::outcome::{AppOutcome, State};
use crate::rebuild::{self, Sight};

/// How many Apps are looked at at once.
const PARALLEL_APPS: usize = 4;

/// What reconciling would do.
pub(crate) struct Preview {
    /// What the commit asks for.
    pub(crate) wanted: Wanted,
    /// A plan for each App that the API server would accept, and for each that left.
    pub(crate) plans: Vec<Plan>,
    /// Apps that it would not accept, and why.
    pub(crate) refused: Vec<AppOutcome>,
    /// What is of no source; it is left alone.
    pub(crate) unmanaged: Vec<Unmanaged>,
}

impl Preview {
    /// Names exactly these plans.
    pub(crate) fn digest(&self) -> PlanDigest {
        PlanDigest::of_all(&self.plans)
    }
}

/// Plans a whole commit and dry-runs it. `sources` are those that are read, as far as it is known.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn preview(agent: &Agent, commit: &Commit, sources: &BTreeSet<String>) -> Result<Preview, Failure> {
    agent.cache.check()?;
    let wanted = desire::desire(commit, &agent.cluster_id, &mut Conversions::default());
    let wishes = &wanted.apps;
    let (sight, words, left) = (Sight::default(), Words::default(), Left::default());
    let of_commit = Arc::new(CommitRef::of(commit));
    let view = commit.source.as_deref().map(|source| View {
        source,
        commit: &of_commit,
        wanted: &wanted,
        // What other sources list is not known here.
        elsewhere: &|_| Elsewhere::Nowhere,
        left: &left,
    });
    let planned =
        stream::iter(wishes).map(|wish| one(agent, wish, (wishes, &sight, &words), view)).buffered(PARALLEL_APPS);
    let results: Vec<(&Arc<Wish>, Result<Plan, Failure>)> =
        wishes.iter().zip(planned.collect::<Vec<_>>().await).collect();
    let (mut plans, mut refused) = (Vec::new(), Vec::new());
    for (wish, result) in results {
        match result {
            Ok(plan) => plans.push(plan),
            Err(failure) => refused.push(AppOutcome::untouched(wish, State::Failed(failure))),
        }
    }
    if let Some(view) = view {
        for id in departure::present(agent, view) {
            plans.extend(departure::plan(agent, view, &id).await?);
        }
    }
    let listed = wishes.iter().map(|wish| wish.names.hashes.instance.clone());
    let planned = listed.chain(plans.iter().map(|plan| Names::of(&plan.app).hashes.instance)).collect();
    let unmanaged = unmanaged(&agent.cache.everything(), Managed { sources, planned: &planned });
    Ok(Preview { wanted, plans, refused, unmanaged })
}

async fn one(
    agent: &Agent,
    wish: &Wish,
    (wishes, sight, words): (&[Arc<Wish>], &Sight, &Words),
    view: Option<View<'_>>,
) -> Result<Plan, Failure> {
    let holds = match view {
        Some(view) => departure::against(agent, view, &wish.app.id).await?,
        None => Vec::new(),
    };
    let siblings = Siblings { wishes, sight, words, standing: Standing { holds, ..Standing::default() } };
    let observed = observe::observe(agent, wish).await?;
    let rebuilt = rebuild::recognize(agent, sight, wishes, wish, &observed).await?;
    let said = new_disks::said(agent, words, wish, &observed).await?;
    let applied = last_applied(agent, wish, &observed, &mut Memory::default()).await?;
    let known = Known { rebuilt, said, applied, corrections: Corrections::default() };
    let planned = plan(agent, wish, &siblings, observed, &known);
    let confirmed = confirm::confirm(agent, planned, Care::Whole).await?;
    Ok(confirmed.into_planned().plan)
}
