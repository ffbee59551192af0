//! Git's smart HTTP transport, over the agent's own HTTP client: it can be given up at any moment, which the Git
//! library's blocking transport cannot, and it sends credentials only to the configured origin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use git2::Oid;
use reqwest::header::{self, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::sync::mpsc;
use url::Url;

use super::pack::Piece;
use super::pktline::{self, Decoder};
use super::protocol::{self, Advertisement, PackAnswer, Step, Tip, USER_AGENT, no_git_server};
use crate::config::Reference;
use crate::fault::Fault;
use crate::http_client::{self, cause, same_origin};
use crate::redact::Redactor;
use crate::secret::Credentials;

/// Largest list of references, in bytes.
const MAX_REFS: usize = 32 * 1024 * 1024;
/// Redirects that are followed, all within the configured origin.
const MAX_REDIRECTS: usize = 3;
/// User name that goes with a token. GitLab wants this one; the other forges ignore it.
const TOKEN_USER: &str = "oauth2";
/// User name that goes with a token on Bitbucket Cloud.
const BITBUCKET_TOKEN_USER: &str = "x-token-auth";

/// A repository behind HTTP.
pub(super) struct HttpRemote {
    client: reqwest::Client,
    url: Url,
    credentials: Option<Credentials>,
    redactor: Arc<Redactor>,
    /// Whether the server spoke version 2 the last time: then the next poll skips the question and costs one request.
    speaks_v2: AtomicBool,
}

/// What was learned from the first answer and is needed for the second request.
#[derive(Clone)]
pub(super) struct Found {
    /// What to fetch.
    pub(super) tip: Tip,
    /// Where the repository is, after redirects.
    base: Url,
    /// `None` for version 2.
    v0: Option<Arc<protocol::V0>>,
}

impl Found {
    /// The way to another commit of the same repository.
    pub(super) fn other(&self, commit: Oid) -> Self {
        Self { tip: Tip::commit(commit), ..self.clone() }
    }
}

impl HttpRemote {
    /// Prepares the way to a repository. `idle` is the longest time without a byte of an answer.
    pub(super) fn new(
        url: &Url,
        credentials: Option<Credentials>,
        redactor: Arc<Redactor>,
        idle: Duration,
    ) -> Result<Self, Fault> {
        let client = http_client::client(url, USER_AGENT, idle)?;
        let mut url = url.clone();
        // One form, so that paths can be appended.
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { client, url, credentials, redactor, speaks_v2: AtomicBool::new(false) })
    }

    /// Asks which object a reference stands for.
    pub(super) async fn find(&self, wanted: &Reference) -> Result<Found, Fault> {
        let authorization = self.authorization()?;
        if self.speaks_v2.swap(false, Ordering::Relaxed) {
            let found = self.ls_refs(self.url.clone(), wanted, authorization.as_ref()).await?;
            self.speaks_v2.store(true, Ordering::Relaxed);
            return Ok(found);
        }
        let (base, packets) = self.info_refs(authorization.as_ref()).await?;
        match protocol::advertisement(&packets)? {
            Advertisement::V0(server) => {
                let tip = server.find(wanted)?;
                Ok(Found { tip, base, v0: Some(Arc::new(server)) })
            }
            Advertisement::V2 => {
                let direct = base == self.url;
                let found = self.ls_refs(base, wanted, authorization.as_ref()).await?;
                self.speaks_v2.store(direct, Ordering::Relaxed);
                Ok(found)
            }
        }
    }

    /// Fetches what the tip reaches and `have` does not, and passes the pack on piece by piece.
    pub(super) async fn download(&self, found: &Found, have: &[Oid], pack: mpsc::Sender<Piece>) -> Result<(), Fault> {
        let body = match &found.v0 {
            Some(server) => protocol::fetch_request_v0(server, found.tip, have),
            None => protocol::fetch_request(found.tip, have),
        };
        let authorization = self.authorization()?;
        let mut response = self.upload_pack(&found.base, body, found.v0.is_none(), authorization.as_ref()).await?;
        let mut decoder = Decoder::default();
        let mut answer = PackAnswer::default();
        loop {
            while let Some(packet) = decoder.next().map_err(|_| no_git_server())? {
                match answer.step(&packet).map_err(|fault| self.clean(fault))? {
                    Step::Skip => {}
                    // The other end is closed only when it has failed, and then it says why itself.
                    Step::Pack(bytes) if pack.send(Piece::Bytes(bytes.to_vec())).await.is_err() => return Ok(()),
                    Step::Pack(_) => {}
                    Step::Done => {
                        let _ = pack.send(Piece::End).await;
                        return Ok(());
                    }
                }
            }
            let chunk = response.chunk().await.map_err(|error| broke_off(&cause(&error)))?;
            match chunk {
                Some(chunk) => decoder.push(&chunk),
                None => return Err(broke_off("the server closed the connection")),
            }
        }
    }

    async fn ls_refs(&self, base: Url, wanted: &Reference, auth: Option<&HeaderValue>) -> Result<Found, Fault> {
        if let Reference::Commit(id) = wanted {
            return Ok(Found { tip: Tip::commit(protocol::parse_id(id)?), base, v0: None });
        }
        let response = self.upload_pack(&base, protocol::ls_refs_request(wanted), true, auth).await?;
        let bytes = http_client::body(response, MAX_REFS).await?;
        let packets = pktline::decode(&bytes).map_err(|_| no_git_server())?;
        let tip = protocol::ls_refs_answer(&packets, wanted).map_err(|fault| self.clean(fault))?;
        Ok(Found { tip, base, v0: None })
    }

    /// The first request. Redirects within the origin are followed: a renamed repository, a missing `.git`.
    async fn info_refs(&self, auth: Option<&HeaderValue>) -> Result<(Url, Vec<pktline::Packet>), Fault> {
        let mut base = self.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let url = below(&base, "info/refs", Some("service=git-upload-pack"));
            let request = authorized(self.client.get(url.clone()), auth).header("Git-Protocol", "version=2");
            let response = self.send(request).await?;
            if response.status().is_redirection() {
                base = self.redirected(&url, &response)?;
                continue;
            }
            self.check(&response, "application/x-git-upload-pack-advertisement")?;
            let bytes = http_client::body(response, MAX_REFS).await?;
            return Ok((base, pktline::decode(&bytes).map_err(|_| no_git_server())?));
        }
        Err(Fault::stalled("redirect", format!("{} redirects in circles", self.url)))
    }

    /// Where the repository is instead, when a redirect stays within the configured origin.
    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, Fault> {
        let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| from.join(location).ok());
        let target = target.ok_or_else(|| Fault::stalled("redirect", format!("{} redirects to no URL", self.url)))?;
        if !same_origin(&self.url, &target) || !target.username().is_empty() {
            // Nothing is sent there: not the credentials, and nothing else either.
            let host = target.host_str().unwrap_or("no host");
            let message = format!("{} redirects to another server ({}://{host})", self.url, target.scheme());
            return Err(Fault::stalled("redirect", message).help("if that is right, configure that URL"));
        }
        let Some(path) = target.path().strip_suffix("/info/refs") else {
            return Err(Fault::stalled("redirect", format!("{} redirects to a page that is no repository", self.url))
                .help("check the URL, and whether it needs `auth`"));
        };
        let mut base = target.clone();
        base.set_path(path);
        base.set_query(None);
        base.set_fragment(None);
        Ok(base)
    }

    async fn upload_pack(
        &self,
        base: &Url,
        body: Vec<u8>,
        v2: bool,
        auth: Option<&HeaderValue>,
    ) -> Result<Response, Fault> {
        let mut request = authorized(self.client.post(below(base, "git-upload-pack", None)), auth)
            .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(header::ACCEPT, "application/x-git-upload-pack-result")
            .body(body);
        if v2 {
            request = request.header("Git-Protocol", "version=2");
        }
        let response = self.send(request).await?;
        self.check(&response, "application/x-git-upload-pack-result")?;
        Ok(response)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Fault> {
        request.send().await.map_err(|error| {
            let message = format!("cannot reach {}: {}", self.url, self.redactor.clean(&cause(&error)));
            Fault::retry("unreachable", message)
        })
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, Fault> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        let user = if self.url.host_str() == Some("bitbucket.org") { BITBUCKET_TOKEN_USER } else { TOKEN_USER };
        let (user, password) =
            self.redactor.read(credentials, user).map_err(|error| Fault::stalled("credentials", error.to_string()))?;
        http_client::basic_authorization(&user, &password).map(Some)
    }

    /// Turns everything but the expected answer into an error.
    fn check(&self, response: &Response, content_type: &str) -> Result<(), Fault> {
        let status = response.status();
        let url = &self.url;
        if status.is_success() {
            let sent = response.headers().get(header::CONTENT_TYPE).and_then(|sent| sent.to_str().ok());
            return if sent == Some(content_type) { Ok(()) } else { Err(no_git_server()) };
        }
        let help = match &self.credentials {
            Some(credentials) => format!("check {}: is the token valid, and may it read this?", credentials.files()),
            None => "if the repository is private, name a token in `auth: {tokenFile: …}` (--token-file)".to_owned(),
        };
        Err(match status {
            StatusCode::UNAUTHORIZED if self.credentials.is_some() => {
                Fault::stalled("access-denied", format!("{url} refuses our credentials")).help(help)
            }
            StatusCode::UNAUTHORIZED => Fault::stalled("access-denied", format!("{url} needs a login")).help(help),
            StatusCode::FORBIDDEN => Fault::stalled("access-denied", format!("{url} is not open to us")).help(help),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Fault::stalled("no-repository", format!("there is no repository at {url}, or it is not open to us"))
                    .help(help)
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => self.retry(response),
            _ if status.is_server_error() => self.retry(response),
            _ if status.is_redirection() => Fault::retry("redirect", format!("{url} has just moved")),
            _ => Fault::stalled("git-server", format!("{url} refuses with {status}")),
        })
    }

    fn retry(&self, response: &Response) -> Fault {
        let wait = http_client::retry_after(response.headers(), jiff::Timestamp::now());
        Fault::retry("git-server", format!("{} answers {}", self.url, response.status())).after(wait)
    }

    fn clean(&self, fault: Fault) -> Fault {
        Fault { message: self.redactor.clean(&fault.message), ..fault }
    }
}

fn authorized(request: RequestBuilder, authorization: Option<&HeaderValue>) -> RequestBuilder {
    match authorization {
        Some(value) => request.header(header::AUTHORIZATION, value),
        None => request,
    }
}

/// A path below a repository's URL.
fn below(base: &Url, path: &str, query: Option<&str>) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path()));
    url.set_query(query);
    url
}

fn broke_off(why: &str) -> Fault {
    Fault::retry("connection", format!("the download broke off: {why}"))
}
