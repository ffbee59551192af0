//! What something deletes again and again is not made anew for ever, and the cluster shows why the App is down.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::disks;
use kompox_tests::ground::{self, Ground};
use kompox_tests::kubectl::shows;
use kompox_tests::parts::{self, Part};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::world::LONG;

const COMPOSE: &str = "services:
  web:
    image: nginx:1.29
    ports: [\"8080:80\"]
    volumes: [\"./data:/data\"]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_is_deleted_again_and_again_is_left_and_shown_as_degraded() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane, Part::Kwok]) {
        return Ok(());
    }
    let ground = Ground::start("fight", LONG).await?;
    let agent = ground.agent("").await?;
    let entry = ground::entry("shop", &ground.disk_root());
    let files = [("shop/kompoxops.yml", &*entry), ("shop/compose.yml", COMPOSE)];
    let commit = ground.repo.publish(&files, "Deploy")?;
    ground.settled(&agent, &commit).await?;
    let namespace = ground.namespace("shop")?.context("the App has no Namespace")?;
    let uid = ["-n", &namespace, "get", "deployment/shop-app", "-o", "jsonpath={.metadata.uid}"];
    let delete = ["-n", &namespace, "delete", "deployment/shop-app"];
    let mut last = ground.kubectl(&uid)?;
    for _ in 0..3 {
        ground.kubectl(&delete)?;
        last = until("the Deployment to come back", LONG, || async {
            Ok(match ground.kubectl(&uid) {
                Ok(uid) if uid != last => Look::Done(uid),
                Ok(uid) => Look::NotYet(uid),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await?;
    }
    ground.kubectl(&delete)?;
    let words = "made anew 3 times in 10 minutes";
    let view = ["-n", &namespace, "get", "kompoxapp/shop", "-o", "json"];
    shows(ground.plane.kubeconfig(), &view, "the view to say why the App is down", LONG, |view| {
        let view: Value = serde_json::from_str(view).unwrap_or_default();
        let mut conditions = view["status"]["conditions"].as_array().into_iter().flatten();
        conditions.any(|condition| {
            condition["type"] == "Degraded"
                && condition["status"] == "True"
                && condition["message"].as_str().is_some_and(|text| text.contains(words))
        })
    })
    .await?;
    let described = ["-n", &namespace, "describe", "kompoxapp", "shop"];
    shows(ground.plane.kubeconfig(), &described, "an Event to say so", LONG, |told| {
        told.lines().any(|line| line.contains("Warning") && line.contains(words))
    })
    .await?;
    ground.quiet().await?;
    ensure!(ground.kubectl(&uid).is_err(), "it was made once more");

    // A commit begins anew, on the same disk.
    let compose = COMPOSE.replace("nginx:1.29", "nginx:1.30");
    let commit = ground.repo.publish(&[("shop/compose.yml", &*compose)], "Deploy again")?;
    ground.settled(&agent, &commit).await?;
    ground.kubectl(&uid)?;
    let disks = disks::below(ground.disk_root().as_ref()).context("the disks")?;
    ensure!(disks.len() == 1, "{disks:?}");
    drop(agent);
    Ok(())
}
