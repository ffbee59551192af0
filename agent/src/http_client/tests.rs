use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use super::testing::{Reply, Server};
use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn loopback_is_recognised_by_address_not_by_prefix() {
    for yes in ["http://127.0.0.1:3000/", "http://127.9.9.9/", "http://[::1]:1/", "http://LOCALHOST/"] {
        assert!(is_loopback(&url(yes)), "{yes}");
    }
    for no in ["http://127.0.0.1.example.com/", "http://localhost.example.com/", "http://10.0.0.1/", "file:///a"] {
        assert!(!is_loopback(&url(no)), "{no}");
    }
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    let base = url("https://git.example.com/a");
    assert!(same_origin(&base, &url("https://GIT.example.com:443/b?c")));
    for other in ["http://git.example.com/a", "https://git.example.com:8443/a", "https://example.com/a"] {
        assert!(!same_origin(&base, &url(other)), "{other}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now: jiff::Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    let ask = |value: &str| {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert(reqwest::header::RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers, now)
    };
    assert_eq!(ask("120"), Some(Duration::from_secs(120)));
    assert_eq!(ask("Fri, 20 Nov 2026 10:01:00 GMT"), Some(Duration::from_secs(60)));
    assert_eq!(ask("Fri, 20 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(ask("99999999999"), Some(Duration::from_secs(86_400)));
    assert_eq!(ask("soon"), None);
    assert_eq!(retry_after(&reqwest::header::HeaderMap::new(), now), None);
}

#[test]
fn credentials_that_would_break_a_header_are_refused() {
    assert!(authorization("token a\nb").is_err());
    let header = basic_authorization("git", &Secret::new("pässwort")).unwrap();
    assert!(header.is_sensitive());
}

/// Tells the process that is started below which server to ask.
const TLS_SERVER: &str = "KOMPOX_TEST_TLS_SERVER";

#[tokio::test]
async fn only_certificates_that_the_trust_store_vouches_for_are_accepted() {
    if let Ok(url) = std::env::var(TLS_SERVER) {
        // The process that is started below, with a trust store that vouches for the server.
        let url = url::Url::parse(&url).unwrap();
        let answer = client(&url, "test", Duration::from_secs(5)).unwrap().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 204);
        return;
    }
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let url = start_tls_server(&certified);
    let refused = client(&url, "test", Duration::from_secs(5)).unwrap().get(url.clone()).send().await.unwrap_err();
    assert!(cause(&refused).contains("certificate"), "{}", cause(&refused));
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("ca.pem");
    std::fs::write(&store, certified.cert.pem()).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "http_client::tests::only_certificates_that_the_trust_store_vouches_for_are_accepted"])
        .env(TLS_SERVER, url.as_str())
        .env("SSL_CERT_FILE", store)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// A server that answers 204 over TLS; it ends with the process.
fn start_tls_server(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> url::Url {
    install_crypto();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut request = [0; 4096];
            // A client that refuses the certificate sends nothing.
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
            }
        }
    });
    url::Url::parse(&format!("https://localhost:{port}/")).unwrap()
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let stranger = Server::start(|_| Reply::status(200));
    let target = stranger.url("/").to_string();
    let server = Server::start(move |_| Reply::status(302).header("Location", &target));
    let client = client(&server.url("/"), "test", Duration::from_secs(5)).unwrap();
    let answer = client.get(server.url("/")).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert!(stranger.requests().is_empty());
}

#[tokio::test]
async fn a_cause_is_said_without_the_url() {
    let server = Server::start(|_| Reply::Hang);
    let url = server.url("/secret-path?token=canary");
    let hanging = client(&url, "test", Duration::from_millis(200)).unwrap();
    let error = hanging.get(url.clone()).send().await.unwrap_err();
    assert_eq!(cause(&error), "no answer in time");
    drop(server);
    let error = client(&url, "test", Duration::from_secs(5)).unwrap().get(url).send().await.unwrap_err();
    assert!(cause(&error).contains("refused") && !cause(&error).contains("canary"), "{}", cause(&error));
}
