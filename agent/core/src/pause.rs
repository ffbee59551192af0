//! Break-glass: an App that a person takes out of the agent's hands for a while.
//!
//! Two annotations of the App's Namespace say so. They are written by `kompox-agent pause`, or by hand; while
//! they hold, nothing at all is written to the App. They end by themselves.

use std::fmt;

use jiff::Timestamp;
use kompox_manifests::object::Kind;

use crate::observed::{LiveObject, ObservedApp};

/// Annotation of the App's Namespace: until when nothing is written to the App (RFC 3339).
pub const UNTIL: &str = "kompox.dev/pause-until";
/// Annotation of the App's Namespace: why, for people.
pub const REASON: &str = "kompox.dev/pause-reason";

/// Longest part of a reason that is shown, in characters.
const LONGEST_REASON: usize = 200;

/// A pause that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it ends.
    pub until: Timestamp,
    /// Why, in a person's words, on one line.
    pub reason: Option<String>,
}

/// A pause that cannot be read. A person wants the agent's hands off, so nothing is written until it can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the annotation {UNTIL} of Namespace {namespace} is no instant: `{value}`")]
pub struct Unreadable {
    /// The Namespace.
    pub namespace: String,
    /// What stands there.
    pub value: String,
}

impl Unreadable {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        format!(
            "write an instant like 2026-01-31T18:00:00Z, or take it away: kubectl annotate namespace {} {UNTIL}-",
            self.namespace
        )
    }
}

impl Pause {
    /// The pause of an App that holds now.
    ///
    /// # Errors
    /// Its Namespace speaks of one that cannot be read.
    pub fn of_app(observed: &ObservedApp, now: Timestamp) -> Result<Option<Self>, Unreadable> {
        let namespace = observed.objects.values().find(|live| live.key.kind == Kind::Namespace);
        namespace.map_or(Ok(None), |namespace| Self::of(namespace, now))
    }

    /// The pause that an App's Namespace speaks of and that holds now.
    ///
    /// # Errors
    /// It speaks of one that cannot be read.
    pub fn of(namespace: &LiveObject, now: Timestamp) -> Result<Option<Self>, Unreadable> {
        let Some(until) = namespace.annotation(UNTIL).map(str::trim).filter(|until| !until.is_empty()) else {
            return Ok(None);
        };
        let Ok(until) = until.parse::<Timestamp>() else {
            let namespace = namespace.key.name.clone();
            return Err(Unreadable { namespace, value: shown(until).unwrap_or_default() });
        };
        let reason = namespace.annotation(REASON).and_then(shown);
        Ok((until > now).then_some(Self { until, reason }))
    }
}

/// `paused until 2026-01-31T18:00:00Z: moving the database`
impl fmt::Display for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "paused until {:.0}", self.until)?;
        match &self.reason {
            Some(reason) => write!(formatter, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// A person's words on one line, not too long; `None` when there are none.
fn shown(text: &str) -> Option<String> {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(LONGEST_REASON).collect();
    let cut = if short.len() < line.len() { "…" } else { "" };
    (!line.is_empty()).then(|| format!("{short}{cut}"))
}

#[cfg(test)]
mod tests {
    use kompox_manifests::object::ObjectKey;
    use serde_json::{Value, json};

    use super::*;

    fn namespace(annotations: Value) -> LiveObject {
        LiveObject {
            key: ObjectKey { kind: Kind::Namespace, namespace: None, name: "k4x-1-web-2".into() },
            uid: "u".into(),
            resource_version: "1".into(),
            body: json!({"metadata": {"annotations": annotations}}),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-24T12:00:00Z")
    }

    #[test]
    fn it_holds_until_its_time_and_no_longer() {
        let until = |text: &str| Pause::of(&namespace(json!({UNTIL: text, REASON: "moving\n the\tdatabase "})), now());
        let pause = until("2026-11-24T16:00:00+01:00").unwrap().unwrap();
        assert_eq!(pause.until, at("2026-11-24T15:00:00Z"));
        assert_eq!(pause.to_string(), "paused until 2026-11-24T15:00:00Z: moving the database");
        assert_eq!(until("2026-11-24T12:00:00Z"), Ok(None), "its end is not part of it");
        assert_eq!(until("2020-01-01T00:00:00Z"), Ok(None), "ended by itself");
    }

    #[test]
    fn without_the_annotation_there_is_none() {
        assert_eq!(Pause::of(&namespace(json!(null)), now()), Ok(None));
        assert_eq!(Pause::of(&namespace(json!({UNTIL: " ", REASON: "left over"})), now()), Ok(None));
        let bare = Pause::of(&namespace(json!({UNTIL: " 2027-01-01T00:00:00Z ", REASON: ""})), now()).unwrap().unwrap();
        assert_eq!(bare.to_string(), "paused until 2027-01-01T00:00:00Z");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_the_end_of_it() {
        for value in ["forever", "4h", "2026-11-24", "2026-11-24T16:00:00", "tomorrow\n"] {
            let error = Pause::of(&namespace(json!({UNTIL: value})), now()).unwrap_err();
            assert!(error.to_string().contains(value.trim()), "{error}");
            assert!(
                error.remedy().contains("kubectl annotate namespace k4x-1-web-2 kompox.dev/pause-until-"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_long_reason_is_cut() {
        let long = "é".repeat(300);
        let pause =
            Pause::of(&namespace(json!({UNTIL: "2027-01-01T00:00:00Z", REASON: long})), now()).unwrap().unwrap();
        assert_eq!(pause.reason.unwrap().chars().count(), LONGEST_REASON + 1);
    }
}
