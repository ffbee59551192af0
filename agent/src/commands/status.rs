//! `status`: what is deployed, from which commit, and how it is. Reads the cluster only.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kompox_core::health::{Health, assess};
use kompox_core::observed::LiveObject;
use kompox_core::pause::Pause;
use kompox_core::plan::unmanaged::{Managed, Unmanaged, unmanaged};
use kompox_core::report::State;
use kompox_manifests::labels;
use kompox_manifests::object::Kind;
use serde::Serialize;
use serde_json::Value;

use super::app::is_meant;
use super::{Exit, answer, run};
use crate::args::{Output, StatusArgs};
use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError, state};
use crate::record::{DriftRecord, Record};

/// Time between two looks of `--watch`.
const WATCH: Duration = Duration::from_secs(2);

/// Everything that `status` knows.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    sources: Vec<SourceStatus>,
    apps: Vec<AppStatus>,
    /// What is of no source; not looked for where one App is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmanaged: Vec<Unmanaged>,
}

/// How a source is.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceStatus {
    name: String,
    commit: Option<String>,
    state: Option<State>,
    description: String,
    problems: Vec<String>,
    /// What others have changed of Apps that want it to be reported only.
    drift: Vec<DriftRecord>,
    /// Statuses that the forge has not taken yet.
    undelivered: bool,
}

/// How an App is.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AppStatus {
    app: String,
    namespace: String,
    source: Option<String>,
    /// `healthy`, `progressing` or `degraded`.
    state: &'static str,
    text: String,
    /// A pause that holds, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<String>,
}

/// `status`.
///
/// # Errors
/// The cluster cannot be read, or holds no such App.
pub(crate) async fn status(args: StatusArgs) -> anyhow::Result<Exit> {
    let cluster: Arc<dyn ClusterApi> = Arc::new(run::connected(&args.kube).await?);
    let mut last = None;
    // Every object is read for it: once is enough, however long is watched.
    let nobodys = match args.app {
        None => nobodys(cluster.as_ref()).await?,
        Some(_) => Vec::new(),
    };
    loop {
        let found = Answer { unmanaged: nobodys.clone(), ..look(cluster.as_ref(), args.app.as_deref()).await? };
        if last.as_ref() != Some(&found) {
            if args.watch && args.output == Output::Text && std::io::stdout().is_terminal() {
                // Clears the screen and goes to its corner.
                answer("\u{1b}[2J\u{1b}[H")?;
            }
            answer(&match args.output {
                Output::Text => as_text(&found),
                Output::Json => format!("{:#}\n", serde_json::to_value(&found)?),
            })?;
            last = Some(found);
        }
        if !args.watch {
            return Ok(Exit::Success);
        }
        tokio::time::sleep(WATCH).await;
    }
}

async fn look(cluster: &dyn ClusterApi, only: Option<&str>) -> anyhow::Result<Answer> {
    let namespaces = cluster.list_owned(Kind::Namespace).await?;
    let mut apps = Vec::new();
    for namespace in &namespaces {
        let Some(app) = namespace.annotation(labels::APP) else { continue };
        let name = app.rsplit('/').next().unwrap_or(app);
        if only.is_none_or(|only| is_meant(only, app)) {
            apps.push(look_at(cluster, namespace, app, name).await?);
        }
    }
    if let Some(only) = only
        && apps.is_empty()
    {
        anyhow::bail!("no App {only} is deployed in this cluster");
    }
    let mut sources = Vec::new();
    for name in state::sources(cluster).await? {
        let stored = state::load(cluster, &name).await?;
        let value = stored.map_or(Value::Null, |stored| stored.value);
        let record: Record = serde_json::from_value(value).unwrap_or_default();
        sources.push(of_record(name, record));
    }
    Ok(Answer { sources, apps, unmanaged: Vec::new() })
}

/// What is of no source that an agent has seen.
async fn nobodys(cluster: &dyn ClusterApi) -> anyhow::Result<Vec<Unmanaged>> {
    let sources = state::sources(cluster).await?;
    let mut objects = Vec::new();
    for kind in Kind::ALL {
        match cluster.list_owned(kind).await {
            Ok(found) => objects.extend(found),
            // Whoever may not read Secrets is shown the rest.
            Err(ClusterError { cause: Cause::Forbidden(_), .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(unmanaged(&objects, Managed { sources: &sources, planned: &BTreeSet::new() }))
}

fn of_record(name: String, record: Record) -> SourceStatus {
    let undelivered = !record.outbox.is_delivered();
    match record.commit {
        None => SourceStatus {
            name,
            commit: None,
            state: None,
            description: "no commit was seen yet".to_owned(),
            problems: Vec::new(),
            drift: Vec::new(),
            undelivered,
        },
        Some(commit) => SourceStatus {
            name,
            commit: Some(commit.id),
            state: Some(commit.state),
            description: commit.description,
            problems: commit.problems,
            drift: commit.drift,
            undelivered,
        },
    }
}

async fn look_at(cluster: &dyn ClusterApi, namespace: &LiveObject, app: &str, name: &str) -> anyhow::Result<AppStatus> {
    let deployment = format!("{name}-{}", kompox_manifests::names::APP_COMPONENT);
    let health = assess(&cluster.workload(&namespace.key.name, &deployment).await?);
    let (state, text) = match &health {
        Health::Healthy => ("healthy", "available".to_owned()),
        Health::Progressing { reason } => ("progressing", reason.text.clone()),
        Health::Degraded { reason } => ("degraded", format!("{}: {}", reason.label, reason.text)),
    };
    Ok(AppStatus {
        app: app.to_owned(),
        namespace: namespace.key.name.clone(),
        source: namespace.annotation(labels::SOURCE).map(str::to_owned),
        state,
        text,
        paused: match Pause::of(namespace, Timestamp::now()) {
            Ok(pause) => pause.map(|pause| pause.to_string()),
            Err(unreadable) => Some(unreadable.to_string()),
        },
    })
}

fn as_text(found: &Answer) -> String {
    let mut shown = String::new();
    for source in &found.sources {
        let commit = source.commit.as_deref().map_or("-", |commit| commit.get(..8).unwrap_or(commit));
        let state = match source.state {
            Some(State::Pending) => "pending",
            Some(State::Success) => "success",
            Some(State::Failure) => "failure",
            Some(State::Error) => "error",
            None => "-",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "source {}  {commit}  {state}  {}", source.name, source.description);
        for problem in &source.problems {
            let _ = writeln!(shown, "  {problem}");
        }
        for DriftRecord { app, drift } in &source.drift {
            for drift in drift {
                let _ = writeln!(shown, "  drifted: {app}: {drift}");
            }
        }
        if source.undelivered {
            shown.push_str("  some statuses wait for the forge\n");
        }
    }
    for app in &found.apps {
        let _ = writeln!(shown, "app {}  {}  {}  ({})", app.app, app.state, app.text, app.namespace);
        if let Some(paused) = &app.paused {
            let _ = writeln!(shown, "  {paused}");
        }
    }
    for nobodys in &found.unmanaged {
        let _ = writeln!(shown, "unmanaged {nobodys}");
    }
    if shown.is_empty() {
        shown.push_str("nothing is deployed, and no source was seen\n");
    }
    shown
}
