//! Flags and environment variables, and how they and the file become one configuration.

use std::path::{Path, PathBuf};

use kompox_manifests::id::ClusterId;

use super::check::{self, Overrides};
use super::{Config, ConfigError, Location, NewDisks, Reference, SourceConfig};
use crate::secret::{Credentials, SecretFile};

/// Name of the source that flags describe.
const FLAG_SOURCE: &str = "default";

/// Where the configuration is, and what replaces scalars of it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "KOMPOX_AGENT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Resource ID of the Cluster whose Apps are ours, /ws/W/prv/P/cls/C
    #[arg(long, value_name = "ID", env = "KOMPOX_AGENT_CLUSTER")]
    pub cluster: Option<String>,
    /// Repository or folder, in place of a configuration file
    #[arg(long, value_name = "URL|PATH", env = "KOMPOX_AGENT_SOURCE", conflicts_with = "config")]
    pub source: Option<String>,
    /// Branch of --source (default: the repository's own)
    #[arg(long, value_name = "NAME", env = "KOMPOX_AGENT_BRANCH", requires = "source")]
    pub branch: Option<String>,
    /// Folder of --source below which entries are looked for
    #[arg(long, value_name = "FOLDER", env = "KOMPOX_AGENT_PATH", requires = "source")]
    pub path: Option<String>,
    /// Time between two polls of --source (default: 30s)
    #[arg(long, value_name = "DURATION", env = "KOMPOX_AGENT_INTERVAL", requires = "source")]
    pub interval: Option<String>,
    /// File that holds the token for --source, and for commit statuses
    #[arg(long, value_name = "FILE", env = "KOMPOX_AGENT_TOKEN_FILE", requires = "source")]
    pub token_file: Option<PathBuf>,
    /// Our part of the contexts of commit statuses (default: the cluster's name)
    #[arg(long, value_name = "NAME", env = "KOMPOX_AGENT_STATUS_NAME")]
    pub status_name: Option<String>,
    /// What happens to disks that do not exist yet: allow or hold
    #[arg(long, value_name = "allow|hold", env = "KOMPOX_AGENT_NEW_DISKS")]
    pub new_disks: Option<String>,
}

impl ConfigArgs {
    /// Reads the configuration. It is read again by calling this again; equal configurations are equal values.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        let overrides = self.overrides()?;
        match (&self.config, &self.source) {
            (Some(path), None) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|cause| ConfigError::Unreadable { path: path.clone(), cause })?;
                let base = path.parent().unwrap_or(Path::new(""));
                check::config(&text, &path.display().to_string(), base, overrides).map_err(ConfigError::Invalid)
            }
            (None, Some(source)) => self.from_flags(source, overrides),
            (Some(_), Some(_)) => Err(argument("--config and --source exclude each other")),
            (None, None) => Err(argument("give --config FILE, or --cluster ID and --source URL|PATH")),
        }
    }

    fn overrides(&self) -> Result<Overrides, ConfigError> {
        let cluster = match &self.cluster {
            Some(cluster) => {
                Some(cluster.parse::<ClusterId>().map_err(|error| argument(format!("--cluster: {error}")))?)
            }
            None => None,
        };
        let new_disks = match &self.new_disks {
            Some(text) => {
                Some(check::new_disks(text).ok_or_else(|| argument("--new-disks is neither `allow` nor `hold`"))?)
            }
            None => None,
        };
        if self.status_name.as_deref().is_some_and(|name| !check::is_status_name(name)) {
            return Err(argument(format!("--status-name: {}", check::STATUS_NAME)));
        }
        Ok(Overrides { cluster, new_disks, status_name: self.status_name.clone() })
    }

    fn from_flags(&self, source: &str, overrides: Overrides) -> Result<Config, ConfigError> {
        let Overrides { cluster, new_disks, status_name } = overrides;
        let cluster = cluster.ok_or_else(|| argument("--source also needs --cluster ID"))?;
        let location = Location::parse(source, Path::new(""))
            .map_err(|error| argument(format!("--source: {}; {}", error.message, error.help)))?;
        if matches!(location, Location::Folder(_)) && self.branch.is_some() {
            return Err(argument("--branch has no meaning for a folder"));
        }
        if location.url().is_none() && self.token_file.is_some() {
            return Err(argument("--token-file has no meaning for a path on this machine"));
        }
        let reference = self.branch.clone().map_or(Reference::Default, Reference::Branch);
        check::check_reference(&reference).map_err(|message| argument(format!("--branch: {message}")))?;
        let path = check::folder(self.path.as_deref().unwrap_or_default())
            .ok_or_else(|| argument("--path leads out of the repository"))?;
        let interval = match &self.interval {
            Some(text) => {
                check::parse_interval(text).map_err(|message| argument(format!("--interval: {message}")))?
            }
            None => check::DEFAULT_INTERVAL,
        };
        let credentials = self.token_file.as_ref().map(|path| Credentials::Token(SecretFile::new(path)));
        let forge = crate::forge::guess(&location, credentials.as_ref());
        let status_name = status_name.unwrap_or_else(|| cluster.cluster.clone());
        let source = SourceConfig {
            name: FLAG_SOURCE.to_owned(),
            location,
            reference,
            path,
            interval,
            credentials,
            forge,
            allow_force_push: false,
        };
        Ok(Config { cluster, sources: vec![source], new_disks: new_disks.unwrap_or(NewDisks::Allow), status_name })
    }
}

fn argument(message: impl Into<String>) -> ConfigError {
    ConfigError::Argument(message.into())
}
