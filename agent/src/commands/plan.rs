//! `plan`: what a reconcile would do.

use kompox_core::plan::markdown::{LONGEST, Page};
use kompox_core::plan::view::View;
use kompox_core::plan::{Counts, NewDisks, Plan, text};
use serde_json::{Value, json};

use super::{Exit, answer, tree};
use crate::args::{PlanArgs, PlanOutput};
use crate::cluster::state;
use crate::commands::run;
use crate::outcome::State;
use crate::reconcile::{self, Preview};

/// `plan`.
///
/// # Errors
/// The files or the cluster cannot be read.
pub(crate) async fn plan(args: PlanArgs) -> anyhow::Result<Exit> {
    let (commit, cluster_id, new_disks, sources) = match &args.source {
        Some(source) => {
            let (commit, config) = run::commit_of_source(&args, source).await?;
            let sources = config.sources.into_iter().map(|source| source.name).collect();
            (commit, config.cluster, config.new_disks, Some(sources))
        }
        None => {
            let commit = tree::open(&args.tree.path, &args.terms)?;
            let cluster_id = tree::cluster_of(&args.tree, &commit)?;
            (commit, cluster_id, NewDisks::Allow, None)
        }
    };
    let agent = run::reader(&args.tree.kube, cluster_id, new_disks).await?;
    let sources = match sources {
        Some(sources) => sources,
        None => state::sources(agent.cluster.as_ref()).await?,
    };
    let preview = reconcile::preview(&agent, &commit, &sources).await?;
    let complete = tree::loaded(&preview.wanted);
    answer(&match args.output {
        PlanOutput::Text => as_text(&preview) + &way_on(&preview, args.source.is_some()),
        PlanOutput::Json => format!("{:#}\n", as_json(&preview)),
        PlanOutput::Markdown => as_markdown(&preview),
    })?;
    if !complete || !preview.refused.is_empty() {
        return Ok(Exit::Error);
    }
    if preview.plans.iter().any(|plan| plan.obstacle().is_some()) {
        return Ok(Exit::Obstacle);
    }
    Ok(if preview.plans.iter().any(Plan::writes) { Exit::Changes } else { Exit::Success })
}

/// The numbers of all plans together.
pub(crate) fn counts(preview: &Preview) -> Counts {
    let mut sum = Counts::default();
    for plan in &preview.plans {
        sum += plan.counts();
    }
    sum
}

/// How exactly this plan is carried out; of a source the agent does that.
fn way_on(preview: &Preview, is_of_source: bool) -> String {
    if is_of_source || !preview.plans.iter().any(Plan::writes) {
        return String::new();
    }
    format!("To do exactly this: kompox-agent apply --plan {}\n", preview.digest())
}

/// The whole preview for people.
pub(crate) fn as_text(preview: &Preview) -> String {
    let mut shown: String = preview.plans.iter().map(text::to_text).collect();
    for (app, cause) in refusals(preview) {
        shown.push_str(&format!("{app}\n  ! REFUSED        {cause}\n"));
    }
    shown.extend(preview.unmanaged.iter().map(|of_none| format!("unmanaged {of_none}\n")));
    shown.push_str(&format!("Plan: {}.\n", text::summary(counts(preview))));
    shown
}

fn as_json(preview: &Preview) -> Value {
    let refused: Vec<Value> = refusals(preview).map(|(app, cause)| json!({"app": app, "reason": cause})).collect();
    let rejected: Vec<Value> =
        preview.wanted.rejected.iter().map(|entry| json!({"file": entry.file, "reason": entry.cause})).collect();
    json!({
        "digest": preview.digest().to_string(),
        "apps": preview.plans.iter().map(View::of).collect::<Vec<_>>(),
        "refused": refused,
        "rejected": rejected,
        "unmanaged": preview.unmanaged,
        "counts": counts(preview),
    })
}

fn as_markdown(preview: &Preview) -> String {
    let mut page = Page::new(LONGEST);
    // What is wrong first: a long plan may be cut at its end.
    for entry in &preview.wanted.rejected {
        page.note(&entry.file, "rejected", &entry.cause);
    }
    for (app, cause) in refusals(preview) {
        page.note(&app, "refused", &cause);
    }
    page.conclusion(&format!("Plan: {}.", text::summary(counts(preview))));
    preview.plans.iter().for_each(|plan| page.plan(&View::of(plan)));
    for of_none in &preview.unmanaged {
        page.note(of_none.app.as_deref().unwrap_or("no App"), "unmanaged", &of_none.to_string());
    }
    page.finish()
}

fn refusals(preview: &Preview) -> impl Iterator<Item = (String, String)> {
    preview.refused.iter().filter_map(|outcome| match &outcome.state {
        State::Failed(failure) => Some((outcome.id.to_string(), failure.text.clone())),
        State::Healthy | State::Suspended | State::Paused(_) | State::Removed | State::Progressing(_) => None,
    })
}
