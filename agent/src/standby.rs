//! What an agent shows that does not hold the Lease: how Apps are, as far as the cluster alone tells. Its watches run
//! while it waits, so a look at the page asks nothing of the API server. What only the holder of the Lease knows (the
//! commit, what is held, what it does next) is not here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use kompox_core::health::assess;
use kompox_core::observed::LiveObject;
use kompox_core::pause::Pause;
use kompox_manifests::id::AppId;
use kompox_manifests::labels;
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, ObjectKey};

use crate::cluster::cache::Cache;

/// Most Apps that are shown: every one is assessed anew for a page.
const MOST_APPS: usize = 1000;

/// How everything is, for people, in plain text.
pub(crate) fn page(cache: &Cache) -> String {
    let mut text = String::from("kompox-agent: stands by; another agent holds the Lease, or this one has just begun\n");
    if let Err(failure) = cache.check() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{failure}; what is shown may be old, or not all");
    }
    let namespaces = cache.namespaces();
    let mut sources: BTreeMap<&str, Vec<(AppId, &LiveObject)>> = BTreeMap::new();
    for (id, namespace) in namespaces.iter().filter_map(|namespace| Some((app_of(namespace)?, namespace))) {
        let source = namespace.annotation(labels::SOURCE).unwrap_or("none");
        sources.entry(source).or_default().push((id, namespace));
    }
    let now = Timestamp::now();
    let mut room = MOST_APPS;
    for (source, mut apps) in sources {
        apps.sort_by(|(one, _), (other, _)| one.cmp(other));
        let _ = writeln!(text, "\nsource {source}");
        for (id, namespace) in apps.iter().take(room) {
            let _ = writeln!(text, "  {id}  {}", state(cache, id, namespace, now));
        }
        if let Some(more) = apps.len().checked_sub(room).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {more} more");
        }
        room = room.saturating_sub(apps.len());
    }
    text
}

/// The App whose Namespace this is. An annotation that somebody wrote elsewhere makes none.
fn app_of(namespace: &LiveObject) -> Option<AppId> {
    let id = AppId::from_slashed(namespace.annotation(labels::APP)?).ok()?;
    (Names::of(&id).namespace == namespace.key.name).then_some(id)
}

/// How an App is, in words.
fn state(cache: &Cache, id: &AppId, namespace: &LiveObject, now: Timestamp) -> String {
    let health = health(cache, id);
    match Pause::of(namespace, now) {
        Ok(None) => health,
        Ok(Some(pause)) => format!("{health}; {pause}"),
        Err(unreadable) => format!("{health}; a pause is meant, but {unreadable}"),
    }
}

fn health(cache: &Cache, id: &AppId) -> String {
    let names = Names::of(id);
    let instance = &names.hashes.instance;
    let deployment =
        ObjectKey { kind: Kind::Deployment, namespace: Some(names.namespace.clone()), name: names.workload() };
    let workload = match cache.workload(instance, &deployment) {
        Ok(workload) => workload,
        Err(failure) => return failure.to_string(),
    };
    let is_bare = || cache.objects(instance).keys().all(|key| key.kind == Kind::Namespace);
    if workload.deployment.is_none() && is_bare() {
        return "only its Namespace is there: it has left Git, or has yet to come".to_owned();
    }
    assess(&workload).to_string()
}

#[cfg(test)]
mod tests {
    use kompox_core::pause;
    use serde_json::json;

    use super::*;
    use crate::cluster::ClusterApi as _;
    use crate::testing::{Memories, World};

    /// A world whose App is deployed, and its Namespace.
    async fn deployed() -> (World, ObjectKey) {
        let world = World::new();
        world.look(&world.commit(1), &mut Memories::default()).await;
        let id: AppId = format!("{}/app/shop", world.agent.cluster_id).parse().unwrap();
        let namespace = ObjectKey { kind: Kind::Namespace, namespace: None, name: Names::of(&id).namespace };
        (world, namespace)
    }

    /// The page of what is in the cluster now.
    async fn shown(world: &World) -> String {
        let cache = Cache::default();
        cache.read_once(world.cluster.as_ref()).await.unwrap();
        let before = world.cluster.calls().len();
        let page = page(&cache);
        assert_eq!(world.cluster.calls().len(), before, "a look at the page asks nothing");
        page
    }

    fn annotate(world: &World, namespace: &ObjectKey, name: &str, value: &str) {
        let mut body = world.cluster.inner.object(namespace).unwrap().body;
        body["metadata"]["annotations"][name] = json!(value);
        world.cluster.inner.store(namespace, &body);
    }

    #[tokio::test]
    async fn an_app_is_shown_with_its_source_its_health_and_its_pause() {
        let (world, namespace) = deployed().await;
        let head = "kompox-agent: stands by; another agent holds the Lease, or this one has just begun\n";
        let line = |state: &str| format!("{head}\nsource ops\n  /ws/w1/prv/p1/cls/c1/app/shop  {state}\n");
        assert_eq!(shown(&world).await, line("healthy"));
        world.heal(false);
        let page = shown(&world).await;
        assert!(page.starts_with(line("progressing: ").trim_end()), "{page}");
        world.heal(true);
        annotate(&world, &namespace, pause::UNTIL, "2999-01-01T00:00:00Z");
        annotate(&world, &namespace, pause::REASON, "moving");
        assert_eq!(shown(&world).await, line("healthy; paused until 2999-01-01T00:00:00Z: moving"));
        annotate(&world, &namespace, pause::UNTIL, "soon");
        let page = shown(&world).await;
        assert!(page.contains("healthy; a pause is meant, but the annotation"), "{page}");
    }

    #[tokio::test]
    async fn what_is_left_of_an_app_that_went_is_told_and_a_foreign_mark_is_no_app() {
        let (world, namespace) = deployed().await;
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Namespace) {
            for object in world.cluster.inner.list_owned(kind).await.unwrap() {
                world.cluster.inner.delete_now(&object.key);
            }
        }
        let page = shown(&world).await;
        assert!(page.contains("/app/shop  only its Namespace is there"), "{page}");
        annotate(&world, &namespace, labels::APP, "w1/p1/c1/other");
        assert!(!shown(&world).await.contains("source "));
    }

    #[test]
    fn a_blind_agent_says_so() {
        let page = page(&Cache::default());
        assert!(page.contains("\nthe cluster cannot be seen") && page.contains("may be old"), "{page}");
    }
}
