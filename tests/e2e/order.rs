//! Lists in which the order means something: a commit that changes nothing else is applied, and a cluster that keeps an
//! order of its own is not written to for ever.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::folder::Folder;
use kompox_tests::ground::{self, Ground};
use kompox_tests::kubectl::enforce;
use kompox_tests::parts::{self, Part};
use kompox_tests::traffic::Request;

use crate::world::LONG;

/// Longer than a few looks, which come every second.
const SOME_LOOKS: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_changes_only_the_order_is_applied_once() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let ground = Ground::start("order", LONG).await?;
    let agent = ground.agent("").await?;
    let first = deploy(&ground, &compose("a", "b"), "a, then b")?;
    ground.settled(&agent, &first).await?;
    ensure!(deployment(&ground, STARTERS)? == "a b", "{}", deployment(&ground, STARTERS)?);
    ground.quiet().await?;

    let swapped = ground.repo.publish(&[("shop/compose.yml", &*compose("b", "a"))], "b, then a")?;
    ground.settled(&agent, &swapped).await?;
    ensure!(deployment(&ground, STARTERS)? == "b a", "{}", deployment(&ground, STARTERS)?);
    ground.quiet().await?;
    asks_nothing(&ground).await?;
    drop(agent);

    // Another process knows nothing of what this one has tried.
    finds_nothing_to_do(&ground).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_cluster_keeps_is_no_difference() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let ground = Ground::start("kept-order", LONG).await?;
    let folder = Folder::temporary("kept-order-files")?;
    let probe = folder.write("probe.yml", PROBE)?;
    let probe = ["create", "--dry-run=server", "-f", &probe.to_string_lossy(), "-o", PORTS];
    enforce(ground.plane.kubeconfig(), POLICY, &probe, LONG, |said| said.contains("90 80")).await?;

    let agent = ground.agent("").await?;
    let commit = deploy(&ground, &compose("a", "b"), "Deploy")?;
    ground.settled(&agent, &commit).await?;
    let namespace = namespace(&ground)?;
    let ports = ground.kubectl(&["-n", &namespace, "get", "service/shop-app", "-o", PORTS])?;
    ensure!(ports == "9090 8080", "{ports}");
    ground.quiet().await?;
    let writes: Vec<Request> = ground.asked().into_iter().filter(is_of_service).collect();
    ensure!(writes.iter().filter(|request| request.is_write()).count() == 1, "{writes:#?}");
    ensure!(writes.iter().any(|request| request.dry_run), "it was never a candidate: {writes:#?}");
    asks_nothing(&ground).await?;
    drop(agent);
    finds_nothing_to_do(&ground).await
}

fn skip() -> bool {
    parts::skip_without(&[Part::ControlPlane, Part::Kwok])
}

fn deploy(ground: &Ground, compose: &str, message: &str) -> Result<String> {
    let other = "      - {name: other, port: 9090, hosts: [other.example.com]}\n";
    let entry = ground::entry("shop", &ground.disk_root()).replace("  volumes:\n", &format!("{other}  volumes:\n"));
    ground.repo.publish(&[("shop/kompoxops.yml", &*entry), ("shop/compose.yml", compose)], message)
}

fn namespace(ground: &Ground) -> Result<String> {
    ground.namespace("shop")?.context("the App has no Namespace")
}

fn deployment(ground: &Ground, path: &str) -> Result<String> {
    ground.kubectl(&["-n", &namespace(ground)?, "get", "deployment/shop-app", "-o", path])
}

fn is_of_service(request: &Request) -> bool {
    request.target().is_some_and(|target| target.resource == "services" && target.name == "shop-app")
}

async fn asks_nothing(ground: &Ground) -> Result<()> {
    ground.proxy.forget();
    tokio::time::sleep(SOME_LOOKS).await;
    ensure!(ground.asked().is_empty(), "{:#?}", ground.asked());
    Ok(())
}

async fn finds_nothing_to_do(ground: &Ground) -> Result<()> {
    let plan = ground.command(&["plan", &ground.repo.work_tree().to_string_lossy()]).run(LONG).await?;
    ensure!(plan.code() == Some(0), "{}\n{}", plan.stdout, plan.stderr);
    Ok(())
}

const STARTERS: &str = "jsonpath={.spec.template.spec.initContainers[*].name}";
const PORTS: &str = "jsonpath={.spec.ports[*].port}";

/// Two services that start before another one, one after the other.
fn compose(first: &str, second: &str) -> String {
    format!(
        "services:
  web:
    image: nginx:1.29
    ports: [\"8080:80\", \"9090:90\"]
    depends_on:
      {first}: {{condition: service_started}}
      {second}: {{condition: service_started}}
  {first}:
    image: nginx:1.29
  {second}:
    image: nginx:1.29
    depends_on:
      {first}: {{condition: service_started}}
"
    )
}

/// Services have their ports from the highest to the lowest.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: highest-first}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [services]}
  matchConditions:
    - {name: lowest-first, expression: "has(object.spec.ports) && object.spec.ports.size() == 2 && object.spec.ports[0].port < object.spec.ports[1].port"}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: '[JSONPatch{op: "move", from: "/spec/ports/1", path: "/spec/ports/0"}]'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: highest-first}
spec: {policyName: highest-first}
"#;

const PROBE: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: probe, namespace: default}
spec:
  ports: [{name: a, port: 80}, {name: b, port: 90}]
"#;
