//! The ground with the Apps that are measured, and what is done to them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kompox_tests::agent::Agent;
use kompox_tests::ground::{self, check_runs};
use kompox_tests::kubeconfig;
use kompox_tests::parts::say;
use kompox_tests::traffic::Request;
use kompox_tests::wait::{Look, until};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{fleet, rivals, usage};

const LONG: Duration = Duration::from_secs(900);
/// The agent looks once a second: ten looks.
const IDLE: Duration = Duration::from_secs(10);
const LOOKS: u32 = 10;
/// How closely times are taken.
const STEP: Duration = Duration::from_millis(5);
const NAME_LABEL: &str = "app.kubernetes.io/name";

/// Everything that the agent works with.
pub(crate) struct Ground {
    apps: u16,
    pub(crate) under: ground::Ground,
}

impl Ground {
    /// A cluster, a root for disks, and a repository with all Apps.
    pub(crate) async fn start(apps: u16) -> Result<Self> {
        let under = ground::Ground::start("bench", LONG).await?;
        let root = under.disk_root();
        let files: Vec<(String, String)> = (1..=apps).flat_map(|number| fleet::files(number, &root)).collect();
        under.publish(&files, "All Apps")?;
        Ok(Self { apps, under })
    }

    /// The objects that the repository asks for.
    pub(crate) async fn render(&self) -> Result<Vec<Value>> {
        let tree = self.under.repo.work_tree().to_string_lossy().into_owned();
        let rendered = self.under.command(&["render", "--output", "json", &tree]).run(LONG).await?;
        ensure!(rendered.status.success(), "render: {}", rendered.stderr);
        serde_json::from_str(&rendered.stdout).context("render gave no JSON")
    }

    /// The agent's own word of its version.
    pub(crate) async fn version(&self) -> Result<String> {
        Ok(self.under.command(&["--version"]).run(LONG).await?.stdout.trim().to_owned())
    }

    /// Starts the agent; gives it, and how long it took until the last of `objects` was written.
    pub(crate) async fn cold(&self, objects: usize) -> Result<(Agent, Duration)> {
        self.under.proxy.forget();
        let start = Instant::now();
        let agent = self.under.agent("").await?;
        let cold = until("all objects to be written", LONG, || async {
            check_runs(&agent)?;
            let written = self.under.proxy.count(is_written);
            Ok(if written >= objects { Look::Done(start.elapsed()) } else { Look::NotYet(written.to_string()) })
        })
        .await?;
        self.under.settled(&agent, &self.under.repo.head()?).await?;
        Ok((agent, cold))
    }

    /// Requests and CPU of ten looks while nothing changes; the CPU is that of one.
    pub(crate) async fn idle(&self, agent: &Agent) -> Result<(usize, Duration)> {
        self.under.proxy.forget();
        let before = usage::cpu(agent.pid())?;
        tokio::time::sleep(IDLE).await;
        Ok((self.under.asked().len(), usage::cpu(agent.pid())?.saturating_sub(before) / LOOKS))
    }

    /// A commit that changes the environment of one App: its Secret and its Deployment. Gives the time from the
    /// fetch to the last of both writes, and the requests until all is told.
    pub(crate) async fn change(&self, agent: &Agent, number: u16) -> Result<(Duration, usize)> {
        let app = 1 + number % self.apps;
        self.under.proxy.forget();
        let files = [fleet::web_env(app, &format!("v{number}"))];
        let commit = self.under.publish(&files, &format!("Change {number}"))?;
        let deployments = |request: &Request| is_written(request) && is_of(request, "deployments");
        let is_applied =
            || self.under.proxy.count(is_written) >= fleet::CHANGED && self.under.proxy.count(deployments) >= 1;
        let took = since_fetch(agent, &commit, is_applied).await?;
        self.under.settled(agent, &commit).await?;
        // What is told after the record.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok((took, self.under.asked().len()))
    }

    /// Commits that change the same App, each while the agent waits for the health of the one before: no Pod finds a
    /// node. Gives every time from the fetch of the newer commit to its first write.
    pub(crate) async fn takeovers(&self, agent: &Agent, count: u16) -> Result<Vec<Duration>> {
        let all = ground::nodes();
        let nodes: Vec<&str> = all.iter().map(|node| node.name.as_str()).collect();
        self.under.kubectl(&[&["cordon"], &nodes[..]].concat())?;
        let (mut newest, mut times) = (String::new(), Vec::new());
        for number in 0..=count {
            self.under.proxy.forget();
            let files = [fleet::web_env(1, &format!("takeover{number}"))];
            newest = self.under.publish(&files, &format!("Takeover {number}"))?;
            let took = since_fetch(agent, &newest, || self.under.proxy.count(is_written) > 0).await?;
            // The first one takes nothing over.
            times.extend((number > 0).then_some(took));
            self.under.quiet().await?;
            let is_applied = self.under.proxy.count(is_written) >= fleet::CHANGED;
            let is_over = matches!(self.under.success(&newest)?, Look::Done(()));
            ensure!(is_applied && !is_over, "the agent does not wait for the health of commit {newest}");
        }
        self.under.kubectl(&[&["uncordon"], &nodes[..]].concat())?;
        self.under.settled(agent, &newest).await?;
        Ok(times)
    }

    /// A person's edit of one Service; gives the time from the edit to its end, as another client sees it.
    pub(crate) async fn edit(&self, number: u16) -> Result<Duration> {
        let app = fleet::name(1 + number % self.apps);
        let client = kubeconfig::client(self.under.plane.kubeconfig()).await?;
        let found = Api::<Service>::all(client.clone())
            .list(&ListParams::default().labels(&format!("{NAME_LABEL}={app}")))
            .await?
            .items;
        // Another Service of the App when all Apps had their turn.
        let service = &found[usize::from(number / self.apps) % found.len()].metadata;
        let (Some(namespace), Some(name)) = (&service.namespace, &service.name) else {
            anyhow::bail!("a Service without a name");
        };
        let api: Api<Service> = Api::namespaced(client, namespace);
        let edit = json!({"metadata": {"labels": {NAME_LABEL: "mine"}}});
        let by_hand = PatchParams { field_manager: Some("kubectl-label".to_owned()), ..PatchParams::default() };
        let start = Instant::now();
        api.patch(name, &by_hand, &Patch::Merge(&edit)).await?;
        loop {
            let label = api.get(name).await?.metadata.labels.unwrap_or_default().remove(NAME_LABEL);
            if label.as_ref() == Some(&app) {
                return Ok(start.elapsed());
            }
            ensure!(start.elapsed() < LONG, "the edit of Service {namespace}/{name} stays");
            tokio::time::sleep(STEP).await;
        }
    }

    /// Lets the agent look so often while every tenth look finds a commit that changes one App; gives its resident
    /// memory, in KiB, after half of the looks and after all.
    pub(crate) async fn looks(&self, agent: &Agent, looks: u32) -> Result<(u64, u64)> {
        let (start, mut half) = (Instant::now(), 0);
        for look in (10..=looks.next_multiple_of(10)).step_by(10) {
            let app = u16::try_from(1 + look / 10 % u32::from(self.apps))?;
            self.under.publish(&[fleet::web_env(app, &format!("look{look}"))], &format!("Look {look}"))?;
            // The agent's pauses are about a second.
            let due = Duration::from_secs(look.into());
            tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
            check_runs(agent)?;
            if look <= looks.div_ceil(2).next_multiple_of(10) {
                half = usage::memory(agent.pid())?;
            }
            if look % 100 == 0 {
                say(&format!("{look} of {looks} looks: {} KiB", usage::memory(agent.pid())?));
            }
        }
        self.under.settled(agent, &self.under.repo.head()?).await?;
        self.under.quiet().await?;
        Ok((half, usage::memory(agent.pid())?))
    }

    /// Objects that are none of the agent's business.
    pub(crate) async fn add_foreign(&self, count: u32, parallel: usize) -> Result<()> {
        let client = kubeconfig::client(self.under.plane.kubeconfig()).await?;
        let one = |number| {
            let metadata = json!({"name": format!("foreign-{number}"), "namespace": "default"});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
        };
        let objects: Vec<Value> = (0..count).map(one).collect();
        for some in objects.chunks(2000) {
            rivals::apply_all(&client, some, parallel).await?;
            say(&format!("2000 more of {count} foreign objects"));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(())
    }
}

/// The time from the fetch of a commit until `is_done`.
async fn since_fetch(agent: &Agent, commit: &str, is_done: impl Fn() -> bool) -> Result<Duration> {
    let limit = Instant::now() + LONG;
    while !is_done() {
        check_runs(agent)?;
        ensure!(Instant::now() < limit, "commit {commit} is not applied");
        tokio::time::sleep(STEP).await;
    }
    let done = Timestamp::now();
    let fetched = fetched(&agent.stderr()?, commit).with_context(|| format!("no word of the fetch of {commit}"))?;
    Duration::try_from(done.duration_since(fetched)).context("applied before it was fetched")
}

/// Whether it is a write of an App's object that the server has accepted. All of them are applied; what the agent
/// creates otherwise is its own, also where the path does not tell (the first record of an App).
pub(crate) fn is_written(request: &Request) -> bool {
    let is_accepted = request.status.is_some_and(|status| status < 300);
    is_accepted && request.is_write() && request.method == "PATCH" && !request.is_of_records()
}

fn is_of(request: &Request, resource: &str) -> bool {
    request.target().is_some_and(|target| target.resource == resource)
}

/// When the agent had fetched a commit, by its log.
fn fetched(log: &str, commit: &str) -> Option<Timestamp> {
    let line = log.lines().rev().find(|line| line.contains(" fetched ") && line.contains(commit))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_when_a_commit_was_fetched() {
        let log = "2026-01-02T03:04:05.000006Z  INFO fetched location=\"x\" revision=abc subject=\"s\"\n\
                   2026-01-02T03:04:06.000006Z  INFO new commit source=\"apps\" commit=\"abc\"\n";
        assert_eq!(fetched(log, "abc").unwrap().to_string(), "2026-01-02T03:04:05.000006Z");
        assert_eq!(fetched(log, "def"), None);
    }

    #[test]
    fn what_the_agent_writes_for_itself_is_no_object_of_an_app() {
        let request = |method: &str, path: &str| Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            user_agent: String::new(),
            status: Some(201),
            dry_run: false,
        };
        assert!(is_written(&request("PATCH", "/api/v1/namespaces/shop/secrets/web")));
        assert!(!is_written(&request("POST", "/api/v1/namespaces/shop/secrets")));
        assert!(!is_written(&request("PATCH", "/api/v1/namespaces/shop/secrets/shop--last-applied")));
    }
}
