use std::time::Duration;

use serde_json::json;

use super::*;
use crate::cluster::error::Cause;

fn sighting(namespace: &str, name: &str, version: u64, body: Value) -> Sighting {
    Sighting {
        namespace: Some(namespace.into()),
        name: name.into(),
        uid: format!("uid-{name}"),
        version: version.to_string(),
        instance: Some("abc".into()),
        body: body.to_string().into_bytes(),
    }
}

fn list(cache: &Cache, topic: Topic, all: Vec<Sighting>) {
    cache.listed(topic, all, "100");
    cache.connected(topic);
}

async fn news(cache: &Cache) -> Vec<News> {
    let waited = tokio::time::timeout(Duration::from_millis(20), cache.news()).await;
    waited.map(|news| news.into_iter().collect()).unwrap_or_default()
}

#[test]
fn foreign_names_are_not_kept() {
    let cache = Cache::default();
    let kept = |namespace: &str| cache.keeps(Topic::Names(Kind::Secret), &sighting(namespace, "s", 1, Value::Null));
    assert_eq!(["default", "kube-system", "k4x-1-shop-2"].map(kept), [false, false, true]);
}

#[tokio::test]
async fn what_the_agent_wrote_is_no_news_and_what_others_wrote_is() {
    let cache = Cache::default();
    let live = |version: u64, labels: Value| LiveObject {
        key: ObjectKey { kind: Kind::Service, namespace: Some("shop".into()), name: "web".into() },
        uid: "u".into(),
        resource_version: version.to_string(),
        body: json!({"metadata": {"labels": labels}}),
    };
    let ours = json!({"app.kubernetes.io/managed-by": "kompox", "kompox.dev/app-instance-hash": "abc"});
    let before = cache.revision("abc", "shop");
    cache.put(&live(7, ours.clone()));
    assert_ne!(cache.revision("abc", "shop"), before);
    // The watch brings it too.
    let topic = Topic::Owned(Kind::Service);
    cache.seen(topic, sighting("shop", "web", 7, json!({})));
    assert_eq!(news(&cache).await, []);
    cache.seen(topic, sighting("shop", "web", 8, json!({})));
    assert_eq!(news(&cache).await, [News::App("abc".into())]);
    // Records of the agent itself are no objects of Apps.
    let record = ObjectKey { kind: Kind::Service, namespace: Some("shop".into()), name: "record".into() };
    cache.put(&LiveObject { key: record.clone(), ..live(9, json!({"app.kubernetes.io/managed-by": "kompox-agent"})) });
    assert_eq!(cache.object(&record), None);
    cache.forget(&live(8, ours));
    assert_eq!(cache.objects("abc").len(), 0);
}

#[tokio::test]
async fn labels_of_nodes_are_news_and_their_heartbeats_are_not() {
    let cache = Cache::default();
    let node = |version, pool| sighting("", "n1", version, json!({"kompox.dev/node-pool": pool}));
    list(&cache, Topic::Nodes, vec![node(1, "user")]);
    assert_eq!(news(&cache).await, [News::Nodes]);
    let before = cache.revision("abc", "shop");
    cache.seen(Topic::Nodes, node(2, "user"));
    assert_eq!((news(&cache).await, cache.revision("abc", "shop")), (vec![], before));
    cache.seen(Topic::Nodes, node(3, "gpu"));
    assert_eq!(cache.nodes()[0].node_pool(), Some("gpu"));
    assert_eq!(news(&cache).await, [News::Nodes]);
    assert_ne!(cache.revision("abc", "shop"), before);
    cache.gone(Topic::Nodes, &node(4, "gpu"));
    assert_eq!(cache.nodes().len(), 0);
}

#[tokio::test]
async fn a_secret_of_an_operator_is_news_for_its_namespace() {
    let cache = Cache::default();
    let topic = Topic::Names(Kind::Secret);
    list(&cache, topic, Vec::new());
    let wanted = [(Kind::Secret, "web-override".to_owned())];
    assert_eq!(cache.refer("k4x-1-shop-2", &wanted), [External::Absent]);
    cache.seen(topic, sighting("k4x-1-shop-2", "web-override", 101, Value::Null));
    assert_eq!(news(&cache).await, [News::Namespace("k4x-1-shop-2".into())]);
    assert_eq!(cache.refer("k4x-1-shop-2", &wanted), [External::Unread]);
}

#[tokio::test]
async fn the_workload_is_what_the_deployment_selects_and_mounts() {
    let cache = Cache::default();
    let of = |name: &str, labels: Value| json!({"metadata": {"name": name, "labels": labels}});
    let deployment = json!({
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [],
            "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c1"}}]}}},
    });
    let add = |topic, name: &str, body| cache.seen(topic, sighting("shop", name, 5, body));
    add(Topic::Owned(Kind::Deployment), "web", deployment);
    add(Topic::Pods, "p1", of("p1", json!({"app": "web"})));
    add(Topic::Pods, "p2", of("p2", json!({"app": "box"})));
    add(Topic::Pods, "broken", json!({"metadata": "no"}));
    add(Topic::ReplicaSets, "r1", of("r1", json!({"app": "web"})));
    add(Topic::Owned(Kind::PersistentVolumeClaim), "c1", of("c1", json!({})));
    add(Topic::Owned(Kind::PersistentVolumeClaim), "c2", of("c2", json!({})));
    let key = |name: &str| ObjectKey { kind: Kind::Deployment, namespace: Some("shop".into()), name: name.into() };
    let workload = cache.workload("abc", &key("web")).unwrap();
    assert!(workload.deployment.is_some());
    assert_eq!((workload.pods.len(), workload.replica_sets.len(), workload.claims.len()), (1, 1, 1));
    let missing = cache.workload("abc", &key("other")).unwrap();
    assert!(missing.deployment.is_none() && missing.pods.is_empty());
}

#[tokio::test]
async fn coming_back_is_news() {
    let cache = Cache::default();
    for topic in Topic::all() {
        list(&cache, topic, Vec::new());
    }
    assert!(cache.check().is_ok());
    assert_eq!(news(&cache).await, []);
    cache.lost(Topic::Pods, &ClusterError::new("watch", Cause::Unreachable("cut".into())));
    assert!(cache.check().is_ok(), "a moment is borne");
    cache.connected(Topic::Pods);
    assert_eq!(news(&cache).await, [News::Back]);
}
