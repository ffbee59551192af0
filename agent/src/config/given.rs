//! What flags and environment variables say, and how that and the file become one configuration.

use std::path::{Path, PathBuf};

use kompox_core::plan::NewDisks;
use kompox_manifests::id::ClusterId;
use kompox_manifests::policy::Policy;

use super::check::{self, Overrides};
use super::{Config, ConfigError, Location, Reference, Served, SourceConfig};
use crate::age_keys::AgeKeysFile;
use crate::secret::{Credentials, SecretFile};

/// Name of the source that flags describe.
const FLAG_SOURCE: &str = "default";

/// What flags and environment variables say, unchecked: where the configuration is, and what replaces scalars of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// `--config`: the configuration file.
    pub(crate) config: Option<PathBuf>,
    /// `--cluster`: resource ID of the Cluster whose Apps are ours.
    pub(crate) cluster: Option<String>,
    /// `--source`: repository or folder, in place of a configuration file.
    pub(crate) source: Option<String>,
    /// `--token-file`: the file that holds the token for `--source`, and for commit statuses.
    pub(crate) token_file: Option<PathBuf>,
    /// `--status-name`: our part of the contexts of commit statuses.
    pub(crate) status_name: Option<String>,
    /// `--new-disks`: `allow` or `hold`.
    pub(crate) new_disks: Option<String>,
    /// `--age-keys-file`: the file of age keys for `--source`.
    pub(crate) age_keys_file: Option<PathBuf>,
}

impl Given {
    /// Reads the configuration. It is read again by calling this again; equal configurations are equal values.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let overrides = self.overrides()?;
        match (&self.config, &self.source) {
            (Some(path), None) => {
                if self.token_file.is_some() {
                    return Err(argument("--token-file belongs to --source; in a file, write `auth: {tokenFile: …}`"));
                }
                if self.age_keys_file.is_some() {
                    return Err(argument(
                        "--age-keys-file belongs to --source; in a file, write `decryption: {ageKeysFile: …}`",
                    ));
                }
                from_file(path, overrides)
            }
            (None, Some(source)) => self.without_file(source, overrides),
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

    fn without_file(&self, source: &str, overrides: Overrides) -> Result<Config, ConfigError> {
        let Overrides { cluster, new_disks, status_name } = overrides;
        let cluster = cluster.ok_or_else(|| argument("--source also needs --cluster ID"))?;
        let location = Location::parse(source, Path::new(""))
            .map_err(|error| argument(format!("--source: {}; {}", error.message, error.help)))?;
        if location.url().is_none() && self.token_file.is_some() {
            return Err(argument("--token-file has no meaning for a path on this machine"));
        }
        let credentials = self.token_file.as_ref().map(|path| Credentials::Token(SecretFile::new(path)));
        let forge = crate::forge::guess(&location, credentials.as_ref());
        let status_name = status_name.unwrap_or_else(|| cluster.cluster.clone());
        let source = SourceConfig {
            name: FLAG_SOURCE.to_owned(),
            location,
            reference: Reference::Default,
            path: String::new(),
            interval: check::DEFAULT_INTERVAL,
            credentials,
            forge,
            webhook: None,
            allow_force_push: false,
            age_keys: self.age_keys_file.as_ref().map(AgeKeysFile::new),
        };
        let new_disks = new_disks.unwrap_or(NewDisks::Allow);
        Ok(Config {
            cluster,
            sources: vec![source],
            new_disks,
            max_disruptions: check::DEFAULT_DISRUPTIONS,
            people: Vec::new(),
            status_name,
            policy: Policy::default(),
            served: Served::default(),
        })
    }
}

fn from_file(path: &Path, overrides: Overrides) -> Result<Config, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
    let base = path.parent().unwrap_or(Path::new(""));
    check::config(&text, &path.display().to_string(), base, overrides).map_err(ConfigError::Invalid)
}

/// What a configuration file says about commits: its policy, and the keys of all its sources.
///
/// # Errors
/// See [`ConfigError`].
pub(crate) fn terms_of(path: &Path) -> Result<(Policy, Vec<AgeKeysFile>), ConfigError> {
    // They are the same whichever Cluster the agent serves, and a file may leave that to a flag.
    let any = ClusterId { workspace: "any".to_owned(), provider: "any".to_owned(), cluster: "any".to_owned() };
    let overrides = Overrides { cluster: Some(any), ..Overrides::default() };
    let config = from_file(path, overrides)?;
    Ok((config.policy, config.sources.into_iter().filter_map(|source| source.age_keys).collect()))
}

fn argument(message: impl Into<String>) -> ConfigError {
    ConfigError::Argument(message.into())
}
