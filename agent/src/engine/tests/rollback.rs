//! What does not become healthy goes back, where the App asks for it.

use super::*;

/// An App without data that goes back to what was healthy, and two commits of it.
fn stateless(rollback: &str) -> (World, Vec<Snapshot>) {
    let mut world = World::new();
    let reconcile = format!("app:\n  reconcile: {{progressDeadline: 1s, rollback: {rollback}}}\n");
    world.edit("shop/kompoxops.yml", "app:\n", &reconcile);
    world.edit("shop/kompoxops.yml", "  volumes:\n    - {name: data, size: 1Gi}\n", "");
    world.edit("shop/compose.yml", "    volumes: [\"data:/srv\"]\n", "");
    let mut snapshots = vec![snapshot(&world, 1)];
    for number in [2, 3] {
        world.edit("shop/web.env", &format!("A={}", number - 1), &format!("A={number}"));
        snapshots.push(snapshot(&world, number));
    }
    (world, snapshots)
}

/// The value that the App's Secret has for A.
async fn setting(world: &World) -> String {
    let secret = live(world, ObjectKind::Secret, |key| key.name.ends_with("-base")).await;
    secret.body["data"]["A"].as_str().or(secret.body["stringData"]["A"].as_str()).unwrap_or_default().to_owned()
}

/// Deploys what the source answers, and then a commit that does not become healthy: the first one's setting, and what came
/// of the second.
async fn deploy_and_fail(world: &World, bench: &Bench, source: &Script, second: &Snapshot) -> (String, Outcome) {
    assert!(bench.once().await.unwrap().failures().next().is_none());
    let first = setting(world).await;
    world.heal(false);
    source.say(Ok(second.clone()));
    (first, bench.once().await.unwrap())
}

#[tokio::test]
async fn what_does_not_become_healthy_is_rolled_back_and_stays_so_until_the_next_commit() {
    let (world, snapshots) = stateless("lastHealthy");
    let source = |number: usize| Script {
        cached: Some(snapshots[0].clone()),
        ..Script::new(vec![Ok(snapshots[number].clone())])
    };
    let script = source(0);
    let bench = Bench::new(&world, &script).await;
    let (first, outcome) = deploy_and_fail(&world, &bench, &script, &snapshots[1]).await;
    assert_eq!(setting(&world).await, first, "what was healthy is back");
    assert_eq!(outcome.failures().count(), 1);
    world.heal(true);
    // Another process knows it too, and tries the bad commit no more.
    let bench = Bench::restarted(&world, &source(1)).await;
    let applied = world.calls("apply").len();
    let outcome = bench.once().await.unwrap();
    let failure = outcome.failures().next().unwrap();
    assert!(failure.text.contains("rolled back to commit 00000000, which is healthy"), "{failure}");
    assert_eq!((failure.label, bench.ended()), ("rolled-back", (commit_id(2), Told::Failure)));
    assert_eq!((setting(&world).await, world.calls("apply").len()), (first.clone(), applied));
    // The next commit is tried.
    let bench = Bench::restarted(&world, &source(2)).await;
    assert!(bench.once().await.unwrap().failures().next().is_none());
    assert_ne!(setting(&world).await, first);
}

#[tokio::test]
async fn without_a_way_back_the_commit_stays_and_says_why() {
    for (rollback, words) in
        [("lastHealthy", "cannot be rolled back to commit 00000000: the source does not have it"), ("off", "")]
    {
        let (world, snapshots) = stateless(rollback);
        let script = Script::new(vec![Ok(snapshots[0].clone())]);
        let bench = Bench::new(&world, &script).await;
        let (first, outcome) = deploy_and_fail(&world, &bench, &script, &snapshots[1]).await;
        let failure = outcome.failures().next().unwrap();
        assert!(failure.text.contains(words) && failure.kind == Kind::Unhealthy, "{failure}");
        assert_ne!(setting(&world).await, first);
    }
}
