//! A commit whose image cannot be had costs the App that runs not one second, and nothing of the trying stays.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::Agent;
use kompox_tests::git::Repo;
use kompox_tests::node::{BUSYBOX, RealNode};
use kompox_tests::parts::skip_if;
use kompox_tests::wait::{Look, until};

use super::{CLUSTER, Ground};
use crate::world::LONG;

/// Where the App writes down the time, every tenth of a second, seen from its volume.
const BEATS: &str = "data/web/beats";
/// The longest time between two beats that is no downtime, on a busy machine.
const REST: Duration = Duration::from_secs(1);
/// An image of another tag than the node has.
const NEXT: &str = "localhost/kompox-test/busybox:2";
/// How long a failure may take to be told: the kubelet tries for a while, and so does the agent.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_image_tag_costs_no_second_of_downtime() -> Result<()> {
    if skip_if(RealNode::missing()) {
        return Ok(());
    }
    let app = App::start().await?;
    let agent = app.agent().await?;
    app.push(BUSYBOX, "", "Deploy")?;
    app.await_beats().await?;
    let pod = app.pod()?;
    let generation = app.deployment("jsonpath={.metadata.generation}")?;

    // No such tag.
    app.push(NEXT, "", "A tag that nobody has pushed")?;
    app.await_log(&agent, &format!("the image {NEXT} cannot be had")).await?;
    let log = agent.stderr()?;
    ensure!(log.contains("compose.yml:3:12: ") && log.contains("the Pod that runs was left alone"), "{log}");
    app.await_no_throw_away_pods().await?;

    // An image that must be there already, and is not.
    app.push(NEXT, "    pull_policy: never\n", "Never to be pulled")?;
    app.await_log(&agent, "ErrImageNeverPull").await?;

    // The agent is killed while it pulls; the next one leaves nothing of that.
    app.push("localhost/kompox-test/busybox:3", "", "Another tag that nobody has pushed")?;
    until("a Pod that pulls the image", LONG, || async {
        let found = app.throw_away_pods()?;
        Ok(if found.is_empty() { Look::NotYet("none".to_owned()) } else { Look::Done(()) })
    })
    .await?;
    agent.kill()?;
    app.push(BUSYBOX, "", "Back to what runs")?;
    let agent = app.agent().await?;
    app.await_no_throw_away_pods().await?;

    ensure!(app.pod()? == pod, "the Pod was replaced");
    ensure!(app.deployment("jsonpath={.metadata.generation}")? == generation, "the Deployment was written to");
    let rest = app.longest_rest()?;
    ensure!(rest < REST, "the App has rested for {rest:?}");

    // The tag is pushed at last, so to say, after the commit: no new commit is needed.
    app.push(NEXT, "", "The tag once more")?;
    app.await_log(&agent, &format!("the image {NEXT} cannot be had")).await?;
    app.ground.node.tag(BUSYBOX, NEXT)?;
    until("the Pod to be replaced", PATIENCE, || async {
        let found = app.pod().unwrap_or_default();
        Ok(if found.is_empty() || found == pod { Look::NotYet(found) } else { Look::Done(()) })
    })
    .await?;
    app.await_no_throw_away_pods().await?;
    Ok(())
}

/// One App that writes down the time, from a repository.
struct App {
    ground: Ground,
    repo: Repo,
}

impl App {
    async fn start() -> Result<Self> {
        let ground = Ground::start().await?;
        let repo = Repo::init_bare(&ground.folder.path().join("apps.git"))?;
        let config = format!("cluster: {CLUSTER}\nsources: [{{name: apps, url: {}, interval: 1s}}]\n", repo.remote());
        ground.folder.write("agent.yml", &config)?;
        Ok(Self { ground, repo })
    }

    async fn agent(&self) -> Result<Agent> {
        let config = self.ground.folder.path().join("agent.yml");
        self.ground.agent(["run", "--config", &config.to_string_lossy()]).start().await
    }

    fn push(&self, image: &str, more: &str, message: &str) -> Result<String> {
        // A shell that is the first process of its container ignores SIGTERM unless it is told.
        let script = "trap 'exit 0' TERM; while :; do cat /proc/uptime >> /data/beats; sleep 0.1; done";
        let compose = format!(
            "services:\n  web:\n    image: {image}\n    command: [sh, -c, \"{script}\"]\n    \
             volumes: [\"./data/web:/data\"]\n{more}"
        );
        self.repo.publish(&[("kompoxops.yml", &self.ground.entry("beater")), ("compose.yml", &compose)], message)
    }

    /// Name and UID of the App's Pod.
    fn pod(&self) -> Result<String> {
        let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{end}";
        self.ground.kubectl(&["get", "pods", "-A", "-l", "app=beater-app", "-o", path])
    }

    fn deployment(&self, path: &str) -> Result<String> {
        let path = path.replacen("jsonpath={", "jsonpath={.items[0]", 1);
        self.ground.kubectl(&["get", "deployments", "-A", "-l", "app=beater-app", "-o", &path])
    }

    fn throw_away_pods(&self) -> Result<String> {
        self.ground.kubectl(&["get", "pods", "-A", "-l", "kompox.dev/purpose=prepull", "-o", "name"])
    }

    async fn await_no_throw_away_pods(&self) -> Result<()> {
        until("no Pod that pulls images to be left", LONG, || async {
            let left = self.throw_away_pods()?;
            Ok(if left.is_empty() { Look::Done(()) } else { Look::NotYet(left) })
        })
        .await
    }

    async fn await_log(&self, agent: &Agent, words: &str) -> Result<()> {
        until(&format!("the log to tell `{words}`"), PATIENCE, || async {
            let log = agent.stderr()?;
            Ok(if log.contains(words) { Look::Done(()) } else { Look::NotYet(log) })
        })
        .await
    }

    async fn await_beats(&self) -> Result<()> {
        until("the App to run", LONG, || async {
            let beats = self.ground.disk()?.map(|disk| disk.join(BEATS));
            Ok(if beats.is_some_and(|beats| beats.is_file()) { Look::Done(()) } else { Look::NotYet("no beat".into()) })
        })
        .await
    }

    /// The longest time that the App has not written anything down so far.
    fn longest_rest(&self) -> Result<Duration> {
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
