//! What is not the agent's stays, and what does not go is not forced: on the real API server.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::kubectl::enforce;
use kompox_tests::wait::{Look, until};
use serde_json::{Value, json};

use crate::world::{CLUSTER, LONG, NAMESPACE, World, skip};

/// The namespace of an App that somebody deployed with the older command line.
const OLDER: &str = "k4x-older";

#[tokio::test(flavor = "multi_thread")]
async fn foreign_objects_and_a_stuck_finalizer_are_left_alone_while_the_rest_goes_on() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;

    // Somebody else's object that carries all labels of the App, and an App that the older command line deployed.
    let instance = "jsonpath={.metadata.labels.kompox\\.dev/app-instance-hash}";
    let instance = world.kubectl(&["get", "namespace", NAMESPACE, "-o", instance])?;
    ensure!(!instance.is_empty(), "the Namespace has lost its label");
    let objects = world.folder.write("foreign.json", &foreign(&instance))?;
    world.kubectl(&["apply", "--server-side", "--field-manager=kompox-converter", "-f", &objects.to_string_lossy()])?;
    let before = versions(&world)?;
    listed(&world).await?;
    // A controller that has died holds a Service that the next commit no longer asks for.
    let finalizers = |list: &str| format!(r#"{{"metadata":{{"finalizers":{list}}}}}"#);
    let hold = finalizers(r#"["example.com/dead"]"#);
    world.kubectl(&["-n", NAMESPACE, "patch", "service", "postgres", "--type=merge", "-p", &hold])?;

    let second = shed_the_database(&world)?;
    world.await_status(&second, "success").await?;
    rest_is_done(&world)?;
    let held = [
        "-n",
        NAMESPACE,
        "get",
        "service/postgres",
        "-o",
        "jsonpath={.metadata.deletionTimestamp} {.metadata.finalizers}",
    ];
    let held = world.kubectl(&held)?;
    ensure!(held.starts_with("20") && held.contains("example.com/dead"), "it was forced, or not deleted: {held}");
    ensure!(versions(&world)? == before, "what others wrote was touched: {before}, then {}", versions(&world)?);

    world.kubectl(&["-n", NAMESPACE, "patch", "service", "postgres", "--type=merge", "-p", &finalizers("null")])?;
    until("the Service to go", LONG, || async {
        let left = services(&world)?;
        Ok(if left.contains("postgres") { Look::NotYet(left) } else { Look::Done(()) })
    })
    .await?;
    ensure!(agent.exited()?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_the_cluster_refuses_is_said_and_done_once_it_may_be() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;
    let delete = ["-n", NAMESPACE, "delete", "service", "postgres", "--dry-run=server"];
    enforce(world.plane.kubeconfig(), KEEP, &delete, LONG, |said| said.contains("not today")).await?;

    let second = shed_the_database(&world)?;
    world.await_status(&second, "failure").await?;
    rest_is_done(&world)?;
    let kept = ["-n", NAMESPACE, "get", "service/postgres", "-o", "jsonpath={.metadata.deletionTimestamp}"];
    ensure!(world.kubectl(&kept)?.is_empty(), "it was deleted against the policy");
    until("the refusal to be told", LONG, || async {
        let told = world.agent(["status"]).run(LONG).await?.stdout;
        let all = ["Service ", "/postgres", "does not go", "not today"];
        Ok(if all.iter().all(|words| told.contains(words)) { Look::Done(()) } else { Look::NotYet(told) })
    })
    .await?;

    world.kubectl(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "keep"])?;
    until("the Service to go when a person asks for another look", LONG, || async {
        let asked = world.agent(["sync", "app1"]).run(LONG).await?;
        ensure!(asked.status.success(), "{}", asked.stderr);
        let left = services(&world)?;
        Ok(if left.contains("postgres") { Look::NotYet(left) } else { Look::Done(()) })
    })
    .await?;
    world.await_status(&second, "success").await?;
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// Keeps one Service from being deleted.
const KEEP: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: keep}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [DELETE], resources: [services]}]
  validations: [{expression: "oldObject.metadata.name != 'postgres'", message: not today}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: keep}
spec: {policyName: keep, validationActions: [Deny]}
"#;

/// A commit with another image and without the service `postgres`; gives its hash.
fn shed_the_database(world: &World) -> Result<String> {
    let compose = std::fs::read_to_string(world.repo.work_tree().join("compose.yml"))?;
    let (shed, _) = compose.split_once("  postgres:").context("the fixture has no service postgres any more")?;
    let shed = shed.replace("gitea:1.24.6", "gitea:1.24.7");
    world.repo.publish(&[("compose.yml", &shed)], "Shed the database")
}

/// Everything of that commit is done but for the Service that does not go.
fn rest_is_done(world: &World) -> Result<()> {
    let image = ["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "jsonpath={..image}"];
    ensure!(world.kubectl(&image)?.contains("gitea:1.24.7"), "one deletion kept the commit from being applied");
    let secrets = world.kubectl(&["-n", NAMESPACE, "get", "secrets", "-o", "name"])?;
    ensure!(!secrets.contains("postgres"), "one deletion kept another object from going: {secrets}");
    Ok(())
}

fn services(world: &World) -> Result<String> {
    world.kubectl(&["-n", NAMESPACE, "get", "services", "-o", "name"])
}

/// What is of no source is shown, and that it is left alone.
async fn listed(world: &World) -> Result<()> {
    let older = format!("{CLUSTER}/app/older");
    let status = world.agent(["status", "-o", "json"]).run(LONG).await?;
    let told: Value = serde_json::from_str(&status.stdout).context(status.stderr)?;
    let objects = json!(["Namespace k4x-older", "ConfigMap k4x-older/older"]);
    let unmanaged = json!([{"app": older, "reason": "no source has deployed it", "objects": objects}]);
    ensure!(told["unmanaged"] == unmanaged, "{told}");
    let work_tree = world.repo.work_tree();
    let plan = world.agent(["plan", &work_tree.to_string_lossy()]).run(LONG).await?;
    let shown = format!("unmanaged {older}: Namespace k4x-older, ConfigMap k4x-older/older: no source");
    let kept = format!("= keep           ConfigMap {NAMESPACE}/foreign  — unmanaged: the agent has not written it");
    ensure!(plan.stdout.contains(&shown) && plan.stdout.contains(&kept), "{}{}", plan.stdout, plan.stderr);
    ensure!(plan.status.code() == Some(0), "what is left alone is no change: {:?}", plan.status);
    Ok(())
}

/// UIDs and versions of everything that [`foreign`] made.
fn versions(world: &World) -> Result<String> {
    let version = "jsonpath={.metadata.uid} {.metadata.resourceVersion}";
    let mut versions = Vec::new();
    for (namespace, name) in [(NAMESPACE, "foreign"), (OLDER, "older")] {
        versions.push(world.kubectl(&["-n", namespace, "get", "configmap", name, "-o", version])?);
    }
    Ok(versions.join(", "))
}

fn foreign(instance: &str) -> String {
    let labels =
        |instance: &str| json!({"app.kubernetes.io/managed-by": "kompox", "kompox.dev/app-instance-hash": instance});
    let map = |namespace: &str, name: &str, instance: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "value"},
            "metadata": {"name": name, "namespace": namespace, "labels": labels(instance)},
        })
    };
    let annotations = json!({"kompox.dev/app": format!("{CLUSTER}/app/older")});
    let metadata = json!({"name": OLDER, "labels": labels("older0"), "annotations": annotations});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    let items = [namespace, map(NAMESPACE, "foreign", instance), map(OLDER, "older", "older0")];
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}
