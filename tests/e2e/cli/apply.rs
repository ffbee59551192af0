//! `apply` and `status`: one reconcile by hand, and a look at what is there.

use std::process::Command;

use anyhow::{Result, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use super::bench::{Bench, CLUSTER, LONG, skip};

/// A zone that no node is in, and little patience.
fn stuck(entry: String) -> String {
    entry.replace("  compose:", "  deployment: {zone: \"9\"}\n  reconcile: {progressDeadline: 15s}\n  compose:")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_unasked() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    bench.app("shop", |entry| entry)?;
    bench.proxy.forget();
    let unasked = bench.run(&["apply", "shop"]).await?;
    ensure!(unasked.code() == Some(1) && unasked.stdout.is_empty(), "{:?} {}", unasked.code(), unasked.stdout);
    ensure!(unasked.stderr.contains("NEW EMPTY DISK") && unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    bench.nothing_written()?;
    asked(&bench).await?;
    // What the server refuses now may be accepted a moment later: nobody has agreed to that.
    bench.kubectl(&["-n", "default", "create", "quota", "full", "--hard=services=0"])?;
    let refused = bench.run(&["apply", "shop"]).await?;
    ensure!(refused.code() == Some(1) && refused.stderr.contains("REFUSED"), "{}", refused.stderr);
    bench.nothing_written()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_agreed_to_is_done_and_nothing_else() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    bench.app("shop", |entry| entry)?;
    let digest = async |folder: &'static str| -> Result<String> {
        let plan = bench.run(&["plan", folder]).await?;
        let line = plan.stdout.lines().last().unwrap_or_default();
        let digest = line.strip_prefix("To do exactly this: kompox-agent apply --plan ");
        Ok(digest.ok_or_else(|| anyhow::anyhow!("no digest in {}", plan.stdout))?.to_owned())
    };
    let agreed = digest("shop").await?;
    ensure!(digest("shop").await? == agreed, "it is another one every time");
    bench.app("shop", |entry| entry.replace("size: 1Gi", "size: 2Gi"))?;
    bench.proxy.forget();
    let other = bench.run(&["apply", "shop", "--plan", &agreed]).await?;
    ensure!(other.code() == Some(3) && other.stderr.contains("another one was agreed to"), "{}", other.stderr);
    bench.nothing_written()?;
    let agreed = digest("shop").await?;
    let done = bench.run(&["apply", "shop", "--plan", &agreed]).await?;
    ensure!(done.code() == Some(0) && done.stdout.contains("12 created"), "{}{}", done.stdout, done.stderr);
    let both = bench.run(&["apply", "shop", "--plan", &agreed, "--yes"]).await?;
    ensure!(both.code() == Some(1) && both.stderr.contains("cannot be used with"), "{:?}", both.stderr);
    let nothing = bench.run(&["plan", "shop"]).await?;
    ensure!(!nothing.stdout.contains("To do exactly this"), "{}", nothing.stdout);
    Ok(())
}

/// On a terminal; where none can be played, there is nothing to test.
async fn asked(bench: &Bench) -> Result<()> {
    let agent = kompox_tests::agent::binary().await?;
    for answer in ["n", "", "yess"] {
        let output = Command::new("bash")
            .args([
                "-c",
                "command -v script >/dev/null || exit 77; echo \"$ANSWER\" | script -qec '$AGENT apply shop' /dev/null",
            ])
            .env("AGENT", agent)
            .env("ANSWER", answer)
            .env("KUBECONFIG", bench.proxy.kubeconfig())
            .current_dir(bench.folder.path())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(77) => return Ok(()),
            code => ensure!(
                code == Some(1) && text.contains("[y/N]") && text.contains("nothing was written"),
                "{code:?} {text}"
            ),
        }
    }
    bench.nothing_written()
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_and_their_exit_codes() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    let empty = bench.run(&["status"]).await?;
    ensure!(empty.code() == Some(0) && empty.stdout.starts_with("nothing is deployed"), "{}", empty.stdout);

    bench.app("shop", |entry| entry)?;
    let healthy = bench.run(&["apply", "shop", "--yes"]).await?;
    ensure!(healthy.code() == Some(0), "{}", healthy.stderr);
    insta::assert_snapshot!(healthy.stdout, @r"
    /ws/acme/prv/home/cls/one/app/shop: healthy
    Done: 12 created, 1 disk created.
    ");
    let again = bench.run(&["apply", "shop", "-o", "json"]).await?;
    ensure!(again.code() == Some(0), "what changes nothing is not asked about: {}", again.stderr);
    let json: Value = serde_json::from_str(&again.stdout)?;
    ensure!(json["apps"][0]["state"] == "healthy" && json["done"]["created"] == 0, "{json:#}");

    bench.app("stuck", stuck)?;
    let unhealthy = bench.run(&["apply", "stuck", "--yes"]).await?;
    ensure!(unhealthy.code() == Some(4), "{:?} {}", unhealthy.code(), unhealthy.stderr);
    ensure!(unhealthy.stdout.contains("Unschedulable"), "{}", unhealthy.stdout);

    bench.app("cloud", |entry| entry.replace("driver: local", "driver: aks"))?;
    bench.proxy.forget();
    // The settings of the two Providers differ, but each is applied alone here.
    let blocked = bench.run(&["apply", "cloud", "--yes"]).await?;
    ensure!(blocked.code() == Some(3), "{:?} {}", blocked.code(), blocked.stderr);
    ensure!(bench.kubectl(&["get", "namespaces"])?.matches("k4x-").count() == 3, "a blocked app left something");

    bench.app("broken", |entry| entry.replace("size: 1Gi", "size: plenty"))?;
    let broken = bench.run(&["apply", "broken", "--yes", "--cluster", CLUSTER]).await?;
    ensure!(broken.code() == Some(1) && broken.stderr.contains("kompoxops.yml:20:13"), "{}", broken.stderr);
    ensure!(broken.stdout.contains("rejected"), "{}", broken.stdout);
    status(&bench).await
}

async fn status(bench: &Bench) -> Result<()> {
    let all = bench.run(&["status"]).await?;
    ensure!(all.code() == Some(0), "{}", all.stderr);
    ensure!(all.stdout.contains("app acme/home/one/shop  healthy  available"), "{}", all.stdout);
    ensure!(all.stdout.contains("app acme/home/one/stuck  degraded  Unschedulable"), "{}", all.stdout);
    let one = bench.run(&["status", "shop", "-o", "json"]).await?;
    let json: Value = serde_json::from_str(&one.stdout)?;
    ensure!(json["apps"].as_array().is_some_and(|apps| apps.len() == 1), "{json:#}");
    ensure!(json["apps"][0]["state"] == "healthy" && json["apps"][0]["source"] == "by-hand", "{json:#}");
    let unknown = bench.run(&["status", "shpo"]).await?;
    ensure!(unknown.code() == Some(1) && unknown.stderr.contains("shpo"), "{}", unknown.stderr);
    ensure!(unknown.stdout.is_empty(), "{}", unknown.stdout);

    // --watch prints again when something changes.
    let watch = bench.command(&["status", "shop", "--watch"]).start().await?;
    let seen = |what: &'static str| {
        let watch = &watch;
        until(what, LONG, async move || {
            let text = watch.stdout()?;
            Ok(if text.contains(what) { Look::Done(()) } else { Look::NotYet(text) })
        })
    };
    seen("healthy").await?;
    let namespace = json["apps"][0]["namespace"].as_str().unwrap_or_default().to_owned();
    bench.kubectl(&["-n", &namespace, "scale", "deployment", "shop-app", "--replicas=0"])?;
    bench.kubectl(&["-n", &namespace, "delete", "deployment", "shop-app"])?;
    seen("degraded").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_at_work_is_not_disturbed() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    bench.app("shop", |entry| entry)?;
    bench.folder.subfolder("served")?;
    let agent =
        bench.command(&["run", "--cluster", CLUSTER, "--source", "served"]).env("KOMPOX_LOG", "info").start().await?;
    until("the agent to lead", LONG, async || {
        let log = agent.stderr()?;
        Ok(if log.contains("lease acquired") { Look::Done(()) } else { Look::NotYet(log) })
    })
    .await?;
    let refused = bench.run(&["apply", "shop", "--yes"]).await?;
    ensure!(refused.code() == Some(1) && refused.stdout.is_empty(), "{:?} {}", refused.code(), refused.stdout);
    ensure!(refused.stderr.contains(&agent.pid().to_string()), "it is not named: {}", refused.stderr);
    ensure!(bench.kubectl(&["get", "namespaces"])?.matches("k4x-").count() == 1, "something was written");

    // When it has gone, its Lease is taken at once.
    agent.terminate()?;
    ensure!(agent.finish(LONG).await?.code() == Some(0), "SIGTERM is an orderly end");
    let applied = bench.run(&["apply", "shop", "--yes"]).await?;
    ensure!(applied.code() == Some(0), "{}", applied.stderr);
    Ok(())
}
