//! An App on the real node that writes down the time, so that a test sees whether it ran all the while.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::Agent;
use kompox_tests::git::Repo;
use kompox_tests::wait::{Look, until};

use super::{CLUSTER, Ground};
use crate::world::LONG;

/// Where the App writes down the time, every tenth of a second, seen from its volume.
const BEATS: &str = "data/web/beats";
/// How long a failure may take to be told: the kubelet tries for a while, and so does the agent.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// One App that writes down the time, from a repository.
pub(super) struct App {
    pub(super) ground: Ground,
    pub(super) repo: Repo,
}

impl App {
    pub(super) async fn start() -> Result<Self> {
        let ground = Ground::start().await?;
        let repo = Repo::init_bare(&ground.folder.path().join("apps.git"))?;
        let config = format!("cluster: {CLUSTER}\nsources: [{{name: apps, url: {}, interval: 1s}}]\n", repo.remote());
        ground.folder.write("agent.yml", &config)?;
        Ok(Self { ground, repo })
    }

    pub(super) async fn agent(&self) -> Result<Agent> {
        let config = self.ground.folder.path().join("agent.yml");
        self.ground.agent(["run", "--config", &config.to_string_lossy()]).start().await
    }

    pub(super) fn push(&self, image: &str, more: &str, message: &str) -> Result<String> {
        // A shell that is the first process of its container ignores SIGTERM unless it is told.
        let script = "trap 'exit 0' TERM; while :; do cat /proc/uptime >> /data/beats; sleep 0.1; done";
        let compose = format!(
            "services:\n  web:\n    image: {image}\n    command: [sh, -c, \"{script}\"]\n    \
             volumes: [\"./data/web:/data\"]\n{more}"
        );
        self.repo.publish(&[("kompoxops.yml", &self.ground.entry("beater")), ("compose.yml", &compose)], message)
    }

    /// Name and UID of the App's Pod.
    pub(super) fn pod(&self) -> Result<String> {
        let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{end}";
        self.ground.kubectl(&["get", "pods", "-A", "-l", "app=beater-app", "-o", path])
    }

    pub(super) fn deployment(&self, path: &str) -> Result<String> {
        let path = path.replacen("jsonpath={", "jsonpath={.items[0]", 1);
        self.ground.kubectl(&["get", "deployments", "-A", "-l", "app=beater-app", "-o", &path])
    }

    pub(super) fn throw_away_pods(&self) -> Result<String> {
        self.ground.kubectl(&["get", "pods", "-A", "-l", "kompox.dev/purpose=prepull", "-o", "name"])
    }

    pub(super) async fn await_no_throw_away_pods(&self) -> Result<()> {
        until("no Pod that pulls images to be left", LONG, || async {
            let left = self.throw_away_pods()?;
            Ok(if left.is_empty() { Look::Done(()) } else { Look::NotYet(left) })
        })
        .await
    }

    pub(super) async fn await_log(&self, agent: &Agent, words: &str) -> Result<()> {
        until(&format!("the log to tell `{words}`"), PATIENCE, || async {
            let log = agent.stderr()?;
            Ok(if log.contains(words) { Look::Done(()) } else { Look::NotYet(log) })
        })
        .await
    }

    pub(super) async fn await_beats(&self) -> Result<()> {
        until("the App to run", LONG, || async {
            let beats = self.ground.disk()?.map(|disk| disk.join(BEATS));
            Ok(if beats.is_some_and(|beats| beats.is_file()) { Look::Done(()) } else { Look::NotYet("no beat".into()) })
        })
        .await
    }

    /// The longest time that the App has not written anything down so far.
    pub(super) fn longest_rest(&self) -> Result<Duration> {
        let beats = self.ground.disk()?.context("no disk was made")?.join(BEATS);
        longest_rest(&beats)
    }
}

fn longest_rest(beats: &Path) -> Result<Duration> {
    let text = std::fs::read_to_string(beats)?;
    // The App may be in the middle of the last line.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let beat = |line: &str| -> Option<f64> { line.split(' ').next()?.parse().ok() };
    let times: Vec<f64> = complete.lines().filter_map(beat).collect();
    ensure!(times.len() > 100, "only {} beats", times.len());
    let rests = times.windows(2).map(|two| two[1] - two[0]);
    Ok(Duration::from_secs_f64(rests.fold(0.0, f64::max)))
}
