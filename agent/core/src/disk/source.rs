//! `volumes[].source`: what a disk is made from.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::name::{DiskName, NameError, SnapshotName};

/// What a disk is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DiskSource {
    /// Nothing: a new, blank disk.
    #[default]
    Empty,
    /// `disk:<name>`: a copy of another disk of the volume.
    Disk(DiskName),
    /// `snapshot:<name>`, or just the name.
    Snapshot(SnapshotName),
    /// `snapshot:latest`, `snapshot:latest@<RFC 3339>`: the newest snapshot (not after that
    /// instant). The plan replaces it by a name before a driver sees it.
    LatestSnapshot {
        /// The newest that is allowed; `None` is any.
        before: Option<Timestamp>,
    },
    /// `existing:<handle>`: a disk that is there already is taken over in place, not copied.
    Existing(String),
    /// The provider's own identifier of a disk or snapshot to copy.
    Native(String),
}

/// A text that is no source of a disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The part behind `disk:` or `snapshot:` is no name.
    #[error("source `{given}`: {cause}")]
    Name {
        /// The whole source.
        given: String,
        /// What is wrong with the name.
        cause: NameError,
    },
    /// The instant behind `snapshot:latest@` cannot be read.
    #[error("source `{given}`: `{instant}` is no instant; write it like 2026-11-20T03:00:00Z")]
    Instant {
        /// The whole source.
        given: String,
        /// The part that should be an instant.
        instant: String,
    },
    /// `existing:` without a handle.
    #[error("source `{given}`: the handle of the existing disk is missing behind `existing:`")]
    NoHandle {
        /// The whole source.
        given: String,
    },
}

impl FromStr for DiskSource {
    type Err = SourceError;

    fn from_str(given: &str) -> Result<Self, SourceError> {
        let name_error = |cause| SourceError::Name { given: given.to_owned(), cause };
        if given.is_empty() {
            Ok(Self::Empty)
        } else if let Some(name) = given.strip_prefix("disk:") {
            name.parse().map(Self::Disk).map_err(name_error)
        } else if given == "snapshot:latest" {
            Ok(Self::LatestSnapshot { before: None })
        } else if let Some(instant) = given.strip_prefix("snapshot:latest@") {
            let before = instant
                .parse()
                .map_err(|_| SourceError::Instant { given: given.to_owned(), instant: instant.to_owned() })?;
            Ok(Self::LatestSnapshot { before: Some(before) })
        } else if let Some(name) = given.strip_prefix("snapshot:") {
            name.parse().map(Self::Snapshot).map_err(name_error)
        } else if let Some(handle) = given.strip_prefix("existing:") {
            if handle.is_empty() {
                return Err(SourceError::NoHandle { given: given.to_owned() });
            }
            Ok(Self::Existing(handle.to_owned()))
        } else if let Ok(name) = given.parse() {
            Ok(Self::Snapshot(name))
        } else {
            Ok(Self::Native(given.to_owned()))
        }
    }
}

impl fmt::Display for DiskSource {
    /// The form that [`FromStr`] reads.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Disk(name) => write!(formatter, "disk:{name}"),
            Self::Snapshot(name) => write!(formatter, "snapshot:{name}"),
            Self::LatestSnapshot { before: None } => formatter.write_str("snapshot:latest"),
            Self::LatestSnapshot { before: Some(instant) } => write!(formatter, "snapshot:latest@{instant}"),
            Self::Existing(handle) => write!(formatter, "existing:{handle}"),
            Self::Native(id) => formatter.write_str(id),
        }
    }
}
