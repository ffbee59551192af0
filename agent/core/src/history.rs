//! What happened to an App: what changed, when, from which commit, with which downtime. Bounded, newest first.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};

use crate::plan::restart::Downtime;
use crate::plan::view::View;
use crate::plan::{Plan, text};

/// Most entries that are kept.
const MOST_ENTRIES: usize = 50;
/// Most lines of one entry.
const MOST_CHANGES: usize = 20;
/// Longest text of a line, in characters.
const LONGEST: usize = 300;
/// A Pod that is ready later than this has another reason, in seconds.
const LATEST: u64 = 24 * 3_600;

/// The history of one App.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(Vec<Entry>);

/// One change of an App.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When the first write was made.
    pub time: Timestamp,
    /// The commit that was applied.
    pub commit: String,
    /// Why something was to be done.
    pub cause: Cause,
    /// What was done, a line each; free of secrets.
    pub changes: Vec<String>,
    /// The Pod was replaced by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
    /// How it ended.
    pub end: End,
    /// Why it ended so, where it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds in which no Pod was available because of it; `None` when no Pod was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_seconds: Option<u64>,
}

/// Why something was to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The App's files have changed.
    Commit,
    /// What operators keep in the cluster has changed: a Secret that Git does not hold.
    Secrets,
    /// The cluster was not as the commit asks, or the agent makes something else of the same files.
    Drift,
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The App is available.
    Healthy,
    /// It is not.
    Failed,
    /// Another change came before it ended.
    Replaced,
    /// Nobody has written down yet how.
    Open,
}

impl Cause {
    /// The cause in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Secrets => "secrets",
            Self::Drift => "drift",
        }
    }
}

impl End {
    /// The end in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Failed => "failed",
            Self::Replaced => "replaced by the next change",
            Self::Open => "on its way",
        }
    }
}

impl History {
    /// Reads what [`History::to_json`] wrote. What cannot be read is forgotten: a history is no reason to fail.
    #[must_use]
    pub fn read(json: &str) -> Self {
        let entries: Vec<serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
        let entries = entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok());
        Self(entries.take(MOST_ENTRIES).collect())
    }

    /// Adds what happened last; the oldest goes where there are too many.
    pub fn add(&mut self, mut entry: Entry) {
        let more = entry.changes.len().saturating_sub(MOST_CHANGES);
        if more > 0 {
            entry.changes.truncate(MOST_CHANGES);
            entry.changes.push(format!("and {more} more"));
        }
        entry.changes.iter_mut().chain(entry.reason.as_mut()).for_each(shorten);
        self.0.insert(0, entry);
        self.0.truncate(MOST_ENTRIES);
    }

    /// The newest entry, as long as nobody has written down how it ended.
    #[must_use]
    pub fn open(&self) -> Option<&Entry> {
        self.0.first().filter(|entry| entry.end == End::Open)
    }

    /// Says how the newest entry ended, where that is not known yet.
    pub fn close(&mut self, end: End, reason: Option<String>, downtime: Option<u64>) {
        let Some(entry) = self.0.first_mut().filter(|entry| entry.end == End::Open) else { return };
        entry.end = end;
        entry.reason = reason;
        entry.reason.iter_mut().for_each(shorten);
        entry.downtime_seconds = downtime.filter(|_| entry.restarted);
    }

    /// The commit that was healthy last before the newest change; `None` when none is known.
    #[must_use]
    pub fn healthy_before(&self) -> Option<&str> {
        self.0.iter().skip(1).find(|entry| entry.end == End::Healthy).map(|entry| entry.commit.as_str())
    }

    /// The entries, newest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The history as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What a plan does, a line each, and whether it replaces a Pod that runs.
#[must_use]
pub fn changes(plan: &Plan) -> (Vec<String>, bool) {
    let view = View::of(plan);
    let done = plan.actions.iter().zip(&view.actions).filter(|(action, _)| action.what.writes());
    let lines = done.map(|(_, action)| format!("{} {}: {}", text::verb(action).1, action.subject, action.reason));
    let restarted = view.actions.iter().any(|action| matches!(action.downtime, Some(Downtime::Restart { .. })));
    (lines.collect(), restarted)
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
}

/// Seconds from a write that stopped a Pod until a Pod was ready again; `None` when none is ready.
///
/// The kubelet's clock and ours may differ: less than nothing is nothing.
#[must_use]
pub fn downtime(written: Timestamp, pods: &[Pod]) -> Option<u64> {
    let is_going = |pod: &&Pod| pod.metadata.deletion_timestamp.is_some();
    let ready_since = |pod: &Pod| {
        let conditions = pod.status.as_ref()?.conditions.as_ref()?;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
        ready.last_transition_time.as_ref().map(|time| time.0)
    };
    let since = pods.iter().filter(|pod| !is_going(pod)).filter_map(ready_since).min()?;
    let seconds = u64::try_from(since.duration_since(written).as_secs()).unwrap_or(0);
    (seconds <= LATEST).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn entry(commit: &str) -> Entry {
        Entry {
            time: at("2026-11-24T12:00:00Z"),
            commit: commit.to_owned(),
            cause: Cause::Commit,
            changes: vec!["change Deployment k4x-1/web-app".to_owned()],
            restarted: false,
            end: End::Healthy,
            reason: None,
            downtime_seconds: Some(12),
        }
    }

    #[test]
    fn the_form_is_stable() {
        let mut history = History::default();
        history.add(Entry {
            cause: Cause::Secrets,
            end: End::Failed,
            reason: Some("no".into()),
            downtime_seconds: None,
            ..entry("0")
        });
        history.add(entry("1"));
        let json = history.to_json();
        assert_eq!(
            json,
            concat!(
                r#"[{"time":"2026-11-24T12:00:00Z","commit":"1","cause":"commit","#,
                r#""changes":["change Deployment k4x-1/web-app"],"end":"healthy","downtimeSeconds":12},"#,
                r#"{"time":"2026-11-24T12:00:00Z","commit":"0","cause":"secrets","#,
                r#""changes":["change Deployment k4x-1/web-app"],"end":"failed","reason":"no"}]"#
            )
        );
        assert_eq!(History::read(&json), history);
    }

    #[test]
    fn an_end_is_written_down_once_and_only_a_restart_has_a_downtime() {
        let mut history = History::default();
        history.close(End::Healthy, None, Some(1));
        assert_eq!(history, History::default());
        for (restarted, downtime) in [(true, Some(9)), (false, None)] {
            history.add(Entry { end: End::Open, restarted, downtime_seconds: None, ..entry("1") });
            assert!(history.open().is_some());
            history.close(End::Healthy, None, Some(9));
            history.close(End::Failed, Some("too late".into()), Some(99));
            assert_eq!((history.entries()[0].end, history.entries()[0].downtime_seconds), (End::Healthy, downtime));
            assert_eq!(history.open(), None);
        }
    }

    #[test]
    fn what_cannot_be_read_does_no_harm() {
        for wrong in ["", "{", "{}", "[1, {\"time\": 3}]"] {
            assert_eq!(History::read(wrong), History::default(), "{wrong}");
        }
        let mixed = format!("[{{}}, {}]", serde_json::to_string(&entry("1")).unwrap());
        assert_eq!(History::read(&mixed).entries().len(), 1, "the rest is kept");
    }

    #[test]
    fn it_is_bounded_however_long_it_goes_on() {
        let mut history = History::default();
        for commit in 0..200 {
            let changes = (0..100).map(|_| "é".repeat(1_000)).collect();
            history.add(Entry { changes, reason: Some("x".repeat(5_000)), ..entry(&commit.to_string()) });
        }
        assert_eq!(history.entries().len(), MOST_ENTRIES);
        assert_eq!(history.entries()[0].commit, "199", "newest first");
        assert_eq!(history.entries()[0].changes.last().unwrap(), "and 80 more");
        assert!(history.to_json().len() < 900 * 1024, "{} bytes", history.to_json().len());
    }

    #[test]
    fn downtime_ends_with_the_first_pod_that_is_ready() {
        let pod = |ready: &str, since: &str, going: bool| -> Pod {
            let gone = going.then_some("2026-11-24T12:00:01Z");
            serde_json::from_value(json!({"metadata": {"deletionTimestamp": gone}, "status": {"conditions": [
                {"type": "Initialized", "status": "True", "lastTransitionTime": "2026-11-24T12:00:02Z"},
                {"type": "Ready", "status": ready, "lastTransitionTime": since}]}}))
            .unwrap()
        };
        let written = at("2026-11-24T12:00:00.500Z");
        let old = pod("True", "2026-11-23T00:00:00Z", true);
        let new = pod("True", "2026-11-24T12:00:17Z", false);
        assert_eq!(downtime(written, &[old.clone(), new]), Some(16));
        assert_eq!(downtime(written, &[old.clone(), pod("False", "2026-11-24T12:00:17Z", false)]), None);
        assert_eq!(downtime(written, &[pod("True", "2026-11-24T11:59:59Z", false)]), Some(0), "another clock");
        assert_eq!(downtime(written, &[pod("True", "2026-11-26T12:00:17Z", false)]), None, "moved days later");
        assert_eq!(downtime(written, &[]), None);
    }
}
