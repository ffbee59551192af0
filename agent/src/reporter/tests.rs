use std::sync::Mutex;

use async_trait::async_trait;
use kompox_core::report::app_context;
use tokio::sync::mpsc;

use super::*;
use crate::cluster::error::Cause;
use crate::cluster::faulty::{Fault as ClusterFault, Faulty};
use crate::cluster::lease::lost_signal;
use crate::cluster::memory::Memory;
use crate::fault::Fault;
use crate::forge::ForgeError;
use crate::testing::commit_id;

/// Long enough for a request, shorter than the wait after one that failed.
const WHILE: Duration = Duration::from_millis(200);

/// A forge that keeps every status, and is down as often as it is told.
#[derive(Clone, Default)]
struct Ledger {
    written: Arc<Mutex<Vec<(String, Status)>>>,
    down: Arc<Mutex<u32>>,
    /// Requests hang while a test holds it.
    hang: Arc<tokio::sync::Mutex<()>>,
}

impl Ledger {
    fn states(&self) -> Vec<(String, State)> {
        self.written.lock().unwrap().iter().map(|(_, status)| (status.context.clone(), status.state)).collect()
    }

    /// What a commit was told of the source as a whole.
    fn of_source(&self, commit: u32) -> Vec<State> {
        let (commit, context) = (commit_id(commit), source_context("c1"));
        let written = self.written.lock().unwrap();
        let of_source = written.iter().filter(|(of, status)| *of == commit && status.context == context);
        of_source.map(|(_, status)| status.state).collect()
    }

    async fn reach(&self) -> Result<(), ForgeError> {
        drop(self.hang.lock().await);
        let mut down = self.down.lock().unwrap();
        if *down == 0 {
            return Ok(());
        }
        *down -= 1;
        Err(ForgeError::Fault(Fault::retry("forge", "it is down")))
    }
}

#[async_trait]
impl Forge for Ledger {
    async fn set_status(&self, commit: &str, status: &Status) -> Result<(), ForgeError> {
        self.reach().await?;
        self.written.lock().unwrap().push((commit.to_owned(), status.clone()));
        Ok(())
    }

    async fn statuses(&self, commit: &str) -> Result<Vec<Status>, ForgeError> {
        self.reach().await?;
        let written = self.written.lock().unwrap();
        let mut newest: Vec<Status> = Vec::new();
        for (_, status) in written.iter().filter(|(of, _)| of == commit).rev() {
            if newest.iter().all(|known| known.context != status.context) {
                newest.push(status.clone());
            }
        }
        Ok(newest)
    }
}

struct World {
    cluster: Arc<Faulty<Memory>>,
    forge: Ledger,
}

impl World {
    fn new() -> Self {
        Self { cluster: Arc::new(Faulty::new(Memory::default())), forge: Ledger::default() }
    }

    /// A process that goes on from what is in the cluster.
    async fn start(&self) -> Reporter {
        self.start_telling(Backlog::new(Vec::new())).await
    }

    async fn start_telling(&self, backlog: Backlog) -> Reporter {
        self.start_as(backlog, None).await
    }

    async fn start_as(&self, backlog: Backlog, lost: Option<LostSignal>) -> Reporter {
        let loaded = load(self.cluster.as_ref(), "ops").await.unwrap();
        let forge = Some(Box::new(self.forge.clone()) as Box<dyn Forge>);
        Reporter::start(Arc::clone(&self.cluster) as _, "ops", "c1", forge, loaded, backlog, lost)
    }

    fn saves(&self) -> usize {
        let save = |call: &&String| call.starts_with("create ") || call.starts_with("patch ");
        self.cluster.calls().iter().filter(save).count()
    }

    async fn saved(&self) -> Record {
        load(self.cluster.as_ref(), "ops").await.unwrap().record
    }
}

fn status(context: String, state: State) -> Status {
    Status { context, state, description: "text".into(), target_url: None }
}

fn source(state: State) -> Status {
    status(source_context("c1"), state)
}

fn record(number: u32) -> CommitRecord {
    CommitRecord::new(&commit_id(number), "main")
}

#[tokio::test]
async fn pending_comes_before_the_final_status_and_nothing_comes_twice() {
    let world = World::new();
    let reporter = world.start().await;
    reporter.say(&commit_id(1), vec![source(State::Pending)]);
    reporter.say(&commit_id(1), vec![status(app_context("c1", "a"), State::Success), source(State::Success)]);
    for _ in 0..3 {
        reporter.say(&commit_id(1), vec![source(State::Success)]);
        reporter.flush().await;
    }
    let context = |name: &str| name.to_owned();
    let states = world.forge.states();
    let of_source: Vec<State> = states.iter().filter(|(c, _)| *c == source_context("c1")).map(|(_, s)| *s).collect();
    assert_eq!(of_source, [State::Pending, State::Success]);
    assert_eq!(states.iter().filter(|(c, _)| *c == context("kompox/c1/a")).count(), 1);
}

#[tokio::test]
async fn the_record_is_saved_only_when_it_changes() {
    let world = World::new();
    let reporter = world.start().await;
    reporter.record(&record(1));
    reporter.flush().await;
    assert_eq!((world.saves(), world.saved().await.commit), (1, Some(record(1))));
    for _ in 0..3 {
        reporter.record(&record(1));
        reporter.flush().await;
    }
    assert_eq!(world.saves(), 1);
    reporter.record(&record(2));
    reporter.flush().await;
    assert_eq!((world.saves(), world.saved().await.commit), (2, Some(record(2))));
}

#[tokio::test]
async fn somebody_elses_write_to_the_record_is_survived() {
    let world = World::new();
    let reporter = world.start().await;
    reporter.record(&record(1));
    reporter.flush().await;
    let stored = state::load(world.cluster.as_ref(), "ops").await.unwrap().unwrap();
    state::save(world.cluster.as_ref(), "ops", &serde_json::json!({}), Some(&stored.resource_version)).await.unwrap();
    reporter.record(&record(2));
    reporter.flush().await;
    assert_eq!(world.saved().await.commit, Some(record(2)));
}

#[tokio::test]
async fn a_save_that_failed_or_lost_its_reply_is_made_again() {
    for fault in [ClusterFault::LoseReply, ClusterFault::Refuse(Cause::Unreachable("no route".into()))] {
        let world = World::new();
        world.cluster.fault_later("create", 0, fault);
        let reporter = world.start().await;
        reporter.record(&record(1));
        reporter.flush().await;
        assert_eq!(world.saved().await.commit, Some(record(1)));
    }
}

#[tokio::test]
async fn a_forge_that_is_down_loses_nothing_and_stops_no_record() {
    let world = World::new();
    *world.forge.down.lock().unwrap() = u32::MAX;
    let reporter = world.start().await;
    reporter.say(&commit_id(1), vec![source(State::Pending)]);
    reporter.record(&record(1));
    let flushed = tokio::time::timeout(Duration::from_millis(300), reporter.flush()).await;
    assert!(flushed.is_err(), "not everything is delivered");
    assert_eq!(world.saved().await.commit, Some(record(1)));
    reporter.say(&commit_id(1), vec![source(State::Success)]);
    tokio::time::timeout(Duration::from_millis(300), reporter.flush()).await.unwrap_err();
    drop(reporter);
    // Another process, a day later.
    *world.forge.down.lock().unwrap() = 0;
    world.start().await.flush().await;
    assert_eq!(world.forge.states(), [(source_context("c1"), State::Pending), (source_context("c1"), State::Success)]);
    world.start().await.flush().await;
    assert_eq!(world.forge.states().len(), 2);
}

/// Who hears how many statuses wait.
struct Listener(mpsc::UnboundedSender<usize>);

impl Observer for Listener {
    fn undelivered(&self, _source: &str, waiting: usize) {
        // The test may have ended.
        let _ = self.0.send(waiting);
    }
}

#[tokio::test]
async fn it_is_told_how_many_statuses_a_forge_does_not_take() {
    let world = World::new();
    *world.forge.down.lock().unwrap() = u32::MAX;
    let (sender, mut heard) = mpsc::unbounded_channel();
    let listeners = || vec![Arc::new(Listener(sender.clone())) as Arc<dyn Observer>];
    let reporter = world.start_telling(Backlog::lasting(listeners(), Duration::ZERO)).await;
    assert_eq!(heard.recv().await, Some(0));
    let both = vec![status(app_context("c1", "a"), State::Success), source(State::Success)];
    reporter.say(&commit_id(1), both);
    reporter.record(&record(1));
    assert_eq!(heard.recv().await, Some(2));
    let flushed = tokio::time::timeout(Duration::from_millis(300), reporter.flush()).await;
    assert!(flushed.is_err(), "not everything is delivered");
    drop(reporter);
    // Another process says at its end that nothing is left, however soon that is.
    *world.forge.down.lock().unwrap() = 0;
    world.start_telling(Backlog::new(listeners())).await.flush().await;
    assert_eq!((heard.recv().await, heard.try_recv().is_err()), (Some(0), true));
}

#[tokio::test]
async fn what_a_forge_takes_at_once_is_not_told_of() {
    let world = World::new();
    let (sender, mut heard) = mpsc::unbounded_channel();
    let reporter = world.start_telling(Backlog::new(vec![Arc::new(Listener(sender))])).await;
    for number in 1..4 {
        reporter.say(&commit_id(number), vec![source(State::Pending), source(State::Success)]);
        reporter.record(&record(number));
        reporter.flush().await;
    }
    assert_eq!((heard.recv().await, heard.try_recv().is_err()), (Some(0), true));
}

#[tokio::test]
async fn without_a_forge_only_the_record_is_kept() {
    let world = World::new();
    let loaded = load(world.cluster.as_ref(), "ops").await.unwrap();
    let reporter =
        Reporter::start(Arc::clone(&world.cluster) as _, "ops", "c1", None, loaded, Backlog::new(Vec::new()), None);
    reporter.say(&commit_id(1), vec![source(State::Pending)]);
    reporter.record(&record(1));
    reporter.flush().await;
    let saved = world.saved().await;
    assert!(saved.outbox.is_delivered() && saved.commit.is_some());
}

#[tokio::test]
async fn a_record_of_another_shape_is_begun_anew() {
    let world = World::new();
    let odd = serde_json::json!({"commit": 7});
    state::save(world.cluster.as_ref(), "ops", &odd, None).await.unwrap();
    let reporter = world.start().await;
    reporter.record(&record(1));
    reporter.flush().await;
    assert_eq!(world.saved().await.commit, Some(record(1)));
}

#[tokio::test]
async fn what_is_said_once_is_told_however_much_comes_while_the_forge_hangs() {
    let world = World::new();
    let reporter = world.start().await;
    let hanging = world.forge.hang.lock().await;
    reporter.commit("ops", &record(1), None);
    tokio::time::sleep(WHILE).await;
    for number in 0..1_000 {
        let app = app_context("c1", &format!("app{}", number % 50));
        reporter.say(&commit_id(1), vec![status(app, State::Success)]);
        reporter.record(&record(1));
    }
    reporter.commit("ops", &record(2), Some(&record(1)));
    drop(hanging);
    reporter.flush().await;
    assert_eq!(world.forge.of_source(1), [State::Pending, State::Error]);
    assert_eq!(world.forge.of_source(2), [State::Pending]);
    assert_eq!(world.forge.states().len(), 3 + 50, "what is said again and again is told once");
    assert_eq!(world.saved().await.commit, Some(record(2)));
}

#[tokio::test]
async fn a_commit_is_told_of_when_the_record_names_it() {
    let world = World::new();
    let away = ClusterFault::Refuse(Cause::Unreachable("no route".into()));
    world.cluster.fault_later("create", 0, away);
    let reporter = world.start().await;
    reporter.commit("ops", &record(1), None);
    tokio::time::sleep(WHILE).await;
    // Killed now, nobody would know that it has to end.
    assert_eq!((world.saves(), world.forge.states().len()), (1, 0));
    reporter.flush().await;
    assert_eq!((world.forge.of_source(1), world.saved().await.commit), (vec![State::Pending], Some(record(1))));
}

#[tokio::test]
async fn a_cluster_that_takes_no_record_at_all_silences_nobody() {
    let world = World::new();
    world.cluster.fault_later("create", 0, ClusterFault::Refuse(Cause::Forbidden("no".into())));
    let reporter = world.start().await;
    reporter.commit("ops", &record(1), None);
    reporter.flush().await;
    assert_eq!((world.forge.of_source(1), world.saved().await.commit), (vec![State::Pending], None));
}

#[tokio::test]
async fn who_has_lost_the_lease_tells_nothing_any_more() {
    let world = World::new();
    let (lease, lost) = lost_signal(Duration::from_secs(60));
    let reporter = world.start_as(Backlog::new(Vec::new()), Some(lost)).await;
    reporter.commit("ops", &record(1), None);
    reporter.flush().await;
    let hanging = world.forge.hang.lock().await;
    reporter.say(&commit_id(1), vec![status(app_context("c1", "a"), State::Success), source(State::Success)]);
    tokio::time::sleep(WHILE).await;
    lease.send_replace(None);
    drop(hanging);
    tokio::time::timeout(Duration::from_secs(20), reporter.flush()).await.unwrap();
    reporter.say(&commit_id(1), vec![source(State::Failure)]);
    tokio::time::timeout(Duration::from_secs(20), reporter.flush()).await.unwrap();
    // What was on its way has arrived, and nothing after it.
    assert_eq!(world.forge.states(), [(source_context("c1"), State::Pending), (source_context("c1"), State::Success)]);
}
