//! Sources: where commits come from.
//!
//! ```text
//! Source ─┬─ git.rs ─┬─ git/http.rs (smart HTTP: protocol.rs over pktline.rs)
//!         │          ├─ git/local.rs (a bare repository on this machine)
//!         │          ├─ git/mirror.rs (the cache folder) ─ git/pack.rs (what arrives is verified)
//!         │          └─ git/tree.rs (blobs, read from the object store)
//!         └─ folder.rs ─ folder/tree.rs (a working folder, watched)
//! ```

mod folder;
mod git;
pub(crate) mod working_tree;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use kompox_core::plan::HoldDigest;
use kompox_manifests::source::SourceTree;

use crate::config::{Location, SourceConfig};
use crate::fault::Fault;
use crate::redact::Redactor;

/// A repository or folder that revisions come from. It keeps no truth: which revision counts is the caller's to say.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Asks once for the newest revision. `accepted` is the revision that was reconciled last, as the cluster
    /// remembers it; a branch that was rewritten since then is held. When the configuration names another branch or
    /// tag than it did for that revision, there is no accepted one.
    ///
    /// # Errors
    /// The last good revision stays valid: see [`Source::open`].
    async fn fetch(&self, accepted: Option<&RevisionId>) -> Result<Fetched, Fault>;

    /// A revision that was fetched before, without asking the remote; `None` when it is not in the cache.
    ///
    /// # Errors
    /// When the cache cannot be read at all.
    async fn open(&self, id: &RevisionId) -> Result<Option<Snapshot>, Fault>;

    /// Resolves when there is reason to believe that a fetch would find something new. A source that cannot know
    /// never resolves; polling stays the backstop for all.
    async fn changed(&self);
}

/// Opens a source. Nothing is read yet. `cache` is the folder for mirrors; it may be deleted at any moment.
///
/// # Errors
/// Stalled, when TLS cannot be set up.
pub(crate) fn open(config: &SourceConfig, cache: &Path, redactor: &Arc<Redactor>) -> Result<Box<dyn Source>, Fault> {
    match &config.location {
        Location::Folder(path) => Ok(Box::new(folder::FolderSource::new(path.clone(), folder::Limits::default()))),
        Location::Remote(_) | Location::Repository(_) => {
            Ok(Box::new(git::GitSource::new(config, cache, Arc::clone(redactor), git::Limits::default())?))
        }
    }
}

/// The folder for caches where none is named: `$XDG_CACHE_HOME/kompox-agent`, else `~/.cache/kompox-agent`, else
/// `/var/cache/kompox-agent`.
#[must_use]
pub(crate) fn default_cache_folder() -> PathBuf {
    cache_folder(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from), std::env::var_os("HOME").map(PathBuf::from))
}

fn cache_folder(cache_home: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    // Relative paths in these variables are to be ignored, says their specification.
    let absolute = |path: &PathBuf| path.is_absolute();
    let root = cache_home.filter(absolute).or_else(|| home.filter(absolute).map(|home| home.join(".cache")));
    root.unwrap_or_else(|| PathBuf::from("/var/cache")).join("kompox-agent")
}

/// Identity of a revision: the hash of a commit, or of a folder's content; 40 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RevisionId(String);

impl RevisionId {
    /// The 40 digits.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for people.
    #[must_use]
    pub(crate) fn short(&self) -> &str {
        &self.0[..8]
    }

    fn of(id: git2::Oid) -> Self {
        Self(id.to_string())
    }

    fn oid(&self) -> Result<git2::Oid, git2::Error> {
        git2::Oid::from_str(&self.0)
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a revision is named by 40 lower-case hexadecimal digits")]
pub(crate) struct RevisionIdError;

impl FromStr for RevisionId {
    type Err = RevisionIdError;

    fn from_str(text: &str) -> Result<Self, RevisionIdError> {
        let digits = text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits { Ok(Self(text.to_owned())) } else { Err(RevisionIdError) }
    }
}

/// A revision and what people said about it. The texts are the author's: never trusted, only shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// Identity.
    pub(crate) id: RevisionId,
    /// When it was committed; for a folder, when it was read.
    pub(crate) time: Timestamp,
    /// Name of the author; `None` for a folder.
    pub(crate) author: Option<String>,
    /// First line of the message.
    pub(crate) subject: String,
    /// `Key: value` lines of the message's last paragraph, in order.
    pub(crate) trailers: Vec<(String, String)>,
}

/// A revision and its files.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// The revision.
    pub(crate) revision: Revision,
    /// Its files. Reading may block on the disk.
    pub(crate) tree: Arc<dyn SourceTree>,
}

/// The answer to [`Source::fetch`].
#[derive(Clone)]
pub(crate) struct Fetched {
    /// What is to be reconciled now.
    pub(crate) snapshot: Snapshot,
    /// How it relates to the accepted revision.
    pub(crate) change: Change,
    /// A newer revision that is not to be reconciled yet.
    pub(crate) held: Option<Held>,
}

impl Fetched {
    /// Writes a line of log when there is something new.
    fn logged(self, location: &str) -> Self {
        let Self { snapshot: Snapshot { revision, .. }, change, .. } = &self;
        if *change != Change::Unchanged {
            tracing::info!(location, revision = %revision.id, subject = revision.subject, ?change, "fetched");
        }
        self
    }
}

/// How a fetched revision relates to the accepted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// There is no accepted revision yet.
    First,
    /// It is the accepted revision.
    Unchanged,
    /// It follows the accepted revision.
    Forward,
    /// It does not follow the accepted revision, and the configuration allows that.
    Rewritten,
}

/// A revision that waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The revision.
    pub(crate) revision: Revision,
    /// Why it waits, and what lets it go: one sentence without a final full stop.
    pub(crate) reason: String,
    /// What the person accepts to let exactly this go.
    pub(crate) digest: HoldDigest,
}

/// Splits a commit message into its subject and its trailers.
fn read_message(message: &str) -> (String, Vec<(String, String)>) {
    let mut paragraphs: Vec<Vec<&str>> = vec![Vec::new()];
    for line in message.lines() {
        match paragraphs.last_mut() {
            Some(paragraph) if !line.trim().is_empty() => paragraph.push(line),
            Some(paragraph) if paragraph.is_empty() => {}
            _ => paragraphs.push(Vec::new()),
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    let subject = paragraphs.first().map(|lines| lines.join(" ")).unwrap_or_default();
    let subject = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned();
    let trailers = match paragraphs.as_slice() {
        [_, .., last] => last.iter().map(|line| trailer(line)).collect::<Option<Vec<_>>>().unwrap_or_default(),
        _ => Vec::new(),
    };
    (subject, trailers)
}

fn trailer(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once(':')?;
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| (key.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
