use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use kompox_core::plan::Counts;
use kompox_core::views::{LiveView, Write};
use kompox_manifests::id::AppId;
use serde_json::{Value, json};

use super::*;
use crate::cluster::error::Cause;
use crate::config::{ForgeChoice, Location, Reference};
use crate::context::CommitRef;
use crate::engine::queue;
use crate::fault::Fault;
use crate::outcome::State as AppState;
use crate::testing::{World, commit_id};

/// A cluster that takes views and Events, and refuses the first of them.
#[derive(Default)]
struct Shelf {
    refusals: Mutex<u32>,
    calls: Mutex<Vec<String>>,
    objects: Mutex<BTreeMap<ViewKey, LiveView>>,
}

impl Shelf {
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn call(&self, what: String) -> Result<(), ClusterError> {
        self.calls.lock().unwrap().push(what.clone());
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return Err(ClusterError::new(what, Cause::Unreachable("no route".into())));
        }
        Ok(())
    }
}

#[async_trait]
impl ViewApi for Shelf {
    async fn write_view(&self, key: &ViewKey, write: &Write) -> Result<LiveView, ClusterError> {
        let mut objects = self.objects.lock().unwrap();
        let before = objects.get(key).cloned();
        let mut live = before.unwrap_or_else(|| view(key, "0", json!({})));
        live.resource_version = (live.resource_version.parse::<u64>().unwrap() + 1).to_string();
        match write {
            Write::Object(body) => {
                self.call(format!("object {key}"))?;
                live.spec = body["spec"].clone();
                live.labels = serde_json::from_value(body["metadata"]["labels"].clone()).unwrap();
            }
            Write::Status(body) => {
                self.call(format!("status {key}"))?;
                live.status = body["status"].clone();
            }
        }
        objects.insert(key.clone(), live.clone());
        Ok(live)
    }

    async fn delete_view(&self, view: &LiveView) -> Result<(), ClusterError> {
        self.call(format!("delete {}", view.key))?;
        self.objects.lock().unwrap().remove(&view.key);
        Ok(())
    }

    async fn create_event(&self, namespace: &str, event: &Value) -> Result<(), ClusterError> {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let of = event["regarding"]["kind"].as_str().unwrap_or_default().to_owned();
        self.call(format!("event {namespace} {} of {of}: {}", text("reason"), text("note")))
    }
}

fn view(key: &ViewKey, version: &str, labels: Value) -> LiveView {
    LiveView {
        key: key.clone(),
        uid: format!("uid-{}", key.name),
        resource_version: version.to_owned(),
        generation: 1,
        labels: serde_json::from_value(labels).unwrap(),
        spec: json!({}),
        status: Value::Null,
    }
}

fn config(name: &str) -> SourceConfig {
    SourceConfig {
        name: name.to_owned(),
        location: Location::Folder(PathBuf::from("/srv/apps")),
        reference: Reference::Default,
        path: String::new(),
        interval: Duration::from_secs(60),
        credentials: None,
        forge: ForgeChoice::None("it is a folder".to_owned()),
        webhook: None,
        allow_force_push: false,
        age_keys: None,
    }
}

/// The App `shop` of the source `ops`, whose Namespace is there.
struct Ground {
    world: World,
    shelf: Arc<Shelf>,
    views: Arc<Views>,
    app: AppId,
    namespace: String,
    tasks: JoinSet<()>,
}

impl Ground {
    async fn new() -> Self {
        let world = World::new();
        // The App is deployed, so its Namespace is in the cache.
        world.look(&world.commit(1), &mut crate::testing::Memories::default()).await;
        let app: AppId = format!("{}/app/shop", world.agent.cluster_id).parse().unwrap();
        let namespace = kompox_manifests::names::Names::of(&app).namespace;
        let views = Views::new(&[config("ops")]);
        let shelf = Arc::new(Shelf::default());
        let writer = Writer::new(Arc::clone(&views), Arc::clone(&shelf) as _, Arc::clone(&world.agent));
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run());
        Self { world, shelf, views, app, namespace, tasks }
    }

    /// The definitions are installed, and these views are there.
    fn serve(&self, views: Vec<LiveView>) {
        for kind in KINDS {
            let of_kind = views.iter().filter(|view| view.key.kind == kind).map(|view| {
                let metadata = json!({"name": view.key.name, "namespace": view.key.namespace, "uid": view.uid,
                    "resourceVersion": view.resource_version, "generation": 1, "labels": view.labels});
                let body = json!({"metadata": metadata, "spec": view.spec, "status": view.status});
                Sighting {
                    namespace: Some(view.key.namespace.clone()),
                    name: view.key.name.clone(),
                    uid: view.uid.clone(),
                    version: view.resource_version.clone(),
                    instance: None,
                    body: body.to_string().into_bytes(),
                }
            });
            self.views.listed(Topic::Views(kind), of_kind.collect(), "1");
        }
    }

    fn outcome(&self, state: AppState, created: usize) -> AppOutcome {
        let commit =
            CommitRef { id: commit_id(1), time: "2026-01-02T03:04:05Z".parse().unwrap(), accepted: BTreeSet::new() };
        AppOutcome {
            id: self.app.clone(),
            commit: Arc::new(commit),
            done: Counts { created, ..Counts::default() },
            state,
            faults: 0,
            holds: Vec::new(),
            inputs: Some("1".into()),
            restored: 0,
            disks: None,
            drift: Vec::new(),
        }
    }

    fn kept(&self, call: &str) -> bool {
        call.contains(&self.namespace) && !call.contains("KompoxDisk")
    }

    /// What was sent about the App itself.
    async fn sent(&self) -> Vec<String> {
        tokio::time::timeout(Duration::from_secs(20), self.views.flush()).await.unwrap();
        let short = |call: String| call.replace(&self.namespace, "NS");
        self.shelf.calls().into_iter().filter(|call| self.kept(call)).map(short).collect()
    }
}

#[tokio::test]
async fn a_view_is_written_once_and_again_when_it_is_disturbed() {
    let ground = Ground::new().await;
    ground.serve(Vec::new());
    ground.views.app("ops", &ground.outcome(AppState::Healthy, 5));
    assert_eq!(
        ground.sent().await,
        [
            "object KompoxApp NS/shop",
            "status KompoxApp NS/shop",
            "event NS Applied of KompoxApp: 5 created for commit 00000000"
        ]
    );
    // Nothing new.
    ground.views.app("ops", &ground.outcome(AppState::Healthy, 0));
    assert_eq!(ground.sent().await, [""; 0]);
    // Somebody deletes it.
    let key = ViewKey { kind: ViewKind::App, namespace: ground.namespace.clone(), name: "shop".into() };
    let live = ground.shelf.objects.lock().unwrap().remove(&key).unwrap();
    let gone = Sighting {
        namespace: Some(ground.namespace.clone()),
        name: "shop".into(),
        uid: live.uid,
        version: "99".into(),
        instance: None,
        body: Vec::new(),
    };
    ground.views.gone(Topic::Views(ViewKind::App), &gone);
    assert_eq!(ground.sent().await, ["object KompoxApp NS/shop", "status KompoxApp NS/shop"]);
    // It left Git, and is gone.
    ground.views.app("ops", &AppOutcome { inputs: None, ..ground.outcome(AppState::Removed, 0) });
    assert_eq!(ground.sent().await, ["delete KompoxApp NS/shop"]);
    drop(ground.tasks);
}

#[tokio::test]
async fn work_on_apps_goes_first_but_not_for_ever() {
    let ground = Ground::new().await;
    let waiting = Arc::new(Scheduler::default());
    ground.views.behind(Arc::clone(&waiting));
    let key = queue::Key { source: 0, app: ground.app.clone() };
    waiting.add([key], queue::Cause::Wish);
    ground.serve(Vec::new());
    ground.views.app("ops", &ground.outcome(AppState::Healthy, 5));
    // Longer than news are gathered.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(ground.shelf.calls(), [""; 0]);
    // Nobody ever works on it.
    assert_eq!(ground.sent().await.len(), 3);
}

#[tokio::test]
async fn a_write_that_fails_is_made_again() {
    let ground = Ground::new().await;
    ground.serve(Vec::new());
    assert_eq!(ground.sent().await, [""; 0]);
    *ground.shelf.refusals.lock().unwrap() = 1;
    ground.views.app("ops", &ground.outcome(AppState::Healthy, 0));
    let sent = ground.sent().await;
    assert_eq!(sent, ["object KompoxApp NS/shop", "object KompoxApp NS/shop", "status KompoxApp NS/shop"]);
}

#[tokio::test]
async fn after_a_watch_that_broke_views_are_written_again() {
    let ground = Ground::new().await;
    ground.serve(Vec::new());
    let away = ClusterError::new("watch KompoxApp objects", Cause::Unreachable("no route".into()));
    for kind in KINDS {
        ground.views.lost(Topic::Views(kind), &away);
    }
    ground.views.app("ops", &ground.outcome(AppState::Healthy, 0));
    assert_eq!(ground.sent().await, [""; 0]);
    // It goes on from where it was, without a list.
    for kind in KINDS {
        ground.views.connected(Topic::Views(kind));
    }
    assert_eq!(ground.sent().await, ["object KompoxApp NS/shop", "status KompoxApp NS/shop"]);
    // As it does every few minutes.
    for kind in KINDS {
        ground.views.connected(Topic::Views(kind));
    }
    assert_eq!(ground.sent().await, [""; 0]);
}

#[tokio::test]
async fn without_definitions_events_alone_are_told_and_without_the_lease_nothing() {
    let ground = Ground::new().await;
    let missing = ClusterError::new("list KompoxApp objects", Cause::NotFound("it".into()));
    for kind in KINDS {
        ground.views.lost(Topic::Views(kind), &missing);
    }
    ground.views.app("ops", &ground.outcome(AppState::Healthy, 1));
    assert_eq!(ground.sent().await, ["event NS Applied of Deployment: 1 created for commit 00000000"]);
    ground.world.lose_lease();
    ground.serve(Vec::new());
    ground.views.app("ops", &ground.outcome(AppState::Healthy, 2));
    assert_eq!(ground.sent().await, [""; 0]);
}

#[tokio::test]
async fn views_of_sources_that_are_configured_no_more_say_so_or_go() {
    let ground = Ground::new().await;
    let key = |kind, namespace: &str, name: &str| ViewKey { kind, namespace: namespace.into(), name: name.into() };
    let of = |source: &str| json!({SOURCE_LABEL: source});
    let orphan = key(ViewKind::App, &ground.namespace, "orphan");
    let gone = key(ViewKind::App, &ground.namespace, "gone");
    let old = key(ViewKind::Source, SYSTEM_NAMESPACE, "old");
    let views = [view(&orphan, "7", of("old")), view(&gone, "7", of("ops")), view(&old, "7", of("old"))];
    for live in &views {
        ground.shelf.objects.lock().unwrap().insert(live.key.clone(), live.clone());
    }
    ground.serve(views.to_vec());
    tokio::time::timeout(Duration::from_secs(20), ground.views.flush()).await.unwrap();
    let calls = ground.shelf.calls();
    assert!(calls.contains(&format!("delete {old}")) && calls.contains(&format!("status {orphan}")), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("/gone")), "its source has not said what it lists: {calls:?}");
    let record = CommitRecord::new(&commit_id(1), "here");
    let outcome = |complete| Outcome { apps: Vec::new(), rejected: Vec::new(), diagnostics: Vec::new(), complete };
    ground.views.source("ops", &record, &outcome(false));
    assert_eq!(ground.sent().await, [""; 0]);
    ground.views.source("ops", &record, &outcome(true));
    assert_eq!(ground.sent().await, ["delete KompoxApp NS/gone"]);
}

#[tokio::test]
async fn a_source_shows_what_is_wrong_with_fetching_and_that_it_has_passed() {
    let ground = Ground::new().await;
    ground.serve(Vec::new());
    let message = || async {
        tokio::time::timeout(Duration::from_secs(20), ground.views.flush()).await.unwrap();
        let key = kompox_core::views::source::key("ops", SYSTEM_NAMESPACE);
        let status = ground.shelf.objects.lock().unwrap()[&key].status.clone();
        status["conditions"][0]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message().await, "no commit was seen yet");
    ground.views.fetched("ops", Came::Failed(&Fault::retry("timed-out", "no answer")));
    assert_eq!(message().await, "no answer");
    ground.views.fetched("ops", Came::Held { commit: &commit_id(2), reason: "rewritten" });
    assert_eq!(message().await, "00000000 is held: rewritten");
    ground.views.fetched("ops", Came::Taken);
    assert_eq!(message().await, "no commit was seen yet");
    // Saying the same again costs nothing.
    let before = ground.shelf.calls().len();
    assert!(before > 0);
    ground.views.fetched("ops", Came::Taken);
    tokio::time::timeout(Duration::from_secs(20), ground.views.flush()).await.unwrap();
    assert_eq!(ground.shelf.calls(), [""; 0]);
}

#[tokio::test]
async fn statuses_that_a_forge_does_not_take_are_shown_of_their_source() {
    let ground = Ground::new().await;
    ground.serve(Vec::new());
    let shown = || async {
        tokio::time::timeout(Duration::from_secs(20), ground.views.flush()).await.unwrap();
        let key = kompox_core::views::source::key("ops", SYSTEM_NAMESPACE);
        let status = ground.shelf.objects.lock().unwrap()[&key].status.clone();
        (status.get("undeliveredStatuses").and_then(Value::as_u64), ground.shelf.calls().len())
    };
    assert_eq!(shown().await, (None, 2));
    for (waiting, expected) in [(0, (None, 0)), (3, (Some(3), 1)), (3, (Some(3), 0)), (0, (None, 1))] {
        ground.views.undelivered("ops", waiting);
        assert_eq!(shown().await, expected, "{waiting}");
    }
}

#[test]
fn what_passes_waits_and_what_lasts_is_shown_soon() {
    let mut board = Board::default();
    let now = Instant::now();
    let facts = |state| kompox_core::views::app::AppFacts {
        id: "/ws/w/prv/p/cls/c/app/shop".parse().unwrap(),
        source: "ops".into(),
        commit: commit_id(1),
        inputs: None,
        done: Counts::default(),
        drifted: 0,
        state,
        holds: Vec::new(),
        drift: Vec::new(),
        at: Timestamp::UNIX_EPOCH,
    };
    board.app(facts(kompox_core::views::app::AppState::Progressing("starting".into())), now);
    assert!(board.take_due(now + Duration::from_secs(1)).is_empty());
    let id: AppId = "/ws/w/prv/p/cls/c/app/shop".parse().unwrap();
    board.app(facts(kompox_core::views::app::AppState::Healthy), now + Duration::from_secs(1));
    assert_eq!(board.take_due(now + Duration::from_secs(2)), [Shown::App(id.clone()), Shown::Disks(id)]);
    assert_eq!(board.next(), None);
}
