//! Sources that answer by a script, over a cluster in memory that is watched.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kompox_core::observed::LiveObject;
use kompox_core::report::State as Told;
use kompox_manifests::object::{Kind as ObjectKind, ObjectKey};
use kompox_manifests::policy::Policy;
use tokio::time::Instant;

use super::*;
use crate::age_keys::AgeKeysFile;
use crate::asked::Asked;
use crate::cluster::error::Cause as Fault;
use crate::cluster::faulty::Fault as ClusterFault;
use crate::config::{ForgeChoice, Location, Reference, SourceConfig};
use crate::fault::Fault as FetchFault;
use crate::record::CommitRecord;
use crate::reporter::backlog::Backlog;
use crate::reporter::{self, Reporter};
use crate::source::{Change, Fetched, Revision, RevisionId, Snapshot};
use crate::testing::{World, commit_id};

mod depends_on;
mod moving;
mod rollback;
mod webhook;
mod without_git;

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

/// The first object of a kind that is meant.
async fn live(world: &World, kind: ObjectKind, is_meant: impl Fn(&ObjectKey) -> bool) -> LiveObject {
    use crate::cluster::ClusterApi as _;
    let all = world.cluster.inner.list_owned(kind).await.unwrap();
    all.into_iter().find(|live| is_meant(&live.key)).unwrap()
}

/// The first Deployment.
async fn deployment(world: &World) -> LiveObject {
    live(world, ObjectKind::Deployment, |_| true).await
}

fn reason(outcome: &AppOutcome) -> String {
    match &outcome.state {
        State::Progressing(reason) => reason.clone(),
        State::Failed(failure) => failure.text.clone(),
        other => format!("{other:?}"),
    }
}

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
    let key = deployment(&world).await.key;
    let engine = Arc::clone(&bench.engine);
    let mut running = JoinSet::new();
    running.spawn(async move { engine.run().await });
    tokio::time::sleep(WHILE).await;
    world.cluster.inner.delete_now(&key);
    let deleted = Instant::now();
    while !world.objects().await.contains(&key.to_string()) {
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
async fn a_remote_that_is_away_does_not_keep_the_cluster_from_being_watched() {
    let world = World::new();
    let source = Script::new(vec![Ok(snapshot(&world, 1)), Err(away())]);
    let bench = Bench::new(&world, &source).await;
    bench.once().await.unwrap();
    let before = world.calls("apply").len();
    world.cluster.inner.delete_now(&live(&world, ObjectKind::Service, |_| true).await.key);
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
