//! Kubeconfig files and clients made from them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::pki::{Pair, write_secret};

/// Who a kubeconfig speaks for.
pub enum User<'a> {
    /// The owner of a client certificate.
    Certificate(&'a Pair),
    /// The bearer of a token.
    Token(&'a str),
    /// Nobody: for a plain-text proxy that adds the credentials itself.
    Nobody,
}

/// Writes a kubeconfig for the API server at `url` to `path` and gives the path back. `authority` is the
/// PEM certificate that the server's is checked against.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, url: &str, authority: Option<&str>, user: &User<'_>) -> Result<PathBuf> {
    let user = match user {
        User::Certificate(pair) => json!({
            "client-certificate-data": BASE64.encode(&pair.certificate),
            "client-key-data": BASE64.encode(&pair.key),
        }),
        User::Token(token) => json!({ "token": token }),
        User::Nobody => json!({}),
    };
    let mut cluster = json!({ "server": url });
    if let Some(authority) = authority {
        cluster["certificate-authority-data"] = Value::from(BASE64.encode(authority));
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "kompox-test", "cluster": cluster }],
        "users": [{ "name": "kompox-test", "user": user }],
        "contexts": [{ "name": "kompox-test", "context": { "cluster": "kompox-test", "user": "kompox-test" } }],
        "current-context": "kompox-test",
    });
    // JSON is YAML, and every reader of a kubeconfig takes it.
    let text = serde_json::to_string_pretty(&config).context("cannot write a kubeconfig")?;
    write_secret(path, &text)?;
    Ok(path.to_owned())
}

/// The connection parameters that the kubeconfig at `path` names, for its current context. Nothing is
/// retried, so that a test sees every answer.
///
/// # Errors
/// When the file is missing or no kubeconfig.
pub async fn config(path: &Path) -> Result<kube::Config> {
    install_tls();
    let file = kube::config::Kubeconfig::read_from(path)
        .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
    let mut config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
        .await
        .with_context(|| format!("the kubeconfig {} is not usable", path.display()))?;
    config.default_retry = false;
    Ok(config)
}

/// A client for the cluster that the kubeconfig at `path` names. It belongs to the running tokio runtime:
/// make a new one in every test.
///
/// # Errors
/// When the file is missing or no kubeconfig.
pub async fn client(path: &Path) -> Result<kube::Client> {
    let config = config(path).await?;
    kube::Client::try_from(config).with_context(|| format!("no client from the kubeconfig {}", path.display()))
}

/// Makes ring the TLS provider of this process, once.
pub fn install_tls() {
    // An error means that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
