//! A broken commit leaves the cluster exactly as it was and gets a failure with its place.

use std::time::Duration;

use anyhow::{Result, ensure};

use kompox_tests::kubectl::enforce;

use crate::world::{LONG, NAMESPACE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_loaded_changes_nothing() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;
    let before = state(&world)?;

    world.proxy.forget();
    let broken = world.push_change(
        "compose.yml",
        |text| text.replace("    image: postgres:17", "    imgae: postgres:17"),
        "Typo",
    )?;
    let failure = world.await_status(&broken, "failure").await?;
    ensure!(failure.description.contains("compose.yml:14:5"), "no place in: {}", failure.description);
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(state(&world)? == before, "the cluster has changed");

    let log = agent.stderr()?;
    ensure!(log.contains("imgae"), "the log does not quote the line: {log}");

    let mended = world.push_change("compose.yml", |text| text.replace("imgae", "image"), "Mend")?;
    world.await_status(&mended, "success").await?;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_server_refuses_changes_nothing_and_is_not_tried_again() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let probe = ["create", "deployment", "probe", "--image", FORBIDDEN, "--dry-run=server"];
    enforce(world.plane.kubeconfig(), FORBID, &probe, LONG, |said| said.contains("not wanted")).await?;
    let agent = world.start_agent().await?;
    // Loads: only the cluster knows that this image is not wanted in it.
    let files: Vec<(String, String)> =
        world.gitea_fixture()?.into_iter().map(|(path, text)| (path, text.replace("postgres:17", FORBIDDEN))).collect();

    world.await_system_namespace().await?;
    world.proxy.forget();

    // As the very first commit: in the Namespace, where it was tried, there is nothing.
    let first = world.push(&files, "An image that the cluster forbids")?;
    let failure = world.await_status(&first, "failure").await?;
    ensure!(failure.description.contains("compose.yml:"), "no place in: {}", failure.description);
    let log = agent.stderr()?;
    ensure!(log.contains("this image is not wanted here"), "the log does not give the server's words: {log}");
    ensure!(world.disks()?.is_empty(), "a disk was made");
    let writes = world.writes();
    ensure!(
        matches!(&writes[..], [only] if only.path.ends_with(&format!("/namespaces/{NAMESPACE}"))),
        "more than the Namespace was written: {writes:?}"
    );
    ensure!(!world.dry_runs().is_empty(), "the server was never asked");

    world.proxy.forget();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let dry_runs = world.dry_runs();
    ensure!(dry_runs.is_empty(), "the refused commit was tried again: {dry_runs:?}");

    // On top of a good commit.
    let good = world.push(&world.gitea_fixture()?, "Good")?;
    world.await_status(&good, "success").await?;
    let before = state(&world)?;
    world.proxy.forget();
    let again = world.push(&files, "Bad again")?;
    world.await_status(&again, "failure").await?;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(state(&world)? == before, "the cluster has changed");
    drop(agent);
    Ok(())
}

/// The image that [`FORBID`] forbids.
const FORBIDDEN: &str = "registry.example.com/forbidden:1";

/// An admission policy of the cluster.
const FORBID: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: images}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations:
    - expression: "object.spec.template.spec.containers.all(c, !c.image.contains('forbidden'))"
      message: this image is not wanted here
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: images}
spec: {policyName: images, validationActions: [Deny]}
"#;

/// Name and version of every object of the app.
fn state(world: &World) -> Result<String> {
    let kinds = "serviceaccounts,roles,networkpolicies,persistentvolumeclaims,configmaps,secrets,services,ingresses";
    let columns = "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
    // Controllers add objects of their own to every namespace, whenever they come to it.
    let ours = "app.kubernetes.io/managed-by=kompox";
    let versions = world.kubectl(&["-n", NAMESPACE, "get", kinds, "-l", ours, "-o", columns])?;
    let generation =
        world.kubectl(&["-n", NAMESPACE, "get", "deployments", "-o", "jsonpath={..metadata.generation}"])?;
    Ok(format!("{versions}deployment generation {generation}"))
}
