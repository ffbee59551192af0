//! The private keys that files are read with.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;

use age::x25519::Identity;

/// Most keys of one file.
const MOST: usize = 64;

/// Private age keys. Only their public halves are ever shown.
#[derive(Clone)]
pub struct AgeKeys {
    identities: Arc<Vec<Identity>>,
    recipients: Arc<Vec<String>>,
}

/// Why a text holds no keys; the line counts from 1. Never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// A line is neither a key nor a comment.
    #[error("line {0} is no private age key (AGE-SECRET-KEY-1…)")]
    NoKey(usize),
    /// A key is of a kind that is not known here.
    #[error("line {0} is a key of a kind that this version cannot use; only AGE-SECRET-KEY-1… can be used")]
    UnknownKind(usize),
    /// There is no key.
    #[error("there is no key in it")]
    Empty,
    /// There are too many.
    #[error("there are more than {MOST} keys in it")]
    TooMany,
}

impl AgeKeys {
    /// Reads keys as `age-keygen` writes them: one a line, blank lines and lines that begin with `#` in between.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut identities = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            identities.push(match Identity::from_str(line) {
                Ok(identity) => identity,
                Err(_) if line.starts_with("AGE-SECRET-KEY-1") => return Err(KeysError::NoKey(number + 1)),
                Err(_) if line.starts_with("AGE-") => return Err(KeysError::UnknownKind(number + 1)),
                Err(_) => return Err(KeysError::NoKey(number + 1)),
            });
        }
        match identities.len() {
            0 => Err(KeysError::Empty),
            1..=MOST => Ok(Self::of(identities)),
            _ => Err(KeysError::TooMany),
        }
    }

    fn of(identities: Vec<Identity>) -> Self {
        let recipients = identities.iter().map(|identity| identity.to_public().to_string()).collect();
        Self { identities: Arc::new(identities), recipients: Arc::new(recipients) }
    }

    /// The keys of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self::of(self.identities.iter().chain(other.identities.iter()).cloned().collect())
    }

    /// The public halves, as SOPS names them.
    #[must_use]
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.identities.iter()
    }
}

/// A private key belongs to one public key.
impl PartialEq for AgeKeys {
    fn eq(&self, other: &Self) -> bool {
        self.recipients == other.recipients
    }
}

impl fmt::Debug for AgeKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AgeKeys(for {})", self.recipients.join(", "))
    }
}
