//! Break-glass: an App that a person has paused is left alone, and given back by hand or by itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::world::{LONG, NAMESPACE, World, skip};

/// The number of replicas that people set, and that Git asks for.
const REPLICAS: &str = "jsonpath={.spec.replicas}";

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_is_left_alone_until_it_is_resumed_or_its_time_is_over() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    world.kubectl(&["apply", "-f", crate::views::DEFINITIONS])?;
    let (world, agent, first) = world.deployed().await?;

    let told = verb(&world, &["pause", "app1", "--for", "1h", "--reason", "moving the database"]).await?;
    ensure!(told.contains(": moving the database. Until then the agent writes nothing to it"), "{told}");
    world.proxy.forget();
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=0"])?;
    let change = |text: &str| text.replace("gitea:1.24.6", "gitea:1.24.7");
    let waiting = world.push_change("compose.yml", change, "Update Gitea")?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(deployment(&world, REPLICAS)? == "0", "a person's edit was reverted during a pause");
    let states = world.statuses(&waiting, "kompox/cluster1").await?;
    ensure!(states.iter().all(|status| status.state == "pending"), "{states:?}");
    let status: Value = serde_json::from_str(&verb(&world, &["status", "app1", "-o", "json"]).await?)?;
    let paused = status["apps"][0]["paused"].as_str().context("the status shows no pause")?;
    ensure!(paused.starts_with("paused until ") && paused.ends_with(": moving the database"), "{paused}");

    let (shown, _) = await_ready(&world, NAMESPACE, "kompoxapp/app1", |reason| reason == "Paused").await?;
    ensure!(shown.ends_with(": moving the database"), "{shown}");
    // The commit is not there before it is known what it changes of the App.
    let (_, source) = await_ready(&world, "k4x-system", "kompoxsource/apps", |reason| reason == "AppsPaused").await?;
    ensure!(source["status"]["commit"] == waiting.as_str(), "{source}");
    ensure!(source["status"]["appliedCommit"] == first.as_str(), "{source}");

    verb(&world, &["resume", "app1"]).await?;
    world.await_status(&waiting, "success").await?;
    await_ready(&world, NAMESPACE, "kompoxapp/app1", |reason| reason == "Healthy").await?;
    ensure!(deployment(&world, REPLICAS)? == "1", "a person's edit stays after the pause");
    let namespace = world.kubectl(&["get", "namespace", NAMESPACE, "-o", "jsonpath={.metadata.annotations}"])?;
    ensure!(!namespace.contains("kompox.dev/pause"), "{namespace}");
    ensure!(verb(&world, &["resume", "app1"]).await?.contains("was not paused"));

    // By hand, and without anybody ending it.
    let soon = format!("{:.0}", jiff::Timestamp::now() + jiff::SignedDuration::from_secs(7));
    let annotation = format!("kompox.dev/pause-until={soon}");
    world.kubectl(&["annotate", "namespace", NAMESPACE, &annotation])?;
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=0"])?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(deployment(&world, REPLICAS)? == "0", "a pause by hand does not hold");
    until("the pause to end by itself", LONG, || async {
        let found = deployment(&world, REPLICAS)?;
        Ok(if found == "1" { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await?;
    ensure!(jiff::Timestamp::now() >= soon.parse::<jiff::Timestamp>()?, "it ended before its time");
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// Waits until a view's condition `Ready` has a reason like this; gives its message and the whole view.
async fn await_ready(
    world: &World,
    namespace: &str,
    view: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<(String, Value)> {
    until(&format!("{view} to say how it is"), LONG, || async {
        let text = world.kubectl(&["-n", namespace, "get", view, "-o", "json"])?;
        let view: Value = serde_json::from_str(&text).with_context(|| format!("{view} is no JSON"))?;
        let mut conditions = view["status"]["conditions"].as_array().into_iter().flatten();
        let ready = conditions.find(|condition| condition["type"] == "Ready").context("it has no condition `Ready`")?;
        let [reason, message] = ["reason", "message"].map(|field| ready[field].as_str().unwrap_or_default());
        Ok(if wanted(reason) { Look::Done((message.to_owned(), view.clone())) } else { Look::NotYet(text) })
    })
    .await
}

fn deployment(world: &World, path: &str) -> Result<String> {
    world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", path])
}

/// Runs a verb to its good end; gives what it says.
async fn verb(world: &World, arguments: &[&str]) -> Result<String> {
    let done = world.agent(arguments.iter().copied()).run(LONG).await?;
    ensure!(done.status.success(), "{arguments:?}: {}{}", done.stdout, done.stderr);
    Ok(done.stdout)
}
