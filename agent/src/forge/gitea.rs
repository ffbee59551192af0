//! Gitea and Forgejo, by their REST API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kompox_core::report::{State, Status};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Forge, ForgeError};
use crate::config::ForgeConfig;
use crate::fault::Fault;
use crate::http_client::{self, cause};
use crate::redact::Redactor;
use crate::secret::Credentials;

const USER_AGENT: &str = concat!("kompox-agent/", env!("CARGO_PKG_VERSION"));
/// Largest accepted answer, in bytes. Fifty statuses with all their links take about 100 kB.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// Statuses on a page; the most that Gitea gives by default.
const PAGE: usize = 50;
/// Pages that are read. No commit of ours has more contexts.
const MAX_PAGES: usize = 20;

/// Limits in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a whole request.
    pub(super) request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request: Duration::from_secs(30) }
    }
}

/// A repository on a Gitea or Forgejo.
pub(super) struct Gitea {
    client: reqwest::Client,
    /// `…/api/v1/repos/OWNER/REPOSITORY`.
    repository: Url,
    credentials: Credentials,
    redactor: Arc<Redactor>,
    limits: Limits,
}

/// What is sent for a new status.
#[derive(Serialize)]
struct NewStatus<'a> {
    context: &'a str,
    state: State,
    description: &'a str,
    target_url: &'a str,
}

/// The newest status of each context, as Gitea answers.
#[derive(Deserialize)]
struct Combined {
    /// `null` when there is none.
    statuses: Option<Vec<Shown>>,
}

#[derive(Deserialize)]
struct Shown {
    context: String,
    /// Other programs' statuses may have states that we do not write.
    status: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    target_url: String,
}

impl Gitea {
    /// Prepares the way; nothing is asked yet.
    pub(super) fn new(config: &ForgeConfig, redactor: Arc<Redactor>, limits: Limits) -> Result<Self, Fault> {
        let ForgeConfig { kind: _, api, owner, repository, credentials } = config;
        let client = http_client::client(api, USER_AGENT, limits.request)?;
        let mut url = api.clone();
        url.set_path(&format!("{}repos/{owner}/{repository}", api.path()));
        Ok(Self { client, repository: url, credentials: credentials.clone(), redactor, limits })
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.repository.clone();
        url.set_path(&format!("{}/{path}", self.repository.path()));
        url
    }

    fn authorization(&self) -> Result<HeaderValue, Fault> {
        let read = self.redactor.read(&self.credentials, "");
        let (user, password) = read.map_err(|error| Fault::stalled("credentials", error.to_string()))?;
        match &self.credentials {
            Credentials::Token(_) => http_client::authorization(&format!("token {}", password.expose())),
            Credentials::Password { .. } => http_client::basic_authorization(&user, &password),
        }
    }

    /// Sends a request and reads the whole answer, within the deadline.
    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, HeaderMap, Vec<u8>), Fault> {
        let request =
            request.header(header::AUTHORIZATION, self.authorization()?).header(header::ACCEPT, "application/json");
        let exchange = async {
            let response = request.send().await.map_err(|error| {
                let message = format!("cannot reach {}: {}", self.repository, self.redactor.clean(&cause(&error)));
                Fault::retry("unreachable", message)
            })?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok((status, headers, http_client::body(response, MAX_BODY).await?))
        };
        tokio::time::timeout(self.limits.request, exchange).await.unwrap_or_else(|_| {
            let seconds = self.limits.request.as_secs_f64();
            Err(Fault::retry("timeout", format!("{} did not answer within {seconds} s", self.repository)))
        })
    }

    /// The error for an answer other than the expected one.
    fn unexpected(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ForgeError {
        let url = &self.repository;
        let said = self.said(body);
        let files = self.credentials.files();
        let fault = match status {
            StatusCode::UNAUTHORIZED => Fault::stalled("access-denied", format!("{url} refuses our credentials{said}"))
                .help(format!("check {files}: is the token valid?")),
            StatusCode::FORBIDDEN => Fault::stalled(
                "access-denied",
                format!("{url} does not let us write statuses{said}"),
            )
            .help(format!(
                "the token in {files} needs the scope write:repository, and its owner write access to the repository"
            )),
            StatusCode::NOT_FOUND => Fault::stalled("no-repository", format!("{url} does not exist for us"))
                .help(format!("check `forge.apiUrl`, and that the token in {files} may see the repository")),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Fault::retry("rate-limit", format!("{url} answers {status}"))
                    .after(http_client::retry_after(headers, jiff::Timestamp::now()))
            }
            _ if status.is_server_error() => Fault::retry("forge", format!("{url} answers {status}{said}"))
                .after(http_client::retry_after(headers, jiff::Timestamp::now())),
            _ if status.is_redirection() => {
                Fault::stalled("redirect", format!("{url} redirects; nothing was sent there"))
                    .help("configure the forge's present URL in `forge.apiUrl` or the source's `url`")
            }
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                return ForgeError::Refused(format!("{url} refuses the status with {status}{said}"));
            }
            _ => Fault::stalled("forge", format!("{url} answers {status}{said}")),
        };
        ForgeError::Fault(fault)
    }

    /// The forge's own words, when it has any.
    fn said(&self, body: &[u8]) -> String {
        #[derive(Deserialize)]
        struct Message {
            message: String,
        }
        match serde_json::from_slice::<Message>(body) {
            Ok(Message { message }) if !message.is_empty() => {
                let short: String = self.redactor.clean(&message).replace('\n', " ").chars().take(200).collect();
                format!(" ({short})")
            }
            _ => String::new(),
        }
    }

    /// Whether the repository itself is there: then it was the commit that was not found.
    async fn has_repository(&self) -> Result<bool, Fault> {
        let (status, _, _) = self.send(self.client.get(self.repository.clone())).await?;
        Ok(status.is_success())
    }

    async fn page(&self, commit: &str, number: usize) -> Result<Vec<Shown>, ForgeError> {
        let mut url = self.below(&format!("commits/{commit}/status"));
        url.query_pairs_mut().append_pair("page", &number.to_string()).append_pair("limit", &PAGE.to_string());
        let (status, headers, body) = self.send(self.client.get(url)).await.map_err(ForgeError::Fault)?;
        if status == StatusCode::NOT_FOUND && self.has_repository().await.map_err(ForgeError::Fault)? {
            return Err(ForgeError::Refused(format!("{} has no commit {commit}", self.repository)));
        }
        if status != StatusCode::OK {
            return Err(self.unexpected(status, &headers, &body));
        }
        match serde_json::from_slice::<Combined>(&body) {
            Ok(Combined { statuses }) => Ok(statuses.unwrap_or_default()),
            Err(_) => {
                let message = format!("{} does not answer like a Gitea", self.repository);
                Err(ForgeError::Fault(Fault::retry("forge", message).help("check `forge.apiUrl`")))
            }
        }
    }
}

#[async_trait]
impl Forge for Gitea {
    async fn set_status(&self, commit: &str, status: &Status) -> Result<(), ForgeError> {
        let new = NewStatus {
            context: &status.context,
            state: status.state,
            description: &status.description,
            target_url: status.target_url.as_deref().unwrap_or_default(),
        };
        let request = self.client.post(self.below(&format!("statuses/{commit}"))).json(&new);
        let (answered, headers, body) = self.send(request).await.map_err(ForgeError::Fault)?;
        if answered == StatusCode::CREATED { Ok(()) } else { Err(self.unexpected(answered, &headers, &body)) }
    }

    async fn statuses(&self, commit: &str) -> Result<Vec<Status>, ForgeError> {
        let mut statuses: Vec<Status> = Vec::new();
        for number in 1..=MAX_PAGES {
            // A server may be configured to give less than was asked for, and miscounts the total: only an empty
            // page is the last one.
            let page = self.page(commit, number).await?;
            let before = statuses.len();
            for shown in page {
                if statuses.iter().all(|status| status.context != shown.context) {
                    statuses.extend(shown.known());
                }
            }
            if statuses.len() == before {
                break;
            }
        }
        Ok(statuses)
    }
}

impl Shown {
    /// `None` for states that we never write.
    fn known(self) -> Option<Status> {
        let Self { context, status, description, target_url } = self;
        let state = match status.as_str() {
            "pending" => State::Pending,
            "success" => State::Success,
            "failure" => State::Failure,
            "error" => State::Error,
            _ => return None,
        };
        let target_url = Some(target_url).filter(|url| !url.is_empty());
        Some(Status { context, state, description, target_url })
    }
}

#[cfg(test)]
mod tests;
