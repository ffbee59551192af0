//! Webhooks: a forge's request makes a source fetch now instead of at its next poll, and nothing else.
//!
//! Nothing of a request is believed. Its body is read only to verify the signature, and never parsed: what there is to
//! deploy, the fetch says. So a forged, repeated or lost one costs a fetch at most, and polling stays the backstop.

mod proof;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use tracing::{debug, info, warn};

use self::proof::{Check, Proof};
use super::listener::{Answers, Deadlines, Listener, page};
use crate::config::SourceConfig;
use crate::metrics::Metrics;
use crate::secret::{Secret, SecretFile};

/// What stands before a source's name in the path.
const PREFIX: &str = "/hooks/";
/// Largest body, in bytes. What matters of a push takes a few thousand.
const LARGEST: usize = 1024 * 1024;
/// Fewest characters of a secret. What can be guessed from one signed body by trying is none.
const SHORTEST: usize = 16;

/// Makes a source fetch soon, by its name.
type Bell = Box<dyn Fn(&str) + Send + Sync>;

/// The webhooks of all sources that have one.
pub(crate) struct Webhooks {
    hooks: BTreeMap<String, Hook>,
    /// What to do with one, as long as the Lease is held.
    bell: Mutex<Option<Bell>>,
    metrics: Arc<Metrics>,
}

/// The webhook of one source.
struct Hook {
    secret: SecretFile,
    /// What was logged since one was taken last: whoever sends many fills no log.
    logged: Mutex<BTreeSet<String>>,
}

/// A server that ends when this is dropped.
pub(crate) struct WebhookServer {
    #[cfg_attr(not(test), expect(dead_code, reason = "it is dropped with this"))]
    listener: Listener,
}

impl WebhookServer {
    /// Begins to serve.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn start(address: SocketAddr, webhooks: Arc<Webhooks>) -> anyhow::Result<Self> {
        Self::start_with(address, webhooks, Deadlines::default()).await
    }

    async fn start_with(address: SocketAddr, webhooks: Arc<Webhooks>, deadlines: Deadlines) -> anyhow::Result<Self> {
        webhooks.warn_of_secrets();
        let sources: Vec<&str> = webhooks.hooks.keys().map(String::as_str).collect();
        let sources = sources.join(", ");
        let listener = Listener::start(address, "server.webhooks", deadlines, webhooks).await?;
        info!(address = %listener.address(), sources, "serving webhooks on {PREFIX}SOURCE");
        Ok(Self { listener })
    }
}

impl Webhooks {
    /// Those of the sources that have one.
    pub(crate) fn new(sources: &[SourceConfig], metrics: Arc<Metrics>) -> Self {
        let hook = |source: &SourceConfig| {
            let secret = source.webhook.clone()?;
            Some((source.name.clone(), Hook { secret, logged: Mutex::default() }))
        };
        Self { hooks: sources.iter().filter_map(hook).collect(), bell: Mutex::default(), metrics }
    }

    /// The Lease is ours, and this makes a source fetch; or it is ours no longer.
    pub(crate) fn leads(&self, bell: Option<Bell>) {
        *self.bell() = bell;
    }

    fn bell(&self) -> MutexGuard<'_, Option<Bell>> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A secret may come later, so the agent starts without.
    fn warn_of_secrets(&self) {
        for (source, hook) in &self.hooks {
            if let Err(error) = hook.secret() {
                hook.refused(source, &Refusal::Unusable(error));
            }
        }
    }

    /// Makes the source fetch soon. Says whether it does; without the Lease, nothing is fetched.
    fn ring(&self, source: &str) -> Taken {
        match self.bell().as_ref() {
            Some(bell) => {
                bell(source);
                Taken::Fetching
            }
            None => Taken::StandingBy,
        }
    }
}

impl Answers for Webhooks {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Some((source, hook)) = head.uri.path().strip_prefix(PREFIX).and_then(|name| self.hooks.get_key_value(name))
        else {
            return drained(body, StatusCode::NOT_FOUND, "there are only webhooks here: /hooks/SOURCE\n").await;
        };
        if head.method != Method::POST {
            return drained(body, StatusCode::METHOD_NOT_ALLOWED, "a webhook is a POST\n").await;
        }
        match hook.judge(&head.headers, body).await {
            Ok(()) => {
                hook.logged().clear();
                let taken = self.ring(source);
                self.metrics.webhook(source, taken.outcome());
                debug!(source, outcome = taken.outcome(), "a webhook");
                page(StatusCode::ACCEPTED, taken.text())
            }
            Err(refusal) => {
                self.metrics.webhook(source, refusal.outcome());
                hook.refused(source, &refusal);
                page(refusal.status(), refusal.text())
            }
        }
    }
}

impl Hook {
    /// Whether a webhook is from somebody who has the secret.
    async fn judge(&self, headers: &HeaderMap, body: Incoming) -> Result<(), Refusal> {
        let mut check = self.secret().and_then(|secret| Check::new(secret).ok_or_else(|| "cannot be a key".to_owned()));
        // To its end also where that is in vain: whoever closes earlier may never get the answer.
        read(body, |bytes| {
            if let Ok(check) = &mut check {
                check.update(bytes);
            }
        })
        .await?;
        let check = check.map_err(Refusal::Unusable)?;
        let proof = Proof::of(headers);
        match (proof.is_empty(), check.accepts(&proof)) {
            (true, _) => Err(Refusal::Unsigned),
            (false, false) => Err(Refusal::Wrong),
            (false, true) => Ok(()),
        }
    }

    /// The secret as it is now, or why it is none.
    fn secret(&self) -> Result<Secret, String> {
        self.secret.read_at_least(SHORTEST).map_err(|error| error.to_string())
    }

    fn logged(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a refusal, unless one like it was logged since a webhook was taken.
    fn refused(&self, source: &str, refusal: &Refusal) {
        let reason = refusal.reason();
        if !self.logged().insert(reason.clone()) {
            return;
        }
        match refusal {
            Refusal::Unusable(_) => warn!(source, reason, "webhooks of the source cannot be verified"),
            _ => info!(source, reason, "a webhook is refused"),
        }
    }
}

/// What is made of a webhook that is genuine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Taken {
    Fetching,
    /// The holder of the Lease finds at its next poll what there is.
    StandingBy,
}

impl Taken {
    fn outcome(self) -> &'static str {
        match self {
            Self::Fetching => "taken",
            Self::StandingBy => "standby",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Fetching => "the source is fetched\n",
            Self::StandingBy => "this agent stands by; the one that holds the Lease fetches at its next poll\n",
        }
    }
}

/// Why a webhook is not taken.
enum Refusal {
    Unsigned,
    Wrong,
    /// It cannot be verified; why not.
    Unusable(String),
    TooLarge,
    Broken,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unsigned | Self::Wrong | Self::Unusable(_) => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    fn outcome(&self) -> &'static str {
        match self {
            Self::Unsigned | Self::Wrong => "refused",
            Self::Unusable(_) => "unusable",
            Self::TooLarge => "too_large",
            Self::Broken => "broken",
        }
    }

    /// For the sender, who may be anybody.
    fn text(&self) -> &'static str {
        match self {
            Self::Unsigned => {
                "the webhook is not signed: give it, on the forge, the secret that `webhook.secretFile` of the source \
                 holds\n"
            }
            Self::Wrong => {
                "the webhook has another secret than the source: give it, on the forge, what `webhook.secretFile` of \
                 the source holds\n"
            }
            Self::Unusable(_) => "the agent has no secret that it could verify webhooks with; its log says why\n",
            Self::TooLarge => "the webhook is larger than 1 MiB: let it tell only of pushes\n",
            Self::Broken => "the webhook broke off\n",
        }
    }

    /// For the log.
    fn reason(&self) -> String {
        match self {
            Self::Unsigned => "it is not signed; give the forge the secret of `webhook.secretFile`".to_owned(),
            Self::Wrong => "its secret is not that of `webhook.secretFile`".to_owned(),
            Self::Unusable(why) => why.clone(),
            Self::TooLarge => format!("it is larger than {LARGEST} bytes"),
            Self::Broken => "it broke off".to_owned(),
        }
    }
}

/// Reads a body to its end, but never more than [`LARGEST`]. One that says that it is larger is not read at all.
async fn read(body: Incoming, mut take: impl FnMut(&[u8])) -> Result<(), Refusal> {
    if usize::try_from(body.size_hint().lower()).map_or(true, |length| length > LARGEST) {
        return Err(Refusal::TooLarge);
    }
    let mut body = pin!(Limited::new(body, LARGEST));
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frame.data_ref().into_iter().for_each(|bytes| take(bytes)),
            Err(error) if error.is::<LengthLimitError>() => return Err(Refusal::TooLarge),
            Err(_) => return Err(Refusal::Broken),
        }
    }
    Ok(())
}

/// An answer that does not go by the body. It is read all the same, so that its sender gets to the answer.
async fn drained(body: Incoming, status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    match read(body, |_| ()).await {
        Err(refusal @ Refusal::TooLarge) => page(refusal.status(), refusal.text()),
        _ => page(status, text),
    }
}

#[cfg(test)]
mod tests;
