//! A forge that asks to fetch.

use super::*;

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// An engine that runs, over a source that polls once a day.
struct Running {
    world: World,
    script: Script,
    bench: Bench,
    _tasks: JoinSet<()>,
}

impl Running {
    async fn new(answers: impl FnOnce(&World) -> Vec<Result<Snapshot, FetchFault>>) -> Self {
        let world = World::new();
        let script = Script::new(answers(&world));
        let bench = Bench::polling(&world, &script, NEVER).await;
        let engine = Arc::clone(&bench.engine);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { engine.run().await });
        let running = Self { world, script, bench, _tasks: tasks };
        running.fetched(1).await;
        running
    }

    fn fetches(&self) -> u32 {
        *self.script.fetches.lock().unwrap()
    }

    /// Waits for so many fetches.
    async fn fetched(&self, count: u32) {
        let reached = async {
            while self.fetches() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached).await.expect("it is fetched");
    }

    /// Waits for a commit to be there.
    async fn succeeded(&self, commit: u32) {
        let ended = || {
            let ledger = self.bench.engine.sources[0].ledger();
            ledger.record().is_some_and(|record| record.id == commit_id(commit) && record.state == Told::Success)
        };
        let reached = async {
            while !ended() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached).await.expect("the commit is taken up");
    }
}

#[tokio::test]
async fn it_makes_its_source_fetch_and_take_what_is_new() {
    let running = Running::new(|world| vec![Ok(snapshot(world, 1))]).await;
    running.bench.engine.fetch_soon("another");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(running.fetches(), 1, "nothing but the interval makes it fetch");
    running.script.say(Ok(snapshot(&running.world, 2)));
    running.bench.engine.fetch_soon("ops");
    running.fetched(2).await;
    running.succeeded(2).await;
}

#[tokio::test]
async fn it_looks_at_no_app() {
    let running = Running::new(|world| vec![Ok(snapshot(world, 1))]).await;
    running.succeeded(1).await;
    tokio::time::sleep(WHILE).await;
    running.bench.reporter.flush().await;
    let looks = running.bench.peace.0.load(Ordering::Relaxed);
    let calls = running.world.cluster.calls().len();
    running.bench.engine.fetch_soon("ops");
    running.fetched(2).await;
    tokio::time::sleep(WHILE).await;
    assert_eq!(running.bench.peace.0.load(Ordering::Relaxed), looks);
    let calls = running.world.cluster.calls().split_off(calls);
    assert!(calls.is_empty(), "{calls:#?}");
}

#[tokio::test]
async fn a_storm_is_a_fetch_a_second() {
    let running = Running::new(|world| vec![Ok(snapshot(world, 1))]).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        running.bench.engine.fetch_soon("ops");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The one at the start, at most one a second, and the last one that was asked for.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let most = 2 + u32::try_from(began.elapsed().as_secs()).unwrap();
    assert!((2..=most).contains(&running.fetches()), "{} of {most}", running.fetches());
}

#[tokio::test]
async fn after_a_failure_it_ends_the_back_off() {
    let running = Running::new(|_| vec![Err(away())]).await;
    // The back-off grows to a minute; a forge that asks is there again.
    running.fetched(4).await;
    running.script.say(Ok(snapshot(&running.world, 1)));
    let began = Instant::now();
    let before = running.fetches();
    running.bench.engine.fetch_soon("ops");
    running.fetched(before + 1).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_the_git_server_asked_for_holds() {
    let wait = Duration::from_secs(4);
    let running = Running::new(|world| vec![Err(away().after(Some(wait))), Ok(snapshot(world, 1))]).await;
    let began = Instant::now();
    while began.elapsed() < wait - Duration::from_millis(1500) {
        running.bench.engine.fetch_soon("ops");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(running.fetches(), 1, "it was asked to wait");
    running.fetched(2).await;
    assert!(began.elapsed() + Duration::from_millis(500) > wait, "{:?}", began.elapsed());
}
