//! A person takes an App out of the agent's hands while it works on it.

use kompox_core::pause;
use kompox_core::plan::order::Stage;
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;
use kompox_manifests::object::ObjectKey;
use serde_json::json;

use super::*;

const UNTIL: &str = "2999-01-01T00:00:00Z";

fn namespace_of(world: &World, app: &str) -> ObjectKey {
    let id: AppId = format!("{}/app/{app}", world.agent.cluster_id).parse().unwrap();
    ObjectKey { kind: Kind::Namespace, namespace: None, name: Names::of(&id).namespace }
}

/// Writes the annotation of a pause, or takes it away; the watch shows it at once.
pub(super) fn pause(world: &World, app: &str, until: Option<&str>) -> impl FnOnce() + Send + 'static {
    let (cluster, agent, key) = (Arc::clone(&world.cluster), Arc::clone(&world.agent), namespace_of(world, app));
    let until = until.map(str::to_owned);
    move || {
        let mut body = cluster.inner.object(&key).map_or_else(|| json!({"metadata": {}}), |live| live.body);
        match until {
            Some(until) => body["metadata"]["annotations"][pause::UNTIL] = json!(until),
            None => drop(body["metadata"]["annotations"].as_object_mut().unwrap().remove(pause::UNTIL)),
        }
        agent.cache.put(&cluster.inner.store(&key, &body));
    }
}

fn stage_of(call: &str) -> Stage {
    Stage::of(Kind::from_name(call.split(' ').next().unwrap()).unwrap())
}

/// The App with a Service, so that something is written in most stages.
fn world() -> World {
    let mut world = World::new();
    world.edit("shop/compose.yml", "    env_file", "    ports: [\"80:80\"]\n    env_file");
    world
}

#[tokio::test]
async fn a_pause_between_two_stages_stops_the_rest() {
    let plain = world();
    plain.look(&plain.commit(1), &mut Memories::default()).await;
    let all = plain.calls("apply");
    let last = all.iter().map(|call| stage_of(call)).max().unwrap();
    for until in [UNTIL, "soon"] {
        for (place, call) in all.iter().enumerate() {
            let stage = stage_of(call);
            let world = world();
            let mut memory = Memories::default();
            world.cluster.fault_later("apply", place, Fault::Meanwhile(Box::new(pause(&world, "shop", Some(until)))));
            let outcome = world.look(&world.commit(1), &mut memory).await;
            let written = world.calls("apply");
            assert!(written.iter().all(|call| stage_of(call) <= stage), "{call}: {written:#?}");
            assert_eq!(world.disks(), usize::from(stage > Stage::Disks), "{call}");
            if stage < last {
                assert_eq!((failure(&outcome).label, failure(&outcome).passes()), ("paused", true), "{call}");
            }
            // It is left alone from then on, and finished when the pause is over.
            let outcome = world.look(&world.commit(1), &mut memory).await;
            assert!(outcome.failures().next().is_some() || matches!(outcome.apps[0].state, State::Paused(_)), "{call}");
            assert_eq!(world.calls("apply"), written, "{call}");
            pause(&world, "shop", None)();
            let outcome = world.look(&world.commit(1), &mut memory).await;
            assert!(outcome.failures().next().is_none(), "{call}");
            assert_eq!((world.calls("apply").len() >= all.len(), world.disks()), (true, 1), "{call}");
        }
    }
}

#[tokio::test]
async fn a_pause_while_the_last_stage_is_written_keeps_what_was_to_be_deleted() {
    let two_hosts =
        "rules: [{name: web, port: 80, hosts: [a.example.com]}, {name: api, port: 81, hosts: [b.example.com]}]";
    let deployed = async || {
        let mut world = World::new();
        world.edit("shop/kompoxops.yml", "  volumes:\n", &format!("  ingress: {{{two_hosts}}}\n  volumes:\n"));
        let extra =
            "    env_file: [web.env]\n    ports: [\"80:80\"]\n  api:\n    image: nginx:1\n    ports: [\"81:81\"]\n";
        world.edit("shop/compose.yml", "    env_file: [web.env]\n", extra);
        let mut memory = Memories::default();
        let outcome = world.look(&world.commit(1), &mut memory).await;
        assert!(outcome.failures().next().is_none(), "{}", failure(&outcome));
        world.edit("shop/compose.yml", "  api:\n    image: nginx:1\n    ports: [\"81:81\"]\n", "");
        world.edit("shop/kompoxops.yml", two_hosts, "rules: [{name: web, port: 80, hosts: [c.example.com]}]");
        let written = world.calls("apply").len();
        (world, memory, written)
    };
    let (plain, mut memory, earlier) = deployed().await;
    plain.look(&plain.commit(2), &mut memory).await;
    let all = plain.calls("apply");
    assert!(all.last().is_some_and(|call| stage_of(call) == Stage::Ingress), "{all:#?}");
    assert!(!plain.calls("delete").is_empty());
    let (world, mut memory, _) = deployed().await;
    let pausing = Fault::Meanwhile(Box::new(pause(&world, "shop", Some(UNTIL))));
    world.cluster.fault_later("apply", all.len() - earlier - 1, pausing);
    let outcome = world.look(&world.commit(2), &mut memory).await;
    assert_eq!((failure(&outcome).label, world.calls("apply").len()), ("paused", all.len()));
    assert!(world.calls("delete").is_empty());
    pause(&world, "shop", None)();
    world.look(&world.commit(2), &mut memory).await;
    assert_eq!(world.calls("delete"), plain.calls("delete"));
}
