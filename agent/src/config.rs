//! What `agent.yml`, flags and the environment say, checked.
//!
//! ```text
//! agent.yml ─► file.rs (keys as written, with places) ─► check.rs (names, URLs, durations) ─► Config
//! --cluster, --source ─► given.rs ────────────────────────────┘
//! ```

mod check;
mod file;
mod given;
mod location;
mod policy;
mod served;
mod shape;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kompox_core::plan::NewDisks;
use kompox_manifests::diagnostic::Diagnostic;
use kompox_manifests::id::ClusterId;
use kompox_manifests::policy::Policy;
use url::Url;

pub(crate) use given::{Given, terms_of};
pub(crate) use location::Location;
pub(crate) use shape::schema;

use crate::age_keys::AgeKeysFile;
use crate::secret::{Credentials, SecretFile};

/// The whole configuration of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The Cluster whose Apps are ours.
    pub(crate) cluster: ClusterId,
    /// Where Apps come from; at least one, with different names.
    pub(crate) sources: Vec<SourceConfig>,
    /// What happens to disks that do not exist yet.
    pub(crate) new_disks: NewDisks,
    /// How many Pods of one source may be down at once by our doing; at least 1.
    pub(crate) max_disruptions: u32,
    /// Field managers behind which a person sits, beside those that are known.
    pub(crate) people: Vec<String>,
    /// Our part of the contexts of commit statuses.
    pub(crate) status_name: String,
    /// What a commit may ask for.
    pub(crate) policy: Policy,
    /// What is listened on.
    pub(crate) served: Served,
}

/// The addresses that are listened on; `None` for nowhere. They are different ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Served {
    /// Probes, metrics and the status page.
    pub(crate) status: Option<SocketAddr>,
    /// Webhooks; where a source has one.
    pub(crate) webhooks: Option<SocketAddr>,
}

/// One repository or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceConfig {
    /// Name, a DNS-1123 label; stable, because applied objects carry it.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) location: Location,
    /// Which commit of it.
    pub(crate) reference: Reference,
    /// Folder below which entries are looked for, relative to the root; empty for the root.
    pub(crate) path: String,
    /// Time between two polls, before jitter.
    pub(crate) interval: Duration,
    /// How the agent shows who it is; `None` for public repositories and local ones.
    pub(crate) credentials: Option<Credentials>,
    /// Where commit statuses go.
    pub(crate) forge: ForgeChoice,
    /// The secret of its webhook; `None` where it has none.
    pub(crate) webhook: Option<SecretFile>,
    /// Whether a rewritten branch is followed at once instead of being held.
    pub(crate) allow_force_push: bool,
    /// Where the keys of its encrypted files are.
    pub(crate) age_keys: Option<AgeKeysFile>,
}

/// Which commit of a repository is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The branch that the repository's `HEAD` names.
    Default,
    /// The newest commit of a branch.
    Branch(String),
    /// The commit of a tag.
    Tag(String),
    /// One commit, by its full hash.
    Commit(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("the default branch"),
            Self::Branch(name) => write!(formatter, "branch `{name}`"),
            Self::Tag(name) => write!(formatter, "tag `{name}`"),
            Self::Commit(id) => write!(formatter, "commit {id}"),
        }
    }
}

/// Where commit statuses of a source go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ForgeChoice {
    /// To this forge.
    Forge(ForgeConfig),
    /// Nowhere, for a reason worth a line in the log.
    None(String),
}

/// A repository on a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForgeConfig {
    /// Which API it speaks.
    pub(crate) kind: ForgeKind,
    /// Root of the API, ending with `/`.
    pub(crate) api: Url,
    /// Owner of the repository.
    pub(crate) owner: String,
    /// Name of the repository.
    pub(crate) repository: String,
    /// What allows the agent to write statuses.
    pub(crate) credentials: Credentials,
}

/// The API that a forge speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForgeKind {
    /// Gitea and Forgejo.
    Gitea,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file says something wrong; at least one finding.
    #[error("{}", lines(.0))]
    Invalid(Vec<Diagnostic>),
    /// A flag or an environment variable is wrong or missing.
    #[error("{0}")]
    Argument(String),
}

/// One line per finding, with what to do behind it.
fn lines(diagnostics: &[Diagnostic]) -> String {
    let line = |diagnostic: &Diagnostic| match &diagnostic.help {
        Some(help) => format!("{diagnostic}; {help}"),
        None => diagnostic.to_string(),
    };
    diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
