//! What belongs to the cluster as a whole: connecting, listing, deleting, the system Namespace.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::*;

#[tokio::test]
async fn a_server_on_plain_http_works_too() {
    let Some(scene) = Scene::new().await else { return };
    let mut proxy = Command::new("kubectl")
        .args(["proxy", "--port=0"])
        .env("KUBECONFIG", &scene.kubeconfig)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}]\n\
         users: [{{name: u, user: {{}}}}]\ncontexts: [{{name: t, context: {{cluster: c, user: u}}}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    let version = connect(&options(&path)).await.unwrap().server_version().await;
    proxy.kill().unwrap();
    proxy.wait().unwrap();
    assert_eq!(version.unwrap(), scene.cluster.server_version().await.unwrap());
}

#[tokio::test]
async fn only_labelled_objects_are_listed_and_exactly_they_are_deleted() {
    let Some(scene) = Scene::new().await else { return };
    let ours = scene.cluster.apply(&scene.object(Kind::ConfigMap, "ours", json!({})), false).await.unwrap();
    scene.person(&["create", "configmap", "theirs"]);
    let listed = scene.cluster.list_owned(Kind::ConfigMap).await.unwrap();
    let here: Vec<&LiveObject> =
        listed.iter().filter(|object| object.key.namespace.as_deref() == Some(scene.namespace.as_str())).collect();
    assert_eq!(here.len(), 1);
    assert_eq!(here[0].body, ours.body, "a list's items are as complete as a single object");

    let key = &ours.key;
    let delete = |uid: &str, version: &str| {
        let (cluster, key) = (scene.cluster.clone(), key.clone());
        let (uid, version) = (uid.to_owned(), version.to_owned());
        async move { cluster.delete(&key, &uid, &version).await }
    };
    assert_eq!(delete("another", &ours.resource_version).await.unwrap_err().cause, Cause::Changed);
    assert_eq!(delete(&ours.uid, "1").await.unwrap_err().cause, Cause::Changed);
    assert!(scene.cluster.get(key).await.unwrap().is_some());
    assert!(matches!(delete(&ours.uid, &ours.resource_version).await.unwrap(), Deletion::Gone));
    let again = delete(&ours.uid, &ours.resource_version).await.unwrap();
    assert!(matches!(again, Deletion::Gone), "it was gone already");

    let mut held = scene.object(Kind::ConfigMap, "held", json!({}));
    held.body["metadata"]["finalizers"] = json!(["kompox.dev/test"]);
    let held = scene.cluster.apply(&held, false).await.unwrap();
    let outcome = scene.cluster.delete(&held.key, &held.uid, &held.resource_version).await;
    let Deletion::Terminating(marked) = outcome.unwrap() else { panic!("nothing holds it") };
    assert!(marked.is_terminating());
    assert_ne!(marked.resource_version, held.resource_version);
    scene.person(&["patch", "configmap", "held", "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}"]);
}

#[tokio::test]
async fn external_contents_are_hashed() {
    let Some(scene) = Scene::new().await else { return };
    scene.person(&["create", "secret", "generic", "web-override", "--from-literal=B=2", "--from-literal=A=1"]);
    let hash = async |name: &str| {
        let key = ObjectKey { kind: Kind::Secret, namespace: Some(scene.namespace.clone()), name: name.into() };
        scene.cluster.content_hash(&key, |contents| format!("{contents:?}")).await.unwrap()
    };
    assert_eq!(hash("web-override").await.unwrap().1, "{\"A\": [49], \"B\": [50]}");
    assert_eq!(hash("web--pull").await, None);
}

/// One test, because all of it is in the one system Namespace.
#[tokio::test]
async fn identity_lease_and_state_live_in_the_system_namespace() {
    let Some(scene) = Scene::new().await else { return };
    let api = &scene.cluster;
    let id = |cluster: &str| -> ClusterId { format!("/ws/kompox/prv/test/cls/{cluster}").parse().unwrap() };

    let (first, second) = (id("one"), id("two"));
    let (one, two) = tokio::join!(identity::claim(api, &first), identity::claim(api, &second));
    let winner = if one.is_ok() { &first } else { &second };
    assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
    assert_eq!(one.and(two).unwrap_err().label(), "wrong-cluster");
    assert_eq!(identity::check(api, winner).await.unwrap(), identity::Identity::Confirmed);

    let lease = Arc::new(scene.cluster.clone());
    let timing = LeaseTiming {
        duration: Duration::from_secs(3),
        renew_deadline: Duration::from_secs(2),
        retry: Duration::from_millis(300),
    };
    let take = || acquire(lease.clone(), Holder::this_process(), timing, Patience::UntilHolderIsAlive, |_| {});
    let held = take().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let NotAcquired::Held(by) = take().await.err().unwrap() else { panic!("not held") };
    assert!(by.to_string().contains(&format!("process {} on ", std::process::id())), "{by}");
    assert!(!held.signal().is_lost());
    held.release().await;
    take().await.unwrap().release().await;

    let source = scene.namespace.clone();
    let saved = state::save(api, &source, &json!({"applied": "abc"}), None).await.unwrap();
    let saved = state::save(api, &source, &json!({"outbox": [1]}), Some(&saved.resource_version)).await.unwrap();
    assert_eq!(state::load(api, &source).await.unwrap(), Some(saved));
    assert_eq!(state::save(api, &source, &json!(0), Some("1")).await.unwrap_err().cause, Cause::Changed);
    scene.kubectl(&["-n", "k4x-system", "delete", "configmap", &format!("kompox-source-{source}")]);
    scene.kubectl(&["annotate", "namespace", "k4x-system", "kompox.dev/cluster-"]);
}
