//! `plan`: what it says, how it ends, and that it never writes.

use anyhow::{Result, ensure};
use kompox_tests::git::Repo;
use serde_json::Value;

use super::bench::{Bench, CLUSTER, LONG, NODE, skip};

/// One cluster through the life of an App; every plan on the way.
#[tokio::test(flavor = "multi_thread")]
async fn plans_from_the_first_deploy_to_a_block() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    bench.app("shop", |entry| entry)?;
    bench.proxy.forget();

    // Nobody has installed anything yet, not even the agent's namespace.
    let first = bench.run(&["plan", "shop"]).await?;
    ensure!(first.code() == Some(2), "{:?}\n{}{}", first.code(), first.stdout, first.stderr);
    ensure!(first.stdout.contains("NEW EMPTY DISK"), "{}", first.stdout);
    insta::assert_snapshot!("plan_of_a_first_deploy", bench.stable(&first.stdout));
    let json = bench.run(&["plan", "shop", "-o", "json"]).await?;
    ensure!(json.code() == Some(2), "{}", json.stderr);
    insta::assert_snapshot!("plan_of_a_first_deploy_json", bench.stable(&json.stdout));
    let markdown = bench.run(&["plan", "shop", "-o", "markdown"]).await?;
    ensure!(markdown.code() == Some(2), "{}", markdown.stderr);
    insta::assert_snapshot!("plan_of_a_first_deploy_markdown", bench.stable(&markdown.stdout));
    bench.nothing_written()?;

    let applied = bench.run(&["apply", "shop", "--yes"]).await?;
    ensure!(applied.code() == Some(0), "{}", applied.stderr);
    bench.proxy.forget();

    let nothing = bench.run(&["plan", "shop"]).await?;
    ensure!(nothing.code() == Some(0), "{}{}", nothing.stdout, nothing.stderr);
    insta::assert_snapshot!(nothing.stdout, @r"
    /ws/acme/prv/home/cls/one/app/shop (kompoxops.yml:13:9)
      nothing to do
    Plan: nothing to change.
    ");

    bench.edit("shop/compose.yml", "nginx:1.29", "nginx:1.30")?;
    let change = bench.run(&["plan", "shop"]).await?;
    ensure!(change.code() == Some(2), "{}", change.stderr);
    ensure!(
        change.stdout.contains("nginx:1.29 → nginx:1.30") && change.stdout.contains("restarts the Pod"),
        "{}",
        change.stdout
    );
    ensure!(change.stdout.contains("\nPlan: 1 changed.\nTo do exactly this: "), "{}", change.stdout);

    blocked(&bench).await?;
    wrong(&bench).await?;
    bench.nothing_written()
}

/// A node pool that no node is in; a provider that this version cannot ask.
async fn blocked(bench: &Bench) -> Result<()> {
    bench.kubectl(&["label", "node", NODE, "kompox.dev/node-pool=other", "--overwrite"])?;
    let plan = bench.run(&["plan", "shop"]).await?;
    ensure!(plan.code() == Some(3), "{:?} {}", plan.code(), plan.stdout);
    let remedy = format!("kubectl label node {NODE} kompox.dev/node-pool=user --overwrite");
    ensure!(plan.stdout.contains(&remedy), "{}", plan.stdout);
    bench.kubectl(&["label", "node", NODE, "kompox.dev/node-pool=user", "--overwrite"])?;

    bench.app("cloud", |entry| {
        let root = format!("driver: local\n  settings:\n    LOCAL_ROOT: {}", bench.disk_root().display());
        entry.replace(&root, "driver: aks")
    })?;
    let plan = bench.run(&["plan", "cloud"]).await?;
    ensure!(plan.code() == Some(3), "{:?} {}{}", plan.code(), plan.stdout, plan.stderr);
    ensure!(plan.stdout.contains("BLOCKED") && plan.stdout.contains("kompoxops.yml:6:11"), "{}", plan.stdout);
    ensure!(plan.stdout.contains("driver `local` only"), "{}", plan.stdout);
    let json = bench.run(&["plan", "cloud", "-o", "json"]).await?;
    let json: Value = serde_json::from_str(&json.stdout)?;
    ensure!(json["counts"]["blocked"] == 1 && json["apps"][0]["actions"][0]["action"] == "blocked", "{json:#}");
    Ok(())
}

/// Another cluster, broken files, several Clusters, no cluster.
async fn wrong(bench: &Bench) -> Result<()> {
    bench.app("other", |entry| entry.replace("name: one", "name: two"))?;
    for verb in [&["plan", "other"][..], &["apply", "other", "--yes"]] {
        let refused = bench.run(verb).await?;
        ensure!(refused.code() == Some(1) && refused.stdout.is_empty(), "{verb:?}: {}", refused.stdout);
        ensure!(refused.stderr.contains("acme/home/one, not acme/home/two"), "{verb:?}: {}", refused.stderr);
    }
    let several = bench.run(&["plan"]).await?;
    ensure!(several.code() == Some(1) && several.stderr.contains("--cluster"), "{}", several.stderr);
    ensure!(several.stderr.contains(CLUSTER), "{}", several.stderr);
    let unknown = bench.run(&["plan", "shop", "--cluster", "one"]).await?;
    ensure!(unknown.code() == Some(1) && unknown.stderr.contains("--cluster"), "{}", unknown.stderr);

    bench.app("broken", |entry| entry.replace("size: 1Gi", "size: plenty"))?;
    let broken = bench.run(&["plan", "broken", "--cluster", CLUSTER]).await?;
    ensure!(broken.code() == Some(1), "{:?} {}", broken.code(), broken.stdout);
    ensure!(broken.stderr.contains("kompoxops.yml:20:13"), "{}", broken.stderr);

    let nobody = bench.command(&["plan", "shop", "--kubeconfig", "/nowhere"]).run(LONG).await?;
    ensure!(nobody.code() == Some(1) && nobody.stderr.contains("/nowhere"), "{}", nobody.stderr);
    Ok(())
}

/// A source of the configuration, at its branch, another branch, or a commit.
#[tokio::test(flavor = "multi_thread")]
async fn plans_of_a_source() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let bench = Bench::start().await?;
    let folder = bench.app("shop", |entry| entry)?;
    let repo = Repo::init_bare(&bench.folder.path().join("apps.git"))?;
    let first = repo.commit_tree(&folder, "First")?;
    repo.push("main")?;
    let text = format!(
        "cluster: {CLUSTER}\nnewDisks: hold\nsources:\n  - {{name: apps, url: {}, ref: {{branch: main}}}}\n",
        repo.remote()
    );
    bench.folder.write("agent.yml", &text)?;
    let plan =
        async |more: &[&str]| bench.run(&[&["plan", "--config", "agent.yml", "--source", "apps"], more].concat()).await;
    bench.proxy.forget();

    let held = plan(&[]).await?;
    ensure!(held.code() == Some(3) && held.stdout.contains("HELD"), "{:?} {}{}", held.code(), held.stdout, held.stderr);
    ensure!(held.stdout.contains("newDisks: hold"), "{}", held.stdout);

    let compose = std::fs::read_to_string(repo.work_tree().join("compose.yml"))?.replace("image:", "imgae:");
    repo.switch("try")?;
    repo.commit(&[("compose.yml", &compose)], "Typo")?;
    repo.push("try")?;
    let broken = plan(&["--ref", "try"]).await?;
    ensure!(broken.code() == Some(1) && broken.stderr.contains("imgae"), "{:?} {}", broken.code(), broken.stderr);
    let pinned = plan(&["--ref", &first]).await?;
    ensure!(pinned.code() == Some(3), "{:?} {}", pinned.code(), pinned.stderr);

    let missing = plan(&["--ref", "gone"]).await?;
    ensure!(missing.code() == Some(1) && missing.stderr.contains("gone"), "{}", missing.stderr);
    let unknown = bench.run(&["plan", "--config", "agent.yml", "--source", "nope"]).await?;
    ensure!(unknown.code() == Some(1) && unknown.stderr.contains("`nope`"), "{}", unknown.stderr);
    bench.nothing_written()
}
