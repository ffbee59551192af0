//! Names of volumes, disks and snapshots, and the key that makes an operation repeatable.

use std::fmt;
use std::str::FromStr;

use kompox_manifests::id::is_dns1123_label;
use sha2::{Digest, Sha256};

/// A text that cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no {what} name: 1 to {limit} characters, lower-case letters, digits and `-`, \
     beginning and ending with a letter or digit"
)]
pub struct NameError {
    given: String,
    what: &'static str,
    limit: usize,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal, $limit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Most characters that a name can have.
            pub const LIMIT: usize = $limit;

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(given: &str) -> Result<Self, NameError> {
                if given.len() <= Self::LIMIT && is_dns1123_label(given) {
                    Ok(Self(given.to_owned()))
                } else {
                    Err(NameError { given: given.to_owned(), what: $what, limit: Self::LIMIT })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Name of an App's volume: a DNS-1123 label of 1 to 16 characters.
    VolumeName,
    "volume",
    16
);
name_type!(
    /// Name of a disk: a DNS-1123 label of 1 to 24 characters. Safe as a file name.
    DiskName,
    "disk",
    24
);
name_type!(
    /// Name of a snapshot: a DNS-1123 label of 1 to 24 characters. Safe as a file name.
    SnapshotName,
    "snapshot",
    24
);

/// Key of one operation on one object: the same operation asked for again (a retry, a restart after
/// a kill) has the same key and must find what the first attempt made. 32 hexadecimal digits, so
/// that it fits every provider's client token, request id (as a UUID) and tag value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpKey(String);

impl OpKey {
    /// Derives the key of `purpose` on `object` in its `generation`.
    ///
    /// `object` must name the cluster too (two clusters that run the same App must not meet), and
    /// `generation` must be known again after a crash: a counter that is recorded somewhere, or a
    /// constant for what happens once. The parts are kept apart, so that no two different triples
    /// give one key by running into each other.
    #[must_use]
    pub fn new(object: &str, generation: u64, purpose: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(generation.to_be_bytes());
        for part in [object, purpose] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let digest = hasher.finalize();
        Self(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OpKey {
    type Err = NameError;

    /// Reads a key back from a tag.
    fn from_str(given: &str) -> Result<Self, NameError> {
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if given.len() == 32 && given.bytes().all(hexadecimal) {
            Ok(Self(given.to_owned()))
        } else {
            Err(NameError { given: given.to_owned(), what: "operation", limit: 32 })
        }
    }
}

impl fmt::Display for OpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const TIME_DIGITS: usize = 7;
const KEY_DIGITS: usize = 5;

/// The name of a disk that nobody named: 7 base-36 digits of the commit's time (Unix seconds) and 5
/// that come from the operation's key. Both are known again after a crash, and names made at
/// different times sort by age.
#[must_use]
pub fn unnamed_disk_name(commit_time: i64, op: &OpKey) -> DiskName {
    // A commit's time is whatever its author wrote: before 1970 and beyond year 4400 it wraps.
    let seconds = commit_time.rem_euclid(36_i64.pow(TIME_DIGITS as u32));
    let key = u64::from_str_radix(&op.0[..15], 16).unwrap_or_default();
    let mut name = base36(seconds.unsigned_abs(), TIME_DIGITS);
    name.push_str(&base36(key, KEY_DIGITS));
    DiskName(name)
}

/// The last `digits` base-36 digits of a number.
fn base36(mut number: u64, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        *digit = BASE36[(number % 36) as usize];
        number /= 36;
    }
    text.into_iter().map(char::from).collect()
}
