//! `history`: what happened to an App.

use std::fmt::Write as _;

use kompox_core::health;
use kompox_core::history::{self, End, Entry, History};
use kompox_core::report::short_id;
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;
use serde_json::json;

use super::{Exit, answer, app, run};
use crate::applied;
use crate::args::{AppArgs, Output};
use crate::cluster::ClusterApi;

/// `history`.
///
/// # Errors
/// There is no such App, or the cluster cannot be read.
pub(crate) async fn history(args: AppArgs) -> anyhow::Result<Exit> {
    let cluster = run::connected(&args.kube).await?;
    let found = app::find(&cluster, &args.app).await?;
    let names = Names::of(&AppId::from_slashed(&found.id)?);
    let stored = applied::load(&cluster, &names).await?;
    let mut history = stored.map(|stored| stored.history).unwrap_or_default();
    if history.open().is_some() {
        end_newest(&cluster, &names, &mut history).await?;
    }
    answer(&match args.output {
        Output::Text => text(&found.id, &history),
        Output::Json => format!("{:#}\n", json!({"app": found.id, "entries": history})),
    })?;
    Ok(Exit::Success)
}

/// How the newest change has ended is written down with the next one; until then the App shows it.
async fn end_newest(cluster: &dyn ClusterApi, names: &Names, history: &mut History) -> anyhow::Result<()> {
    let Some(written) = history.open().map(|entry| entry.time) else { return Ok(()) };
    let workload = cluster.workload(&names.namespace, &names.workload()).await?;
    if workload.deployment.is_some() && health::assess(&workload).reason().is_none() {
        history.close(End::Healthy, None, history::downtime(written, &workload.pods));
    }
    Ok(())
}

fn text(id: &str, history: &History) -> String {
    if history.entries().is_empty() {
        return format!("{id}: nothing is written down of what happened to it\n");
    }
    let mut text = format!("{id}\n");
    for entry in history.entries() {
        let Entry { time, commit, cause, changes, end, reason, .. } = entry;
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\n{time:.0}  {:<8}  {:<7}  {}{}{reason}",
            short_id(commit),
            cause.in_words(),
            end.in_words(),
            downtime(entry),
        );
        for change in changes {
            let _ = writeln!(text, "    {change}");
        }
    }
    text
}

fn downtime(entry: &Entry) -> String {
    match entry.downtime_seconds {
        Some(seconds) => format!(", {seconds} s without a Pod that was ready"),
        None if entry.restarted => ", the Pod was replaced".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use kompox_core::history::Cause;

    use super::*;

    #[test]
    fn the_newest_comes_first_with_what_it_cost() {
        let mut history = History::default();
        let entry = |commit: &str, cause, end, restarted, downtime_seconds, reason: Option<&str>| Entry {
            time: "2026-11-24T12:00:00.123Z".parse().unwrap(),
            commit: commit.repeat(40),
            cause,
            changes: vec!["change Service n/web: spec.ports differs".into()],
            restarted,
            end,
            reason: reason.map(str::to_owned),
            downtime_seconds,
        };
        history.add(entry("a", Cause::Commit, End::Failed, true, None, Some("CrashLoopBackOff: it ends at once")));
        history.add(entry("b", Cause::Drift, End::Healthy, true, Some(7), None));
        history.add(entry("c", Cause::Secrets, End::Open, false, None, None));
        insta::assert_snapshot!(text("w/p/c/shop", &history), @r"
        w/p/c/shop

        2026-11-24T12:00:00Z  cccccccc  secrets  on its way
            change Service n/web: spec.ports differs

        2026-11-24T12:00:00Z  bbbbbbbb  drift    healthy, 7 s without a Pod that was ready
            change Service n/web: spec.ports differs

        2026-11-24T12:00:00Z  aaaaaaaa  commit   failed, the Pod was replaced: CrashLoopBackOff: it ends at once
            change Service n/web: spec.ports differs
        ");
        assert!(text("w/p/c/shop", &History::default()).contains("nothing is written down"));
    }
}
