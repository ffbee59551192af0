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
pub fn install_crypto() {
    // It fails only when a provider is installed already, and then there is nothing to do.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for one server. `idle` is the longest time without a byte of an answer; callers put a deadline on the
/// whole exchange themselves.
///
/// # Errors
/// Stalled, when the machine has no trusted certificates.
pub fn client(server: &Url, user_agent: &'static str, idle: Duration) -> Result<reqwest::Client, Fault> {
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
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether two URLs have the same scheme, host and port.
#[must_use]
pub fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// The value of an `Authorization` header for a user name and password; it is marked as not to be logged.
///
/// # Errors
/// Stalled, when they cannot be sent in a header.
pub fn basic_authorization(user: &str, password: &Secret) -> Result<HeaderValue, Fault> {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()));
    authorization(&format!("Basic {pair}"))
}

/// The value of an `Authorization` header; it is marked as not to be logged.
///
/// # Errors
/// Stalled, when it cannot be sent in a header.
pub fn authorization(value: &str) -> Result<HeaderValue, Fault> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| Fault::stalled("bad-credentials", "the credentials hold characters that HTTP cannot carry"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// Why a request failed, in words: the innermost cause, without the URL.
#[must_use]
pub fn cause(error: &reqwest::Error) -> String {
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
pub fn retry_after(headers: &reqwest::header::HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
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
pub async fn body(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Fault> {
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
mod tests {
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
}
