//! Watches that end in every way, over a server that follows a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::stream;
use kompox_manifests::object::ObjectKey;

use super::*;
use crate::cluster::cache::Cache;

const TOPIC: Topic = Topic::Owned(Kind::Service);

/// A hundred times as fast as in earnest.
const TIMING: Timing = Timing {
    quiet: Duration::from_secs(1),
    short: Duration::from_millis(10),
    waits: (Duration::from_millis(5), Duration::from_millis(300)),
    unserved: Duration::from_millis(300),
};

/// The objects of a list and its version.
type List = Result<(Vec<Sighting>, &'static str), Cause>;

/// What the server answers to the next calls, and what it was asked.
#[derive(Default)]
struct Script {
    lists: Mutex<VecDeque<List>>,
    watches: Mutex<VecDeque<Vec<Result<Change, Cause>>>>,
    asked: Mutex<Vec<String>>,
}

fn service(name: &str, version: &str) -> Sighting {
    Sighting {
        namespace: Some("shop".into()),
        name: name.into(),
        uid: format!("uid-{name}"),
        version: version.into(),
        instance: Some("abc".into()),
        body: b"{}".to_vec(),
    }
}

#[async_trait]
impl WatchApi for Script {
    async fn list(&self, _topic: Topic, take: &mut (dyn FnMut(Sighting) + Send)) -> Result<String, ClusterError> {
        self.asked.lock().unwrap().push("list".into());
        let answer = self.lists.lock().unwrap().pop_front();
        match answer {
            Some(Ok((all, version))) => {
                all.into_iter().for_each(take);
                Ok(version.into())
            }
            Some(Err(cause)) => Err(ClusterError::new("list", cause)),
            None => std::future::pending().await,
        }
    }

    async fn watch(
        &self,
        _topic: Topic,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        self.asked.lock().unwrap().push(format!("watch from {from}"));
        let answer = self.watches.lock().unwrap().pop_front();
        Ok(match answer {
            Some(changes) => {
                let changes =
                    changes.into_iter().map(|change| change.map_err(|cause| ClusterError::new("watch", cause)));
                // The API server leaves a watch open for a while.
                let end = stream::once(tokio::time::sleep(TIMING.short)).filter_map(|()| async { None });
                stream::iter(changes).chain(end).boxed()
            }
            None => stream::pending().boxed(),
        })
    }
}

/// Follows the script for a while; gives the names in the cache and what was asked.
async fn follow_for(script: Script, time: Duration) -> (Vec<String>, Vec<String>, Cache) {
    let cache = Cache::default();
    let _ = timeout(time, follow(&script, TOPIC, &cache, TIMING)).await;
    let names = cache.objects("abc").keys().map(|key: &ObjectKey| key.name.clone()).collect();
    let asked = script.asked.into_inner().unwrap();
    (names, asked, cache)
}

fn script(lists: Vec<List>, watches: Vec<Vec<Result<Change, Cause>>>) -> Script {
    Script { lists: Mutex::new(lists.into()), watches: Mutex::new(watches.into()), asked: Mutex::default() }
}

fn unreachable() -> Cause {
    Cause::Unreachable("cut".into())
}

#[tokio::test]
async fn a_watch_goes_on_from_where_it_ended() {
    let script = script(
        vec![Ok((vec![service("a", "3"), service("b", "4")], "10"))],
        vec![
            vec![Ok(Change::Seen(service("c", "11"))), Ok(Change::Gone(service("a", "12")))],
            vec![Ok(Change::Bookmark("20".into()))],
            vec![Err(unreachable())],
        ],
    );
    let (names, asked, _) = follow_for(script, Duration::from_millis(300)).await;
    assert_eq!(names, ["b", "c"]);
    assert_eq!(asked, ["list", "watch from 10", "watch from 12", "watch from 20", "watch from 20"]);
}

#[tokio::test]
async fn a_version_that_is_too_old_means_a_new_list_which_finds_deletions() {
    for late in [vec![Err(Cause::Expired)], vec![Ok(Change::Seen(service("c", "11"))), Err(Cause::Expired)]] {
        let script = script(
            vec![
                Ok((vec![service("a", "3"), service("b", "4")], "10")),
                Ok((vec![service("b", "30"), service("d", "31")], "40")),
            ],
            vec![late],
        );
        let (names, asked, cache) = follow_for(script, Duration::from_millis(300)).await;
        assert_eq!(names, ["b", "d"]);
        assert_eq!(asked, ["list", "watch from 10", "list", "watch from 40"]);
        let b = ObjectKey { kind: Kind::Service, namespace: Some("shop".into()), name: "b".into() };
        assert_eq!(cache.object(&b).unwrap().resource_version, "30");
    }
}

#[tokio::test]
async fn what_is_not_served_any_more_is_listed_anew_when_it_comes_back() {
    let script = script(
        vec![Ok((vec![service("a", "3")], "10")), Err(Cause::NotFound("it".into())), Ok((Vec::new(), "40"))],
        vec![vec![Err(Cause::NotFound("it".into()))]],
    );
    let (names, asked, _) = follow_for(script, Duration::from_millis(300)).await;
    assert_eq!(names, [""; 0]);
    assert_eq!(asked, ["list", "watch from 10", "list", "list", "watch from 40"]);
}

#[tokio::test]
async fn failures_are_tried_again_with_growing_waits() {
    let failures = (0..6).map(|_| Err(unreachable())).collect();
    let (_, asked, cache) = follow_for(script(failures, Vec::new()), Duration::from_millis(200)).await;
    assert!((4..=7).contains(&asked.len()), "{} tries in 200 ms", asked.len());
    assert!(cache.check().is_err());
}

#[test]
fn what_is_not_served_is_asked_for_rarely_and_what_is_away_soon() {
    let timing = Timing {
        waits: (Duration::from_secs(1), Duration::from_secs(30)),
        unserved: Duration::from_mins(10),
        ..TIMING
    };
    let mut patience = Patience::new(timing);
    let mut last = |cause: &Cause| {
        let error = ClusterError::new("list", cause.clone());
        let waits: Vec<f64> = (0..12).map(|_| patience.wait(&error).as_secs_f64()).collect();
        assert!(waits[0] <= 1.0, "{cause:?}: {waits:?}");
        assert!(waits[6] >= 15.0, "{cause:?}: {waits:?}");
        patience.reset();
        waits[11]
    };
    for cause in [Cause::NotFound("it".into()), Cause::Forbidden("no".into())] {
        assert!((300.0..=600.0).contains(&last(&cause)), "{cause:?}");
    }
    for cause in [unreachable(), Cause::TimedOut(Duration::ZERO), Cause::Unauthorized] {
        assert!((15.0..=30.0).contains(&last(&cause)), "{cause:?}");
    }
    // What was away for a while does not make a kind that is not served wait, nor the other way round.
    let mut patience = Patience::new(timing);
    for _ in 0..12 {
        patience.wait(&ClusterError::new("list", Cause::NotFound("it".into())));
    }
    assert!(patience.wait(&ClusterError::new("list", unreachable())) <= Duration::from_secs(1));
}

#[tokio::test]
async fn watches_that_end_at_once_are_not_opened_in_a_loop() {
    struct Ending(Script);
    #[async_trait]
    impl WatchApi for Ending {
        async fn list(&self, topic: Topic, take: &mut (dyn FnMut(Sighting) + Send)) -> Result<String, ClusterError> {
            self.0.list(topic, take).await
        }
        async fn watch(
            &self,
            topic: Topic,
            from: &str,
        ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
            let _ = self.0.watch(topic, from).await;
            Ok(stream::empty().boxed())
        }
    }
    let ending = Ending(script(vec![Ok((Vec::new(), "10"))], Vec::new()));
    let _ = timeout(Duration::from_millis(200), follow(&ending, TOPIC, &Cache::default(), TIMING)).await;
    let asked = ending.0.asked.into_inner().unwrap().len();
    assert!((4..=10).contains(&asked), "{asked} calls in 200 ms");
}

#[tokio::test]
async fn a_watch_that_is_silent_is_opened_again_without_a_word() {
    /// Counts what is said to be lost.
    #[derive(Default)]
    struct Losses(Mutex<usize>);
    impl Audience for Losses {
        fn listed(&self, _topic: Topic, _seen: Vec<Sighting>, _version: &str) {}
        fn seen(&self, _topic: Topic, _sighting: Sighting) {}
        fn gone(&self, _topic: Topic, _sighting: &Sighting) {}
        fn connected(&self, _topic: Topic) {}
        fn lost(&self, _topic: Topic, _error: &ClusterError) -> bool {
            *self.0.lock().unwrap() += 1;
            true
        }
    }
    // Of a topic of which nothing changes the API server sends no bookmark either.
    let (script, losses) = (script(vec![Ok((Vec::new(), "10"))], Vec::new()), Losses::default());
    let _ = timeout(TIMING.quiet * 3 / 2, follow(&script, TOPIC, &losses, TIMING)).await;
    assert_eq!(*script.asked.lock().unwrap(), ["list", "watch from 10", "watch from 10"]);
    assert_eq!(*losses.0.lock().unwrap(), 0);
}

#[test]
fn every_topic_is_there_once() {
    let all: Vec<Topic> = Topic::all().collect();
    let each: std::collections::BTreeSet<Topic> = all.iter().copied().collect();
    assert_eq!((all.len(), each.len()), (17, 17));
    let _: Arc<dyn WatchApi> = Arc::new(Script::default());
}
