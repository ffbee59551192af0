//! Texts that tell people how a commit fared: commit statuses.
//!
//! A status says what was done and, when something is wrong, the first cause: `2 changed, 1 disk created; db:
//! ImagePullBackOff`. The same outcome always gives the same text, so that a status is written only when it says
//! something new.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::plan::Counts;
use crate::plan::text::summary;

/// Longest context, in characters (the least that all forges take).
pub const MAX_CONTEXT: usize = 255;
/// Longest description, in characters (the least that all forges take).
pub const MAX_DESCRIPTION: usize = 140;
/// Characters of a commit's hash that people are shown.
const SHORT_ID: usize = 8;

/// State of a commit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being worked on.
    Pending,
    /// The cluster is as the commit says, and healthy.
    Success,
    /// The commit is wrong, or what it asks for does not become healthy.
    Failure,
    /// The commit could not be carried out for a reason outside of it.
    Error,
}

impl State {
    /// Whether nothing is expected to follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending)
    }
}

/// One commit status, as forges know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Which of several statuses of one commit this is; at most [`MAX_CONTEXT`] characters.
    pub context: String,
    /// The state.
    pub state: State,
    /// One line for people; at most [`MAX_DESCRIPTION`] characters, without control characters.
    pub description: String,
    /// Page with more, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

impl Status {
    /// Whether it says nothing new after another one of its context. A commit ends once: whoever tells the end again
    /// may only have counted otherwise, because a process in between was killed before it wrote down what it had done.
    #[must_use]
    pub fn repeats(&self, told: &Self) -> bool {
        self == told || (self.state == told.state && self.state.is_final())
    }
}

/// The context of a whole source: `kompox/<status name>`.
#[must_use]
pub fn source_context(status_name: &str) -> String {
    shorten(&one_line(&format!("kompox/{status_name}")), MAX_CONTEXT)
}

/// The context of one app: `kompox/<status name>/<app>`.
#[must_use]
pub fn app_context(status_name: &str, app: &str) -> String {
    shorten(&one_line(&format!("kompox/{status_name}/{app}")), MAX_CONTEXT)
}

/// What went wrong first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What it concerns: an app, a service, a file with line and column. May be empty.
    pub subject: String,
    /// Why, in a few words: `ImagePullBackOff`. Must be free of secrets.
    pub reason: String,
}

/// How far a commit came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was seen, and is being worked on.
    Working,
    /// Its objects are applied, and are awaited to become healthy.
    Waiting(Counts),
    /// The cluster is as it says, and healthy.
    Healthy(Counts),
    /// It was applied; something does not become healthy, or is held or blocked.
    Unhealthy(Counts, Cause),
    /// It is wrong: nothing of it was applied.
    Rejected(Cause),
    /// The agent, the cluster or the provider failed; it is tried again.
    Faulted(Cause),
    /// A newer commit took its place before it ended. That is no fault of the commit, and no success either: the
    /// state is [`State::Error`].
    Superseded {
        /// Full hash of the newer commit.
        by: String,
    },
}

impl Outcome {
    /// The commit status that says this.
    #[must_use]
    pub fn status(&self, context: String) -> Status {
        let (state, text) = match self {
            Self::Working => (State::Pending, "planning".to_owned()),
            Self::Waiting(counts) => (State::Pending, format!("{}; waiting for health", summary(*counts))),
            Self::Healthy(counts) => (State::Success, summary(*counts)),
            Self::Unhealthy(counts, cause) => (State::Failure, format!("{}; {}", summary(*counts), caused(cause))),
            Self::Rejected(cause) => (State::Failure, format!("nothing applied; {}", caused(cause))),
            Self::Faulted(cause) => (State::Error, caused(cause)),
            Self::Superseded { by } => (State::Error, superseded(by)),
        };
        Status { context, state, description: description(&text), target_url: None }
    }
}

/// The description of a commit that a newer one took over from.
#[must_use]
pub fn superseded(by: &str) -> String {
    description(&format!("superseded by {}", short_id(by)))
}

/// As much of a commit's id as people write.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.char_indices().nth(SHORT_ID).map_or(id, |(end, _)| &id[..end])
}

/// A text as a description: one line, at most [`MAX_DESCRIPTION`] characters.
#[must_use]
pub fn description(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= MAX_DESCRIPTION {
        return line;
    }
    let cut: String = line.chars().take(MAX_DESCRIPTION - 1).collect();
    format!("{}…", cut.trim_end())
}

fn caused(cause: &Cause) -> String {
    if cause.subject.is_empty() { cause.reason.clone() } else { format!("{}: {}", cause.subject, cause.reason) }
}

/// Control characters and other white space become single spaces; invisible characters that turn or hide text go.
pub(crate) fn one_line(text: &str) -> String {
    let visible = text.chars().filter(|&c| !is_format_character(c)).map(|c| if c.is_control() { ' ' } else { c });
    visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Zero-width characters, and those that change the direction of the text around them.
fn is_format_character(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Cuts a text to `limit` characters, with a hash of the whole at the end: two long names stay two names.
fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let digest = Sha256::digest(text.as_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let kept: String = text.chars().take(limit - hash.len() - 1).collect();
    format!("{kept}-{hash}")
}

#[cfg(test)]
mod tests;
