use std::sync::Mutex;

use async_trait::async_trait;
use kompox_core::report::State;

use super::*;
use crate::cluster::error::Cause;
use crate::cluster::faulty::Fault as ClusterFault;
use crate::config::{ForgeChoice, Location, Reference};
use crate::reporter;
use crate::source::{Change, Fetched, Revision};
use crate::testing::{World, commit_id, healthy, starting};

/// A source that answers as it is told; the last answer for ever.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<Vec<Result<Snapshot, Fault>>>>,
    fetches: Arc<Mutex<u32>>,
    cached: Option<Snapshot>,
}

impl Script {
    fn new(answers: Vec<Result<Snapshot, Fault>>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers)), fetches: Arc::default(), cached: None }
    }

    fn say(&self, answer: Result<Snapshot, Fault>) {
        *self.answers.lock().unwrap() = vec![answer];
    }
}

#[async_trait]
impl Source for Script {
    async fn fetch(&self, _accepted: Option<&RevisionId>) -> Result<Fetched, Fault> {
        *self.fetches.lock().unwrap() += 1;
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        answer.map(|snapshot| Fetched { snapshot, change: Change::Forward, held: None })
    }

    async fn open(&self, id: &RevisionId) -> Result<Option<Snapshot>, Fault> {
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

fn away() -> Fault {
    Fault::retry("remote", "no route to the remote")
}

async fn trigger(world: &World, source: &Script) -> Trigger {
    let config = SourceConfig {
        name: "ops".into(),
        location: Location::Folder("/srv/ops".into()),
        reference: Reference::Default,
        path: String::new(),
        interval: Duration::from_millis(100),
        credentials: None,
        forge: ForgeChoice::None("a test".into()),
        allow_force_push: false,
    };
    let loaded = reporter::load(world.cluster.as_ref(), "ops").await.unwrap();
    let commit = loaded.commit();
    let reporter = Reporter::start(Arc::clone(&world.cluster) as _, "ops", "c1", None, loaded);
    Trigger::new(Arc::clone(&world.agent), config, "c1".into(), Box::new(source.clone()), reporter, commit)
}

fn ended(trigger: &Trigger) -> (String, State) {
    let record = trigger.record.as_ref().unwrap();
    (record.id.clone(), record.state)
}

/// Lets the agent run for a while, and stops it as a kill would.
async fn run_for(trigger: &mut Trigger, time: Duration) {
    tokio::time::timeout(time, trigger.run()).await.unwrap_err();
}

#[tokio::test]
async fn once_ends_when_the_commit_is_healthy() {
    let world = World::new();
    let mut trigger = trigger(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = trigger.once().await.unwrap();
    assert!(outcome.failures().next().is_none() && !outcome.progressing());
    assert_eq!(ended(&trigger), (commit_id(1), State::Success));
}

#[tokio::test]
async fn once_ends_when_the_rollout_fails() {
    let mut world = World::new();
    world.health(starting());
    world.edit("shop/kompoxops.yml", "app:\n", "app:\n  reconcile: {progressDeadline: 2s}\n");
    let mut trigger = trigger(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = trigger.once().await.unwrap();
    assert_eq!(outcome.failures().count(), 1);
    assert_eq!(ended(&trigger), (commit_id(1), State::Failure));
}

#[tokio::test]
async fn once_ends_at_once_when_nothing_can_be_fetched_or_the_lease_is_lost() {
    let world = World::new();
    assert!(trigger(&world, &Script::new(vec![Err(away())])).await.once().await.is_none());
    world.lose_lease();
    let mut trigger = trigger(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let began = std::time::Instant::now();
    assert_eq!(trigger.once().await.unwrap().failures().count(), 1);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn once_gets_over_what_passes() {
    let world = World::new();
    let busy = Cause::Unavailable { message: "busy".into(), after: None };
    world.cluster.fault_later("apply", 2, ClusterFault::Refuse(busy.clone()));
    world.cluster.fault_later("list", 0, ClusterFault::Refuse(busy));
    let mut trigger = trigger(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    assert!(trigger.once().await.unwrap().failures().next().is_none());
    assert_eq!((ended(&trigger).1, world.disks()), (State::Success, 1));
}

#[tokio::test]
async fn a_broken_commit_ends_in_failure_and_is_not_tried_again() {
    let mut world = World::new();
    world.edit("shop/compose.yml", "image: nginx:1", "image: [1]");
    let mut trigger = trigger(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    let outcome = trigger.once().await.unwrap();
    assert_eq!((outcome.rejected.len(), ended(&trigger).1), (1, State::Failure));
    let record = trigger.record.as_ref().unwrap();
    assert!(record.description.starts_with("nothing applied; shop/compose.yml:3:"), "{}", record.description);
    assert!(world.calls("apply").is_empty() && world.calls("dry-run").is_empty());
}

#[tokio::test]
async fn a_newer_commit_takes_over_while_an_older_one_rolls_out() {
    let mut world = World::new();
    world.health(starting());
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    let mut trigger = trigger(&world, &source).await;
    run_for(&mut trigger, Duration::from_millis(300)).await;
    assert_eq!(ended(&trigger), (commit_id(1), State::Pending));
    world.edit("shop/compose.yml", "nginx:1", "nginx:2");
    world.health(healthy());
    source.say(Ok(snapshot(&world, 2)));
    // A rollout is looked at every second; the poll is quicker.
    run_for(&mut trigger, Duration::from_millis(500)).await;
    assert_eq!(ended(&trigger).0, commit_id(2));
    let images = world.calls("apply").iter().filter(|call| call.starts_with("Deployment")).count();
    assert_eq!(images, 2);
}

#[tokio::test]
async fn a_remote_that_is_away_does_not_slow_the_looks_at_the_cluster() {
    let world = World::new();
    let source = Script::new(vec![Ok(snapshot(&world, 1)), Err(away())]);
    let mut trigger = trigger(&world, &source).await;
    trigger.once().await.unwrap();
    let before = world.calls("list").len();
    run_for(&mut trigger, Duration::from_millis(1500)).await;
    let looks = (world.calls("list").len() - before) / 13;
    let fetches = *source.fetches.lock().unwrap() - 1;
    assert!(looks >= 8, "every 100 ms or so, not {looks} times in 1.5 s");
    assert!((1..=4).contains(&fetches), "with back-off from a second on, not {fetches} times");
}

#[tokio::test]
async fn a_cluster_that_is_away_does_not_stop_fetching_and_is_not_pressed() {
    let world = World::new();
    let source = Script::new(vec![Ok(snapshot(&world, 1))]);
    for _ in 0..100 {
        world.cluster.fault_later("list", 0, ClusterFault::Refuse(Cause::Unreachable("no route".into())));
    }
    let mut trigger = trigger(&world, &source).await;
    run_for(&mut trigger, Duration::from_millis(1400)).await;
    let fetches = *source.fetches.lock().unwrap();
    assert!(fetches >= 8, "{fetches} fetches in 1.4 s");
    let looks = world.calls("list").len().div_ceil(13);
    assert!(looks <= 4, "{looks} looks in 1.4 s");
    assert_eq!(ended(&trigger).1, State::Pending, "it passes by itself");
}

#[tokio::test]
async fn after_a_restart_the_last_good_commit_comes_from_the_cache() {
    let world = World::new();
    let mut first = trigger(&world, &Script::new(vec![Ok(snapshot(&world, 1))])).await;
    first.once().await.unwrap();
    first.flush(Duration::from_secs(5)).await;
    drop(first);
    let source = Script { cached: Some(snapshot(&world, 1)), ..Script::new(vec![Err(away())]) };
    let mut second = trigger(&world, &source).await;
    let before = world.calls("list").len();
    run_for(&mut second, Duration::from_millis(300)).await;
    assert!(world.calls("list").len() > before);
    assert_eq!(ended(&second), (commit_id(1), State::Success), "it stays what it was");
}
