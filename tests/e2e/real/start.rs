//! `depends_on` with `service_healthy`: who starts when, what is reached by which name, and that a health check that
//! fails kills nothing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::dns::ClusterDns;
use kompox_tests::git::Repo;
use kompox_tests::node::RealNode;
use kompox_tests::parts::{Part, skip_if};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use super::{CLUSTER, Ground};
use crate::world::LONG;

/// How many seconds the health checks fail, where somebody wants to see it for longer (`600`).
const FAILING: &str = "KOMPOX_FAILING_SECONDS";
/// Many times the interval of the health check times its retries.
const FAILING_USUALLY: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_dependent_starts_after_its_dependency_is_healthy_and_nothing_is_killed() -> Result<()> {
    if skip_if(RealNode::missing().or_else(|| Part::CoreDns.missing())) {
        return Ok(());
    }
    let ground = Ground::start().await?;
    let _dns = ClusterDns::start(&ground.plane, &ground.node).await?;
    let repo = Repo::init_bare(&ground.folder.path().join("apps.git"))?;
    let config = format!("cluster: {CLUSTER}\nsources: [{{name: apps, url: {}, interval: 1s}}]\n", repo.remote());
    let config = ground.folder.write("agent.yml", &config)?;
    let _agent = ground.agent(["run", "--config", &config.to_string_lossy()]).start().await?;
    repo.publish(&[("kompoxops.yml", &ground.entry("pair")), ("compose.yml", COMPOSE)], "Deploy")?;

    // The dependency runs, and is not healthy before the test says so: the dependent waits.
    let data =
        |name: &str| -> Result<PathBuf> { Ok(ground.disk()?.context("no disk was made")?.join("data").join(name)) };
    await_file(&ground, "db-up").await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(!data("web-up")?.exists(), "the dependent has started before its dependency was healthy");
    std::fs::write(data("healthy")?, "")?;

    // It reaches the dependency by its name while the Pod is not Ready.
    await_file(&ground, "answer").await?;
    let answer = std::fs::read_to_string(data("answer")?)?;
    ensure!(answer.trim() == "pong", "`db` answers {answer:?}");
    let pod = pod(&ground)?;
    ensure!(!is_ready(&pod), "the Pod is Ready although `web` is not");
    std::fs::write(data("web-healthy")?, "")?;
    await_ready(&ground, true).await?;

    // Nothing but readiness goes by a health check that fails. No container has a liveness probe, and the startup
    // probe has ended for good, so the kubelet has no reason to kill one, however long the check fails.
    std::fs::remove_file(data("healthy")?)?;
    std::fs::remove_file(data("web-healthy")?)?;
    await_ready(&ground, false).await?;
    let seconds = std::env::var(FAILING).ok().and_then(|text| text.parse().ok()).unwrap_or(FAILING_USUALLY);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = self::pod(&ground)?;
    ensure!(after["metadata"]["uid"] == pod["metadata"]["uid"], "the Pod was replaced");
    let containers: Vec<&Value> = ["initContainers", "containers"]
        .iter()
        .flat_map(|list| after["spec"][*list].as_array().map_or(&[][..], Vec::as_slice))
        .collect();
    ensure!(containers.iter().all(|container| container.get("livenessProbe").is_none()), "{}", after["spec"]);
    let statuses: Vec<&Value> = ["initContainerStatuses", "containerStatuses"]
        .iter()
        .flat_map(|list| after["status"][*list].as_array().map_or(&[][..], Vec::as_slice))
        .collect();
    ensure!(statuses.len() == containers.len() && statuses.len() >= 2, "{}", after["status"]);
    ensure!(statuses.iter().all(|status| status["restartCount"] == 0), "{}", after["status"]);

    // It recovers by itself.
    std::fs::write(data("healthy")?, "")?;
    std::fs::write(data("web-healthy")?, "")?;
    await_ready(&ground, true).await
}

/// `db` answers at once and is healthy when a file says so; `web` asks it first of all. Both share the volume, through
/// which the test sees and steers them.
const COMPOSE: &str = r#"services:
  web:
    image: localhost/kompox-test/busybox:1
    command: [sh, -c, "trap 'exit 0' TERM; touch /data/web-up; until wget -q -O /data/asked http://db:8080/index.html; do sleep 0.2; done; mv /data/asked /data/answer; while :; do sleep 0.2; done"]
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: [CMD, test, -e, /data/web-healthy], interval: 1s, timeout: 2s, retries: 2, start_period: 3s}
    volumes: ["./data:/data"]
  db:
    image: localhost/kompox-test/busybox:1
    command: [sh, -c, "trap 'exit 0' TERM; mkdir /tmp/www; echo pong > /tmp/www/index.html; httpd -p 8080 -h /tmp/www; touch /data/db-up; while :; do sleep 0.2; done"]
    healthcheck: {test: [CMD, test, -e, /data/healthy], interval: 1s, timeout: 2s, retries: 2, start_period: 3s}
    volumes: ["./data:/data"]
"#;

async fn await_file(ground: &Ground, name: &str) -> Result<()> {
    until(&format!("the file {name}"), LONG, || async {
        let path = ground.disk()?.map(|disk| disk.join("data").join(name));
        let found = path.is_some_and(|path| path.exists());
        Ok(if found { Look::Done(()) } else { Look::NotYet(seen(ground)) })
    })
    .await
}

async fn await_ready(ground: &Ground, wanted: bool) -> Result<()> {
    until(&format!("the Pod's readiness to be {wanted}"), LONG, || async {
        let ready = is_ready(&pod(ground)?);
        Ok(if ready == wanted { Look::Done(()) } else { Look::NotYet(seen(ground)) })
    })
    .await
}

/// The App's only Pod.
fn pod(ground: &Ground) -> Result<Value> {
    let list = ground.kubectl(&["get", "pods", "-A", "-l", "app=pair-app", "-o", "json"])?;
    let list: Value = serde_json::from_str(&list)?;
    let pods = list["items"].as_array().context("no list")?;
    ensure!(pods.len() == 1, "{} Pods", pods.len());
    Ok(pods[0].clone())
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// What a person would look at first.
fn seen(ground: &Ground) -> String {
    pod(ground).map_or_else(|error| error.to_string(), |pod| pod["status"].to_string())
}
