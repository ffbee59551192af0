//! Against a small HTTP server on loopback that records requests and answers from a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::cluster::connect::{ConnectOptions, connect};
use crate::cluster::memory;

/// A request as it came in.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: String,
    body: String,
}

/// Serves one scripted answer a request; after the script, hangs.
pub(super) struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(super) fn start(answers: Vec<(u16, Value)>) -> Self {
        Self::start_raw(answers.into_iter().map(|(code, body)| (code, String::new(), body.to_string())).collect())
    }

    /// Status, further header lines, body.
    pub(super) fn start_raw(answers: Vec<(u16, String, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            let mut hanging = Vec::new();
            for stream in listener.incoming().flatten() {
                record.lock().unwrap().push(read(&stream));
                match answers.next() {
                    Some((code, headers, body)) => write(&stream, code, &headers, &body),
                    None => hanging.push(stream),
                }
            }
        });
        Self { address, seen }
    }

    pub(super) async fn client(&self, deadline: Duration) -> KubeCluster {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: c, cluster: {{server: '{}'}}}}]\n\
             users: [{{name: u, user: {{token: tok}}}}]\ncontexts: [{{name: t, context: {{cluster: c, user: u}}}}]\n",
            self.address
        );
        std::fs::write(&path, text).unwrap();
        connect(&ConnectOptions { kubeconfig: Some(path), context: None, deadline }).await.unwrap()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }

    fn only(&self) -> Seen {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

fn read(stream: &TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), String::new());
    reader.read_line(&mut line).unwrap();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap() <= 2 {
            break;
        }
        headers.push_str(&header.to_lowercase());
    }
    let length = headers.lines().find_map(|header| header.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Seen { line: line.trim().to_owned(), headers, body: String::from_utf8(body).unwrap() }
}

fn write(mut stream: &TcpStream, code: u16, headers: &str, body: &str) {
    let length = body.len();
    write!(stream, "HTTP/1.1 {code} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
        .unwrap();
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

fn key(kind: Kind) -> ObjectKey {
    ObjectKey { kind, namespace: Some("shop".into()), name: "web".into() }
}

fn stored(extra: Value) -> Value {
    let mut object = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"}});
    object.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    object
}

#[tokio::test]
async fn an_apply_sends_exactly_the_body_and_is_strict() {
    let server = Server::start(vec![(200, stored(json!({})))]);
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    let object = memory::object(key(Kind::Deployment), body.clone());
    let live = server.client(SECOND).await.apply(&object, false).await.unwrap();
    assert_eq!((live.uid.as_str(), live.resource_version.as_str()), ("u1", "7"));
    let seen = server.only();
    assert_eq!(
        seen.line,
        "PATCH /apis/apps/v1/namespaces/shop/deployments/web?&fieldManager=kompox-agent&fieldValidation=Strict HTTP/1.1"
    );
    assert_eq!(serde_json::from_str::<Value>(&seen.body).unwrap(), body);
    assert!(seen.headers.contains("content-type: application/apply-patch+yaml\r\n"), "{}", seen.headers);
    let agent = format!("user-agent: kompox-agent/{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(seen.headers.contains(&agent), "{}", seen.headers);
}

#[tokio::test]
async fn a_dry_run_says_so_and_force_only_when_asked() {
    let server = Server::start(vec![(200, json!({"metadata": {"name": "web", "uid": "u"}}))]);
    let object = memory::object(key(Kind::Service), json!({}));
    let live = server.client(SECOND).await.dry_run(&object, true).await.unwrap();
    assert_eq!(live.resource_version, "", "it does not exist yet");
    let line = server.only().line;
    assert!(line.starts_with("PATCH /api/v1/namespaces/shop/services/web?"), "{line}");
    assert!(line.contains("dryRun=All") && line.contains("force=true"), "{line}");
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_items_get_their_kind() {
    let item =
        |name: &str| json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}});
    let server = Server::start(vec![
        (200, json!({"metadata": {"continue": "next/page"}, "items": [item("a")]})),
        (200, json!({"metadata": {"continue": ""}, "items": [item("b")]})),
    ]);
    let all = server.client(SECOND).await.list_owned(Kind::Ingress).await.unwrap();
    assert_eq!(
        all.iter().map(|object| object.key.to_string()).collect::<Vec<_>>(),
        ["Ingress shop/a", "Ingress shop/b"]
    );
    assert_eq!(
        (all[0].body["apiVersion"].as_str(), all[0].body["kind"].as_str()),
        (Some("networking.k8s.io/v1"), Some("Ingress"))
    );
    let lines = server.lines();
    assert!(lines[0].contains("/apis/networking.k8s.io/v1/ingresses?"), "{lines:?}");
    assert!(
        lines[0].contains("labelSelector=app.kubernetes.io%2Fmanaged-by%3Dkompox") && lines[0].contains("limit=250")
    );
    assert!(lines[1].contains("continue=next%2Fpage"), "{lines:?}");
}

#[tokio::test]
async fn a_list_whose_pages_expired_begins_again_and_is_never_a_part() {
    let first = (200, json!({"metadata": {"continue": "n"}, "items": [{"metadata": {"name": "a", "uid": "a"}}]}));
    let expired = (410, json!({"kind": "Status", "reason": "Expired", "message": "too old", "code": 410}));
    let whole = (200, json!({"metadata": {}, "items": [{"metadata": {"name": "b", "uid": "b"}}]}));
    let server = Server::start(vec![first.clone(), expired.clone(), whole]);
    let all = server.client(SECOND).await.list_owned(Kind::Namespace).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].key.name, "b");

    let answers = [first, expired].into_iter().cycle().take(6).collect();
    let server = Server::start(answers);
    assert_eq!(server.client(SECOND).await.list_owned(Kind::Namespace).await.unwrap_err().label(), "expired");
    assert_eq!(server.lines().len(), 6);
}

#[tokio::test]
async fn a_call_is_made_once_and_says_how_long_to_wait() {
    let busy = (429, "retry-after: 9\r\n".to_owned(), "slow down".to_owned());
    let server = Server::start_raw(vec![busy.clone(), busy]);
    let error = server.client(SECOND).await.list_records().await.unwrap_err();
    assert_eq!(error.next(), kompox_core::next::Next::Retry { after: Some(Duration::from_secs(9)) });
    server.only();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let server = Server::start(Vec::new());
    let began = tokio::time::Instant::now();
    let error = server.client(Duration::from_millis(200)).await.server_version().await.unwrap_err();
    assert_eq!(error.to_string(), "get the version of the API server: no answer from the API server within 0.2 s");
    assert!(began.elapsed() < SECOND * 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { address: format!("http://{port}"), seen: Arc::default() };
    let error = server.client(SECOND).await.server_version().await.unwrap_err();
    assert_eq!(error.label(), "unreachable");
    assert!(error.to_string().contains("onnection refused"), "{error}");
}

#[tokio::test]
async fn a_patch_bears_the_version_that_it_is_meant_for() {
    let server = Server::start(vec![(200, stored(json!({})))]);
    let fields = [json!({"manager": "kompox-agent"})];
    server.client(SECOND).await.patch_managed_fields(&key(Kind::Secret), "6", &fields).await.unwrap();
    let seen = server.only();
    assert!(seen.headers.contains("content-type: application/merge-patch+json\r\n"), "{}", seen.headers);
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body, json!({"metadata": {"resourceVersion": "6", "managedFields": fields}}));
}

#[tokio::test]
async fn a_deletion_is_of_exactly_what_was_seen() {
    let metadata = json!({"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "8",
        "deletionTimestamp": "2026-01-01T00:00:00Z"});
    let terminating = stored(json!({"metadata": metadata}));
    let missing =
        json!({"kind": "Status", "reason": "NotFound", "code": 404, "details": {"name": "web", "kind": "services"}});
    let answers = [(200, json!({"kind": "Status", "status": "Success"})), (200, terminating), (404, missing)];
    let server = Server::start(answers.to_vec());
    let cluster = server.client(SECOND).await;
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(cluster.delete(&key(Kind::Service), "u1", "7").await.unwrap());
    }
    let [Deletion::Gone, Deletion::Terminating(marked), Deletion::Gone] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    assert!(marked.is_terminating());
    let seen = server.seen.lock().unwrap()[0].clone();
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["preconditions"], json!({"uid": "u1", "resourceVersion": "7"}));
    assert_eq!(body["propagationPolicy"], "Background");
}

fn lengths(contents: &BTreeMap<String, Vec<u8>>) -> String {
    contents
        .iter()
        .map(|(key, value)| format!("{key}:{}", String::from_utf8_lossy(value)))
        .collect::<Vec<_>>()
        .join(",")
}

#[tokio::test]
async fn contents_are_decoded_hashed_and_missing_ones_left_out() {
    let missing =
        json!({"kind": "Status", "reason": "NotFound", "code": 404, "details": {"name": "web", "kind": "secrets"}});
    let server = Server::start(vec![
        (200, stored(json!({"data": {"a": "aGVsbG8="}}))),
        (200, stored(json!({"data": {"b": "plain"}, "binaryData": {"c": "eA=="}}))),
        (404, missing),
    ]);
    let cluster = server.client(SECOND).await;
    let mut hashes = Vec::new();
    for kind in [Kind::Secret, Kind::ConfigMap, Kind::Secret] {
        hashes.push(cluster.content_hash(&key(kind), lengths).await.unwrap());
    }
    let hash = |text: &str| Some(("7".to_owned(), text.to_owned()));
    assert_eq!(hashes, [hash("a:hello"), hash("b:plain,c:x"), None]);
}

#[tokio::test]
async fn values_of_apps_secrets_are_sealed_and_those_of_others_are_not() {
    let with = |owner: &str| {
        stored(json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7",
            "labels": {"app.kubernetes.io/managed-by": owner}}, "data": {"a": "aGVsbG8="}}))
    };
    let server = Server::start(vec![(200, with("kompox")), (200, with("kompox-agent")), (200, with("kompox"))]);
    let cluster = server.client(SECOND).await;
    let value = |live: LiveObject| live.body["data"]["a"].as_str().unwrap().to_owned();
    assert!(value(cluster.get(&key(Kind::Secret)).await.unwrap().unwrap()).starts_with("sha256:"));
    assert_eq!(value(cluster.get(&key(Kind::Secret)).await.unwrap().unwrap()), "aGVsbG8=");
    let (_, hash) = cluster.content_hash(&key(Kind::Secret), lengths).await.unwrap().unwrap();
    assert_eq!(hash, "a:hello", "what an operator keeps may bear the label too");
}

#[tokio::test]
async fn no_error_quotes_a_secret() {
    let broken =
        ["{\"data\": {\"password\": \"canary-4711\"", "{\"data\": {\"password\": \"canary-4711!\"}}", "canary-4711"];
    for body in broken {
        let server =
            Server::start_raw(vec![(200, String::new(), body.to_owned()), (200, String::new(), body.to_owned())]);
        let cluster = server.client(SECOND).await;
        let got = cluster.get(&key(Kind::Secret)).await.unwrap_err();
        let hashed = cluster.content_hash(&key(Kind::Secret), lengths).await.unwrap_err();
        for error in [got, hashed] {
            assert_eq!(error.label(), "answer");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
    }
    let server = Server::start(vec![(200, stored(json!({"data": {"password": "canary-4711!"}})))]);
    let error = server.client(SECOND).await.content_hash(&key(Kind::Secret), lengths).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read Secret shop/web: the answer was not understood: its data is not what its kind holds"
    );
}

#[tokio::test]
async fn names_cannot_leave_their_place_in_the_url() {
    let server = Server::start(Vec::new());
    let cluster = server.client(SECOND).await;
    for name in ["", ".", "..", "a/b", "..%2f", "a?x=y", "a b", "é"] {
        let key = ObjectKey { kind: Kind::Role, namespace: Some("shop".into()), name: name.into() };
        assert_eq!(cluster.get(&key).await.unwrap_err().label(), "configuration", "{name}");
        let key = ObjectKey { kind: Kind::Role, namespace: Some(name.into()), name: "x".into() };
        assert_eq!(cluster.get(&key).await.unwrap_err().label(), "configuration", "{name}");
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn a_missing_object_is_none_and_a_missing_deployment_too() {
    let missing = || json!({"kind": "Status", "reason": "NotFound", "code": 404, "details": {"name": "web", "kind": "deployments"}});
    let server = Server::start(vec![(404, missing()), (404, missing())]);
    let cluster = server.client(SECOND).await;
    assert_eq!(cluster.get(&key(Kind::Deployment)).await.unwrap(), None);
    assert!(cluster.workload("shop", "web").await.unwrap().deployment.is_none());
}
