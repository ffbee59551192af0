//! Sources that answer by a script, over a cluster in memory that is watched.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kompox_core::report::State as Told;
use kompox_manifests::object::{Kind as ObjectKind, ObjectKey};
use kompox_manifests::policy::Policy;
use tokio::time::Instant;

use super::*;
use crate::age_keys::AgeKeysFile;
use crate::asked::Asked;
use crate::cluster::SYSTEM_NAMESPACE;
use crate::cluster::error::Cause as Fault;
use crate::cluster::faulty::Fault as ClusterFault;
use crate::config::{ForgeChoice, Location, Reference, SourceConfig};
use crate::fault::Fault as FetchFault;
use crate::record::CommitRecord;
use crate::reporter::backlog::Backlog;
use crate::reporter::{self, Reporter};
use crate::source::{Change, Fetched, Revision, RevisionId, Snapshot};
use crate::testing::{World, commit_id};

mod webhook;

/// A source that answers as it is told; the last answer for ever.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<Vec<Result<Snapshot, FetchFault>>>>,
    fetches: Arc<Mutex<u32>>,
    cached: Option<Snapshot>,
}

impl Script {
    fn new(answers: Vec<Result<Snapshot, FetchFault>>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers)), fetches: Arc::default(), cached: None }
    }

    fn say(&self, answer: Result<Snapshot, FetchFault>) {
        *self.answers.lock().unwrap() = vec![answer];
    }
}

#[async_trait]
impl crate::source::Source for Script {
    async fn fetch(&self, _accepted: Option<&RevisionId>) -> Result<Fetched, FetchFault> {
        *self.fetches.lock().unwrap() += 1;
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        answer.map(|snapshot| Fetched { snapshot, change: Change::Forward, held: None })
    }

    async fn open(&self, id: &RevisionId) -> Result<Option<Snapshot>, FetchFault> {
        Ok(self.cached.clone().filter(|snapshot| snapshot.revision.id == *id))
    }

    async fn changed(&self) {
        std::future::pending().await
    }
}

fn snapshot(world: &World, number: u32) -> Snapshot {
    let revision = Revision {
        id: commit_id(number).parse().unwrap(),
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        author: None,
        subject: "change".into(),
        trailers: Vec::new(),
    };
    Snapshot { revision, tree: world.tree() }
}

fn away() -> FetchFault {
    FetchFault::retry("remote", "no route to the remote")
}

fn config(name: &str) -> SourceConfig {
    SourceConfig {
        name: name.into(),
        location: Location::Folder("/srv/ops".into()),
        reference: Reference::Default,
        path: String::new(),
        interval: Duration::from_millis(100),
        credentials: None,
        forge: ForgeChoice::None("a test".into()),
        webhook: None,
        allow_force_push: false,
        age_keys: None,
    }
}

/// Counts the looks that find an App healthy as before.
#[derive(Default)]
struct Peace(AtomicUsize);

impl observer::Observer for Peace {
    fn unchanged(&self, source: &str, outcome: &AppOutcome) {
        assert_eq!(source, "ops");
        if outcome.state == State::Healthy {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One source under an engine, and the watches of its cluster.
struct Bench {
    engine: Arc<Engine>,
    reporter: Reporter,
    peace: Arc<Peace>,
    _watches: JoinSet<()>,
}

impl Bench {
    async fn new(world: &World, source: &Script) -> Self {
        Self::over(world, Arc::clone(&world.agent), world.watch(), source, config("ops")).await
    }

    /// With another interval.
    async fn polling(world: &World, source: &Script, interval: Duration) -> Self {
        let config = SourceConfig { interval, ..config("ops") };
        Self::over(world, Arc::clone(&world.agent), world.watch(), source, config).await
    }

    /// With a file of age keys, which need not be there.
    async fn with_keys(world: &World, source: &Script, keys: AgeKeysFile) -> Self {
        let config = SourceConfig { age_keys: Some(keys), ..config("ops") };
        Self::over(world, Arc::clone(&world.agent), world.watch(), source, config).await
    }

    /// Another process.
    async fn restarted(world: &World, source: &Script) -> Self {
        let agent = world.restarted();
        let watches = agent.cache.start(&(Arc::clone(&world.cluster) as _));
        Self::over(world, agent, watches, source, config("ops")).await
    }

    async fn over(
        world: &World,
        agent: Arc<Agent>,
        watches: JoinSet<()>,
        source: &Script,
        config: SourceConfig,
    ) -> Self {
        let loaded = reporter::load(world.cluster.as_ref(), "ops").await.unwrap();
        let record = loaded.commit();
        let reporter =
            Reporter::start(Arc::clone(&world.cluster) as _, "ops", "c1", None, loaded, Backlog::new(Vec::new()), None);
        let peace = Arc::new(Peace::default());
        let observers: Vec<Arc<dyn observer::Observer>> = vec![Arc::new(reporter.clone()), Arc::clone(&peace) as _];
        let source = Source::new(
            Arc::clone(&agent),
            config,
            Policy::default(),
            Box::new(source.clone()),
            observers,
            record,
            Asked::default(),
        );
        let engine = Engine::new(agent, vec![Arc::new(source)]);
        Self { engine, reporter, peace, _watches: watches }
    }

    async fn once(&self) -> Option<Outcome> {
        self.engine.settle().await.remove(0)
    }

    fn record(&self) -> CommitRecord {
        self.engine.sources[0].ledger().record().cloned().unwrap()
    }

    fn ended(&self) -> (String, Told) {
        let record = self.record();
        (record.id, record.state)
    }

    /// Ends it when everything is told and written down.
    async fn end(self) {
        self.reporter.flush().await;
    }

    /// Lets the engine run for a while, and stops it as a kill would.
    async fn run_for(&self, time: Duration) {
        tokio::time::timeout(time, self.engine.run()).await.unwrap_err();
    }
}

const WHILE: Duration = Duration::from_millis(700);

#[tokio::test]
async fn once_ends_when_the_commit_is_healthy() {
    let world = World::new();
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    assert!(outcome.failures().next().is_none() && !outcome.progressing());
    assert_eq!(bench.ended(), (commit_id(1), Told::Success));
}

#[tokio::test]
async fn once_ends_when_the_rollout_fails() {
    let mut world = World::new();
    world.heal(false);
    world.edit("shop/kompoxops.yml", "app:\n", "app:\n  reconcile: {progressDeadline: 2s}\n");
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    assert_eq!(outcome.failures().count(), 1);
    assert_eq!(bench.ended(), (commit_id(1), Told::Failure));
}

#[tokio::test]
async fn once_ends_at_once_when_nothing_can_be_fetched_or_the_lease_is_lost() {
    let world = World::new();
    assert!(Bench::new(&world, &Script::new(vec![Err(away())])).await.once().await.is_none());
    world.lose_lease();
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let began = Instant::now();
    assert_eq!(bench.once().await.unwrap().failures().count(), 1);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn once_gets_over_what_passes() {
    let world = World::new();
    let busy = Fault::Unavailable { message: "busy".into(), after: None };
    world.cluster.fault_later("apply", 2, ClusterFault::Refuse(busy.clone()));
    world.cluster.fault_later("list-all", 0, ClusterFault::Refuse(busy.clone()));
    world.cluster.fault_later("watch", 3, ClusterFault::Refuse(busy));
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    assert!(bench.once().await.unwrap().failures().next().is_none());
    assert_eq!((bench.ended().1, world.disks()), (Told::Success, 1));
}

#[tokio::test]
async fn a_broken_commit_ends_in_failure_and_is_not_tried_again() {
    let mut world = World::new();
    world.edit("shop/compose.yml", "image: nginx:1", "image: [1]");
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    assert_eq!((outcome.rejected.len(), bench.ended().1), (1, Told::Failure));
    let description = bench.record().description;
    assert!(description.starts_with("nothing applied; shop/compose.yml:3:"), "{description}");
    assert!(world.calls("apply").is_empty() && world.calls("dry-run").is_empty());
}

#[tokio::test]
async fn keys_that_come_later_read_the_same_commit_anew() {
    let testdata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/src/sops/testdata");
    let read = |name: &str| std::fs::read_to_string(testdata.join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("age-keys");
    std::fs::write(&path, read("other.agekey")).unwrap();
    let mut world = World::new();
    world.edit("shop/web.env", "A=1\n", &read("lines.env"));
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let bench = Bench::with_keys(&world, &source, AgeKeysFile::new(&path)).await;
    bench.run_for(WHILE).await;
    assert_eq!(bench.ended(), (commit_id(1), Told::Failure));
    assert!(world.calls("apply").is_empty());
    // A second key becomes valid.
    std::fs::write(&path, read("other.agekey") + &read("agent.agekey")).unwrap();
    assert!(bench.once().await.unwrap().failures().next().is_none());
    assert_eq!(bench.ended(), (commit_id(1), Told::Success));
}

#[tokio::test]
async fn a_newer_commit_takes_over_while_an_older_one_rolls_out() {
    let mut world = World::new();
    world.heal(false);
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let bench = Bench::new(&world, &source).await;
    bench.run_for(WHILE).await;
    assert_eq!(bench.ended(), (commit_id(1), Told::Pending));
    world.edit("shop/compose.yml", "nginx:1", "nginx:2");
    world.heal(true);
    source.say(Ok(snapshot(&world, 2)));
    bench.run_for(WHILE).await;
    assert_eq!(bench.ended().0, commit_id(2));
    let images = world.calls("apply").iter().filter(|call| call.starts_with("Deployment")).count();
    assert_eq!(images, 2);
}

#[tokio::test]
async fn a_commit_costs_only_the_apps_that_it_changes() {
    let mut world = World::new();
    for app in ["blog", "wiki"] {
        world.app(app);
    }
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let bench = Bench::new(&world, &source).await;
    assert_eq!(bench.once().await.unwrap().apps.len(), 3);
    let before = world.cluster.calls().len();
    world.edit("blog/web.env", "A=1", "A=2");
    source.say(Ok(snapshot(&world, 2)));
    assert!(!bench.once().await.unwrap().progressing());
    assert_eq!(bench.ended(), (commit_id(2), Told::Success), "the others are as they were");
    let calls = world.cluster.calls().split_off(before);
    let of_apps: Vec<&String> = calls.iter().filter(|call| !call.contains("kompox-source-")).collect();
    assert!(of_apps.iter().all(|call| call.contains("blog")), "{of_apps:#?}");
    // Its Secret and, for the hash of it, its Deployment; this cluster keeps no managed fields, so others
    // are tried.
    let writes = calls.iter().filter(|call| call.starts_with("apply")).count();
    assert_eq!(writes, 2, "{calls:#?}");
}

#[tokio::test]
async fn nothing_is_asked_while_nothing_changes() {
    let world = World::new();
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    bench.once().await.unwrap();
    bench.run_for(WHILE).await;
    bench.reporter.flush().await;
    let before = world.cluster.calls().len();
    bench.run_for(Duration::from_millis(1500)).await;
    let calls = world.cluster.calls().split_off(before);
    assert!(calls.is_empty(), "{calls:#?}");
}

#[tokio::test]
async fn a_timer_finds_settled_apps_healthy_again_and_asks_nothing_for_it() {
    let world = World::new();
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    bench.once().await.unwrap();
    bench.run_for(WHILE).await;
    bench.reporter.flush().await;
    let (calls, before) = (world.cluster.calls().len(), bench.peace.0.load(Ordering::Relaxed));
    let looks = async {
        while bench.peace.0.load(Ordering::Relaxed) < before + 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = bench.engine.run() => unreachable!("it works for ever"),
        looked = tokio::time::timeout(Duration::from_secs(60), looks) => looked.expect("the timer comes by"),
    }
    let calls = world.cluster.calls().split_off(calls);
    assert!(calls.is_empty(), "{calls:#?}");
}

#[tokio::test]
async fn what_a_person_deletes_is_back_within_a_second() {
    let world = World::new();
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    bench.once().await.unwrap();
    let deployment = world.objects().await.into_iter().find(|object| object.starts_with("Deployment")).unwrap();
    let (namespace, name) = deployment.split_once(' ').unwrap().1.split_once('/').unwrap();
    let key = ObjectKey { kind: ObjectKind::Deployment, namespace: Some(namespace.into()), name: name.into() };
    let engine = Arc::clone(&bench.engine);
    let mut running = JoinSet::new();
    running.spawn(async move { engine.run().await });
    tokio::time::sleep(WHILE).await;
    world.cluster.inner.delete_now(&key);
    let deleted = Instant::now();
    while !world.objects().await.contains(&deployment) {
        assert!(deleted.elapsed() < Duration::from_secs(1), "it does not come back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_removal_that_breaks_off_is_tried_again_and_takes_nothing_with_it() {
    let mut world = World::new();
    world.app("blog");
    world.edit("blog/kompoxops.yml", "  volumes:\n    - {name: data, size: 1Gi}\n", "");
    world.edit("blog/compose.yml", "    volumes: [\"data:/srv\"]\n", "");
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let bench = Bench::new(&world, &source).await;
    bench.once().await.unwrap();
    world.files.retain(|file, _| file.starts_with("shop/"));
    source.say(Ok(snapshot(&world, 2)));
    let breaks = || panic!("a fault of the agent, for a test");
    world.cluster.fault_later("delete", 0, ClusterFault::Meanwhile(Box::new(breaks)));
    let removed = async {
        while world.objects().await.iter().any(|object| object.starts_with("Deployment ") && object.contains("blog")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = bench.engine.run() => panic!("the engine broke off"),
        removed = tokio::time::timeout(Duration::from_secs(60), removed) => removed.expect("it is tried again"),
    }
}

#[tokio::test]
async fn an_app_waits_for_those_that_it_depends_on() {
    let mut world = World::new();
    world.heal(false);
    world.app("blog");
    let depends = "app:\n  reconcile: {dependsOn: [/ws/w1/prv/p1/cls/c1/app/shop]}\n";
    world.edit("blog/kompoxops.yml", "app:\n", depends);
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
    let depends = "app:\n  reconcile: {dependsOn: [/ws/w1/prv/p1/cls/c1/app/shop]}\n";
    world.edit("blog/kompoxops.yml", "app:\n", depends);
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let bench = Bench::new(&world, &source).await;
    bench.once().await.unwrap();
    world.heal(false);
    bench.run_for(WHILE).await;
    let states = |bench: &Bench| bench.engine.sources[0].outcome().unwrap().apps.iter().map(reason).collect::<Vec<_>>();
    assert!(states(&bench).iter().all(|state| !state.contains("Healthy")), "{:?}", states(&bench));
    // One process saw it healthy, the next one did not.
    for bench in [bench, Bench::restarted(&world, &source).await] {
        let objects = world.objects().await;
        let service = objects.iter().find(|object| object.starts_with("Service ") && object.contains("blog")).unwrap();
        let (namespace, name) = service.split_once(' ').unwrap().1.split_once('/').unwrap();
        let key = ObjectKey { kind: ObjectKind::Service, namespace: Some(namespace.into()), name: name.into() };
        world.cluster.inner.delete_now(&key);
        bench.run_for(WHILE).await;
        assert!(world.objects().await.contains(service), "{:?}", states(&bench));
    }
}

fn reason(outcome: &AppOutcome) -> String {
    match &outcome.state {
        State::Progressing(reason) => reason.clone(),
        State::Failed(failure) => failure.text.clone(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_dependency_that_nobody_lists_is_an_obstacle() {
    let mut world = World::new();
    let depends = "app:\n  reconcile: {dependsOn: [/ws/w1/prv/p1/cls/c1/app/nowhere]}\n";
    world.edit("shop/kompoxops.yml", "app:\n", depends);
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    let reason = reason(&outcome.apps[0]);
    assert!(reason.starts_with("shop/kompoxops.yml:") && reason.contains("no source of this agent lists"), "{reason}");
    assert!(world.calls("apply").is_empty());
}

#[tokio::test]
async fn apps_of_two_sources_that_wait_for_each_other_are_told_of_the_circle() {
    let mut world = World::new();
    let depends = |on: &str| format!("app:\n  reconcile: {{dependsOn: [/ws/w1/prv/p1/cls/c1/app/{on}]}}\n");
    world.edit("shop/kompoxops.yml", "app:\n", &depends("blog"));
    let one = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    world.app("blog");
    world.edit("blog/kompoxops.yml", "app:\n", &depends("shop"));
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

#[tokio::test]
async fn a_dependency_that_fails_does_not_keep_a_command_from_ending() {
    let mut world = World::new();
    world.edit("shop/kompoxops.yml", "size: 1Gi}", "size: 1Gi, type: files}");
    world.app("blog");
    let depends = "app:\n  reconcile: {dependsOn: [/ws/w1/prv/p1/cls/c1/app/shop]}\n";
    world.edit("blog/kompoxops.yml", "app:\n", depends);
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
    let depends = "app:\n  reconcile: {dependsOn: [/ws/w1/prv/p1/cls/c1/app/shop]}\n";
    world.edit("blog/kompoxops.yml", "app:\n", depends);
    let bench = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = bench.once().await.unwrap();
    assert!(reason(&outcome.apps[0]).ends_with("waits for `shop`, which is suspended"));
    assert_eq!(bench.ended().1, Told::Failure);
}

#[tokio::test]
async fn a_remote_that_is_away_does_not_keep_the_cluster_from_being_watched() {
    let world = World::new();
    let source = Script::new(vec![Ok(snapshot(&world, 1)), Err(away())]);
    let bench = Bench::new(&world, &source).await;
    bench.once().await.unwrap();
    let before = world.calls("apply").len();
    let objects = world.objects().await;
    let service = objects.iter().find(|object| object.starts_with("Service ")).unwrap();
    let (namespace, name) = service.split_once(' ').unwrap().1.split_once('/').unwrap();
    let key = ObjectKey { kind: ObjectKind::Service, namespace: Some(namespace.into()), name: name.into() };
    world.cluster.inner.delete_now(&key);
    bench.run_for(Duration::from_millis(1500)).await;
    assert_eq!(world.calls("apply").len(), before + 1);
    let fetches = *source.fetches.lock().unwrap() - 1;
    assert!((1..=4).contains(&fetches), "with back-off from a second on, not {fetches} times");
}

#[tokio::test]
async fn a_cluster_that_is_away_does_not_stop_fetching_and_is_not_pressed() {
    let world = World::new();
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let bench = Bench::new(&world, &source).await;
    bench.engine.agent.cache.synced(Duration::from_secs(5)).await;
    for _ in 0..100 {
        world.cluster.fault_later("dry-run", 0, ClusterFault::Refuse(Fault::Unreachable("no route".into())));
    }
    bench.run_for(Duration::from_millis(1400)).await;
    let fetches = *source.fetches.lock().unwrap();
    assert!(fetches >= 8, "{fetches} fetches in 1.4 s");
    let looks = world.calls("dry-run").iter().filter(|call| call.starts_with("Deployment")).count();
    assert!((1..=3).contains(&looks), "{looks} looks in 1.4 s");
    assert_eq!(bench.ended().1, Told::Pending, "it passes by itself");
}

#[tokio::test]
async fn after_a_restart_the_last_good_commit_comes_from_the_cache() {
    let world = World::new();
    let first = Bench::new(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    first.once().await.unwrap();
    first.end().await;
    let deployment = world.objects().await.into_iter().find(|object| object.starts_with("Deployment")).unwrap();
    let (namespace, name) = deployment.split_once(' ').unwrap().1.split_once('/').unwrap();
    world.cluster.inner.delete_now(&ObjectKey {
        kind: ObjectKind::Deployment,
        namespace: Some(namespace.into()),
        name: name.into(),
    });
    let source = Script { cached: Some(snapshot(&world, 1)), ..Script::new(vec![Err(away())]) };
    let second = Bench::restarted(&world, &source).await;
    second.run_for(WHILE).await;
    assert!(world.objects().await.contains(&deployment));
    assert_eq!(second.ended(), (commit_id(1), Told::Success), "it stays what it was");
}

/// The only Deployment.
async fn deployment(world: &World) -> kompox_core::observed::LiveObject {
    use crate::cluster::ClusterApi as _;
    world.cluster.inner.list_owned(ObjectKind::Deployment).await.unwrap().remove(0)
}

fn image(live: &kompox_core::observed::LiveObject) -> &str {
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
    use crate::cluster::ClusterApi as _;
    let secrets = world.cluster.inner.list_owned(kompox_manifests::object::Kind::Secret).await.unwrap();
    let secret = secrets.iter().find(|live| live.key.name.ends_with("-base")).unwrap();
    secret.body["data"]["A"].as_str().or(secret.body["stringData"]["A"].as_str()).unwrap_or_default().to_owned()
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
    assert!(bench.once().await.unwrap().failures().next().is_none());
    let first = setting(&world).await;

    world.heal(false);
    script.say(Ok(snapshots[1].clone()));
    let outcome = bench.once().await.unwrap();
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
        assert!(bench.once().await.unwrap().failures().next().is_none());
        let first = setting(&world).await;
        world.heal(false);
        script.say(Ok(snapshots[1].clone()));
        let outcome = bench.once().await.unwrap();
        let failure = outcome.failures().next().unwrap();
        assert!(failure.text.contains(words) && failure.kind == Kind::Unhealthy, "{failure}");
        assert_ne!(setting(&world).await, first);
    }
}
