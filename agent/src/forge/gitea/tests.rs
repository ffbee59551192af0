//! Against a real HTTP server with scripted answers; the real Gitea is met in the end-to-end tests.

use std::sync::Mutex;
use std::time::Instant;

use kompox_core::next::Next;
use kompox_core::report::{app_context, source_context};

use super::*;
use crate::config::ForgeKind;
use crate::http_client::testing::{Reply, Request, Server};
use crate::secret::SecretFile;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

struct Desk {
    folder: tempfile::TempDir,
    config: ForgeConfig,
    limits: Limits,
}

impl Desk {
    fn new(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "s3cret-canary\n").unwrap();
        let config = ForgeConfig {
            kind: ForgeKind::Gitea,
            api: server.url("/git/api/v1/"),
            owner: "ops".to_owned(),
            repository: "apps".to_owned(),
            credentials: Credentials::Token(SecretFile::new(token)),
        };
        Self { folder, config, limits: Limits { request: Duration::from_secs(10) } }
    }

    fn gitea(&self) -> Gitea {
        Gitea::new(&self.config, Arc::default(), self.limits).unwrap()
    }
}

fn status() -> Status {
    Status {
        context: app_context("cluster1", "web"),
        state: State::Failure,
        description: "2 changed; db: \"ImagePullBackOff\" ä".to_owned(),
        target_url: None,
    }
}

/// Answers everything with one reply, made anew each time.
fn always(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |_| reply())
}

async fn fault(gitea: &Gitea) -> Fault {
    match gitea.set_status(COMMIT, &status()).await {
        Err(ForgeError::Fault(fault)) => fault,
        other => panic!("no fault: {other:?}"),
    }
}

#[tokio::test]
async fn a_status_is_written_with_the_token() {
    let server = always(|| Reply::json(201, "{}"));
    let desk = Desk::new(&server);
    let gitea = desk.gitea();
    gitea.set_status(COMMIT, &status()).await.unwrap();
    let requests = server.requests();
    let Request { method, path, headers, body, .. } = &requests[0];
    assert_eq!((method.as_str(), path.as_str()), ("POST", &*format!("/git/api/v1/repos/ops/apps/statuses/{COMMIT}")));
    assert_eq!(headers["authorization"], "token s3cret-canary");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["user-agent"].starts_with("kompox-agent/"));
    let sent: serde_json::Value = serde_json::from_slice(body).unwrap();
    let expected = serde_json::json!({
        "context": "kompox/cluster1/web",
        "state": "failure",
        "description": "2 changed; db: \"ImagePullBackOff\" ä",
        "target_url": "",
    });
    assert_eq!(sent, expected);
    // A rotated token counts at once.
    std::fs::write(desk.folder.path().join("token"), "new-token").unwrap();
    gitea.set_status(COMMIT, &status()).await.unwrap();
    assert_eq!(server.requests()[1].header("authorization"), Some("token new-token"));
    std::fs::remove_file(desk.folder.path().join("token")).unwrap();
    assert_eq!(fault(&gitea).await.code, "credentials");
}

#[tokio::test]
async fn user_name_and_password_work_too() {
    let server = always(|| Reply::json(201, "{}"));
    let mut desk = Desk::new(&server);
    let (user, password) = (desk.folder.path().join("user"), desk.folder.path().join("password"));
    std::fs::write(&user, "bob").unwrap();
    std::fs::write(&password, "pass").unwrap();
    let (username, password) = (SecretFile::new(user), SecretFile::new(password));
    desk.config.credentials = Credentials::Password { username, password };
    desk.gitea().set_status(COMMIT, &status()).await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic Ym9iOnBhc3M="));
}

#[tokio::test]
async fn the_newest_statuses_are_read_from_all_pages() {
    let page = |contexts: &[&str]| {
        let statuses: Vec<_> = contexts
            .iter()
            .map(|context| {
                serde_json::json!({
                    "id": 1, "context": context, "status": "success", "description": "2 changed", "target_url": "",
                    "creator": {"login": "bot"},
                })
            })
            .collect();
        serde_json::json!({"state": "success", "sha": COMMIT, "total_count": 1, "statuses": statuses}).to_string()
    };
    let server = Server::start(move |request| {
        assert_eq!(request.path, format!("/git/api/v1/repos/ops/apps/commits/{COMMIT}/status"));
        match request.query.as_str() {
            "page=1&limit=50" => Reply::json(200, &page(&["kompox/c", "ci/build"])),
            "page=2&limit=50" => Reply::json(200, &page(&["kompox/c/web"])),
            _ => Reply::json(200, r#"{"statuses": null}"#),
        }
    });
    let statuses = Desk::new(&server).gitea().statuses(COMMIT).await.unwrap();
    let contexts: Vec<&str> = statuses.iter().map(|status| status.context.as_str()).collect();
    assert_eq!(contexts, ["kompox/c", "ci/build", "kompox/c/web"]);
    let expected = Status {
        context: source_context("c"),
        state: State::Success,
        description: "2 changed".to_owned(),
        target_url: None,
    };
    assert_eq!(statuses[0], expected);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_repeats_a_page_for_ever_comes_to_an_end() {
    let body = r#"{"statuses": [{"context": "a", "status": "success"}, {"context": "b", "status": "skipped"}]}"#;
    let server = always(move || Reply::json(200, body));
    let statuses = Desk::new(&server).gitea().statuses(COMMIT).await.unwrap();
    assert_eq!(statuses.len(), 1);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_unknown_commit_is_told_from_an_unknown_repository() {
    let server = Server::start(|request| match request.path.ends_with("/status") {
        true => Reply::json(404, r#"{"message": "not found"}"#),
        false => Reply::json(200, "{}"),
    });
    let refused = Desk::new(&server).gitea().statuses(COMMIT).await.unwrap_err();
    let message = format!("{} has no commit {COMMIT}", server.url("/git/api/v1/repos/ops/apps"));
    assert_eq!(refused, ForgeError::Refused(message));
    let server = always(|| Reply::json(404, r#"{"message": "not found"}"#));
    let ForgeError::Fault(fault) = Desk::new(&server).gitea().statuses(COMMIT).await.unwrap_err() else { panic!() };
    assert_eq!((fault.next, fault.code), (Next::Stalled, "no-repository"));
}

#[tokio::test]
async fn answers_are_sorted_by_what_happens_next() {
    let script: Arc<Mutex<Option<Reply>>> = Arc::default();
    let next = Arc::clone(&script);
    let server = Server::start(move |_| next.lock().unwrap().take().unwrap());
    let desk = Desk::new(&server);
    let gitea = desk.gitea();
    let retry = |seconds: Option<u64>| Next::Retry { after: seconds.map(Duration::from_secs) };
    for (reply, wanted, code) in [
        (Reply::status(429).header("Retry-After", "120"), retry(Some(120)), "rate-limit"),
        (Reply::status(429), retry(None), "rate-limit"),
        (Reply::status(500), retry(None), "forge"),
        (Reply::status(503).header("Retry-After", "5"), retry(Some(5)), "forge"),
        (Reply::status(401), Next::Stalled, "access-denied"),
        (Reply::status(403), Next::Stalled, "access-denied"),
        (Reply::status(404), Next::Stalled, "no-repository"),
        (Reply::status(418), Next::Stalled, "forge"),
        (Reply::status(200), Next::Stalled, "forge"),
        (Reply::status(301).header("Location", "/elsewhere"), Next::Stalled, "redirect"),
    ] {
        *script.lock().unwrap() = Some(reply);
        let fault = fault(&gitea).await;
        assert_eq!((fault.next, fault.code), (wanted, code), "{fault}");
    }
    *script.lock().unwrap() = Some(Reply::json(422, r#"{"message": "context too long"}"#));
    let refused = gitea.set_status(COMMIT, &status()).await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Refused(why) if why.ends_with("(context too long)")), "{refused}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let stranger = always(|| Reply::json(201, "{}"));
    let target = stranger.url("/x").to_string();
    let server = always(move || Reply::status(307).header("Location", &target));
    assert_eq!(fault(&Desk::new(&server).gitea()).await.code, "redirect");
    assert_eq!(stranger.requests().len(), 0);
}

#[tokio::test]
async fn garbage_is_no_success() {
    let server = always(|| Reply::json(200, "<html>maintenance</html>"));
    let ForgeError::Fault(fault) = Desk::new(&server).gitea().statuses(COMMIT).await.unwrap_err() else { panic!() };
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "forge"));
    assert!(fault.message.ends_with("does not answer like a Gitea"), "{fault}");
}

#[tokio::test]
async fn a_forge_that_hangs_or_stalls_is_given_up_at_the_deadline() {
    for reply in [|| Reply::Hang, || Reply::Stall { headers: Vec::new(), body: b"{".to_vec() }] {
        let server = always(reply);
        let mut desk = Desk::new(&server);
        desk.limits.request = Duration::from_millis(300);
        let begin = Instant::now();
        let fault = fault(&desk.gitea()).await;
        assert!(matches!(fault.next, Next::Retry { .. }), "{fault}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    let server = always(|| Reply::Endless);
    let fault = fault(&Desk::new(&server).gitea()).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "answer-too-large"));
}

#[tokio::test]
async fn a_cut_answer_and_a_closed_port_are_retried() {
    let server = always(|| Reply::Cut { headers: Vec::new(), body: b"{".to_vec() });
    let desk = Desk::new(&server);
    assert_eq!(fault(&desk.gitea()).await.code, "connection");
    drop(server);
    let fault = fault(&desk.gitea()).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "unreachable"));
}

#[tokio::test]
async fn what_the_forge_says_is_shown_without_the_token() {
    let body = r#"{"message": "token s3cret-canary is\nunknown, see https://u:p@h/?q"}"#;
    let server = always(move || Reply::json(403, body));
    let fault = fault(&Desk::new(&server).gitea()).await;
    assert!(fault.message.ends_with("(token *** is unknown, see https://***@h/?***)"), "{fault}");
    assert!(!format!("{fault:?}").contains("canary"));
}
