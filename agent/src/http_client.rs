//! The one factory of HTTP clients for Git servers and forges.
//!
//! TLS is always verified, against the trust store of the operating system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! another one, which is how a private CA is added). No client follows a redirect by itself, so no credential ever
//! reaches a host that was not configured. `HTTPS_PROXY` and `NO_PROXY` are honoured, except for loopback addresses.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine;
use reqwest::header::HeaderValue;
use url::{Host, Url};

use crate::fault::Fault;
use crate::secret::Secret;

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Installs the cryptography that all TLS of this process uses. Called once, first thing in `main`.
pub(crate) fn install_crypto() {
    // It fails only when a provider is installed already, and then there is nothing to do.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for one server. `idle` is the longest time without a byte of an answer; callers put a deadline on the
/// whole exchange themselves.
///
/// # Errors
/// Stalled, when the machine has no trusted certificates.
pub(crate) fn client(server: &Url, user_agent: &'static str, idle: Duration) -> Result<reqwest::Client, Fault> {
    // reqwest panics where no provider is installed; a second call costs nothing.
    install_crypto();
    let builder = reqwest::Client::builder()
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(idle)
        .pool_max_idle_per_host(1);
    let builder = if server.scheme() == "http" {
        // Only loopback addresses pass the configuration's check; they need no trust store and no proxy.
        builder.no_proxy().tls_certs_only([])
    } else if is_loopback(server) {
        builder.no_proxy().https_only(true)
    } else {
        builder.https_only(true)
    };
    builder.build().map_err(|error| {
        Fault::stalled("tls-setup", format!("cannot set up TLS: {}", cause(&error)))
            .help("install the CA certificates of your system (package ca-certificates) or name them in SSL_CERT_FILE")
    })
}

/// Whether a URL's host is this machine: `localhost`, 127.0.0.0/8 or ::1.
#[must_use]
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether two URLs have the same scheme, host and port.
#[must_use]
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// The value of an `Authorization` header for a user name and password; it is marked as not to be logged.
///
/// # Errors
/// Stalled, when they cannot be sent in a header.
pub(crate) fn basic_authorization(user: &str, password: &Secret) -> Result<HeaderValue, Fault> {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()));
    authorization(&format!("Basic {pair}"))
}

/// The value of an `Authorization` header; it is marked as not to be logged.
///
/// # Errors
/// Stalled, when it cannot be sent in a header.
pub(crate) fn authorization(value: &str) -> Result<HeaderValue, Fault> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| Fault::stalled("bad-credentials", "the credentials hold characters that HTTP cannot carry"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// Why a request failed, in words: the innermost cause, without the URL.
#[must_use]
pub(crate) fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.source().is_none() {
        // Only then the text is reqwest's own, which ends with the URL.
        return "the request failed".to_owned();
    }
    innermost.to_string()
}

/// What a `Retry-After` header asks for: seconds, or a date (HTTP dates are RFC 2822). At most a day.
#[must_use]
pub(crate) fn retry_after(headers: &reqwest::header::HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let value = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(Duration::from_secs(24 * 60 * 60)))
}

/// The bytes of an answer's body.
///
/// # Errors
/// Retry, when the connection breaks or the body has more than `limit` bytes.
pub(crate) async fn body(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|error| Fault::retry("connection", format!("the answer broke off: {}", cause(&error))))?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        if bytes.len() + chunk.len() > limit {
            return Err(Fault::retry("answer-too-large", format!("the answer has more than {limit} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;
