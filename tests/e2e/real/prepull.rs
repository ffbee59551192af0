//! A commit whose image cannot be had costs the App that runs not one second, and nothing of the trying stays.

use std::time::Duration;

use anyhow::{Result, ensure};
use kompox_tests::node::{BUSYBOX, RealNode};
use kompox_tests::parts::skip_if;
use kompox_tests::wait::{Look, until};

use super::beater::{App, PATIENCE};
use crate::world::LONG;

/// The longest time between two beats that is no downtime, on a busy machine.
const REST: Duration = Duration::from_secs(1);
/// An image of another tag than the node has.
const NEXT: &str = "localhost/kompox-test/busybox:2";

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
