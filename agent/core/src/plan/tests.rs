//! Plans of the Gitea fixture, from its files.

use kompox_manifests::object::Object;
use proptest::prelude::*;
use serde_json::{Value, json};

use self::world::{World, applied, binding, disk, set_by};
use super::order::Stage;
use super::view::View;
use super::*;
use crate::disk::{Disk, DiskState, Snapshot, SnapshotState};
use crate::observed::{LiveObject, Node};

mod digest;
mod drift;
mod holds;
mod markdown;
mod released;
mod removal;
mod replace;
mod sweep;
mod unmanaged;
mod volumes;
mod world;

/// The only action that says something, with its subject.
fn only(plan: &Plan) -> &Action {
    assert_eq!(plan.actions.len(), 1, "{}", text::to_text(plan));
    &plan.actions[0]
}

fn json_of(plan: &Plan) -> Value {
    serde_json::to_value(View::of(plan)).unwrap()
}

/// Nothing is written, and the first obstacle says these words.
#[track_caller]
fn stops(world: &World, counts: (usize, usize), words: &[&str]) {
    let plan = world.plan();
    let shown = text::to_text(&plan);
    assert!(!plan.writes(), "{shown}");
    assert_eq!((plan.counts().blocked, plan.counts().held), counts, "{shown}");
    assert!(plan.obstacle().is_some());
    for words in words {
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
    }
}

#[test]
fn a_first_deploy_creates_everything_in_order() {
    insta::assert_snapshot!(World::gitea().text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      + create         Namespace k4x-2dmn7i-app1-5iyixp  — the cluster has none (kompoxops.yml:18:9)
      + create         ServiceAccount k4x-2dmn7i-app1-5iyixp/app1  — the cluster has none (kompoxops.yml:18:9)
      + create         Role k4x-2dmn7i-app1-5iyixp/app1-access  — the cluster has none (kompoxops.yml:18:9)
      + create         RoleBinding k4x-2dmn7i-app1-5iyixp/app1-access  — the cluster has none (kompoxops.yml:18:9)
      + create         NetworkPolicy k4x-2dmn7i-app1-5iyixp/app1  — the cluster has none (kompoxops.yml:18:9)
      + NEW EMPTY DISK 0t87v6tnzwo5 for volume default (10Gi)  — no disk, snapshot, PersistentVolume or Deployment speaks of an earlier life (kompoxops.yml:27:7)
      + create (after) PersistentVolume k4x-2dmn7i-default-5iyixp-5ccpsc  — the cluster has none (kompoxops.yml:27:7)
      + create (after) PersistentVolumeClaim k4x-2dmn7i-app1-5iyixp/k4x-2dmn7i-default-5iyixp-5ccpsc  — the cluster has none (kompoxops.yml:27:7)
      + create         Secret k4x-2dmn7i-app1-5iyixp/app1-app-gitea-base  — the cluster has none (compose.yml:2:3)
      + create         Secret k4x-2dmn7i-app1-5iyixp/app1-app-postgres-base  — the cluster has none (compose.yml:13:3)
      + create         Service k4x-2dmn7i-app1-5iyixp/app1-app  — the cluster has none (kompoxops.yml:23:9)
      + create         Service k4x-2dmn7i-app1-5iyixp/gitea  — the cluster has none (compose.yml:2:3)
      + create         Service k4x-2dmn7i-app1-5iyixp/postgres  — the cluster has none (compose.yml:13:3)
      + create (after) Deployment k4x-2dmn7i-app1-5iyixp/app1-app  — the cluster has none (compose.yml:2:3)
      + create         Ingress k4x-2dmn7i-app1-5iyixp/app1-app-custom  — the cluster has none (kompoxops.yml:23:9)
      + create         Ingress k4x-2dmn7i-app1-5iyixp/app1-app-default  — the cluster has none (kompoxops.yml:23:9)
    "#);
}

#[test]
fn a_deployed_app_needs_nothing() {
    let world = World::deployed();
    assert_eq!(world.observed.objects.len(), 15);
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      nothing to do
    "#);
}

#[test]
fn a_new_image_changes_one_object_and_says_that_the_pod_restarts() {
    let mut world = World::deployed();
    world.edit("compose.yml", "postgres:17", "postgres:18");
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      ~ change         Deployment k4x-2dmn7i-app1-5iyixp/app1-app (restarts the Pod: down for at most 30 s until it has stopped, then until the new one is ready)  — spec.template.spec.containers[postgres].image differs (compose.yml:2:3)
            spec.template.spec.containers[postgres].image: postgres:17 → postgres:18
    "#);
}

#[test]
fn a_changed_secret_shows_no_value_and_restarts_the_pod() {
    let mut world = World::deployed();
    world.edit("compose-postgres.env", "change-me", "CANARY");
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      ~ change         Secret k4x-2dmn7i-app1-5iyixp/app1-app-postgres-base  — data.POSTGRES_PASSWORD and 1 more differ (compose.yml:13:3)
            data.POSTGRES_PASSWORD: (secret) → (secret)
            metadata.annotations.kompox.dev/compose-content-hash: (secret) → (secret)
      ~ change         Deployment k4x-2dmn7i-app1-5iyixp/app1-app (restarts the Pod: down for at most 30 s until it has stopped, then until the new one is ready)  — spec.template.metadata.annotations.kompox.dev/compose-content-hash differs (compose.yml:2:3)
            spec.template.metadata.annotations.kompox.dev/compose-content-hash: (secret) → (secret)
    "#);
}

#[test]
fn a_service_less_takes_its_objects_away_and_keeps_data() {
    let mut world = World::deployed();
    let compose = world.files["compose.yml"].split("  postgres:").next().unwrap().to_owned();
    world.files.insert("compose.yml".into(), compose);
    insta::assert_snapshot!(world.text(), @r#"
    /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
      - delete         Secret k4x-2dmn7i-app1-5iyixp/app1-app-postgres-base  — the commit no longer asks for it (kompoxops.yml:18:9)
      - delete         Service k4x-2dmn7i-app1-5iyixp/postgres  — the commit no longer asks for it (kompoxops.yml:18:9)
      ~ change         Deployment k4x-2dmn7i-app1-5iyixp/app1-app (restarts the Pod: down for at most 30 s until it has stopped, then until the new one is ready)  — spec.template.metadata.annotations.kompox.dev/compose-content-hash and 2 more differ (compose.yml:2:3)
            spec.template.metadata.annotations.kompox.dev/compose-content-hash: (secret) → (secret)
            spec.template.spec.containers[postgres]: {"envFrom":[{"secretRef":{"name":"app1-app-postgres-base","optional":true}},{"secretRef":{"name":"app1-app-po… #fad6774d → (absent)
            spec.template.spec.initContainers[init-volume-subpaths].command: ["sh","-c","mkdir -m 1777 -p /work/default/data/gitea\nmkdir -m 1777 -p /work/default/data/postgres"] → ["sh","-c","mkdir -m 1777 -p /work/default/data/gitea"]
    "#);
    assert!(world.plan().actions.iter().all(|action| match &action.what {
        What::Delete(live) =>
            !matches!(live.key.kind, Kind::Namespace | Kind::PersistentVolume | Kind::PersistentVolumeClaim),
        _ => true,
    }));
}

#[test]
fn only_what_the_agent_applied_to_this_app_is_deleted() {
    let mut world = World::deployed();
    let mut stray = world.live(Kind::Secret, "gitea").clone();
    let add =
        |world: &mut World, live: &LiveObject| drop(world.observed.objects.insert(live.key.clone(), live.clone()));
    stray.key.name = "stray".into();
    // In another namespace, by another manager, or going already.
    let mut elsewhere = stray.clone();
    elsewhere.key.namespace = Some("other".into());
    add(&mut world, &elsewhere);
    let mut by_hand = stray.clone();
    by_hand.key.name = "by-hand".into();
    by_hand.body["metadata"]["managedFields"][0]["manager"] = json!("kubectl");
    add(&mut world, &by_hand);
    let mut going = stray.clone();
    going.key.name = "going".into();
    going.body["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:00Z");
    add(&mut world, &going);
    assert_eq!(world.plan().counts(), Counts::default());
    add(&mut world, &stray);
    let deleted = world.plan().actions.into_iter().filter_map(|action| match action.what {
        What::Delete(live) => Some(live.key),
        _ => None,
    });
    assert_eq!(deleted.collect::<Vec<_>>(), [stray.key]);
}

#[test]
fn another_disks_objects_are_kept() {
    let mut world = World::deployed();
    world.observed.disks = Ok(vec![disk("d2")]);
    world.observed.bindings.insert("d2".into(), binding("d2"));
    let plan = world.plan();
    let kept = plan.actions.iter().filter(|action| matches!(action.what, What::Keep(_)));
    assert_eq!(kept.count(), 2, "{}", text::to_text(&plan));
    assert_eq!((plan.counts().created, plan.counts().changed, plan.counts().deleted), (2, 1, 0));
}

#[test]
fn an_app_without_a_node_for_its_pool_is_blocked() {
    let mut world = World::deployed();
    world.observed.nodes = vec![Node { name: "n1".into(), hostname: "n1".into(), pool: Some("gpu".into()) }];
    let plan = world.plan();
    let shown = text::to_text(&plan);
    assert!(plan.obstacle().is_some(), "{shown}");
    assert!(shown.contains("kubectl label node n1 kompox.dev/node-pool=user --overwrite"), "{shown}");
}

#[test]
fn a_suspended_app_is_left_alone() {
    let mut world = World::gitea();
    world.in_app("  reconcile: {suspend: true}\n");
    let plan = world.plan();
    assert!(matches!(only(&plan).what, What::Keep(Subject::App)));
    assert!(plan.obstacle().is_none());
}

#[test]
fn protection_forbids_what_it_says() {
    let protected = |level: &str| {
        let mut world = World::deployed();
        let protection = format!("cluster:\n  protection:\n    installation: {level}\n");
        world.edit("kompoxops.yml", "cluster:\n", &protection);
        world
    };
    let mut world = protected("cannotDelete");
    world.edit("compose.yml", "postgres:17", "postgres:18");
    assert_eq!(world.plan().counts(), Counts { changed: 1, ..Counts::default() });
    let mut stray = world.live(Kind::Secret, "gitea").clone();
    stray.key.name = "stray".into();
    world.observed.objects.insert(stray.key.clone(), stray);
    assert_eq!(world.plan().counts(), Counts { changed: 1, blocked: 1, ..Counts::default() });

    let mut world = protected("readOnly");
    assert!(world.plan().actions.is_empty());
    world.edit("compose.yml", "postgres:17", "postgres:18");
    stops(&world, (1, 0), &["protection.installation is readOnly"]);
    world.observed = World::gitea().observed;
    stops(&world, (16, 0), &["volume default"]);
}

#[test]
fn what_is_being_deleted_is_waited_for() {
    let mut world = World::deployed();
    world.live(Kind::PersistentVolumeClaim, "").body["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    stops(&world, (1, 0), &["it has been being deleted for 1625 minutes", "finalizer"]);
    // A moment ago: it passes by itself.
    world.live(Kind::PersistentVolumeClaim, "").body["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:00Z");
    let plan = world.plan();
    assert!(matches!(plan.obstacle().unwrap().what, What::Awaited { .. }), "{}", text::to_text(&plan));
    assert!(!plan.writes());
}

#[test]
fn the_app_of_another_source_is_not_fought_over() {
    let mut world = World::deployed();
    world.settings.source = "other".into();
    world.edit("compose.yml", "postgres:17", "postgres:18");
    let command = format!("kubectl annotate namespace {} kompox.dev/source=other --overwrite", world.namespace());
    stops(&world, (1, 0), &["belongs to the source `ops`", &command]);

    let mut by_hand = World::gitea();
    by_hand.settings.source = BY_HAND.into();
    by_hand.observed.settle(vec![(disk("d1"), binding("d1"))]);
    by_hand.apply();
    by_hand.settings.source = "ops".into();
    let plan = by_hand.plan();
    assert!(plan.obstacle().is_none() && plan.writes(), "{}", text::to_text(&plan));
    by_hand.apply();
    assert!(by_hand.plan().actions.is_empty(), "{}", by_hand.text());
}

#[test]
fn a_plan_after_its_disk_was_made_needs_no_more_disk() {
    let mut world = World::gitea();
    let plan = world.plan();
    let What::CreateDisk(spec) =
        plan.actions.iter().map(|action| &action.what).find(|what| what.stage() == Stage::Disks).unwrap()
    else {
        panic!()
    };
    let made = Disk { name: spec.name.clone(), op_key: Some(spec.op_key.clone()), ..disk("d9") };
    world.observed.settle(vec![(made, binding("d9"))]);
    assert_eq!(world.plan().counts(), Counts { created: 15, ..Counts::default() });
    world.apply();
    assert!(world.has(Kind::Deployment));
    assert!(world.plan().actions.is_empty(), "{}", world.text());
}

#[test]
fn json_says_what_programs_need() {
    let mut world = World::deployed();
    world.edit("compose.yml", "postgres:17", "postgres:18");
    insta::assert_snapshot!(format!("{:#}", json_of(&world.plan())), @r#"
    {
      "actions": [
        {
          "action": "change",
          "downtime": {
            "kind": "restart",
            "readySeconds": 0,
            "stopSeconds": 30
          },
          "fields": [
            {
              "after": "postgres:18",
              "before": "postgres:17",
              "path": "spec.template.spec.containers[postgres].image"
            }
          ],
          "origin": "compose.yml:2:3",
          "reason": "spec.template.spec.containers[postgres].image differs",
          "stage": "Workload",
          "subject": "Deployment k4x-2dmn7i-app1-5iyixp/app1-app"
        }
      ],
      "app": "/ws/w1/prv/p1/cls/cluster1/app/app1",
      "counts": {
        "awaited": 0,
        "blocked": 0,
        "changed": 1,
        "created": 0,
        "deleted": 0,
        "disksAssigned": 0,
        "disksCreated": 0,
        "held": 0,
        "left": 0,
        "replaced": 0
      },
      "digest": "1efdc7766b29d192fe17556ffbe930276ae3dac31e10012b506483bc9353914f",
      "origin": "kompoxops.yml:18:9"
    }
    "#);
    let first = json_of(&World::gitea().plan());
    let names: Vec<&str> = first["actions"].as_array().unwrap().iter().map(|a| a["action"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| **name == "newEmptyDisk").count(), 1);
    assert_eq!(first["counts"]["disksCreated"], json!(1));
}

#[test]
fn markdown_is_a_table_that_nobody_can_break_out_of() {
    let mut world = World::deployed();
    world.edit("compose.yml", "postgres:17", "postgres:18");
    insta::assert_snapshot!(super::markdown::to_markdown(&world.plan()), @r#"
    ### `/ws/w1/prv/p1/cls/cluster1/app/app1`

    | | what | why | where |
    |-|-|-|-|
    | **change** | Deployment k4x-2dmn7i-app1-5iyixp/app1-app (restarts the Pod: down for at most 30 s until it has stopped, then until the new one is ready) | spec.template.spec.containers[postgres].image differs | `compose.yml:2:3` |

    <details><summary>details</summary>

    ```text
    Deployment k4x-2dmn7i-app1-5iyixp/app1-app: spec.template.spec.containers[postgres].image: postgres:17 → postgres:18
    ```

    </details>

    Plan `1efdc7766b29d192fe17556ffbe930276ae3dac31e10012b506483bc9353914f`
    "#);
    world.settings.source = "a|b<script>".into();
    let table = super::markdown::to_markdown(&world.plan());
    assert!(table.contains("a\\|b&lt;script>"), "{table}");
    assert!(super::markdown::to_markdown(&World::deployed().plan()).contains("Nothing to do."));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to an object with a secret, its value is in no text.
    #[test]
    fn secret_values_are_in_no_text(
        canary in "CANARY[a-zA-Z0-9]{6,20}",
        old in "CANARY[a-zA-Z0-9]{6,20}",
        variable in prop::sample::select(vec!["DB_PASSWORD", "API_TOKEN", "SESSION_SECRET", "ENCRYPTION_KEY", "MYSQL_PASS"]),
        owned in any::<bool>(),
    ) {
        use base64_of as encoded;
        let mut world = World::deployed();
        world.edit("compose-postgres.env", "change-me", &old);
        world.edit("compose.yml", "USER_UID=1000", &format!("{variable}={old}"));
        world.apply();
        if !owned {
            for live in world.observed.objects.values_mut() {
                live.body["metadata"]["managedFields"] = json!([]);
            }
        }
        world.edit("compose-postgres.env", &old, &canary);
        world.edit("compose.yml", &old, &canary);
        let changed = world.plan();
        let first = World { observed: World::gitea().observed, ..world }.plan();
        for plan in [changed, first] {
            prop_assert!(plan.writes());
            let texts = [text::to_text(&plan), json_of(&plan).to_string(), super::markdown::to_markdown(&plan), format!("{plan:?}")];
            for text in texts {
                prop_assert!(!text.contains("CANARY"), "{}", text);
                prop_assert!(!text.contains(&encoded(&canary)) && !text.contains(&encoded(&old)), "{}", text);
            }
        }
    }
}

/// Base64 as in a Secret's data; written here so that the test does not trust what it tests.
fn base64_of(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut shown = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let number =
            chunk.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte)) << (8 * (3 - chunk.len()));
        let digit = |place: usize| char::from(DIGITS[(number >> (18 - 6 * place)) & 63]);
        (0..=chunk.len()).for_each(|place| shown.push(digit(place)));
        (chunk.len()..3).for_each(|_| shown.push('='));
    }
    shown
}

#[test]
fn an_applied_object_shows_the_fields_that_the_agent_owns() {
    let mut world = World::deployed();
    let live = world.live(Kind::Deployment, "app").clone();
    let object = Object { key: live.key.clone(), body: live.body.clone(), origin: world.app().at };
    assert!(
        applied(&object).managed_fields()[0]["fieldsV1"].pointer("/f:spec/f:template/f:spec/f:containers").is_some()
    );
}

#[test]
fn every_name_in_json_is_in_the_documentation() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plan.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut held = World::gitea();
    held.settings.new_disks = NewDisks::Hold;
    let mut changed = World::deployed();
    changed.edit("compose.yml", "postgres:17", "postgres:18");
    let plans = [World::gitea().plan(), held.plan(), changed.plan()];
    let mut names = std::collections::BTreeSet::new();
    let mut values: Vec<Value> = plans.iter().map(json_of).collect();
    while let Some(value) = values.pop() {
        match value {
            Value::Array(items) => values.extend(items),
            Value::Object(fields) => {
                for (name, value) in fields {
                    names.insert(name);
                    values.push(value);
                }
            }
            _ => {}
        }
    }
    assert!(names.len() > 25, "{names:?}");
    names.extend(Stage::ALL.map(|stage| format!("{stage:?}")));
    names.extend(ActionKind::ALL.map(|kind| kind.word().to_owned()));
    let missing: Vec<&String> = names.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "describe {missing:?} in docs/plan.md");
}

#[test]
fn a_paused_app_is_left_alone_until_its_pause_ends() {
    let mut world = World::deployed();
    world.edit("compose.yml", "postgres:17", "postgres:18");
    let mut namespace = world.live(Kind::Namespace, "").clone();
    let mut pause = |until: &str| {
        namespace.body["metadata"]["annotations"][crate::pause::UNTIL] = until.into();
        world.observed.objects.insert(namespace.key.clone(), namespace.clone());
        world.plan()
    };
    let plan = pause("2026-01-02T03:06:00Z");
    assert!(matches!(only(&plan).what, What::Keep(Subject::App)));
    assert!(only(&plan).reason.starts_with("paused until 2026-01-02T03:06:00Z; "), "{}", only(&plan).reason);
    assert!(plan.obstacle().is_none());

    assert_eq!(pause("2026-01-02T03:05:00Z").counts().changed, 1, "it has ended by itself");

    let plan = pause("soon");
    let What::Blocked { remedy, .. } = &plan.obstacle().unwrap().what else { panic!() };
    assert!(remedy.contains("kubectl annotate namespace"), "{remedy}");
    assert_eq!(plan.actions.len(), 1, "nothing else is thought of");
}
