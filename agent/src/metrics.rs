//! What monitoring scrapes and the status page shows. Made from what reconciles came to; nothing decides by it.
//! `docs/metrics.md` explains every name, and a test holds it to the names here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::engine::observer::Observer;
use crate::failure::Kind;
use crate::outcome::{AppOutcome, Outcome, State};
use crate::record::CommitRecord;

/// Most Apps of one source that have series of their own. The others are counted with their source.
const MOST_APPS: usize = 1000;

/// Every metric: name, type, help.
const METRICS: [(&str, &str, &str); 9] = [
    ("kompox_leader", "gauge", "1 when this agent holds the Lease and may write, else 0."),
    ("kompox_commits_total", "counter", "New commits that were taken up."),
    ("kompox_held_revisions_total", "counter", "Fetches that found a revision which waits for a person."),
    ("kompox_reconciles_total", "counter", "Looks at Apps that found news, by what they came to."),
    ("kompox_writes_total", "counter", "Objects and disks that were written."),
    ("kompox_app_state", "gauge", "1 for the state that the App is in."),
    ("kompox_app_holds", "gauge", "Parts of the App's plan that wait for a person's word."),
    ("kompox_app_last_success_timestamp_seconds", "gauge", "When a look that found news last saw the App healthy."),
    ("kompox_source_last_success_timestamp_seconds", "gauge", "When every App of the source was last told healthy."),
];

/// Takes the labels of a sample and its value.
type Put<'p> = dyn FnMut(&[(&str, &str)], String) + 'p;

/// The numbers of one agent, from its start on.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    leads: bool,
    sources: BTreeMap<String, SourceNumbers>,
}

#[derive(Default)]
struct SourceNumbers {
    commit: Option<String>,
    commits: u64,
    held: u64,
    reconciles: BTreeMap<&'static str, u64>,
    writes: u64,
    last_success: Option<Timestamp>,
    apps: BTreeMap<String, AppNumbers>,
}

struct AppNumbers {
    state: &'static str,
    holds: usize,
    last_success: Option<Timestamp>,
}

impl Metrics {
    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Lease is ours, or no longer. Without it, how Apps are is another agent's to say.
    pub(crate) fn leads(&self, leads: bool) {
        let mut numbers = self.numbers();
        numbers.leads = leads;
        numbers.sources.values_mut().for_each(|source| source.apps.clear());
    }

    /// All numbers in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let numbers = self.numbers();
        let mut text = String::new();
        for (name, sort, help) in METRICS {
            let mut samples = String::new();
            numbers.samples(name, &mut |labels, value| {
                let labels: Vec<String> =
                    labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
                let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                // Writing to a String cannot fail.
                let _ = writeln!(samples, "{name}{braces} {value}");
            });
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {sort}\n{samples}");
        }
        text
    }

    /// How everything is, for people, in plain text.
    pub(crate) fn page(&self) -> String {
        let numbers = self.numbers();
        let mut text = String::from(if numbers.leads {
            "kompox-agent: holds the Lease and reconciles\n"
        } else {
            "kompox-agent: stands by; another agent holds the Lease, or this one has just begun\n"
        });
        for (name, source) in &numbers.sources {
            let commit = source.commit.as_deref().unwrap_or("none yet");
            let _ = writeln!(text, "\nsource {name}  commit {commit}");
            for (app, numbers) in &source.apps {
                let holds = match numbers.holds {
                    0 => String::new(),
                    count => format!("  {count} held"),
                };
                let _ = writeln!(text, "  {app}  {}{holds}", numbers.state);
            }
        }
        text
    }
}

impl Numbers {
    fn samples(&self, name: &str, put: &mut Put<'_>) {
        if name == "kompox_leader" {
            return put(&[], u8::from(self.leads).to_string());
        }
        for (source, numbers) in &self.sources {
            let label = ("source", source.as_str());
            match name {
                "kompox_commits_total" => put(&[label], numbers.commits.to_string()),
                "kompox_held_revisions_total" => put(&[label], numbers.held.to_string()),
                "kompox_writes_total" => put(&[label], numbers.writes.to_string()),
                "kompox_reconciles_total" => {
                    for (outcome, count) in &numbers.reconciles {
                        put(&[label, ("outcome", outcome)], count.to_string());
                    }
                }
                "kompox_source_last_success_timestamp_seconds" => {
                    if let Some(at) = numbers.last_success {
                        put(&[label], at.as_second().to_string());
                    }
                }
                _ => numbers.app_samples(name, label, put),
            }
        }
    }
}

impl SourceNumbers {
    fn app_samples(&self, name: &str, source: (&str, &str), put: &mut Put<'_>) {
        for (app, numbers) in &self.apps {
            let labels = [source, ("app", app.as_str())];
            match (name, numbers.last_success) {
                ("kompox_app_state", _) => put(&[source, labels[1], ("state", numbers.state)], "1".to_owned()),
                ("kompox_app_holds", _) => put(&labels, numbers.holds.to_string()),
                ("kompox_app_last_success_timestamp_seconds", Some(at)) => put(&labels, at.as_second().to_string()),
                _ => {}
            }
        }
    }

    fn see(&mut self, outcome: &AppOutcome, now: Timestamp) {
        let app = outcome.id.to_string();
        if outcome.state == State::Removed {
            self.apps.remove(&app);
            return;
        }
        let before = self.apps.get(&app).and_then(|numbers| numbers.last_success);
        if self.apps.len() < MOST_APPS || self.apps.contains_key(&app) {
            let last_success = if outcome.state == State::Healthy { Some(now) } else { before };
            let numbers = AppNumbers { state: word(&outcome.state), holds: outcome.holds.len(), last_success };
            self.apps.insert(app, numbers);
        }
    }
}

impl Observer for Metrics {
    fn app(&self, source: &str, outcome: &AppOutcome) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        *numbers.reconciles.entry(word(&outcome.state)).or_default() += 1;
        numbers.writes += u64::try_from(outcome.done.written()).unwrap_or_default();
        numbers.see(outcome, Timestamp::now());
    }

    fn commit(&self, source: &str, record: &CommitRecord, _before: Option<&CommitRecord>) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        numbers.commits += 1;
        numbers.commit = Some(record.id.clone());
    }

    fn held(&self, source: &str, _commit: &str, _reason: &str) {
        self.numbers().sources.entry(source.to_owned()).or_default().held += 1;
    }

    fn source(&self, source: &str, record: &CommitRecord, outcome: &Outcome) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        numbers.commit = Some(record.id.clone());
        if !outcome.complete {
            return;
        }
        let known: BTreeSet<String> = outcome.apps.iter().map(|app| app.id.to_string()).collect();
        numbers.apps.retain(|app, _| known.contains(app));
        if outcome.failures().next().is_none() && !outcome.progressing() {
            numbers.last_success = Some(Timestamp::now());
        }
    }
}

/// One word for a state.
fn word(state: &State) -> &'static str {
    match state {
        State::Healthy => "healthy",
        State::Suspended => "suspended",
        State::Paused(_) => "paused",
        State::Removed => "removed",
        State::Progressing(_) => "progressing",
        State::Failed(failure) => match (failure.kind, failure.label) {
            (Kind::Rejected, _) => "rejected",
            (Kind::Obstacle, "held") => "held",
            (Kind::Obstacle, _) => "blocked",
            (Kind::Unhealthy, _) => "unhealthy",
            (Kind::Fault(_), _) => "fault",
        },
    }
}

/// A label's value as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
