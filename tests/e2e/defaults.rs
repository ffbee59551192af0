//! What the cluster fills in by itself, and the agent begins to ask for.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::folder::Folder;
use kompox_tests::ground::{self, Ground};
use kompox_tests::parts::{self, Part};
use kompox_tests::record;
use serde_json::Value;

use crate::world::LONG;

/// The server's default too.
const COMPOSE: &str = "services:
  web:
    image: nginx:1.29
    ports: [\"8080:80\"]
    stop_grace_period: 30s
";
const GRACE: &str = "terminationGracePeriodSeconds";

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_agent_that_asks_for_a_default_takes_it_over_without_a_restart() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane, Part::Kwok]) {
        return Ok(());
    }
    let ground = Ground::start("defaults", LONG).await?;
    let agent = ground.agent("").await?;
    let entry = ground::entry("shop", &ground.disk_root());
    let commit = ground.repo.publish(&[("shop/kompoxops.yml", &*entry), ("shop/compose.yml", COMPOSE)], "Deploy")?;
    ground.settled(&agent, &commit).await?;
    ground.quiet().await?;
    drop(agent);

    // The build before rendered everything but that, and the cluster filled it in.
    let namespace = ground.namespace("shop")?.context("the App has no Namespace")?;
    let pod = ground.kubectl(&["-n", &namespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"])?;
    let mut older = deployment(&ground, &namespace)?;
    let generation = older["metadata"]["generation"].clone();
    for part in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"] {
        older["metadata"].as_object_mut().context("no metadata")?.remove(part);
    }
    older["metadata"]["annotations"]
        .as_object_mut()
        .context("no annotations")?
        .remove("deployment.kubernetes.io/revision");
    older.as_object_mut().context("no object")?.remove("status");
    older["spec"]["template"]["spec"].as_object_mut().context("no Pod")?.remove(GRACE).context("it is not rendered")?;
    let folder = Folder::temporary("defaults-files")?;
    let file = folder.write("older.json", &older.to_string())?;
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=kompox-agent", "-f"];
    ground.kubectl(&[&apply[..], &[&*file.to_string_lossy()]].concat())?;
    ensure!(!owned(&ground, &namespace)?, "it is the agent's still");
    record::render_otherwise(ground.plane.kubeconfig(), &namespace, "shop")?;

    let agent = ground.agent("").await?;
    ground.quiet().await?;
    ensure!(owned(&ground, &namespace)?, "it was not taken over: {}", agent.stderr()?);
    let held = ground.command(&["hold", "list"]).run(LONG).await?;
    ensure!(!held.stdout.contains("restart"), "{}", held.stdout);
    ensure!(deployment(&ground, &namespace)?["metadata"]["generation"] == generation, "the Deployment was changed");
    let now = ground.kubectl(&["-n", &namespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"])?;
    ensure!(now == pod && !pod.is_empty(), "the Pod was replaced: {pod}, {now}");
    Ok(())
}

fn deployment(ground: &Ground, namespace: &str) -> Result<Value> {
    let get = ["-n", namespace, "get", "deployment/shop-app", "--show-managed-fields", "-o", "json"];
    serde_json::from_str(&ground.kubectl(&get)?).context("the Deployment")
}

/// Whether the agent owns the field.
fn owned(ground: &Ground, namespace: &str) -> Result<bool> {
    let deployment = deployment(ground, namespace)?;
    let mut entries = deployment["metadata"]["managedFields"].as_array().into_iter().flatten();
    let field = format!("f:{GRACE}");
    Ok(entries.any(|entry| entry["manager"] == "kompox-agent" && entry["fieldsV1"].to_string().contains(&field)))
}
