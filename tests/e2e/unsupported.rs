//! A cluster that drops a field, as an API server does that is older than the field: told of once, and no difference.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::kubectl::enforce;
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::world::{LONG, NAMESPACE, World, skip};

/// Takes the hosts of Pods away.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: no-host-aliases}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  matchConditions:
    - {name: some, expression: "has(object.spec.template.spec.hostAliases)"}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: '[JSONPatch{op: "remove", path: "/spec/template/spec/hostAliases"}]'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: no-host-aliases}
spec: {policyName: no-host-aliases}
"#;

/// A Deployment with a host.
const PROBE: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: probe, namespace: default}
spec:
  selector: {matchLabels: {app: probe}}
  template:
    metadata: {labels: {app: probe}}
    spec:
      hostAliases: [{ip: 10.0.0.9, hostnames: [ledger]}]
      containers: [{name: probe, image: i}]
"#;

const FIELD: &str = "spec.template.spec.hostAliases";

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_the_cluster_drops_is_told_of_once_and_no_difference() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let probe = world.folder.write("probe.yml", PROBE)?;
    let probe = ["create", "--dry-run=server", "-o", "json", "-f", &probe.to_string_lossy()];
    let is_heeded = |said: &str| said.contains("\"kind\"") && !said.contains("ledger");
    enforce(world.plane.kubeconfig(), POLICY, &probe, LONG, is_heeded).await?;

    let agent = world.start_agent().await?;
    let mut files = world.gitea_fixture()?;
    let compose = files.iter_mut().find(|(name, _)| name == "compose.yml").context("no Compose file")?;
    compose.1 = compose.1.replace("    ports:\n", "    extra_hosts: [\"ledger:10.0.0.9\"]\n    ports:\n");
    let commit = world.push(&files, "Deploy Gitea")?;
    world.await_status(&commit, "success").await?;
    let hosts = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "jsonpath={..hostAliases}"])?;
    ensure!(hosts.is_empty(), "the cluster does not drop it: {hosts}");
    // Another process finds nothing to do, and tells why.
    let folder = world.repo.work_tree().to_string_lossy().into_owned();
    let plan = world.agent(["plan", &folder]).run(LONG).await?;
    ensure!(plan.code() == Some(0), "{}\n{}", plan.stdout, plan.stderr);
    ensure!(tellings(&plan.stderr) == 1, "{}", plan.stderr);

    // The next change is that change and nothing else.
    world.push_change("compose.yml", |text| text.replace("USER_GID=1000", "USER_GID=1001"), "Another group")?;
    let plan = world.agent(["plan", &folder, "-o", "json"]).run(LONG).await?;
    ensure!(!plan.stdout.contains("hostAliases"), "{}", plan.stdout);
    let value: Value = serde_json::from_str(&plan.stdout)?;
    ensure!(value.to_string().contains("USER_GID"), "{value:#}");
    let env = "jsonpath={.spec.template.spec.containers[?(@.name==\"gitea\")].env}";
    until("the other group", LONG, || async {
        let found = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", env])?;
        Ok(if found.contains("1001") { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await?;
    let commit = world.repo.head()?;
    world.await_status(&commit, "success").await?;
    let said = agent.stderr()?;
    ensure!(tellings(&said) == 1, "the agent told {} times: {said}", tellings(&said));
    Ok(())
}

/// How often the log tells of the field.
fn tellings(log: &str) -> usize {
    log.lines().filter(|line| line.contains("not supported here") && line.contains(FIELD)).count()
}
