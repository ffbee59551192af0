//! Conditions, as all of Kubernetes has them.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::one_line;

/// Longest message that a view shows, in characters. (The API server takes 32,768.)
pub const LONGEST_MESSAGE: usize = 1000;

/// One aspect of how something is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect it is.
    #[serde(rename = "type")]
    pub aspect: Aspect,
    /// Whether it holds.
    pub status: Truth,
    /// The generation of the object that this was found for.
    pub observed_generation: i64,
    /// Since when the status is what it is.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// Why, in one word for programs.
    #[schemars(regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"), length(min = 1, max = 128))]
    pub reason: String,
    /// Why, for people. Free of secrets.
    #[schemars(length(max = 32_768))]
    pub message: String,
}

/// The aspects that conditions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Aspect {
    /// It is as it was asked for, and works.
    Ready,
    /// What was asked for is written to the cluster.
    Synced,
    /// It is on its way.
    Progressing,
    /// Something is wrong and does not pass by itself.
    Degraded,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can say, or nobody looks.
    Unknown,
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// What a condition shall say, without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which aspect it is about.
    pub aspect: Aspect,
    /// Whether it holds.
    pub truth: Truth,
    /// Why, in one word for programs: `ImagePullBackOff`, `Held`.
    pub reason: Cow<'static, str>,
    /// Why, for people.
    pub message: String,
}

impl Finding {
    /// A finding. The reason is brought into Kubernetes' spelling (`lease-lost` becomes `LeaseLost`), the
    /// message to one line of bounded length.
    #[must_use]
    pub fn new(aspect: Aspect, truth: impl Into<Truth>, reason: impl Into<Cow<'static, str>>, message: &str) -> Self {
        Self { aspect, truth: truth.into(), reason: spelled(reason.into()), message: shown(message) }
    }

    /// The condition that follows the one of a live status. Its time moves only when its status does.
    #[must_use]
    pub fn over(&self, status: &Value, generation: i64, now: Timestamp) -> Condition {
        let before = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let before = before
            .filter_map(|condition| Condition::deserialize(condition).ok())
            .find(|condition| condition.aspect == self.aspect);
        let since = before.filter(|before| before.status == self.truth).map(|before| before.last_transition_time);
        Condition {
            aspect: self.aspect,
            status: self.truth,
            observed_generation: generation,
            last_transition_time: since.unwrap_or_else(|| whole_seconds(now)),
            reason: self.reason.clone().into_owned(),
            message: self.message.clone(),
        }
    }
}

/// A time without its fraction of a second, as Kubernetes writes times.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A text as views show it: one line of bounded length.
#[must_use]
pub fn shown(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= LONGEST_MESSAGE {
        return line;
    }
    let cut: String = line.chars().take(LONGEST_MESSAGE - 1).collect();
    format!("{cut}…")
}

/// A label of the agent's own (`lease-lost`) in Kubernetes' spelling of reasons.
fn spelled(reason: Cow<'static, str>) -> Cow<'static, str> {
    let fits = reason.starts_with(|first: char| first.is_ascii_uppercase())
        && reason.chars().all(|character| character.is_ascii_alphanumeric());
    if fits {
        return reason;
    }
    let words = reason.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let spelled: String = words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect();
    // A reason begins with a letter.
    match spelled.starts_with(|first: char| first.is_ascii_alphabetic()) {
        true => Cow::Owned(spelled),
        false => Cow::Owned(format!("Reason{spelled}")),
    }
}

/// The finding of an aspect.
#[must_use]
pub fn find(findings: &[Finding], aspect: Aspect) -> Option<&Finding> {
    findings.iter().find(|finding| finding.aspect == aspect)
}
