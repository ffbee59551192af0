//! What waits for a person's word, and how the word names it.
//!
//! Every hold has a digest of what would happen. A commit whose message has the line
//! `Kompox-Accept: <digest>`, or `kompox-agent hold accept <digest>`, lets exactly that go: when what
//! would happen becomes something else, the digest is another one, and it is held again.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use kompox_manifests::diagnostic::Span;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::action::{Action, Subject, What};

/// Hexadecimal digits of a hold's digest.
const DIGITS: usize = 16;

/// Names one hold: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HoldDigest(String);

/// A text that is no hold's digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no hold; its digest has {DIGITS} digits of 0-9 and a-f, `kompox-agent hold list` shows it")]
pub struct NoHoldDigest(String);

impl FromStr for HoldDigest {
    type Err = NoHoldDigest;

    fn from_str(text: &str) -> Result<Self, NoHoldDigest> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == DIGITS && text.bytes().all(is_digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(NoHoldDigest(text.chars().take(2 * DIGITS).collect()))
    }
}

impl TryFrom<String> for HoldDigest {
    type Error = NoHoldDigest;

    fn try_from(text: String) -> Result<Self, NoHoldDigest> {
        text.parse()
    }
}

impl From<HoldDigest> for String {
    fn from(digest: HoldDigest) -> Self {
        digest.0
    }
}

impl fmt::Display for HoldDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why something waits for a person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldCause {
    /// `newDisks: hold`, or a rebuilt cluster: a new empty disk.
    NewDisk,
    /// A mount path would show other data.
    Mounts,
    /// The Pod would restart without a commit that asks for it.
    Restart,
    /// An App with disks left Git.
    Removal,
    /// Nothing is known of what was applied last to an App that left Git.
    Unrecorded,
    /// Many Apps left Git at once.
    MassRemoval,
    /// An entry is still there but holds no App any more.
    EmptyEntry,
    /// An entry is for another cluster now.
    OtherCluster,
    /// An App came with the host or folder of one that left.
    Rename,
    /// A branch was rewritten: its newest commit does not follow the one that is in force.
    Rewritten,
}

impl HoldCause {
    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NewDisk => "newDisk",
            Self::Mounts => "mounts",
            Self::Restart => "restart",
            Self::Removal => "removal",
            Self::Unrecorded => "unrecorded",
            Self::MassRemoval => "massRemoval",
            Self::EmptyEntry => "emptyEntry",
            Self::OtherCluster => "otherCluster",
            Self::Rename => "rename",
            Self::Rewritten => "rewritten",
        }
    }
}

/// Something that waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub cause: HoldCause,
    /// Exactly what would happen, free of secrets; the digest is made of these. They name the App
    /// unless one word shall let several Apps go.
    pub facts: Vec<String>,
    /// The same for people.
    pub reason: String,
    /// What the person can do instead of letting it go.
    pub remedy: String,
}

impl Hold {
    /// Names exactly what would happen.
    #[must_use]
    pub fn digest(&self) -> HoldDigest {
        let mut hasher = Sha256::new();
        let parts = std::iter::once(self.cause.word()).chain(self.facts.iter().map(String::as_str));
        for part in parts {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        HoldDigest(digest.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether a person has accepted it.
    pub(super) fn is_accepted(&self, accepted: &BTreeSet<HoldDigest>) -> bool {
        accepted.contains(&self.digest())
    }

    /// The action that says it.
    pub(super) fn action(self, subject: Subject, origin: Option<Span>) -> Action {
        let digest = self.digest();
        let what = What::Held { subject, remedy: self.remedy, digest, candidate: None };
        Action { what, reason: self.reason, origin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(cause: HoldCause, facts: &[&str]) -> Hold {
        let facts = facts.iter().map(|&fact| fact.to_owned()).collect();
        Hold { cause, facts, reason: "why".into(), remedy: "what".into() }
    }

    #[test]
    fn a_digest_stands_for_cause_and_facts_and_nothing_else() {
        let one = hold(HoldCause::Rename, &["a", "b"]);
        assert_eq!(one.digest().to_string(), "8ae139a11757557e", "known to people's commits: it never changes");
        assert_eq!(Hold { reason: "other words".into(), ..one.clone() }.digest(), one.digest());
        for other in [
            hold(HoldCause::Removal, &["a", "b"]),
            hold(HoldCause::Rename, &["ab"]),
            hold(HoldCause::Rename, &["a", "b", ""]),
        ] {
            assert_ne!(other.digest(), one.digest());
        }
    }

    #[test]
    fn only_digests_are_read_as_digests() {
        let digest = hold(HoldCause::Mounts, &[]).digest();
        assert_eq!(digest.to_string().parse(), Ok(digest.clone()));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<HoldDigest>(&json).unwrap(), digest);
        for wrong in ["", "*", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeé"] {
            assert!(wrong.parse::<HoldDigest>().is_err(), "{wrong}");
            assert!(serde_json::from_value::<HoldDigest>(wrong.into()).is_err(), "{wrong}");
        }
    }
}
