//! A new agent takes over what another one left: it restarts no Pod that the commit does not ask it to restart.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::Agent;
use kompox_tests::node::{BUSYBOX, RealNode};
use kompox_tests::parts::skip_if;
use kompox_tests::record;
use kompox_tests::wait::{Look, until};
use serde_json::{Value, json};

use super::beater::{App, PATIENCE};
use crate::world::LONG;

/// Long enough for several looks at the source and at the cluster.
const A_WHILE: Duration = Duration::from_secs(8);
/// Kinds of the App's objects, as kubectl names them.
const KINDS: &str = "namespaces,persistentvolumes,serviceaccounts,roles,rolebindings,networkpolicies,\
                     persistentvolumeclaims,configmaps,secrets,services,deployments,ingresses";
const OURS: &str = "app.kubernetes.io/managed-by=kompox";
/// Gives the Deployment a label, and the Pod nothing.
const LABELLED: &str = "    deploy: {labels: {team: blue}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_renders_otherwise_restarts_nothing_until_the_next_commit() -> Result<()> {
    if skip_if(RealNode::missing()) {
        return Ok(());
    }
    let app = App::start().await?;
    app.deploy_and_leave("").await?;
    let first = app.pod()?;

    // The build before: it rendered one field of the Pod that this one does not, from the same commit.
    let mut object = app.live_deployment()?;
    object["spec"]["template"]["spec"]["enableServiceLinks"] = json!(false);
    let file = app.ground.folder.write("older.json", &object.to_string())?;
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=kompox-agent", "-f"];
    app.ground.kubectl(&[&apply[..], &[&*file.to_string_lossy()]].concat())?;
    app.await_other_pod(&first).await?;
    record::render_otherwise(app.ground.plane.kubeconfig(), &app.namespace()?, "beater")?;
    let pod = app.pod()?;
    let generation = app.deployment("jsonpath={.metadata.generation}")?;

    // It sees the difference, and would restart the Pod if a person asked it to.
    let plan = app.ground.agent(["plan", &app.repo.work_tree().to_string_lossy()]).run(LONG).await?;
    ensure!(plan.code() == Some(2) && plan.stdout.contains("restarts the Pod"), "{}{}", plan.stdout, plan.stderr);
    let config = app.ground.folder.path().join("agent.yml");
    let looked = app.ground.agent(["run", "--once", "--config", &config.to_string_lossy()]).run(LONG).await?;
    ensure!(looked.status.success(), "{:?}: {}{}", looked.status, looked.stdout, looked.stderr);
    ensure!(app.pod()? == pod, "the Pod was replaced at the first look");
    // A restart that waits stands in nobody's way; people are told of it.
    ensure!(looked.stderr.contains("this would restart the Pod"), "{}", looked.stderr);
    let held = app.ground.agent(["hold", "list"]).run(LONG).await?;
    ensure!(held.stdout.contains("this would restart the Pod"), "{}{}", held.stdout, held.stderr);
    // Nor does it as time goes by.
    let _agent = app.agent().await?;
    tokio::time::sleep(A_WHILE).await;
    ensure!(app.pod()? == pod, "the Pod was replaced");
    ensure!(app.deployment("jsonpath={.metadata.generation}")? == generation, "the Deployment was written to");

    // The next commit is about something else, and takes the restart along.
    app.push(BUSYBOX, LABELLED, "A label")?;
    app.await_other_pod(&pod).await?;
    let links = app.deployment("jsonpath={.spec.template.spec.enableServiceLinks}")?;
    ensure!(links != "false", "the field of the build before is still there");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_the_older_command_line_is_adopted_without_a_restart() -> Result<()> {
    if skip_if(RealNode::missing()) {
        return Ok(());
    }
    let app = App::start().await?;
    app.deploy_and_leave(LABELLED).await?;
    let pod = app.pod()?;
    let label = "jsonpath={.metadata.labels.team}";
    ensure!(app.deployment(label)? == "blue", "the Deployment has no label to lose");

    // The older command line has the same names and labels, other field managers, and none of the records.
    let objects = app.objects()?;
    ensure!(objects.len() > 5, "only {} objects", objects.len());
    for object in &objects {
        app.hand_to_the_older_one(object)?;
    }
    app.ground.kubectl(&["delete", "secrets", "-n", &app.namespace()?, "beater--last-applied"])?;
    app.ground.kubectl(&["delete", "namespace", "k4x-system"])?;

    app.push(BUSYBOX, "", "No label any more")?;
    let agent = app.agent().await?;
    until("the label to go", PATIENCE, || async {
        let found = app.deployment(label)?;
        Ok(if found.is_empty() { Look::Done(()) } else { Look::NotYet(agent.stderr()?) })
    })
    .await?;
    app.await_record().await?;
    tokio::time::sleep(A_WHILE).await;
    ensure!(app.pod()? == pod, "the Pod was replaced");
    // What differed has changed hands; what did not is left as it is, which costs no write.
    let objects = app.objects()?;
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").context("no Deployment")?;
    let managers = managers(deployment);
    ensure!(managers.contains(&"kompox-agent".to_owned()), "the Deployment belongs to {managers:?}");
    ensure!(!managers.contains(&"kompox-converter".to_owned()), "the Deployment still belongs to {managers:?}");
    Ok(())
}

impl App {
    /// Deploys the App, and ends the agent once it has written down what it did.
    async fn deploy_and_leave(&self, more: &str) -> Result<()> {
        let agent = self.agent().await?;
        self.push(BUSYBOX, more, "Deploy")?;
        self.await_beats().await?;
        self.await_record().await?;
        end(agent).await
    }

    /// Waits until the agent has written down what it applied.
    async fn await_record(&self) -> Result<()> {
        until("the record of what was applied", LONG, || async {
            let names = self.ground.kubectl(&["get", "secrets", "-A", "-o", "name"])?;
            let written = names.lines().any(|name| name.ends_with("/beater--last-applied"));
            Ok(if written { Look::Done(()) } else { Look::NotYet(names) })
        })
        .await
    }

    /// Waits until another Pod than this one runs, alone.
    async fn await_other_pod(&self, before: &str) -> Result<()> {
        until("the Pod to be replaced", PATIENCE, || async {
            let found = self.pod()?;
            let path = "jsonpath={range .items[*]}{.status.phase}{.metadata.deletionTimestamp}{end}";
            let phase = self.ground.kubectl(&["get", "pods", "-A", "-l", "app=beater-app", "-o", path])?;
            let replaced = !found.is_empty() && found != before && phase == "Running";
            Ok(if replaced { Look::Done(()) } else { Look::NotYet(format!("{found} {phase}")) })
        })
        .await
    }

    fn namespace(&self) -> Result<String> {
        self.deployment("jsonpath={.metadata.namespace}")
    }

    /// All objects of the App, with their field managers.
    fn objects(&self) -> Result<Vec<Value>> {
        let get = ["get", KINDS, "-A", "-l", OURS, "-o", "json", "--show-managed-fields"];
        let list: Value = serde_json::from_str(&self.ground.kubectl(&get)?)?;
        list["items"].as_array().cloned().context("no list")
    }

    /// The Deployment as somebody would write it: without what the server adds.
    fn live_deployment(&self) -> Result<Value> {
        let deployment = self.objects()?.into_iter().find(|object| object["kind"] == "Deployment");
        let mut object = deployment.context("no Deployment")?;
        for (place, keys) in [
            ("", &["status"][..]),
            ("/metadata", &["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"]),
            ("/metadata/annotations", &["deployment.kubernetes.io/revision"]),
        ] {
            let map = object.pointer_mut(place).and_then(Value::as_object_mut);
            let map = map.with_context(|| format!("the Deployment has nothing at {place}"))?;
            keys.iter().for_each(|key| drop(map.remove(*key)));
        }
        Ok(object)
    }

    /// Makes an object one that the older command line has applied: its fields are those of other
    /// managers, and no annotation names a source.
    fn hand_to_the_older_one(&self, object: &Value) -> Result<()> {
        let older = if object["kind"] == "Secret" { "kompox-runtime" } else { "kompox-converter" };
        let mut fields = object["metadata"]["managedFields"].clone();
        for entry in fields.as_array_mut().context("no managers")? {
            if entry["manager"] == "kompox-agent" && entry["operation"] == "Apply" {
                entry["manager"] = json!(older);
                if let Some(source) = entry.pointer_mut("/fieldsV1/f:metadata/f:annotations") {
                    source.as_object_mut().map(|owned| owned.remove("f:kompox.dev/source"));
                }
            }
        }
        let patch = json!({"metadata": {"managedFields": fields, "annotations": {"kompox.dev/source": null}}});
        let kind = object["kind"].as_str().unwrap_or_default();
        let mut arguments = vec!["patch", kind, name(object), "--type=merge", "--field-manager=kompox-converter", "-p"];
        let patch = patch.to_string();
        arguments.push(&patch);
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            arguments.extend(["-n", namespace]);
        }
        self.ground.kubectl(&arguments).map(drop)
    }
}

/// Ends an agent in good order, so that the next one need not wait for the Lease.
async fn end(agent: Agent) -> Result<()> {
    agent.terminate()?;
    agent.finish(LONG).await.map(drop)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Who has applied something of an object.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().map_or(&[][..], Vec::as_slice);
    entries.iter().filter_map(|entry| entry["manager"].as_str()).map(str::to_owned).collect()
}
