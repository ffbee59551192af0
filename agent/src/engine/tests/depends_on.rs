//! Apps that wait for others.

use super::*;

/// Lets an App wait for another one.
fn wait_for(world: &mut World, app: &str, needed: &str) {
    let depends = format!("app:\n  reconcile: {{dependsOn: [/ws/w1/prv/p1/cls/c1/app/{needed}]}}\n");
    world.edit(&format!("{app}/kompoxops.yml"), "app:\n", &depends);
}

#[tokio::test]
async fn an_app_waits_for_those_that_it_depends_on() {
    let mut world = World::new();
    world.heal(false);
    world.app("blog");
    wait_for(&mut world, "blog", "shop");
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    bench.run_for(WHILE).await;
    let of_blog = |calls: Vec<String>| calls.iter().filter(|call| call.contains("blog")).count();
    assert_eq!(of_blog(world.calls("apply")), 0, "shop is not healthy yet");
    let reasons: Vec<String> = bench.engine.sources[0].outcome().unwrap().apps.iter().map(reason).collect();
    assert_eq!(reasons[0], "waits for `shop`");
    world.heal(true);
    let applied = async {
        while of_blog(world.calls("apply")) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = bench.engine.run() => unreachable!("it works for ever"),
        applied = tokio::time::timeout(Duration::from_secs(60), applied) => applied.expect("shop is healthy by now"),
    }
}

#[tokio::test]
async fn what_depends_on_an_app_that_fails_later_is_looked_after_all_the_same() {
    let mut world = World::new();
    world.app("blog");
    wait_for(&mut world, "blog", "shop");
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let bench = Bench::new(&world, &source).await;
    bench.once().await.unwrap();
    world.heal(false);
    bench.run_for(WHILE).await;
    let states = |bench: &Bench| bench.engine.sources[0].outcome().unwrap().apps.iter().map(reason).collect::<Vec<_>>();
    assert!(states(&bench).iter().all(|state| !state.contains("Healthy")), "{:?}", states(&bench));
    // One process saw it healthy, the next one did not.
    for bench in [bench, Bench::restarted(&world, &source).await] {
        let service = live(&world, ObjectKind::Service, |key| key.to_string().contains("blog")).await.key;
        world.cluster.inner.delete_now(&service);
        bench.run_for(WHILE).await;
        assert!(world.objects().await.contains(&service.to_string()), "{:?}", states(&bench));
    }
}

#[tokio::test]
async fn a_dependency_that_nobody_lists_is_an_obstacle() {
    let mut world = World::new();
    wait_for(&mut world, "shop", "nowhere");
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    let reason = reason(&outcome.apps[0]);
    assert!(reason.starts_with("shop/kompoxops.yml:") && reason.contains("no source of this agent lists"), "{reason}");
    assert!(world.calls("apply").is_empty());
}

#[tokio::test]
async fn apps_of_two_sources_that_wait_for_each_other_are_told_of_the_circle() {
    let mut world = World::new();
    wait_for(&mut world, "shop", "blog");
    let one = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    world.app("blog");
    wait_for(&mut world, "blog", "shop");
    world.files.retain(|path, _| path.starts_with("blog/"));
    let other = Source::by_hand(Arc::clone(&world.agent), &world.commit(2), Vec::new());
    let sources = vec![Arc::clone(&one.engine.sources[0]), Arc::new(other)];
    let engine = Engine::new(Arc::clone(&world.agent), sources);
    for (outcome, (app, needed)) in engine.settle().await.into_iter().zip([("shop", "blog"), ("blog", "shop")]) {
        let reason = reason(&outcome.unwrap().apps[0]);
        let [app, needed] = [app, needed].map(|name| format!("`/ws/w1/prv/p1/cls/c1/app/{name}`"));
        assert!(reason.contains(&format!("in a circle: {app} → {needed} → {app}; take one")), "{reason}");
    }
    assert!(world.calls("apply").is_empty());
}

#[tokio::test]
async fn a_dependency_that_fails_does_not_keep_a_command_from_ending() {
    let mut world = World::new();
    world.edit("shop/kompoxops.yml", "size: 1Gi}", "size: 1Gi, type: files}");
    world.app("blog");
    wait_for(&mut world, "blog", "shop");
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    let told = reason(&outcome.apps[0]);
    assert!(told.starts_with("blog/kompoxops.yml:") && told.ends_with("waits for `shop`, which has failed"), "{told}");
    assert_eq!(bench.ended().1, Told::Failure);
    let description = bench.engine.sources[0].ledger().record().unwrap().description.clone();
    assert!(description.contains("shop: "), "what it waits for is the cause: {description}");
}

#[tokio::test]
async fn a_commit_ends_though_an_app_depends_on_one_that_is_suspended() {
    let mut world = World::new();
    world.app("blog");
    world.edit("shop/kompoxops.yml", "app:\n", "app:\n  reconcile: {suspend: true}\n");
    wait_for(&mut world, "blog", "shop");
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    assert!(reason(&outcome.apps[0]).ends_with("waits for `shop`, which is suspended"));
    assert_eq!(bench.ended().1, Told::Failure);
}
