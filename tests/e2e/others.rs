//! What others have made, and what others decide: neither is overwritten, nor fought over.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::kubectl::{enforce, shows};

use crate::world::{LONG, NAMESPACE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_somebody_else_has_made_blocks_its_app_and_is_not_touched() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    // A Namespace that was made ahead, with what people keep in it, is taken in.
    world.kubectl(&["create", "namespace", NAMESPACE])?;
    world.kubectl(&[
        "-n",
        NAMESPACE,
        "create",
        "secret",
        "generic",
        "app1-app-gitea-override",
        "--from-literal=A=b",
    ])?;
    let (world, agent, _) = world.deployed().await?;

    world.kubectl(&[
        "-n",
        NAMESPACE,
        "create",
        "service",
        "externalname",
        "cache",
        "--external-name=old.example.com",
    ])?;
    let version = ["-n", NAMESPACE, "get", "service/cache", "-o", "jsonpath={.metadata.resourceVersion}"];
    let before = world.kubectl(&version)?;
    world.forget_when_told().await?;
    let second = world.push_change("compose.yml", |text| format!("{text}  cache:\n    image: redis:8\n"), "A cache")?;
    let plan = world.agent(["plan", &world.repo.work_tree().to_string_lossy()]).run(LONG).await?;
    let told = [format!("BLOCKED        Service {NAMESPACE}/cache"), "the agent has not made it".to_owned()];
    ensure!(told.iter().all(|words| plan.stdout.contains(words)), "{}{}", plan.stdout, plan.stderr);
    let failure = world.await_status(&second, "failure").await?;
    ensure!(failure.description.contains("blocked"), "{}", failure.description);
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(world.kubectl(&version)? == before, "it was touched");

    // Nobody watches it. Once it is out of the way, the commit goes on by itself.
    world.kubectl(&["-n", NAMESPACE, "delete", "service/cache"])?;
    world.await_status(&second, "success").await?;
    let port = world.kubectl(&["-n", NAMESPACE, "get", "service/cache", "-o", "jsonpath={.spec.clusterIP}"])?;
    ensure!(port == "None", "the App's own Service is another one: {port}");
    let kept = ["-n", NAMESPACE, "get", "secret/app1-app-gitea-override", "-o", "jsonpath={.data.A}"];
    ensure!(world.kubectl(&kept)? == "Yg==", "people's own Secret");
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// Lets no Deployment into any Namespace but the agent's own.
const ELSEWHERE: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: elsewhere}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
  validations: [{expression: "false", message: not in this Namespace}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: elsewhere}
spec:
  policyName: elsewhere
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [k4x-system]}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_goes_by_namespaces_is_asked_before_there_is_a_disk() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let agent = world.start_agent().await?;
    let probe = ["create", "deployment", "probe", "--image", "i", "--dry-run=server"];
    enforce(world.plane.kubeconfig(), ELSEWHERE, &probe, LONG, |said| said.contains("not in this Namespace")).await?;
    let commit = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    let failure = world.await_status(&commit, "failure").await?;
    ensure!(failure.description.contains("compose.yml:"), "{}", failure.description);
    ensure!(world.disks()?.is_empty(), "a disk was made");
    let objects = "configmaps,secrets,services,persistentvolumeclaims,serviceaccounts,networkpolicies";
    let ours = ["-n", NAMESPACE, "get", objects, "-l", "app.kubernetes.io/managed-by=kompox", "-o", "name"];
    let made = world.kubectl(&ours)?;
    ensure!(made.is_empty(), "{made}");

    world.kubectl(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "elsewhere"])?;
    // The server heeds it for a moment more, and what it refuses is not tried again.
    shows(world.plane.kubeconfig(), &probe, "the policy to be lifted", LONG, |_| true).await?;
    let again = world.push_change("compose.yml", |text| text.replace("1.24.6", "1.24.7"), "Again")?;
    world.await_status(&again, "success").await?;
    ensure!(world.disks()?.len() == 1);
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// Lets images come from a mirror, as policies of many clusters do.
const MIRROR: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: mirror}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  matchConditions:
    - {name: other, expression: "!object.spec.template.spec.containers[0].image.startsWith('mirror.example.com/')"}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: >-
          [JSONPatch{op: "replace", path: "/spec/template/spec/containers/0/image",
          value: "mirror.example.com/" + object.spec.template.spec.containers[0].image}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: mirror}
spec: {policyName: mirror}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_cluster_changes_is_no_difference() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let probe = ["create", "deployment", "probe", "--image", "i", "--dry-run=server", "-o", "jsonpath={..image}"];
    enforce(world.plane.kubeconfig(), MIRROR, &probe, LONG, |said| said.contains("mirror.example.com/i")).await?;
    let (world, agent, _) = world.deployed().await?;
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    let image = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", image])?;
    ensure!(image.starts_with("mirror.example.com/"), "the cluster does not change it: {image}");

    // Something of the App changes, so that it is looked at: nothing is asked again of what was refuted.
    world.forget_when_told().await?;
    world.kubectl(&["-n", NAMESPACE, "delete", "service/gitea"])?;
    let get = ["-n", NAMESPACE, "get", "service/gitea"];
    shows(world.plane.kubeconfig(), &get, "the Service to be back", LONG, |_| true).await?;
    let deployments = |requests: Vec<kompox_tests::traffic::Request>| {
        requests.into_iter().filter(|request| request.path.contains("/deployments/")).collect::<Vec<_>>()
    };
    let tried = deployments(world.dry_runs());
    ensure!(tried.len() <= 1, "it is tried again and again: {tried:?}");
    let written = deployments(world.writes());
    ensure!(written.is_empty(), "it fights the cluster: {written:?}");
    drop(agent);
    // Another process knows nothing of that: it asks once, and writes nothing.
    for _ in 0..2 {
        world.proxy.forget();
        let looked = world.run_once().await.context("run --once")?;
        ensure!(looked.status.success(), "{}", looked.stderr);
        ensure!(world.writes().is_empty(), "{:?}", world.writes());
        ensure!(deployments(world.dry_runs()).len() == 1, "{:?}", world.dry_runs());
    }
    Ok(())
}
