//! People's edits are reverted at the next reconcile, other managers' are reported.

use anyhow::{Result, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::json;

use crate::world::{LONG, NAMESPACE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_people_are_reverted() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;

    // kubectl set env: a variable that nobody asked for goes.
    world.kubectl(&[
        "-n",
        NAMESPACE,
        "set",
        "env",
        "deployment/app1-app",
        "-c",
        "gitea",
        "ADDED=by-hand",
        "USER_UID=0",
    ])?;
    let env = "jsonpath={.spec.template.spec.containers[?(@.name==\"gitea\")].env}";
    comes_back(&world, "the variables", "deployment/app1-app", env, |text| {
        !text.contains("ADDED") && text.contains(r#"{"name":"USER_UID","value":"1000"}"#)
    })
    .await?;

    // kubectl scale: through the subresource.
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=0"])?;
    comes_back(&world, "the replicas", "deployment/app1-app", "jsonpath={.spec.replicas}", |text| text == "1").await?;

    // kubectl edit, as an editor that is a program: it changes the image, a label and a service port.
    let editor = world.folder.write("editor.sh", "#!/bin/sh\nsed -i -e 's/postgres:17/postgres:16/' -e 's/port: 3000/port: 3001/' -e 's/compose-service-headless: \"true\"/compose-service-headless: \"no\"/' \"$1\"\n")?;
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    for object in ["deployment/app1-app", "service/app1-app", "service/gitea"] {
        edit(&world, &editor.to_string_lossy(), object)?;
    }
    comes_back(&world, "the image", "deployment/app1-app", "jsonpath={..image}", |text| text.contains("postgres:17"))
        .await?;
    comes_back(&world, "the port", "service/app1-app", "jsonpath={.spec.ports[*].port}", |text| text == "3000").await?;
    let label = "jsonpath={.metadata.labels.kompox\\.dev/compose-service-headless}";
    comes_back(&world, "the label", "service/gitea", label, |text| text == "true").await?;

    // kubectl rollout restart is a wish, not drift: undoing it would restart the Pod once more.
    world.proxy.forget();
    world.kubectl(&["-n", NAMESPACE, "rollout", "restart", "deployment/app1-app"])?;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());

    // A deleted object is made again.
    world.kubectl(&["-n", NAMESPACE, "delete", "service", "postgres"])?;
    comes_back(&world, "the service", "service/postgres", "jsonpath={.metadata.name}", |text| text == "postgres")
        .await?;
    // All of it can be looked up afterwards.
    let told = world.agent(["history", "app1"]).run(LONG).await?;
    ensure!(told.status.success(), "history: {}", told.stderr);
    let entries: Vec<&str> = told.stdout.lines().filter(|line| line.starts_with("20")).collect();
    ensure!(entries.last().is_some_and(|first| first.contains("  commit   healthy")), "{}", told.stdout);
    ensure!(entries.iter().filter(|entry| entry.contains("  drift    ")).count() >= 3, "{}", told.stdout);
    for words in ["NEW EMPTY DISK", "edited by kubectl-set", "create Service k4x-50vf7y-app1-13o40q/postgres"] {
        ensure!(told.stdout.contains(words), "`{words}` is not in {}", told.stdout);
    }
    drop(agent);
    Ok(())
}

/// What a person removes nobody holds any more; that it was a person's edit is seen all the same, and put back at once
/// rather than held as a restart that nobody has asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_remove_is_put_back_at_once() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;

    // kubectl edit: one variable goes, another one gets its value from elsewhere.
    let edits = [
        json!([{"name": "USER_GID", "$patch": "delete"}]),
        json!([
            {"name": "USER_GID", "$patch": "delete"},
            {"name": "USER_UID", "value": null, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]),
    ];
    let env = "jsonpath={.spec.template.spec.containers[?(@.name==\"gitea\")].env}";
    let before = world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", env])?;
    ensure!(before.contains("USER_GID") && before.contains(r#"{"name":"USER_UID","value":"1000"}"#), "{before}");
    for variables in edits {
        let template = json!({"spec": {"containers": [{"name": "gitea", "env": variables}]}});
        let patch = json!({"spec": {"template": template}}).to_string();
        let edited = ["-n", NAMESPACE, "patch", "deployment/app1-app", "--field-manager=kubectl-edit", "-o", env, "-p"];
        let edited = world.kubectl(&[&edited[..], &[&*patch]].concat())?;
        ensure!(edited != before, "nothing was edited: {edited}");
        comes_back(&world, "the variables", "deployment/app1-app", env, |text| text == before).await?;
    }
    let told = world.agent(["history", "app1"]).run(LONG).await?;
    ensure!(told.stdout.matches("  drift    ").count() >= 2, "{}{}", told.stdout, told.stderr);
    let held = world.agent(["hold", "list"]).run(LONG).await?;
    ensure!(!held.stdout.contains("restart"), "{}{}", held.stdout, held.stderr);
    drop(agent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_that_is_to_be_reported_is_told_everywhere_and_left() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    world.kubectl(&["apply", "-f", crate::views::DEFINITIONS])?;
    let agent = world.start_agent().await?;
    let mut files = world.gitea_fixture()?;
    for (name, text) in &mut files {
        if name == "kompoxops.yml" {
            *text = text.replacen("app:\n", "app:\n  reconcile: {drift: report}\n", 1);
        }
    }
    let commit = world.push(&files, "Deploy Gitea, and only report drift")?;
    world.await_status(&commit, "success").await?;

    // One field that a person sets, and one that a person takes away.
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=0"])?;
    world.kubectl(&["-n", NAMESPACE, "label", "service/gitea", "app.kubernetes.io/name-"])?;
    let synced = "jsonpath={range .status.conditions[*]}{.type}={.status}/{.reason} {end}";
    until("the drift to be told", LONG, || async {
        // The view may be written after the forge was told.
        let conditions = world.kubectl(&["-n", NAMESPACE, "get", "kompoxapp/app1", "-o", synced]).unwrap_or_default();
        let events = world.kubectl(&["-n", NAMESPACE, "get", "events", "-o", "jsonpath={.items[*].reason}"])?;
        let status = world.agent(["status"]).run(LONG).await?.stdout;
        let drifted = |object: &str| status.contains("drifted: ") && status.contains(object);
        let told = conditions.contains("Synced=False/Drifted") && events.contains("Drifted");
        let told = told && drifted("spec.replicas differs") && drifted("/gitea: metadata.labels");
        Ok(if told { Look::Done(()) } else { Look::NotYet(format!("{conditions}\n{events}\n{status}")) })
    })
    .await?;
    let replicas = ["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "jsonpath={.spec.replicas}"];
    ensure!(world.kubectl(&replicas)? == "0", "it was put back");
    ensure!(agent.stderr()?.contains("drifted, and left so"), "the log is silent");
    // The App goes on, and what its owner makes undone is told no longer.
    world.kubectl(&["-n", NAMESPACE, "scale", "deployment/app1-app", "--replicas=1"])?;
    world.kubectl(&["-n", NAMESPACE, "label", "service/gitea", "app.kubernetes.io/name=app1"])?;
    until("nothing to be told any more", LONG, || async {
        let conditions = world.kubectl(&["-n", NAMESPACE, "get", "kompoxapp/app1", "-o", synced])?;
        let status = world.agent(["status"]).run(LONG).await?.stdout;
        Ok(if conditions.contains("Synced=True") {
            Look::Done(())
        } else {
            Look::NotYet(format!("{conditions}\n{status}"))
        })
    })
    .await?;
    ensure!(agent.exited()?.is_none());
    Ok(())
}

fn edit(world: &World, editor: &str, object: &str) -> Result<()> {
    let output = std::process::Command::new("kubectl")
        .env("KUBECONFIG", world.plane.kubeconfig())
        .env("KUBE_EDITOR", editor)
        .args(["-n", NAMESPACE, "edit", object])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && text.contains("edited"), "kubectl edit {object}: {text}");
    Ok(())
}

async fn comes_back(world: &World, what: &str, object: &str, path: &str, good: impl Fn(&str) -> bool) -> Result<()> {
    until(&format!("{what} to come back"), LONG, || async {
        Ok(match world.kubectl(&["-n", NAMESPACE, "get", object, "-o", path]) {
            Ok(text) if good(&text) => Look::Done(()),
            Ok(text) => Look::NotYet(text),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await
}
