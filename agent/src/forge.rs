//! Forges: where commit statuses are written.
//!
//! ```text
//! kompox_core::report ─► outbox.rs (what is still to be written, in order) ─► Forge ─► gitea.rs (REST)
//! ```

mod gitea;
pub(crate) mod outbox;

use std::sync::Arc;

use async_trait::async_trait;
use kompox_core::report::Status;
use url::{Host, Url};

use crate::config::{ForgeChoice, ForgeConfig, ForgeKind, Location};
use crate::fault::Fault;
use crate::redact::Redactor;
use crate::secret::Credentials;

/// A forge, as far as the agent needs one.
#[async_trait]
pub(crate) trait Forge: Send + Sync {
    /// Adds a status to a commit. Not idempotent: a forge keeps every one.
    ///
    /// # Errors
    /// [`ForgeError::Fault`] when it was not, or may not have been, written; [`ForgeError::Refused`] when it never
    /// will be.
    async fn set_status(&self, commit: &str, status: &Status) -> Result<(), ForgeError>;

    /// The newest status of each context of a commit.
    ///
    /// # Errors
    /// As [`Forge::set_status`].
    async fn statuses(&self, commit: &str) -> Result<Vec<Status>, ForgeError>;
}

/// Why a forge did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForgeError {
    /// The forge, the way to it, or our access is in trouble; what was asked stays to be done.
    #[error("{0}")]
    Fault(Fault),
    /// The forge will never accept this, for the reason given: the commit is unknown to it, for example.
    #[error("{0}")]
    Refused(String),
}

/// Opens the way to a forge.
///
/// # Errors
/// Stalled, when TLS cannot be set up.
pub(crate) fn open(config: &ForgeConfig, redactor: &Arc<Redactor>) -> Result<Box<dyn Forge>, Fault> {
    match config.kind {
        ForgeKind::Gitea => Ok(Box::new(gitea::Gitea::new(config, Arc::clone(redactor), gitea::Limits::default())?)),
    }
}

/// A repository's place on a forge, read from its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Root of the forge, ending with `/`.
    root: Url,
    /// Owner of the repository.
    pub(crate) owner: String,
    /// Name of the repository, without `.git`.
    pub(crate) repository: String,
}

impl Address {
    /// The last two components of the path are owner and repository; what stands before them belongs to the forge.
    #[must_use]
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let mut components: Vec<&str> = url.path().split('/').filter(|component| !component.is_empty()).collect();
        let repository = components.pop()?;
        let repository = repository.strip_suffix(".git").unwrap_or(repository);
        let owner = components.pop()?;
        if repository.is_empty() {
            return None;
        }
        let mut root = url.clone();
        root.set_path(
            &components.iter().map(|component| format!("/{component}")).chain(["/".into()]).collect::<String>(),
        );
        Some(Self { root, owner: decoded(owner)?, repository: decoded(repository)? })
    }

    /// Root of the REST API of a Gitea at this place.
    #[must_use]
    pub(crate) fn gitea_api(&self) -> Url {
        // Joining a fixed relative path cannot fail; the root itself would only give a clear 404.
        self.root.join("api/v1/").unwrap_or_else(|_| self.root.clone())
    }
}

/// A component of a URL's path as the name that it stands for. Names of forges need no escapes beyond these.
fn decoded(component: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    (component.bytes().all(plain) && !matches!(component, "." | "..")).then(|| component.to_owned())
}

/// The forge that a location probably belongs to, where nothing is configured.
#[must_use]
pub(crate) fn guess(location: &Location, credentials: Option<&Credentials>) -> ForgeChoice {
    let none = |reason: String| ForgeChoice::None(format!("no commit statuses are written: {reason}"));
    let Some(url) = location.url() else { return none("the source is a path on this machine".to_owned()) };
    let host = match url.host() {
        Some(Host::Domain(host)) => host.to_ascii_lowercase(),
        _ => String::new(),
    };
    let gitea = matches!(host.as_str(), "codeberg.org" | "gitea.com")
        || host.split('.').any(|label| matches!(label, "gitea" | "forgejo"));
    if !gitea {
        return none("the URL does not tell which forge it is; `forge: {type: gitea}` says so".to_owned());
    }
    let Some(Address { root, owner, repository }) = Address::of(url) else {
        return none("the URL does not end with owner and repository".to_owned());
    };
    let Some(credentials) = credentials.cloned() else {
        return none("they need a token".to_owned());
    };
    let api = Address { root, owner: owner.clone(), repository: repository.clone() }.gitea_api();
    ForgeChoice::Forge(ForgeConfig { kind: ForgeKind::Gitea, api, owner, repository, credentials })
}

#[cfg(test)]
mod tests;
