use std::collections::BTreeMap;
use std::path::Path;

use kompox_manifests::id::AppId;

use super::app::{AppFacts, AppMemory, AppState, Hold, Trouble, TroubleSort};
use super::condition::{Aspect, Truth};
use super::source::{AppCounts, HeldCommit, RejectedEntry, SourceFacts, SourceMemory, SourceSpec};
use super::*;
use crate::disk::{Attachment, Disk, DiskSource, DiskState};
use crate::plan::Counts;

const NOON: &str = "2026-01-02T12:00:00Z";
const FIRST: &str = "0123456789abcdef0123456789abcdef01234567";
const SECOND: &str = "fedcba98765432100123456789abcdef01234567";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn app_id() -> AppId {
    "/ws/w/prv/p/cls/c/app/shop".parse().unwrap()
}

fn facts(commit: &str, state: AppState) -> AppFacts {
    AppFacts {
        id: app_id(),
        source: "ops".into(),
        commit: commit.into(),
        inputs: None,
        done: Counts::default(),
        drifted: 0,
        state,
        holds: Vec::new(),
        drift: Vec::new(),
        at: time(NOON),
    }
}

fn changed(commit: &str) -> AppFacts {
    AppFacts { done: Counts { changed: 1, ..Counts::default() }, ..facts(commit, AppState::Healthy) }
}

fn trouble(sort: TroubleSort, label: &'static str) -> AppState {
    AppState::Failed(Trouble { sort, label, text: "because".into() })
}

/// What the API server makes of writes.
#[derive(Default)]
struct Server {
    live: Option<LiveView>,
    writes: usize,
}

impl Server {
    /// Sends writes until there are none; how many there were.
    fn settle(&mut self, now: &str, view: impl Fn(Option<&LiveView>) -> View) -> usize {
        let before = self.writes;
        while let Some(write) = {
            let view = view(self.live.as_ref());
            next_write(&view, self.live.as_ref(), time(now)).map(|write| (view.key, write))
        } {
            self.take(write.0, write.1);
            assert!(self.writes - before < 5, "it never ends");
        }
        self.writes - before
    }

    fn take(&mut self, key: ViewKey, write: Write) {
        self.writes += 1;
        match write {
            Write::Object(object) => {
                let before = self.live.take();
                let spec = object["spec"].clone();
                let moved = before.as_ref().is_some_and(|before| before.spec != spec);
                let generation = before.as_ref().map_or(1, |before| before.generation + i64::from(moved));
                self.live = Some(LiveView {
                    key,
                    uid: "u".into(),
                    resource_version: self.writes.to_string(),
                    generation,
                    labels: serde_json::from_value(object["metadata"]["labels"].clone()).unwrap(),
                    spec,
                    status: before.map_or(Value::Null, |before| before.status),
                });
            }
            Write::Status(object) => self.live.as_mut().unwrap().status = object["status"].clone(),
        }
    }

    fn status(&self) -> &Value {
        &self.live.as_ref().unwrap().status
    }

    /// `Ready=True/Healthy since …` of every condition.
    fn conditions(&self) -> BTreeMap<String, String> {
        let text = |of: &Value| of.as_str().unwrap().to_owned();
        let conditions = self.status()["conditions"].as_array().unwrap();
        let all = conditions.iter().map(|condition| {
            let [status, reason, since] =
                ["status", "reason", "lastTransitionTime"].map(|field| text(&condition[field]));
            (text(&condition["type"]), format!("{status}/{reason} since {since}"))
        });
        all.collect()
    }
}

#[test]
fn each_state_of_an_app_has_its_conditions() {
    use Truth::{False, True, Unknown};
    let table = [
        (AppState::Healthy, [True, True, False, False], "Healthy"),
        (AppState::Progressing("waiting".into()), [False, True, True, False], "Progressing"),
        (AppState::Suspended, [Unknown, Unknown, False, False], "Suspended"),
        (AppState::Paused("until noon".into()), [Unknown, Unknown, False, False], "Paused"),
        (AppState::LeftOver("kept".into()), [Unknown, False, False, False], "NotInSource"),
        (trouble(TroubleSort::Rejected, "invalid"), [False, False, False, True], "Invalid"),
        (trouble(TroubleSort::Held, "held"), [False, False, False, True], "Held"),
        (trouble(TroubleSort::Blocked, "blocked"), [False, False, False, True], "Blocked"),
        (trouble(TroubleSort::Unhealthy, "ImagePullBackOff"), [False, True, False, True], "ImagePullBackOff"),
        (trouble(TroubleSort::Retrying, "timed-out"), [Unknown, Unknown, True, False], "TimedOut"),
        (trouble(TroubleSort::Stalled, "webhook-no-dry-run"), [Unknown, Unknown, False, True], "WebhookNoDryRun"),
    ];
    let aspects = [Aspect::Ready, Aspect::Synced, Aspect::Progressing, Aspect::Degraded];
    for (state, truths, reason) in table {
        let findings = app::findings(&facts(FIRST, state.clone()));
        let found: Vec<(Aspect, Truth, &str)> =
            findings.iter().map(|finding| (finding.aspect, finding.truth, finding.reason.as_ref())).collect();
        let expected: Vec<(Aspect, Truth, &str)> =
            aspects.into_iter().zip(truths).map(|(aspect, truth)| (aspect, truth, reason)).collect();
        assert_eq!(found, expected, "{state:?}");
        assert!(findings.iter().all(|finding| !finding.message.is_empty()), "{state:?}");
    }
}

#[test]
fn drift_that_is_left_shows_as_not_synced_and_nothing_else() {
    let drift = vec!["Deployment k4x-a/shop-app: edited by kubectl; spec.replicas differs".to_owned()];
    let synced = |state: AppState| {
        let drifted = AppFacts { drift: drift.clone(), ..facts(FIRST, state.clone()) };
        let (before, now) = (app::findings(&facts(FIRST, state)), app::findings(&drifted));
        let others = |findings: &[Finding]| {
            findings.iter().filter(|finding| finding.aspect != Aspect::Synced).cloned().collect::<Vec<_>>()
        };
        assert_eq!(others(&before), others(&now));
        let found = now.into_iter().find(|finding| finding.aspect == Aspect::Synced).unwrap();
        (found.truth, found.reason.into_owned(), found.message)
    };
    for state in [AppState::Healthy, AppState::Progressing("waiting".into())] {
        assert_eq!(synced(state), (Truth::False, "Drifted".to_owned(), drift[0].clone()));
    }
    // What keeps the commit from being applied says more.
    assert_eq!(synced(trouble(TroubleSort::Blocked, "blocked")).1, "Blocked");
}

#[test]
fn a_view_takes_two_writes_to_come_about_and_none_when_nothing_changed() {
    let mut server = Server::default();
    let memory = AppMemory::new(changed(FIRST));
    assert_eq!(server.settle(NOON, |live| memory.view(live)), 2);
    assert_eq!(server.settle("2026-01-03T00:00:00Z", |live| memory.view(live)), 0);
    let live = server.live.as_ref().unwrap();
    assert_eq!(live.key.to_string(), format!("KompoxApp {}/shop", Names::of(&app_id()).namespace));
    assert_eq!(live.labels["app.kubernetes.io/managed-by"], "kompox-agent");
    assert_eq!(live.spec, json!({"id": "/ws/w/prv/p/cls/c/app/shop", "source": "ops"}));
    let status = server.status();
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(status["commit"], FIRST);
    assert_eq!(status["shortCommit"], "01234567");
    assert_eq!(status["lastApplied"], "1 changed");
    assert_eq!(status["lastAppliedTime"], NOON);
    assert_eq!(server.conditions()["Ready"], format!("True/Healthy since {NOON}"));
}

#[test]
fn a_deleted_or_defaced_view_is_written_again() {
    let mut server = Server::default();
    let memory = AppMemory::new(changed(FIRST));
    server.settle(NOON, |live| memory.view(live));
    let whole = server.live.clone();
    server.live = None;
    assert_eq!(server.settle(NOON, |live| memory.view(live)), 2);
    assert_eq!(server.live.as_ref().map(|live| &live.status), whole.as_ref().map(|live| &live.status));

    server.live.as_mut().unwrap().labels.remove("app.kubernetes.io/managed-by");
    assert_eq!(server.settle(NOON, |live| memory.view(live)), 1);
    server.live.as_mut().unwrap().status["shortCommit"] = json!("mine");
    assert_eq!(server.settle(NOON, |live| memory.view(live)), 1);
    // A label that is none of ours stays.
    server.live.as_mut().unwrap().labels.insert("team".into(), "a".into());
    assert_eq!(server.settle(NOON, |live| memory.view(live)), 0);
}

#[test]
fn times_of_conditions_move_on_transitions_only() {
    let mut server = Server::default();
    let mut memory = AppMemory::new(changed(FIRST));
    server.settle("2026-01-02T12:00:00.987Z", |live| memory.view(live));
    memory.absorb(facts(SECOND, trouble(TroubleSort::Unhealthy, "ImagePullBackOff")));
    assert_eq!(server.settle("2026-01-02T13:00:00Z", |live| memory.view(live)), 1);
    // Another reason for the same status.
    memory.absorb(facts(SECOND, trouble(TroubleSort::Unhealthy, "CrashLoopBackOff")));
    assert_eq!(server.settle("2026-01-02T14:00:00Z", |live| memory.view(live)), 1);
    let expected = [
        ("Degraded", "True/CrashLoopBackOff since 2026-01-02T13:00:00Z"),
        ("Progressing", "False/CrashLoopBackOff since 2026-01-02T12:00:00Z"),
        ("Ready", "False/CrashLoopBackOff since 2026-01-02T13:00:00Z"),
        ("Synced", "True/CrashLoopBackOff since 2026-01-02T12:00:00Z"),
    ];
    assert_eq!(server.conditions(), expected.map(|(name, text)| (name.into(), text.into())).into());
}

#[test]
fn the_commit_is_the_one_that_changed_the_app() {
    let with = |facts: AppFacts, inputs: &str| AppFacts { inputs: Some(inputs.into()), ..facts };
    let healthy = |commit| facts(commit, AppState::Healthy);
    let drifted = AppFacts { drifted: 1, ..changed(SECOND) };
    let table: [(&str, Vec<AppFacts>, &str); 6] = [
        ("the first that was seen", vec![healthy(FIRST)], FIRST),
        ("a commit that wrote", vec![changed(FIRST), healthy(SECOND)], FIRST),
        ("a newer one that wrote", vec![changed(FIRST), changed(SECOND)], SECOND),
        ("drift is no change by a commit", vec![changed(FIRST), drifted], FIRST),
        ("the same inputs", vec![with(changed(FIRST), "a"), with(changed(SECOND), "a")], FIRST),
        ("other inputs that come to the same", vec![with(changed(FIRST), "a"), with(healthy(SECOND), "b")], SECOND),
    ];
    for (what, seen, expected) in table {
        let mut seen = seen.into_iter();
        let mut memory = AppMemory::new(seen.next().unwrap());
        seen.for_each(|facts| memory.absorb(facts));
        assert_eq!(memory.view(None).status["commit"], expected, "{what}");
    }
}

#[test]
fn a_restarted_agent_keeps_what_the_view_says() {
    let mut server = Server::default();
    let memory = AppMemory::new(AppFacts { inputs: Some("a".into()), ..changed(FIRST) });
    server.settle(NOON, |live| memory.view(live));
    // Nothing is written after the restart, at a commit that does not change the App.
    let later = time("2026-02-02T00:00:00Z");
    let again = AppFacts { inputs: Some("a".into()), at: later, ..facts(SECOND, AppState::Healthy) };
    let memory = AppMemory::new(again.clone());
    assert_eq!(server.settle("2026-02-02T00:00:00Z", |live| memory.view(live)), 0);
    // At one that does, it is.
    let memory = AppMemory::new(AppFacts { inputs: Some("b".into()), ..again });
    assert_eq!(server.settle("2026-02-02T00:00:00Z", |live| memory.view(live)), 1);
    assert_eq!(server.status()["shortCommit"], "fedcba98");
    assert_eq!(server.status()["lastAppliedTime"], NOON);
}

#[test]
fn lists_and_texts_are_bounded() {
    let mut facts = facts(FIRST, AppState::Paused("x\n".repeat(5000)));
    facts.holds = vec![Hold { what: "y".repeat(5000), digest: Some("d".into()) }; 100];
    let view = AppMemory::new(facts).view(None);
    let holds = view.status["holds"].as_array().unwrap();
    assert_eq!(holds.len(), 20);
    assert_eq!(holds[0]["what"].as_str().unwrap().chars().count(), 1000);
    assert!(view.findings.iter().all(|finding| finding.message.chars().count() <= 1000));
    assert!(!view.findings[0].message.contains('\n'));
}

#[test]
fn an_app_of_a_source_that_is_gone_says_so() {
    let mut server = Server::default();
    let memory = AppMemory::new(changed(FIRST));
    server.settle(NOON, |live| memory.view(live));
    let later = "2026-01-03T00:00:00Z";
    assert_eq!(server.settle(later, |live| app::orphaned(live.unwrap(), "ops")), 1);
    assert_eq!(server.settle(later, |live| app::orphaned(live.unwrap(), "ops")), 0);
    assert_eq!(server.conditions()["Ready"], format!("Unknown/SourceRemoved since {later}"));
    assert_eq!(server.status()["shortCommit"], "01234567");
}

fn source_facts() -> SourceFacts {
    SourceFacts {
        name: "ops".into(),
        spec: SourceSpec {
            url: "https://git.example.com/a.git".into(),
            reference: "branch main".into(),
            path: String::new(),
        },
        commit: Some(SECOND.into()),
        held: None,
        fetch_error: None,
        rejected: Vec::new(),
        left_over: Vec::new(),
        apps: Some(BTreeMap::from([("shop".into(), AppState::Healthy), ("wiki".into(), AppState::Suspended)])),
        undelivered: None,
        at: time(NOON),
    }
}

#[test]
fn each_state_of_a_source_has_its_conditions() {
    use Truth::{False, True, Unknown};
    let whole = source_facts();
    let apps = |states: &[(&str, AppState)]| SourceFacts {
        apps: Some(states.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect()),
        ..whole.clone()
    };
    let waiting = || AppState::Progressing("starting".into());
    let paused = |text: &str| AppState::Paused(text.into());
    let table = [
        (whole.clone(), [True, False, False], "Deployed", "every App is as the commit asks"),
        (
            SourceFacts { commit: None, apps: None, ..whole.clone() },
            [Unknown, True, False],
            "Starting",
            "no commit was seen yet",
        ),
        (
            SourceFacts { apps: None, ..whole.clone() },
            [Unknown, True, False],
            "Starting",
            "the Apps are being looked at",
        ),
        (
            apps(&[("a", AppState::Healthy), ("b", waiting())]),
            [False, True, False],
            "AppsProgressing",
            "1 App on its way; b: starting",
        ),
        (
            apps(&[("a", trouble(TroubleSort::Retrying, "timed-out")), ("b", waiting())]),
            [False, True, False],
            "AppsProgressing",
            "2 Apps on their way; a: because",
        ),
        (
            apps(&[("a", waiting()), ("b", trouble(TroubleSort::Held, "held"))]),
            [False, True, True],
            "AppsFailed",
            "1 App failed; b: because",
        ),
        (
            apps(&[("a", AppState::Healthy), ("b", paused("paused until noon")), ("c", paused("paused until two"))]),
            [Unknown, False, False],
            "AppsPaused",
            "2 Apps are paused; b: paused until noon",
        ),
        (
            apps(&[("a", paused("paused until noon")), ("b", waiting())]),
            [False, True, False],
            "AppsProgressing",
            "1 App on its way; b: starting",
        ),
        (
            SourceFacts {
                rejected: vec![RejectedEntry {
                    path: "a/kompoxops.yml".into(),
                    cause: "a/kompoxops.yml:1:1: no".into(),
                }],
                ..whole.clone()
            },
            [False, False, True],
            "Rejected",
            "1 entry is wrong; a/kompoxops.yml:1:1: no",
        ),
        (
            SourceFacts { fetch_error: Some("no route".into()), ..whole.clone() },
            [False, False, True],
            "FetchFailed",
            "no route",
        ),
        (
            SourceFacts {
                held: Some(HeldCommit { commit: FIRST.into(), reason: "not a fast-forward".into() }),
                ..whole.clone()
            },
            [False, False, True],
            "CommitHeld",
            "01234567 is held: not a fast-forward",
        ),
    ];
    for (facts, truths, reason, text) in table {
        let view = SourceMemory::new(facts).view("k4x-system", None);
        let found: Vec<(Aspect, Truth)> = view.findings.iter().map(|finding| (finding.aspect, finding.truth)).collect();
        let aspects = [Aspect::Ready, Aspect::Progressing, Aspect::Degraded];
        assert_eq!(found, aspects.into_iter().zip(truths).collect::<Vec<_>>(), "{reason}");
        assert!(view.findings.iter().all(|finding| finding.reason == reason && finding.message == text), "{view:?}");
    }
}

#[test]
fn a_source_remembers_what_was_deployed_whole() {
    let mut server = Server::default();
    let mut memory = SourceMemory::new(SourceFacts { commit: Some(FIRST.into()), ..source_facts() });
    let view = |memory: &SourceMemory, live: Option<&LiveView>| memory.view("k4x-system", live);
    assert_eq!(server.settle(NOON, |live| view(&memory, live)), 2);
    memory.absorb(SourceFacts {
        apps: Some(BTreeMap::from([("shop".into(), trouble(TroubleSort::Unhealthy, "CrashLoopBackOff"))])),
        ..source_facts()
    });
    assert_eq!(server.settle(NOON, |live| view(&memory, live)), 1);
    let expected = |status: &Value| {
        assert_eq!((&status["commit"], &status["appliedCommit"]), (&json!(SECOND), &json!(FIRST)));
        assert_eq!((&status["shortCommit"], &status["shortAppliedCommit"]), (&json!("fedcba98"), &json!("01234567")));
        let counts: AppCounts = serde_json::from_value(status["apps"].clone()).unwrap();
        assert_eq!(counts, AppCounts { failed: 1, ..AppCounts::default() });
    };
    expected(server.status());
    // What the commit would change of a paused App is not known before the pause ends.
    memory.absorb(SourceFacts {
        apps: Some(BTreeMap::from([("shop".into(), AppState::Paused("until noon".into()))])),
        ..source_facts()
    });
    server.settle(NOON, |live| view(&memory, live));
    assert_eq!((&server.status()["commit"], &server.status()["appliedCommit"]), (&json!(SECOND), &json!(FIRST)));
    memory.absorb(SourceFacts {
        apps: Some(BTreeMap::from([("shop".into(), trouble(TroubleSort::Unhealthy, "CrashLoopBackOff"))])),
        ..source_facts()
    });
    server.settle(NOON, |live| view(&memory, live));
    // After a restart, before the first look at the Apps.
    let memory = SourceMemory::new(SourceFacts { apps: None, ..source_facts() });
    server.settle(NOON, |live| view(&memory, live));
    expected(server.status());
}

#[test]
fn statuses_that_the_forge_does_not_take_are_shown_over_a_restart_and_until_it_does() {
    let mut server = Server::default();
    let mut shown = |undelivered| {
        let memory = SourceMemory::new(SourceFacts { undelivered, ..source_facts() });
        let writes = server.settle(NOON, |live| memory.view("k4x-system", live));
        (writes, server.status().get("undeliveredStatuses").and_then(Value::as_u64))
    };
    assert_eq!(shown(None), (2, None));
    assert_eq!(shown(Some(0)), (0, None));
    assert_eq!(shown(Some(3)), (1, Some(3)));
    assert_eq!(shown(None), (0, Some(3)), "another process does not know yet");
    assert_eq!(shown(Some(0)), (1, None));
}

fn a_disk() -> Disk {
    Disk {
        name: "d1".into(),
        handle: "local://n1/srv/d1".into(),
        volume: "data".into(),
        size: 5 << 30,
        zone: Some("1".into()),
        assigned: true,
        created: time("2026-01-01T00:00:00.5Z"),
        state: DiskState::Ready,
        attachment: Attachment::Attached(vec!["n1".into(), "n2".into()]),
        claim: Some(kompox_manifests::names::cluster_hash(&app_id().cluster)),
        protected: false,
        op_key: None,
        source: Some(DiskSource::Empty),
        options: BTreeMap::new(),
        tags: BTreeMap::from([("kompox-secret".into(), "canary".into())]),
    }
}

#[test]
fn a_disk_is_shown_as_the_provider_lists_it() {
    let view = disk::view(&app_id(), "ops", &a_disk());
    assert_eq!(view.key.name, "data.d1");
    assert_eq!(view.spec, Some(json!({"app": "shop", "volume": "data", "disk": "d1"})));
    let expected = json!({
        "handle": "local://n1/srv/d1", "assigned": true, "size": "5Gi", "zone": "1", "attachment": "n1, n2",
        "claim": "this cluster", "protected": false, "source": "nothing: it was new and empty",
        "created": "2026-01-01T00:00:00Z",
    });
    assert_eq!(view.status, expected);
    let states = [
        (DiskState::Ready, [Truth::True, Truth::False, Truth::False], "Ready"),
        (DiskState::Creating, [Truth::False, Truth::True, Truth::False], "Creating"),
        (DiskState::Deleting, [Truth::False, Truth::True, Truth::False], "Deleting"),
        (DiskState::Failed("broken".into()), [Truth::False, Truth::False, Truth::True], "Failed"),
    ];
    for (state, truths, reason) in states {
        let findings = disk::view(&app_id(), "ops", &Disk { state, ..a_disk() }).findings;
        assert_eq!(findings.iter().map(|finding| finding.truth).collect::<Vec<_>>(), truths);
        assert!(findings.iter().all(|finding| finding.reason == reason), "{findings:?}");
    }
    for (claim, words) in [(None, "nobody"), (Some("other1".to_owned()), "another cluster")] {
        assert_eq!(disk::view(&app_id(), "ops", &Disk { claim, ..a_disk() }).status["claim"], words);
    }
}

#[test]
fn sizes_are_written_as_people_write_them() {
    for (bytes, text) in [(0, "0"), (1000, "1000"), (1024, "1Ki"), (1536, "1536"), (5 << 30, "5Gi"), (3 << 40, "3Ti")] {
        assert_eq!(disk::quantity(bytes), text);
    }
}

#[test]
fn a_snapshot_that_a_person_asks_for_is_answered_and_not_made_again() {
    let mut server = Server {
        live: Some(LiveView {
            key: ViewKey { kind: ViewKind::Snapshot, namespace: "k4x-a".into(), name: "before-upgrade".into() },
            uid: "u".into(),
            resource_version: "1".into(),
            generation: 1,
            labels: BTreeMap::from([("mine".into(), "yes".into())]),
            spec: json!({"diskRef": {"name": "data.d1"}}),
            status: Value::Null,
        }),
        writes: 0,
    };
    let answer = |known: bool| move |live: Option<&LiveView>| snapshot::answer(live.unwrap(), |_| known);
    assert_eq!(server.settle(NOON, answer(false)), 1);
    assert_eq!(server.conditions()["Ready"], format!("False/DiskNotFound since {NOON}"));
    assert_eq!(server.settle(NOON, answer(true)), 1);
    assert_eq!(server.conditions()["Ready"], format!("False/Unsupported since {NOON}"));
    assert_eq!(server.settle(NOON, answer(true)), 0);
    let view = snapshot::answer(server.live.as_ref().unwrap(), |_| true);
    assert_eq!(next_write(&view, None, time(NOON)), None);
}

#[test]
fn the_committed_definitions_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/manifests/05-crds.yaml");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, crd::manifest()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == crd::manifest(), "{} is stale: run the tests with UPDATE_SCHEMAS=1", path.display());
}

#[test]
fn definitions_are_found_by_name() {
    for kind in ViewKind::ALL {
        let definition = crd::definition(kind);
        assert_eq!(ViewKind::of_definition(definition["metadata"]["name"].as_str().unwrap()), Some(kind));
        assert_eq!(definition["metadata"]["labels"][crd::LABEL], crd::LABEL_VALUE);
    }
    assert_eq!(ViewKind::of_definition("kompoxapps.example.com"), None);
}

/// The API server drops fields that a schema does not name, and adds those that have a default: either
/// would be written again for ever.
#[test]
fn schemas_name_every_field_and_give_no_default() {
    fn look(schema: &Value, path: &str) {
        let fields = schema.as_object().unwrap();
        for keyword in fields.keys() {
            let known = [
                "type",
                "description",
                "properties",
                "required",
                "items",
                "enum",
                "format",
                "pattern",
                "minLength",
                "maxLength",
                "maxItems",
                "x-kubernetes-list-type",
                "x-kubernetes-list-map-keys",
                "x-kubernetes-validations",
            ];
            assert!(known.contains(&keyword.as_str()), "{path}: {keyword}");
        }
        assert!(fields["type"].is_string(), "{path}");
        for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
            look(property, &format!("{path}.{name}"));
        }
        fields.get("items").inspect(|items| look(items, &format!("{path}[]")));
    }
    for kind in ViewKind::ALL {
        look(&crd::definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"], kind.name());
    }
}
