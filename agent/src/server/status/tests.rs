use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::server::listener::HEAD;
use crate::testing::World;

async fn serve_with(cache: &Arc<Cache>) -> StatusServer {
    let address = "127.0.0.1:0".parse().unwrap();
    StatusServer::start(address, Arc::clone(cache), Arc::new(Metrics::new(&Arc::default()))).await.unwrap()
}

/// Sends the text as it is; the whole answer.
async fn ask(server: &StatusServer, text: &str) -> String {
    let mut stream = TcpStream::connect(server.listener.address()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A server that says no may close before it has read everything.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn get(server: &StatusServer, path: &str) -> String {
    ask(server, &format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await
}

#[tokio::test]
async fn every_page_is_served_and_nothing_can_be_changed() {
    let server = serve_with(&Arc::new(Cache::default())).await;
    assert!(get(&server, "/healthz").await.starts_with("HTTP/1.1 200"));
    let metrics = get(&server, "/metrics").await;
    assert!(metrics.contains("text/plain; version=0.0.4") && metrics.contains("\nkompox_leader 0\n"), "{metrics}");
    assert!(get(&server, "/").await.contains("stands by"));
    assert!(get(&server, "/other").await.starts_with("HTTP/1.1 404"));
    let posted = ask(&server, "POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
}

#[tokio::test]
async fn it_is_ready_when_the_cluster_is_seen() {
    let blind = serve_with(&Arc::new(Cache::default())).await;
    let answer = get(&blind, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("the cluster cannot be seen"), "{answer}");

    let world = World::new();
    let _watches = world.watch();
    world.agent.cache.synced(Duration::from_secs(30)).await;
    let seeing = serve_with(&world.agent.cache).await;
    assert!(get(&seeing, "/readyz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn large_heads_are_refused() {
    let server = serve_with(&Arc::new(Cache::default())).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(4 * HEAD));
    assert!(!ask(&server, &large).await.starts_with("HTTP/1.1 200"));
    assert!(get(&server, "/healthz").await.starts_with("HTTP/1.1 200"), "others are still served");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = serve_with(&Arc::new(Cache::default())).await;
    let again = StatusServer::start(
        server.listener.address(),
        Arc::new(Cache::default()),
        Arc::new(Metrics::new(&Arc::default())),
    )
    .await;
    let message = format!("{:#}", again.err().unwrap());
    assert!(message.contains(&server.listener.address().to_string()) && message.contains("server.listen"), "{message}");
}
