//! What the agent writes down about a source: the commit that it is at, how that went, and which
//! statuses are not delivered yet. It lives in the cluster, so that a restart goes on where it was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kompox_core::plan::{Counts, HoldDigest};
use kompox_core::report::State;
use serde::{Deserialize, Serialize};

use crate::forge::outbox::Outbox;
use crate::source::Held;

/// The record of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Record {
    /// The newest commit that was seen.
    pub(crate) commit: Option<CommitRecord>,
    /// Statuses on their way to the forge.
    pub(crate) outbox: Outbox,
}

/// How a commit went so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitRecord {
    /// Commit id, or hash of a folder's content.
    pub(crate) id: String,
    /// Where it was fetched from: `main of https://…`. History is compared only inside one place.
    #[serde(default)]
    pub(crate) place: String,
    /// Its state, as on the forge.
    pub(crate) state: State,
    /// One line for people.
    pub(crate) description: String,
    /// What was done for it, by App (`W/P/C/A`).
    pub(crate) done: BTreeMap<String, Counts>,
    /// How each App is that is not simply as it should be.
    pub(crate) apps: BTreeMap<String, AppRecord>,
    /// Everything that is wrong, whole sentences.
    pub(crate) problems: Vec<String>,
    /// What waits for a person's word now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) held: Vec<HeldRecord>,
    /// What others have changed of Apps that want it to be reported only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) drift: Vec<DriftRecord>,
    /// A newer commit that is not taken up until a person decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held_commit: Option<HeldCommit>,
    /// What people have accepted, with this commit or shortly before, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) accepted: BTreeMap<HoldDigest, Timestamp>,
}

/// How an App went at the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppRecord {
    /// Its state.
    pub(crate) state: State,
    /// One line for people.
    pub(crate) description: String,
}

/// Something of an App that waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldRecord {
    /// The App (`W/P/C/A`).
    pub(crate) app: String,
    /// What lets it go.
    pub(crate) digest: HoldDigest,
    /// What would happen and why it is held, free of secrets.
    pub(crate) reason: String,
}

/// What others have changed of an App and is left so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriftRecord {
    /// The App (`W/P/C/A`).
    pub(crate) app: String,
    /// Objects and fields, free of secrets.
    pub(crate) drift: Vec<String>,
}

/// A commit that waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldCommit {
    /// Its id.
    pub(crate) commit: String,
    /// What lets it go.
    pub(crate) digest: HoldDigest,
    /// Why it is held, and what lets it go.
    pub(crate) reason: String,
}

impl From<&Held> for HeldCommit {
    fn from(held: &Held) -> Self {
        let Held { revision, reason, digest } = held;
        Self { commit: revision.id.to_string(), digest: digest.clone(), reason: reason.clone() }
    }
}

impl CommitRecord {
    /// A commit that was just seen.
    pub(crate) fn new(id: &str, place: &str) -> Self {
        Self {
            id: id.to_owned(),
            place: place.to_owned(),
            state: State::Pending,
            description: String::new(),
            done: BTreeMap::new(),
            apps: BTreeMap::new(),
            problems: Vec::new(),
            held: Vec::new(),
            drift: Vec::new(),
            held_commit: None,
            accepted: BTreeMap::new(),
        }
    }
}
