//! `server` of `agent.yml` and the `webhook` of sources: what is listened to, and where.

use std::net::SocketAddr;

use serde_saphyr::Spanned;

use super::Served;
use super::check::Check;
use super::file::{ServerEntry, WebhookEntry};
use crate::secret::SecretFile;

impl Check<'_> {
    /// The addresses that are listened on; `hooked` is the first webhook of a source.
    pub(super) fn served(
        &mut self,
        written: Option<Spanned<ServerEntry>>,
        hooked: Option<&Spanned<WebhookEntry>>,
    ) -> Option<Served> {
        let (listen, webhooks) = match written {
            None => (None, None),
            Some(Spanned { value: ServerEntry { listen: None, webhooks: None }, referenced, defined }) => {
                let at = Spanned { value: (), referenced, defined };
                let help = "write `listen` with an address for probes and metrics, or `webhooks` with one for webhooks";
                return self.reject(&at, "`server` is empty", help);
            }
            Some(written) => (written.value.listen, written.value.webhooks),
        };
        let before = self.findings();
        let status = listen.as_ref().and_then(|listen| self.address("listen", listen));
        let address = webhooks.as_ref().and_then(|webhooks| self.address("webhooks", webhooks));
        match (hooked, &webhooks) {
            (Some(webhook), None) => {
                let help = "write `server: {webhooks: \"0.0.0.0:8081\"}`, or remove `webhook`";
                self.reject(webhook, "`webhook` needs an address that is listened on", help)
            }
            (None, Some(webhooks)) => {
                let help = "write `webhook: {secretFile: …}` at a source, or remove `webhooks`";
                self.reject(webhooks, "`webhooks` has no effect: no source has a `webhook`", help)
            }
            (_, Some(webhooks)) if status.zip(address).is_some_and(|(one, other)| collide(one, other)) => {
                let help = "give webhooks a port of their own: only that one is to be exposed";
                self.reject(webhooks, "`webhooks` and `listen` are the same address", help)
            }
            _ if self.findings() > before => None,
            _ => Some(Served { status, webhooks: address }),
        }
    }

    fn address(&mut self, key: &str, written: &Spanned<String>) -> Option<SocketAddr> {
        match written.value.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let message = format!("`{key}` is no IP address with a port");
                self.reject(written, message, "write e.g. `127.0.0.1:8080`")
            }
        }
    }

    /// The file of a webhook's secret.
    pub(super) fn webhook(&self, written: &WebhookEntry) -> SecretFile {
        SecretFile::new(self.base.join(&written.secret_file.value))
    }
}

/// Whether not both can be listened on.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    // All addresses of a family hold each single one of it; those of IPv6 hold IPv4 as well.
    let holds = |all: SocketAddr, single: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || single.is_ipv4());
    // Port 0 is a free one.
    let same_port = one.port() == other.port() && one.port() != 0;
    same_port && (one.ip() == other.ip() || holds(one, other) || holds(other, one))
}
