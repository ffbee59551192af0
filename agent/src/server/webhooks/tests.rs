//! Over a real socket.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hmac::Mac as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::{ForgeChoice, Location, Reference};

const SECRET: &str = "canary-4711-canary-4711";

/// A server for the webhook of `ops`; `dev` has none.
struct Bench {
    server: WebhookServer,
    webhooks: Arc<Webhooks>,
    metrics: Arc<Metrics>,
    rung: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Deadlines::default()).await
    }

    async fn with(deadlines: Deadlines) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let metrics = Arc::new(Metrics::new(&Arc::default()));
        let sources = [source("ops", Some(SecretFile::new(secret))), source("dev", None)];
        let webhooks = Arc::new(Webhooks::new(&sources, Arc::clone(&metrics)));
        let address = "127.0.0.1:0".parse().unwrap();
        let server = WebhookServer::start_with(address, Arc::clone(&webhooks), deadlines).await.unwrap();
        let rung: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&rung);
        webhooks.leads(Some(Box::new(move |source| heard.lock().unwrap().push(source.to_owned()))));
        Self { server, webhooks, metrics, rung, folder }
    }

    fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.listener.address()).await.unwrap()
    }

    /// Sends the bytes as they are; the whole answer.
    async fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A server that says no may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(!answer.contains("canary"), "{answer}");
        answer
    }

    async fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: {length}\r\n\r\n",
            length = body.len()
        );
        self.ask(&[head.as_bytes(), body].concat()).await
    }

    fn fetches(&self) -> usize {
        let rung = self.rung.lock().unwrap();
        assert!(rung.iter().all(|source| source == "ops"), "{rung:?}");
        rung.len()
    }

    fn counted(&self, outcome: &str) -> String {
        let series = format!("kompox_webhooks_total{{source=\"ops\",outcome=\"{outcome}\"}} ");
        let text = self.metrics.text();
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or("0").to_owned()
    }
}

fn source(name: &str, webhook: Option<SecretFile>) -> SourceConfig {
    SourceConfig {
        name: name.into(),
        location: Location::Folder("/srv/ops".into()),
        reference: Reference::Default,
        path: String::new(),
        interval: Duration::from_secs(60),
        credentials: None,
        forge: ForgeChoice::None("a test".into()),
        webhook,
        allow_force_push: false,
        age_keys: None,
    }
}

/// The header of a body that this secret has signed, as Gitea has it.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = hmac::Hmac::<hmac_sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x-gitea-signature: {digits}\r\n")
}

fn is(answer: &str, status: &str) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status} "))
}

#[tokio::test]
async fn what_is_signed_makes_its_source_fetch_whatever_it_says() {
    let bench = Bench::new().await;
    for body in [&b"{\"ref\": \"refs/heads/main\"}"[..], b"", b"\xff\x00 no JSON", &vec![b'x'; LARGEST]] {
        let answer = bench.post("/hooks/ops", &signature(SECRET, body), body).await;
        assert!(is(&answer, "202") && answer.contains("the source is fetched"), "{answer}");
    }
    let answer = bench.post("/hooks/ops", &format!("x-gitlab-token: {SECRET}\r\n"), b"{}").await;
    assert!(is(&answer, "202"), "{answer}");
    assert_eq!((bench.fetches(), bench.counted("taken").as_str()), (5, "5"));
}

#[tokio::test]
async fn what_is_not_signed_with_the_secret_is_refused() {
    let bench = Bench::new().await;
    let wrong = signature("another-secret-of-16", b"{}");
    let cases = [
        ("", "is not signed"),
        ("x-hub-signature: sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59\r\n", "is not signed"),
        (wrong.as_str(), "has another secret"),
        ("x-gitlab-token: canary-4711-canary-4712\r\n", "has another secret"),
    ];
    for (headers, words) in cases {
        let answer = bench.post("/hooks/ops", headers, b"{}").await;
        assert!(is(&answer, "401") && answer.contains(words) && answer.contains("secretFile"), "{answer}");
    }
    let other_body = bench.post("/hooks/ops", &signature(SECRET, b"{}"), b"[]").await;
    assert!(is(&other_body, "401"), "{other_body}");
    assert_eq!((bench.fetches(), bench.counted("refused").as_str()), (0, "5"));
}

#[tokio::test]
async fn nothing_else_is_there() {
    let bench = Bench::new().await;
    let signed = signature(SECRET, b"{}");
    for path in ["/hooks/dev", "/hooks/nowhere", "/hooks/", "/hooks/ops/", "/ops", "/", "/metrics", "/healthz"] {
        let answer = bench.post(path, &signed, b"{}").await;
        assert!(is(&answer, "404"), "{path}: {answer}");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let answer = bench.ask(format!("{method} /hooks/ops HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await;
        assert!(is(&answer, "405"), "{method}: {answer}");
    }
    assert_eq!(bench.fetches(), 0);
    assert!(!bench.metrics.text().contains("nowhere"), "only sources of the configuration have series");
}

#[tokio::test]
async fn large_bodies_are_refused_before_and_while_they_are_read() {
    let bench = Bench::new().await;
    // Nothing of the body is sent: the length is enough.
    let head = format!("POST /hooks/ops HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", LARGEST + 1);
    let announced = bench.ask(head.as_bytes()).await;
    assert!(is(&announced, "413") && announced.contains("1 MiB"), "{announced}");

    let mut stream = bench.connect().await;
    let (mut reader, mut writer) = stream.split();
    let send = async {
        let head = "POST /hooks/ops HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).await?;
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        for _ in 0..1000 {
            writer.write_all(&chunk).await?;
        }
        std::io::Result::Ok(())
    };
    let mut answer = Vec::new();
    let (sent, _) = tokio::join!(send, reader.read_to_end(&mut answer));
    assert!(sent.is_err(), "it does not listen to 64 MB");
    assert!(is(&bench.post("/hooks/dev", "", &vec![b'x'; LARGEST + 1]).await, "413"), "nor without a webhook");
    assert_eq!((bench.fetches(), bench.counted("too_large").as_str()), (0, "2"));
}

#[tokio::test]
async fn chunked_bodies_are_taken_and_garbage_is_not() {
    let bench = Bench::new().await;
    let head = format!(
        "POST /hooks/ops HTTP/1.1\r\nhost: a\r\n{}transfer-encoding: chunked\r\n\r\n",
        signature(SECRET, b"{\"a\": 1}")
    );
    let whole = bench.ask(format!("{head}3\r\n{{\"a\r\n5\r\n\": 1}}\r\n0\r\n\r\n").as_bytes()).await;
    assert!(is(&whole, "202"), "{whole}");
    let garbage = bench.ask(format!("{head}3\r\n{{\"a\r\nzz\r\n").as_bytes()).await;
    assert!(is(&garbage, "400"), "{garbage}");
    assert_eq!((bench.fetches(), bench.counted("broken").as_str()), (1, "1"));
    for text in
        ["nonsense\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n", "POST /hooks/ops HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
    {
        assert!(!is(&bench.ask(text.as_bytes()).await, "202"), "{text:?}");
    }
    let large = format!("x: {}\r\n{}", "y".repeat(64 * 1024), signature(SECRET, b""));
    assert!(!is(&bench.post("/hooks/ops", &large, b"").await, "202"));
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test]
async fn whoever_is_slow_or_leaves_is_cut_off() {
    let deadlines = Deadlines { headers: Duration::from_millis(200), connection: Duration::from_millis(500) };
    let bench = Bench::with(deadlines).await;
    let head =
        format!("POST /hooks/ops HTTP/1.1\r\nhost: a\r\n{}content-length: 9\r\n\r\n", signature(SECRET, b"123456789"));
    for sent in [format!("{head}1234"), head.clone(), "POST /hooks".to_owned(), String::new()] {
        let mut stream = bench.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let began = Instant::now();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{sent:?}");
        assert!(!is(&String::from_utf8_lossy(&answer), "202"), "{sent:?}");
    }
    let mut stream = bench.connect().await;
    stream.write_all(format!("{head}1234").as_bytes()).await.unwrap();
    drop(stream);
    assert!(is(&bench.post("/hooks/ops", &signature(SECRET, b"{}"), b"{}").await, "202"), "others are still served");
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test]
async fn a_changed_secret_counts_at_once_and_one_that_is_none_refuses_all() {
    let bench = Bench::new().await;
    let old = signature(SECRET, b"{}");
    assert!(is(&bench.post("/hooks/ops", &old, b"{}").await, "202"));
    std::fs::write(bench.secret_file(), "another-secret-of-16").unwrap();
    assert!(is(&bench.post("/hooks/ops", &old, b"{}").await, "401"));
    assert!(is(&bench.post("/hooks/ops", &signature("another-secret-of-16", b"{}"), b"{}").await, "202"));
    for (content, secret) in
        [(&b"\n"[..], ""), (b"short", "short"), (b"two\nlines of a secret", "two\nlines of a secret")]
    {
        std::fs::write(bench.secret_file(), content).unwrap();
        let answer = bench.post("/hooks/ops", &signature(secret, b"{}"), b"{}").await;
        assert!(is(&answer, "401") && answer.contains("its log says why"), "{answer}");
    }
    std::fs::remove_file(bench.secret_file()).unwrap();
    assert!(is(&bench.post("/hooks/ops", &signature("", b"{}"), b"{}").await, "401"));
    assert!(is(&bench.post("/hooks/ops", "x-gitlab-token: \r\n", b"{}").await, "401"));
    assert_eq!((bench.fetches(), bench.counted("unusable").as_str()), (2, "5"));
}

#[tokio::test]
async fn a_standby_says_that_it_fetches_nothing() {
    let bench = Bench::new().await;
    bench.webhooks.leads(None);
    let answer = bench.post("/hooks/ops", &signature(SECRET, b"{}"), b"{}").await;
    assert!(is(&answer, "202") && answer.contains("stands by"), "{answer}");
    assert!(is(&bench.post("/hooks/ops", "", b"{}").await, "401"));
    assert_eq!((bench.fetches(), bench.counted("standby").as_str()), (0, "1"));
}

#[tokio::test]
async fn many_refusals_are_one_line_of_log() {
    let bench = Bench::new().await;
    let hook = &bench.webhooks.hooks["ops"];
    for _ in 0..3 {
        bench.post("/hooks/ops", "", b"{}").await;
        bench.post("/hooks/ops", &signature("another-secret-of-16", b"{}"), b"{}").await;
    }
    assert_eq!(hook.logged().len(), 2);
    bench.post("/hooks/ops", &signature(SECRET, b"{}"), b"{}").await;
    assert!(hook.logged().is_empty());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let bench = Bench::new().await;
    let address = bench.server.listener.address();
    let again = WebhookServer::start(address, Arc::clone(&bench.webhooks)).await;
    let message = format!("{:#}", again.err().unwrap());
    assert!(message.contains(&address.to_string()) && message.contains("server.webhooks"), "{message}");
}
