use futures::StreamExt as _;
use serde_json::json;

use super::*;
use crate::cluster::kube_cluster::tests::{SECOND, Server};

fn object(name: &str, version: &str) -> Value {
    json!({"metadata": {
        "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": version,
        "labels": {"kompox.dev/app-instance-hash": "abc123"}, "managedFields": [{"manager": "m"}],
    }})
}

async fn listed(cluster: &KubeCluster, topic: Topic) -> Result<(Vec<Sighting>, String), ClusterError> {
    let mut all = Vec::new();
    let version = WatchApi::list(cluster, topic, &mut |sighting| all.push(sighting)).await?;
    Ok((all, version))
}

fn body(sighting: &Sighting) -> Value {
    serde_json::from_slice(&sighting.body).unwrap_or_default()
}

#[tokio::test]
async fn a_list_is_handed_over_page_by_page_with_its_version() {
    let server = Server::start(vec![
        (200, json!({"metadata": {"continue": "n", "resourceVersion": "90"}, "items": [object("a", "1")]})),
        (200, json!({"metadata": {"resourceVersion": "90"}, "items": [object("b", "2"), {"metadata": {}}]})),
    ]);
    let cluster = server.client(SECOND).await;
    let (all, version) = listed(&cluster, Topic::Owned(Kind::Service)).await.unwrap();
    assert_eq!(version, "90");
    assert_eq!(all.len(), 2, "what is no object is left out");
    assert_eq!((all[1].name.as_str(), all[1].version.as_str()), ("b", "2"));
    assert_eq!(all[0].instance.as_deref(), Some("abc123"));
    let kept = body(&all[0]);
    assert_eq!((&kept["apiVersion"], &kept["kind"]), (&json!("v1"), &json!("Service")));
    assert!(kept.pointer("/metadata/managedFields").is_some(), "the diff goes by them");
    let lines = server.lines();
    assert!(lines[0].contains("labelSelector=app.kubernetes.io%2Fmanaged-by%3Dkompox"), "{lines:?}");
}

#[tokio::test]
async fn of_what_is_only_looked_at_little_is_kept() {
    let pod = object("p", "1");
    let mut nodes = object("n", "1");
    nodes["metadata"]["labels"] = json!({"kompox.dev/node-pool": "user"});
    let set = |replicas: u32| {
        let mut set = object(&format!("r{replicas}"), "1");
        set["spec"] = json!({"replicas": replicas});
        set
    };
    let page = |items: Value| (200, json!({"metadata": {"resourceVersion": "9"}, "items": items}));
    let server = Server::start(vec![
        page(json!([pod])),
        page(json!([nodes])),
        page(json!([set(0), set(1)])),
        page(json!([object("s", "1")])),
        page(Value::Null),
    ]);
    let cluster = server.client(SECOND).await;
    let (pods, _) = listed(&cluster, Topic::Pods).await.unwrap();
    assert_eq!(body(&pods[0]).pointer("/metadata/managedFields"), None);
    let (nodes, _) = listed(&cluster, Topic::Nodes).await.unwrap();
    assert_eq!(body(&nodes[0]), json!({"kompox.dev/node-pool": "user"}));
    let (sets, _) = listed(&cluster, Topic::ReplicaSets).await.unwrap();
    assert_eq!(sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["r1"], "the past is not kept");
    let (names, _) = listed(&cluster, Topic::Names(Kind::Secret)).await.unwrap();
    assert!(names[0].body.is_empty());
    assert!(listed(&cluster, Topic::Names(Kind::ConfigMap)).await.unwrap().0.is_empty());
    let seen = server.lines();
    assert!(seen[3].contains("/api/v1/secrets?") && !seen[3].contains("labelSelector"), "{seen:?}");
}

/// The events of a stream, in short, to its end.
async fn watched(answer: &str) -> Vec<String> {
    let server = Server::start_raw(vec![(200, String::new(), answer.to_owned())]);
    let cluster = server.client(SECOND).await;
    let changes = cluster.watch(Topic::ReplicaSets, "41").await.unwrap();
    let told = changes.map(|change| match change {
        Ok(Change::Seen(sighting)) => format!("seen {} at {}", sighting.name, sighting.version),
        Ok(Change::Gone(sighting)) => format!("gone {} at {}", sighting.name, sighting.version),
        Ok(Change::Bookmark(version)) => format!("bookmark {version}"),
        Err(error) => format!("error {}", error.label()),
    });
    let told = told.collect().await;
    let line = &server.lines()[0];
    assert!(line.contains("resourceVersion=41") && line.contains("allowWatchBookmarks=true"), "{line}");
    told
}

#[tokio::test]
async fn events_become_changes_and_bad_ones_do_not_stop_them() {
    let mut running = object("r", "42");
    running["spec"] = json!({"replicas": 1});
    let event = |kind: &str, object: &Value| format!("{}\n", json!({"type": kind, "object": object}));
    let text = [
        event("ADDED", &running),
        event("MODIFIED", &object("idle", "43")),
        event("MODIFIED", &json!({"metadata": {"resourceVersion": "44"}})),
        event("BOOKMARK", &json!({"metadata": {"resourceVersion": "50"}})),
        event("DELETED", &running),
    ];
    let told = watched(&text.concat()).await;
    assert_eq!(told, ["seen r at 42", "gone idle at 43", "bookmark 44", "bookmark 50", "gone r at 42"]);
}

#[tokio::test]
async fn a_version_that_is_too_old_and_nonsense_end_the_stream() {
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}});
    let more = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "50"}}});
    assert_eq!(watched(&format!("{expired}\n{more}\n")).await, ["error expired"]);
    assert_eq!(watched("{\"type\": \"ADDED\", \"object\": \n").await, ["error answer"]);
    assert_eq!(watched("").await, [] as [&str; 0]);
}

#[tokio::test]
async fn of_secrets_no_value_is_kept() {
    let mut secret = object("s", "1");
    secret["data"] = json!({"password": "Y2FuYXJ5LTQ3MTE="});
    let server = Server::start(vec![(200, json!({"metadata": {"resourceVersion": "9"}, "items": [secret]}))]);
    let cluster = server.client(SECOND).await;
    let (all, _) = listed(&cluster, Topic::Owned(Kind::Secret)).await.unwrap();
    let kept = String::from_utf8(all[0].body.clone()).unwrap();
    assert!(kept.contains("\"password\":\"sha256:") && !kept.contains("Y2FuYXJ5"), "{kept}");
}

#[tokio::test]
async fn no_event_quotes_a_secret() {
    let text = "{\"type\": \"ADDED\", \"object\": {\"data\": {\"password\": \"canary-4711\"}\n";
    let server = Server::start_raw(vec![(200, String::new(), text.to_owned())]);
    let cluster = server.client(SECOND).await;
    let mut changes = cluster.watch(Topic::Owned(Kind::Secret), "1").await.unwrap();
    let Some(Err(error)) = changes.next().await else { panic!("it was understood") };
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn a_watch_that_is_refused_says_which_right_is_missing() {
    let refusal = json!({"kind": "Status", "code": 403, "reason": "Forbidden",
        "message": "secrets is forbidden: User \"agent\" cannot watch resource \"secrets\" in API group \"\" at the cluster scope"});
    let server = Server::start(vec![(403, refusal)]);
    let error = server.client(SECOND).await.watch(Topic::Names(Kind::Secret), "1").await.err().unwrap();
    assert!(error.to_string().contains("may not watch secrets in the whole cluster"), "{error}");
}
