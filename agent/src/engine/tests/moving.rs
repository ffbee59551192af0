//! An App that goes from one source to another.

use super::*;

/// Two sources over a cluster that has `blog` without data, which the first one deployed and lists no more.
struct Moving {
    world: World,
    left: Script,
    /// What the other source lists when `blog` has moved there.
    whole: Snapshot,
    /// The same with a Compose file that has an unknown key.
    broken: Snapshot,
    /// The same without `blog`.
    without: Snapshot,
}

impl Moving {
    async fn new() -> Self {
        let mut world = World::new();
        world.app("blog");
        world.edit("blog/kompoxops.yml", "  volumes:\n    - {name: data, size: 1Gi}\n", "");
        world.edit("blog/compose.yml", "    volumes: [\"data:/srv\"]\n", "");
        let left = Script::new(vec![Ok(snapshot(&world, 1))]);
        let bench = Bench::new(&world, &left).await;
        assert!(bench.once().await.unwrap().failures().next().is_none());
        bench.end().await;
        let mut files = world.files.clone();
        world.files.retain(|file, _| file.starts_with("shop/"));
        left.say(Ok(snapshot(&world, 2)));
        std::mem::swap(&mut world.files, &mut files);
        world.files.retain(|file, _| file.starts_with("blog/"));
        let whole = snapshot(&world, 11);
        world.edit("blog/compose.yml", "image: nginx:1", "imago: nginx:1");
        let broken = snapshot(&world, 12);
        world.files.clear();
        let without = snapshot(&world, 13);
        Self { world, left, whole, broken, without }
    }

    /// Another process with both sources.
    async fn engine(&self, other: &Script) -> (Bench, Arc<Engine>) {
        let bench = Bench::restarted(&self.world, &self.left).await;
        let agent = Arc::clone(&bench.engine.agent);
        let (policy, script) = (Policy::default(), Box::new(other.clone()));
        let other = Source::new(Arc::clone(&agent), config("more"), policy, script, Vec::new(), None, Asked::default());
        let engine = Engine::new(agent, vec![Arc::clone(&bench.engine.sources[0]), Arc::new(other)]);
        (bench, engine)
    }

    async fn objects(&self) -> Vec<String> {
        let mut all = self.world.objects().await;
        all.retain(|object| object.contains("blog"));
        all
    }
}

/// How `blog` is at the source that it left.
fn of_blog(engine: &Engine) -> Option<String> {
    let outcome = engine.sources[0].outcome().unwrap();
    outcome.apps.iter().find(|app| app.id.app == "blog").map(reason)
}

#[tokio::test]
async fn what_another_source_may_list_is_not_deleted() {
    let rejected = "`more` may list it: its entry blog/kompoxops.yml lists the App and is rejected: blog/compose.yml:";
    let unread =
        "`more` may list it: nothing was fetched of it since the agent started: no route to the remote; make it";
    for (is_read, words) in [(true, rejected), (false, unread)] {
        let moving = Moving::new().await;
        let before = moving.objects().await;
        let answer = if is_read { Ok(moving.broken.clone()) } else { Err(away()) };
        let other = Script::new(vec![answer]);
        let (_bench, engine) = moving.engine(&other).await;
        tokio::time::timeout(WHILE, engine.run()).await.unwrap_err();
        let told = of_blog(&engine).unwrap();
        assert!(told.contains(words), "{told}");
        // A command that ends does not wait for it either.
        engine.settle().await;
        assert!(moving.world.calls("delete").is_empty(), "{words}");
        other.say(Ok(moving.whole.clone()));
        engine.settle().await;
        assert!(of_blog(&engine).is_none() && engine.sources[1].ledger().lists(&blog()));
        assert_eq!((moving.objects().await, moving.world.calls("delete").len()), (before, 0));
    }
}

fn blog() -> AppId {
    "/ws/w1/prv/p1/cls/c1/app/blog".parse().unwrap()
}

#[tokio::test]
async fn what_no_other_source_can_list_goes_as_soon_as_that_is_known() {
    let moving = Moving::new().await;
    let other = Script::new(vec![Ok(moving.broken.clone())]);
    let (_bench, engine) = moving.engine(&other).await;
    engine.settle().await;
    assert!(moving.world.calls("delete").is_empty());
    // What the other source says of other Apps is no reason to wait.
    other.say(Ok(moving.without.clone()));
    engine.settle().await;
    assert_eq!(moving.objects().await.len(), 1, "its Namespace stays: {:?}", moving.objects().await);
}
