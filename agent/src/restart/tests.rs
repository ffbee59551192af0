use kompox_core::prepull::NodeState;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::cluster::ClusterApi as _;
use crate::cluster::cache::Cache;
use crate::cluster::faulty::Fault;
use crate::cluster::watch::{Audience as _, Sighting, Topic};
use crate::outcome::Outcome;
use crate::testing::{Memories, QUICK, World, look};

/// Shows the running Pod of an App to the cache, as a watch does. The cluster in memory has no Pods itself.
fn show_pod(cache: &Cache, world: &World, app: &str, image: &str) {
    let commit = world.commit(1);
    let wanted =
        crate::desire::desire(&commit, &world.agent.cluster_id, &mut kompox_manifests::desired::Conversions::default());
    let names = wanted.apps.iter().find(|wish| wish.app.id.app == app).unwrap().names.clone();
    let pod = json!({
        "metadata": {"name": format!("{app}-app-1"), "namespace": names.namespace,
            "labels": {"app": names.workload()}},
        "spec": {"nodeName": "n1", "nodeSelector": {"kompox.dev/node-pool": "user"},
            "containers": [{"name": "web", "image": image}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "web", "image": image, "imageID": "sha256:1",
            "ready": true, "restartCount": 0, "state": {"running": {}}}]},
    });
    cache.seen(
        Topic::Pods,
        Sighting {
            namespace: Some(names.namespace.clone()),
            name: format!("{app}-app-1"),
            uid: format!("{app}-pod"),
            // Newer than every list.
            version: "1000000".into(),
            instance: Some(names.hashes.instance.clone()),
            body: pod.to_string().into_bytes(),
        },
    );
}

/// A cluster in which `shop` runs `nginx:1`, and a commit that asks for `nginx:2`.
async fn deployed() -> (World, Memories) {
    let mut world = World::new();
    let mut memory = Memories::default();
    let deployed = world.look(&world.commit(1), &mut memory).await;
    assert!(deployed.failures().next().is_none());
    world.look(&world.commit(1), &mut memory).await;
    world.edit("shop/compose.yml", "nginx:1", "nginx:2");
    world.cluster.inner.own.set_node(NodeState { takes_pods: true, images: vec!["docker.io/library/nginx:1".into()] });
    (world, memory)
}

async fn look_again(world: &World, number: u32, memory: &mut Memories) -> Outcome {
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    show_pod(&world.agent.cache, world, "shop", "nginx:1");
    look(&world.agent, &world.commit(number), memory).await
}

#[tokio::test]
async fn an_app_that_waits_for_another_one_takes_no_turn() {
    let world = World::new();
    world.heal(false);
    world.look(&world.commit(1), &mut Memories::default()).await;
    let mut live = world.cluster.inner.list_owned(Kind::Deployment).await.unwrap().remove(0);
    live.body["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "2"});
    world.cluster.inner.store(&live.key, &live.body);
    world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
    let wanted = crate::desire::desire(
        &world.commit(1),
        &world.agent.cluster_id,
        &mut kompox_manifests::desired::Conversions::default(),
    );
    let wish = &wanted.apps[0];
    assert!(is_between_pods(&world.agent, wish));
    let state = State::Progressing("waits for `db`".into());
    judged(&world.agent, wish, &state, true);
    let other: AppId = "/ws/w1/prv/p1/cls/c1/app/db".parse().unwrap();
    let nobody = std::iter::empty::<(&AppId, fn() -> bool)>();
    assert_eq!(world.agent.turns.take(wish.source.as_deref(), &other, nobody), Ok(()));
}

/// What the only App waits for.
fn reason(outcome: &Outcome) -> String {
    match &outcome.apps[0].state {
        State::Progressing(reason) => reason.clone(),
        state => panic!("{state:?}"),
    }
}

fn failure(outcome: &Outcome) -> &Failure {
    outcome.failures().next().expect("nothing failed")
}

fn pods(world: &World) -> usize {
    world.cluster.inner.own.all().len()
}

/// How often the Deployment was written.
fn rolled(world: &World) -> usize {
    world.calls("apply").iter().filter(|call| call.starts_with("Deployment")).count()
}

fn started() -> Value {
    json!({"terminated": {"exitCode": 128, "reason": "StartError"}})
}

fn not_found() -> Value {
    json!({"waiting": {"reason": "ErrImagePull", "message": "nginx:2: not found"}})
}

#[tokio::test]
async fn the_pod_is_replaced_only_when_its_image_is_there() {
    let (world, mut memory) = deployed().await;
    let before = rolled(&world);
    let tried = world.calls("dry-run").len();
    assert_eq!(reason(&look_again(&world, 2, &mut memory).await), "pulling nginx:2 before the Pod is replaced");
    let tries = world.calls("dry-run").len() - tried;
    assert_eq!((pods(&world), rolled(&world)), (1, before));
    assert_eq!(reason(&look_again(&world, 2, &mut memory).await), "the image nginx:2 is being pulled");
    assert_eq!(world.calls("dry-run").len() - tried, tries, "waiting costs no dry-runs");
    world.cluster.inner.own.report(&started());
    look_again(&world, 2, &mut memory).await;
    assert_eq!((pods(&world), rolled(&world)), (0, before + 1));
}

#[tokio::test]
async fn an_image_that_cannot_be_had_leaves_the_old_pod_alone_and_is_tried_again() {
    let (world, mut memory) = deployed().await;
    let before = rolled(&world);
    look_again(&world, 2, &mut memory).await;
    world.cluster.inner.own.report(&not_found());
    assert!(reason(&look_again(&world, 2, &mut memory).await).contains("not found"), "it may pass");
    sleep(QUICK.patience).await;
    let failed = look_again(&world, 2, &mut memory).await;
    let failure = failure(&failed);
    assert_eq!((failure.label, failure.kind), ("ImagePullBackOff", FailureKind::Rejected));
    assert!(failure.text.starts_with("shop/compose.yml:3:12: the image nginx:2 cannot be had: "), "{failure}");
    assert!(failure.text.ends_with("; the Pod that runs was left alone"), "{failure}");
    assert_eq!((pods(&world), rolled(&world)), (0, before));

    let calls = world.cluster.calls().len();
    look_again(&world, 2, &mut memory).await;
    let listed = |calls: &[String]| calls.iter().filter(|call| !call.starts_with("list-all")).count();
    assert_eq!(listed(&world.cluster.calls()[calls..]), 0, "nothing is asked before its time");
    sleep(QUICK.waits.0).await;
    look_again(&world, 2, &mut memory).await;
    assert_eq!(pods(&world), 1, "the tag may have been pushed by now");
    world.cluster.inner.own.report(&started());
    look_again(&world, 2, &mut memory).await;
    assert_eq!((pods(&world), rolled(&world)), (0, before + 1));
}

#[tokio::test]
async fn another_commit_takes_over_at_once() {
    let (mut world, mut memory) = deployed().await;
    look_again(&world, 2, &mut memory).await;
    let first = world.cluster.inner.own.all().remove(0).metadata.name;
    world.edit("shop/compose.yml", "nginx:2", "nginx:3");
    assert_eq!(reason(&look_again(&world, 3, &mut memory).await), "pulling nginx:3 before the Pod is replaced");
    let names: Vec<_> = world.cluster.inner.own.all().into_iter().map(|pod| pod.metadata.name).collect();
    assert!(names.len() == 1 && names[0] != first, "{names:?}");
    world.edit("shop/compose.yml", "nginx:3", "nginx:1");
    look_again(&world, 4, &mut memory).await;
    assert_eq!(pods(&world), 0, "nothing is left when nothing is wanted");
}

#[tokio::test]
async fn a_commit_that_wants_no_pulling_ends_it() {
    let (mut world, mut memory) = deployed().await;
    let before = rolled(&world);
    look_again(&world, 2, &mut memory).await;
    assert_eq!((pods(&world), rolled(&world)), (1, before));
    world.edit("shop/kompoxops.yml", "app:\n", "app:\n  reconcile: {prepull: false}\n");
    look_again(&world, 3, &mut memory).await;
    assert_eq!((pods(&world), rolled(&world)), (0, before + 1));
}

#[tokio::test]
async fn what_need_not_be_pulled_is_not() {
    let (mut world, mut memory) = deployed().await;
    let before = rolled(&world);
    world.cluster.inner.own.set_node(NodeState { takes_pods: true, images: vec!["docker.io/library/nginx:2".into()] });
    look_again(&world, 2, &mut memory).await;
    assert_eq!((pods(&world), rolled(&world)), (0, before + 1), "the node has it");

    world.edit("shop/compose.yml", "image: nginx:2", "image: nginx:1\n    environment: {A: b}");
    let asked = world.calls("get").len();
    look_again(&world, 3, &mut memory).await;
    assert_eq!(rolled(&world), before + 2);
    assert_eq!(world.calls("get").len(), asked, "no image is new: not even the node is asked");

    world.edit("shop/compose.yml", "image: nginx:1", "image: nginx:9");
    world.edit("shop/kompoxops.yml", "  compose:", "  reconcile: {prepull: false}\n  compose:");
    look_again(&world, 4, &mut memory).await;
    assert_eq!((pods(&world), rolled(&world)), (0, before + 3), "switched off");
}

#[tokio::test]
async fn a_pod_that_somebody_deletes_or_that_is_there_already_is_no_trouble() {
    let (world, mut memory) = deployed().await;
    look_again(&world, 2, &mut memory).await;
    world.cluster.inner.own.clear();
    assert_eq!(reason(&look_again(&world, 2, &mut memory).await), "pulling images once more");
    assert_eq!(pods(&world), 1);
    // A process that remembers nothing of it goes on with the same Pod.
    let mut forgotten = Memories::default();
    look_again(&world, 2, &mut forgotten).await;
    assert_eq!(pods(&world), 1);
    world.cluster.inner.own.report(&started());
    let before = rolled(&world);
    look_again(&world, 2, &mut forgotten).await;
    assert_eq!((pods(&world), rolled(&world)), (0, before + 1));
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_away() {
    let (world, mut memory) = deployed().await;
    look_again(&world, 2, &mut memory).await;
    sweep(&world.agent).await;
    assert_eq!(pods(&world), 0);
    world.cluster.fault_later("list", 0, Fault::Refuse(crate::cluster::error::Cause::Unauthorized));
    sweep(&world.agent).await;
}

#[tokio::test]
async fn a_pod_that_cannot_be_made_stops_the_restart() {
    let (world, mut memory) = deployed().await;
    let before = rolled(&world);
    let quota = crate::cluster::error::Cause::Quota("exceeded quota: pods".into());
    world.cluster.fault_later("create", 0, Fault::Refuse(quota));
    let refused = look_again(&world, 2, &mut memory).await;
    let failure = failure(&refused);
    assert!(failure.text.contains("reconcile.prepull: false") && failure.text.contains("exceeded quota"), "{failure}");
    assert_eq!(rolled(&world), before);
}

#[tokio::test]
async fn one_app_of_a_source_is_interrupted_after_the_other() {
    let mut world = World::new();
    world.app("blog");
    let mut memory = Memories::default();
    world.look(&world.commit(1), &mut memory).await;
    world.look(&world.commit(1), &mut memory).await;
    for app in ["shop", "blog"] {
        world.edit(&format!("{app}/compose.yml"), "image: nginx:1", "image: nginx:1\n    environment: {A: b}");
    }
    let before = rolled(&world);
    world.heal(false);
    let again = async |memory: &mut Memories| {
        world.agent.cache.read_once(world.cluster.as_ref()).await.unwrap();
        for app in ["shop", "blog"] {
            show_pod(&world.agent.cache, &world, app, "nginx:1");
        }
        look(&world.agent, &world.commit(2), memory).await
    };
    let outcome = again(&mut memory).await;
    assert_eq!(rolled(&world), before + 1);
    let waits = "waits for its turn to be interrupted (maxDisruptions), behind blog";
    let waiting = outcome.apps.iter().find(|app| app.id.app == "shop").unwrap();
    assert_eq!(waiting.state, State::Progressing(waits.to_owned()));
    let of_shop = || world.cluster.calls().iter().filter(|call| call.contains("shop")).count();
    let asked = of_shop();
    again(&mut memory).await;
    assert_eq!((rolled(&world), of_shop()), (before + 1, asked), "waiting costs nothing");

    let (source, blog) = (Some("ops"), &outcome.apps[0].id);
    assert_eq!(
        world.agent.turns.ended(source, blog),
        std::slice::from_ref(&waiting.id),
        "it is told when its turn comes"
    );
    again(&mut memory).await;
    assert_eq!(rolled(&world), before + 2);
}
