//! Another process, and a remote that is away.

use super::*;
use crate::cluster::SYSTEM_NAMESPACE;

#[tokio::test]
async fn after_a_restart_the_last_good_commit_comes_from_the_cache() {
    let world = World::new();
    let first = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    first.once().await.unwrap();
    first.end().await;
    let deployment = deployment(&world).await.key;
    world.cluster.inner.delete_now(&deployment);
    let source = Script { cached: Some(snapshot(&world, 1)), ..Script::new(vec![Err(away())]) };
    let second = Bench::restarted(&world, &source).await;
    second.run_for(WHILE).await;
    assert!(world.objects().await.contains(&deployment.to_string()));
    assert_eq!(second.ended(), (commit_id(1), Told::Success), "it stays what it was");
}

fn image(live: &LiveObject) -> &str {
    live.body["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
}

#[tokio::test]
async fn without_git_and_the_cache_what_was_applied_last_goes_on() {
    let mut world = World::new();
    let script = Script::new(vec![Ok(snapshot(&world, 1))]);
    let first = Bench::new(&world, &script).await;
    first.once().await.unwrap();
    world.edit("shop/compose.yml", "nginx:1", "nginx:2");
    script.say(Ok(snapshot(&world, 2)));
    first.once().await.unwrap();
    first.end().await;
    let before = deployment(&world).await;
    assert_eq!(image(&before), "nginx:2");
    world.cluster.inner.delete_now(&before.key);

    // A commit that nobody could fetch, and a second look, change nothing.
    let away = Script::new(vec![Err(away())]);
    let second = Bench::restarted(&world, &away).await;
    second.run_for(WHILE).await;
    assert_eq!(image(&deployment(&world).await), "nginx:2");
    assert_eq!(second.ended(), (commit_id(2), Told::Success), "it stays what it was");
    let applied = world.calls("apply").len();
    second.run_for(WHILE).await;
    assert_eq!(world.calls("apply").len(), applied);
    assert_eq!(second.ended(), (commit_id(2), Told::Success), "it stays what it was");
    drop(second);

    // Nor is the record of the source needed.
    let (kind, namespace) = (ObjectKind::ConfigMap, Some(SYSTEM_NAMESPACE.to_owned()));
    let record = ObjectKey { kind, namespace, name: "kompox-source-ops".into() };
    assert!(world.cluster.inner.object(&record).is_some());
    world.cluster.inner.delete_now(&record);
    world.cluster.inner.delete_now(&before.key);
    let third = Bench::restarted(&world, &away).await;
    third.run_for(WHILE).await;
    assert_eq!(image(&deployment(&world).await), "nginx:2");
    assert!(third.engine.sources[0].ledger().record().is_none(), "no commit is made up");

    // Once it can be fetched, what was pushed since counts.
    world.edit("shop/compose.yml", "nginx:2", "nginx:3");
    away.say(Ok(snapshot(&world, 3)));
    third.once().await.unwrap();
    assert_eq!((image(&deployment(&world).await), third.ended()), ("nginx:3", (commit_id(3), Told::Success)));
}

#[tokio::test]
async fn what_was_applied_last_is_no_verdict_on_a_commit_that_was_not() {
    let mut world = World::new();
    let script = Script::new(vec![Ok(snapshot(&world, 1))]);
    let first = Bench::new(&world, &script).await;
    first.once().await.unwrap();
    world.edit("shop/compose.yml", "image: nginx:1", "imago: nginx:1");
    script.say(Ok(snapshot(&world, 2)));
    first.once().await.unwrap();
    first.reporter.flush().await;
    let told = first.ended();
    assert_eq!(told, (commit_id(2), Told::Failure));
    let problems = first.record().problems;
    drop(first);
    let second = Bench::restarted(&world, &Script::new(vec![Err(away())])).await;
    second.run_for(WHILE).await;
    assert_eq!((second.ended(), second.record().problems), (told, problems));
}

#[tokio::test]
async fn a_suspended_app_stays_so_without_git() {
    let mut world = World::new();
    let script = Script::new(vec![Ok(snapshot(&world, 1))]);
    let first = Bench::new(&world, &script).await;
    first.once().await.unwrap();
    world.edit("shop/kompoxops.yml", "app:\n", "app:\n  reconcile: {suspend: true}\n");
    script.say(Ok(snapshot(&world, 2)));
    first.once().await.unwrap();
    first.end().await;
    world.cluster.inner.delete_now(&deployment(&world).await.key);
    let second = Bench::restarted(&world, &Script::new(vec![Err(away())])).await;
    second.run_for(WHILE).await;
    assert!(!world.objects().await.iter().any(|object| object.starts_with("Deployment")));
    assert!(second.engine.sources[0].ledger().is_recalled());
}

#[tokio::test]
async fn an_app_whose_files_are_not_kept_is_left_alone_without_git() {
    let world = World::new();
    let first = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    first.once().await.unwrap();
    first.end().await;
    let before = deployment(&world).await;
    let record = ObjectKey { kind: ObjectKind::Secret, name: "shop--last-applied".into(), ..before.key.clone() };
    assert!(world.cluster.inner.object(&record).is_some());
    world.cluster.inner.delete_now(&record);
    world.cluster.inner.delete_now(&before.key);
    let second = Bench::restarted(&world, &Script::new(vec![Err(away())])).await;
    second.run_for(WHILE).await;
    assert!(!world.objects().await.iter().any(|object| object.starts_with("Deployment")));
    // The next commit finds it, and keeps its files again.
    let third = Bench::restarted(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    third.run_for(WHILE).await;
    drop(third);
    world.cluster.inner.delete_now(&before.key);
    let fourth = Bench::restarted(&world, &Script::new(vec![Err(away())])).await;
    fourth.run_for(WHILE).await;
    assert_eq!(image(&deployment(&world).await), "nginx:1");
}
