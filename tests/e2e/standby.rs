//! An agent that stands by is seen to live and writes nothing; one that loses the Lease stops before anything else.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::{Agent, AgentCommand};
use kompox_tests::port;
use kompox_tests::proxy::ApiProxy;
use kompox_tests::traffic::Request;
use kompox_tests::wait::{Look, until};

use crate::world::{LONG, NAMESPACE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_writes_nothing_and_a_leader_that_is_cut_off_stops_first() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let first = Serving::start(&world, &world.proxy).await?;
    let commit = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    world.await_status(&commit, "success").await?;

    // Each speaks through a proxy of its own: what comes there is its own doing.
    let proxy = ApiProxy::start(world.plane.kubeconfig()).await?;
    let second = Serving::start(&world, &proxy).await?;
    second.agent_says("another agent holds the Lease").await?;
    until("the standby to be ready", LONG, || async {
        let (code, text) = second.get("/readyz").await?;
        Ok(if code == 200 { Look::Done(()) } else { Look::NotYet(text) })
    })
    .await?;
    for (serving, leader, said) in
        [(&first, "\nkompox_leader 1\n", "holds the Lease"), (&second, "\nkompox_leader 0\n", "stands by")]
    {
        ensure!(serving.get("/healthz").await? == (200, "ok\n".to_owned()));
        let (_, metrics) = serving.get("/metrics").await?;
        ensure!(metrics.contains(leader), "no {leader:?} in {metrics}");
        let (_, page) = serving.get("/").await?;
        ensure!(page.contains(said), "no {said:?} in {page}");
    }
    // Whoever reaches the standby sees how Apps are, too.
    until("the standby to show the App", LONG, || async {
        let (_, page) = second.get("/").await?;
        let shows = page.contains("\nsource apps\n  /ws/") && page.contains("/app/app1  healthy\n");
        Ok(if shows { Look::Done(()) } else { Look::NotYet(page) })
    })
    .await?;
    let change = |text: &str| text.replace("gitea:1.24.6", "gitea:1.24.7");
    let commit = world.push_change("compose.yml", change, "Update Gitea")?;
    world.await_status(&commit, "success").await?;
    world.forget_when_told().await?;
    let asked = changing(&proxy);
    ensure!(asked.is_empty(), "the standby writes: {asked:?}");

    // The Lease cannot be renewed; everything else could still be written.
    world.proxy.refuse(Some("leases"));
    first.agent_says("the Lease is lost: everything is stopped").await?;
    ensure!(holder(&world)?.is_some(), "it had nothing to lose");
    world.proxy.forget();
    let before = holder(&world)?;
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=0"])?;
    until("the other one to take over", LONG, || async {
        let holder = holder(&world)?;
        Ok(if holder == before { Look::NotYet(format!("{holder:?}")) } else { Look::Done(()) })
    })
    .await?;
    until("the other one to do the work", LONG, || async {
        let replicas = ["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "jsonpath={.spec.replicas}"];
        let replicas = world.kubectl(&replicas)?;
        Ok(if replicas == "1" { Look::Done(()) } else { Look::NotYet(replicas) })
    })
    .await?;
    ensure!(!changing(&proxy).is_empty(), "somebody else has reverted the edit");
    let written: Vec<Request> = changing(&world.proxy).into_iter().filter(|request| !request.is_upkeep()).collect();
    ensure!(written.is_empty(), "it wrote without the Lease: {written:?}");
    ensure!(first.get("/metrics").await?.1.contains("\nkompox_leader 0\n"));
    ensure!(second.get("/metrics").await?.1.contains("\nkompox_leader 1\n"));

    // It can be reached again, and stands by.
    world.proxy.refuse(None);
    first.agent_says("another agent holds the Lease").await?;
    ensure!(first.get("/").await?.1.contains("stands by"));
    Ok(())
}

/// An agent that serves its pages.
struct Serving {
    agent: Agent,
    url: String,
}

impl Serving {
    /// Starts one that speaks to the cluster through this proxy.
    async fn start(world: &World, proxy: &ApiProxy) -> Result<Self> {
        let [port] = port::free()?;
        let config = std::fs::read_to_string(world.config()?)?;
        let config = format!("{config}server: {{listen: \"127.0.0.1:{port}\"}}\n");
        let config = world.folder.write(&format!("serving-{port}.yml"), &config)?;
        let cache = world.folder.path().join(format!("cache-{port}"));
        let command: AgentCommand = world.agent(["run", "--config", &config.to_string_lossy()]);
        let command = command.env("KUBECONFIG", proxy.kubeconfig()).env("KOMPOX_CACHE_DIR", cache);
        Ok(Self { agent: command.start().await?, url: format!("http://127.0.0.1:{port}") })
    }

    /// Status and text of a page.
    async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.with_context(|| path.to_owned())?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn agent_says(&self, words: &str) -> Result<()> {
        until(&format!("an agent to say {words:?}"), LONG, || async {
            let log = self.agent.stderr()?;
            Ok(if log.contains(words) { Look::Done(()) } else { Look::NotYet(log) })
        })
        .await
    }
}

/// Everything that came through a proxy to change something, the agents' own records and the Lease too.
fn changing(proxy: &ApiProxy) -> Vec<Request> {
    let reads = |request: &Request| request.method == "GET" || request.dry_run;
    // A review stores nothing.
    let reviews = |request: &Request| request.path.ends_with("reviews");
    proxy.requests().into_iter().filter(|request| !reads(request) && !reviews(request)).collect()
}

/// Who holds the Lease.
fn holder(world: &World) -> Result<Option<String>> {
    let path = "jsonpath={.spec.holderIdentity}";
    let holder = world.kubectl(&["-n", "k4x-system", "get", "lease", "kompox-agent", "-o", path])?;
    Ok(Some(holder).filter(|holder| !holder.is_empty()))
}
