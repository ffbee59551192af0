//! What people ask of the running agent from anywhere with a kubeconfig: to look now, to let a hold go.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::world::{LONG, NAMESPACE, World, skip};

/// Why the only App of a source is held when its entry is taken out of Git.
const HELD: [&str; 2] = ["the commit holds no entry at all", "the App left Git and has disks"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_listed_and_goes_when_a_person_accepts_its_digest() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;
    ensure!(verb(&world, &["hold", "list"]).await? == "nothing is held\n");

    world.repo.commit_removal(&["kompoxops.yml"], "Remove the app")?;
    world.repo.push("main")?;
    let mut digests = Vec::new();
    for held in HELD {
        digests.push(held_digest(&world, held).await?);
    }
    world.kubectl(&["-n", NAMESPACE, "get", "deployment", "app1-app"])?;
    let wrong = world.agent(["hold", "accept", "0123456789abcdef"]).run(LONG).await?;
    ensure!(wrong.status.code() == Some(1) && wrong.stderr.contains("nothing is held by"), "{}", wrong.stderr);
    // Both words at once: nobody has to wait until the agent has heard the first.
    for digest in &digests {
        let said: Value = serde_json::from_str(&verb(&world, &["hold", "accept", digest, "-o", "json"]).await?)?;
        ensure!(
            said["digest"] == *digest && said["apps"][0].as_str().is_some_and(|app| app.ends_with("/app1")),
            "{said}"
        );
        ensure!(said["by"].as_str().is_some_and(|by| !by.is_empty()), "nobody said it: {said}");
    }
    await_gone(&world).await?;
    until("nothing to be held any more", LONG, || async {
        let listed = verb(&world, &["hold", "list"]).await?;
        Ok(if listed == "nothing is held\n" { Look::Done(()) } else { Look::NotYet(listed) })
    })
    .await?;
    ensure!(agent.exited()?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_commit_lets_several_holds_go() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;
    world.repo.commit_removal(&["kompoxops.yml"], "Remove the app")?;
    world.repo.push("main")?;
    let (one, other) = (held_digest(&world, HELD[0]).await?, held_digest(&world, HELD[1]).await?);

    let half = format!("Say half of it\n\nKompox-Accept: {one}");
    let half = world.repo.publish(&[("README", "half")], &half)?;
    let failure = world.await_status(&half, "failure").await?;
    ensure!(failure.description.contains(HELD[1]), "{failure:?}");
    world.kubectl(&["-n", NAMESPACE, "get", "deployment", "app1-app"])?;
    let whole = format!("Say all of it\n\nKompox-Accept: {one}\nKompox-Accept: {other}");
    let whole = world.repo.publish(&[("README", "all")], &whole)?;
    world.await_status(&whole, "success").await?;
    await_gone(&world).await?;
    ensure!(agent.exited()?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_force_push_waits_for_a_word_and_goes_with_it() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let (world, agent, _) = World::start().await?.deployed().await?;
    let image = || world.kubectl(&["-n", NAMESPACE, "get", "deployment/app1-app", "-o", "jsonpath={..image}"]);
    let rewrite = |tag: &str, message: &str| -> Result<String> {
        let file = world.repo.work_tree().join("compose.yml");
        let (before, after) = ("gitea:1.24.", std::fs::read_to_string(&file)?);
        let (start, rest) = after.split_once(before).context("no image of Gitea")?;
        std::fs::write(&file, format!("{start}{before}{tag}{}", rest.get(1..).unwrap_or_default()))?;
        world.repo.git(["commit", "--quiet", "--all", "--amend", "--allow-empty", "--message", message])?;
        world.repo.force_push("main")?;
        world.repo.head()
    };
    // On the command line.
    let second = rewrite("7", "Rewritten")?;
    let held = world.await_status(&second, "failure").await?;
    ensure!(held.description.starts_with("held: ") && held.description.contains("was rewritten"), "{held:?}");
    let digest = held_digest(&world, "was rewritten").await?;
    ensure!(verb(&world, &["hold", "list"]).await?.starts_with(&format!("{digest}  a commit  (source apps)\n")));
    ensure!(!image()?.contains("1.24.7"), "it was followed without a word");
    verb(&world, &["hold", "accept", &digest]).await?;
    world.await_status(&second, "success").await?;
    ensure!(image()?.contains("1.24.7"), "{}", image()?);
    // In the message of the commit itself.
    let third = rewrite("8", "Rewritten again")?;
    world.await_status(&third, "failure").await?;
    let digest = held_digest(&world, "was rewritten").await?;
    let word = rewrite("8", &format!("Rewritten again\n\nKompox-Accept: {digest}"))?;
    world.await_status(&word, "success").await?;
    ensure!(image()?.contains("1.24.8"), "{}", image()?);
    ensure!(agent.exited()?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_fetches_and_looks_when_it_is_asked_to() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let none = world.agent(["sync", "--all"]).run(LONG).await?;
    ensure!(none.status.code() == Some(1) && none.stderr.contains("no agent has seen a source"), "{}", none.stderr);
    let first = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    let seldom = std::fs::read_to_string(world.config()?)?.replace("interval: 1s", "interval: 1h");
    let config = world.folder.write("seldom.yml", &seldom)?;
    let agent = world.agent(["run", "--config", &config.to_string_lossy()]).start().await?;
    world.await_status(&first, "success").await?;

    for (asked, tag) in [("app1", "1.24.7"), ("apps", "1.24.8")] {
        let change = |text: &str| {
            let (before, rest) = text.split_once("gitea:1.24.").unwrap_or((text, ""));
            format!("{before}gitea:{tag}{}", rest.get(1..).unwrap_or_default())
        };
        let commit = world.push_change("compose.yml", change, "Update Gitea")?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(world.statuses(&commit, "kompox/cluster1").await?.is_empty(), "it was seen without being asked");
        let said = verb(&world, &["sync", asked]).await?;
        ensure!(said.starts_with("asked the agent to fetch source apps and to look at "), "{said}");
        world.await_status(&commit, "success").await?;
    }
    let unknown = world.agent(["sync", "nobody"]).run(LONG).await?;
    ensure!(unknown.status.code() == Some(1) && unknown.stderr.contains("no App and no source nobody"), "{unknown:?}");
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// Waits until nothing of the App runs any more; its disk is there.
async fn await_gone(world: &World) -> Result<()> {
    until("the App to be gone", LONG, || async {
        let left = world.kubectl(&["-n", NAMESPACE, "get", "deployments,services,ingresses,pods", "-o", "name"])?;
        Ok(if left.trim().is_empty() { Look::Done(()) } else { Look::NotYet(left) })
    })
    .await?;
    ensure!(world.disks()?.len() == 1, "its disk is gone: {:?}", world.disks()?);
    Ok(())
}

/// The digest of the hold whose reason says this, once the agent has written it down.
async fn held_digest(world: &World, reason: &str) -> Result<String> {
    until(&format!("a hold: {reason}"), LONG, || async {
        let listed: Value = serde_json::from_str(&verb(world, &["hold", "list", "-o", "json"]).await?)?;
        let holds = listed["holds"].as_array().context("no array of holds")?;
        let found = holds.iter().find(|hold| hold["reasons"].to_string().contains(reason));
        Ok(match found.and_then(|hold| hold["digest"].as_str()) {
            Some(digest) => Look::Done(digest.to_owned()),
            None => Look::NotYet(listed.to_string()),
        })
    })
    .await
}

/// Runs a verb to its good end; gives what it says.
async fn verb(world: &World, arguments: &[&str]) -> Result<String> {
    let done = world.agent(arguments.iter().copied()).run(LONG).await?;
    ensure!(done.status.success(), "{arguments:?}: {}{}", done.stdout, done.stderr);
    Ok(done.stdout)
}
