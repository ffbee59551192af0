//! What monitoring scrapes and the status page shows. Made from what reconciles came to; nothing decides by it.
//! `docs/metrics.md` explains every name, and a test holds it to the names here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kompox_manifests::id::AppId;

use crate::engine::Scheduler;
use crate::engine::observer::{Came, Observer};
use crate::failure::Kind;
use crate::meter::{BOUNDS, Meter, Readings, Stage};
use crate::outcome::{AppOutcome, Outcome, State};
use crate::record::CommitRecord;

/// Most Apps of one source that have series of their own. The others are counted with their source.
const MOST_APPS: usize = 1000;

/// Every metric: name, type, help.
const METRICS: [(&str, &str, &str); 17] = [
    ("kompox_leader", "gauge", "1 when this agent holds the Lease and may write, else 0."),
    ("kompox_queue_depth", "gauge", "Apps that wait for being looked at."),
    ("kompox_queue_oldest_seconds", "gauge", "How long the first of them has waited."),
    ("kompox_stage_duration_seconds", "histogram", "How long each stage of the work took."),
    ("kompox_api_requests_total", "counter", "Requests to the API server, watches included, by what was asked for."),
    ("kompox_fetches_total", "counter", "Looks for a new revision, by what they came to."),
    ("kompox_webhooks_total", "counter", "Webhooks that came, by what was made of them."),
    ("kompox_commits_total", "counter", "New commits that were taken up."),
    ("kompox_reconciles_total", "counter", "Looks at Apps that found news, by what they came to."),
    ("kompox_writes_total", "counter", "Objects and disks that were written."),
    ("kompox_drift_corrections_total", "counter", "Objects that were put back to what had been applied before."),
    ("kompox_undelivered_statuses", "gauge", "Commit statuses that the forge has not taken for a while."),
    ("kompox_app_state", "gauge", "1 for the state that the App is in."),
    ("kompox_app_holds", "gauge", "Parts of the App's plan that wait for a person's word."),
    ("kompox_app_drifted_objects", "gauge", "Objects that others have changed and that `drift: report` leaves so."),
    ("kompox_app_last_success_timestamp_seconds", "gauge", "When a look last found the App healthy."),
    (
        "kompox_source_last_success_timestamp_seconds",
        "gauge",
        "When the last App of the source was found healthy, as all were.",
    ),
];

/// Takes the labels of a sample and its value.
type Put<'p> = dyn FnMut(&[(&str, &str)], String) + 'p;

/// The numbers of one agent, from its start on.
pub(crate) struct Metrics {
    numbers: Mutex<Numbers>,
    meter: Arc<Meter>,
}

#[derive(Default)]
struct Numbers {
    /// What waits, as long as the Lease is held.
    queue: Option<Arc<Scheduler>>,
    sources: BTreeMap<String, SourceNumbers>,
}

#[derive(Default)]
struct SourceNumbers {
    commit: Option<String>,
    commits: u64,
    fetches: BTreeMap<&'static str, u64>,
    webhooks: BTreeMap<&'static str, u64>,
    corrections: u64,
    reconciles: BTreeMap<&'static str, u64>,
    writes: u64,
    undelivered: Option<usize>,
    last_success: Option<Timestamp>,
    /// While every App is as its commit asks.
    round: Option<Round>,
    apps: BTreeMap<String, AppNumbers>,
}

/// A round of looks at all Apps of a source, which ends when each was found well once more: a single one that nobody
/// comes to look at any more is to be seen.
struct Round {
    all: BTreeSet<AppId>,
    unseen: BTreeSet<AppId>,
}

struct AppNumbers {
    state: &'static str,
    holds: usize,
    drifted: usize,
    last_success: Option<Timestamp>,
}

impl Metrics {
    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers that begin now, but for what is counted elsewhere.
    pub(crate) fn new(meter: &Arc<Meter>) -> Self {
        Self { numbers: Mutex::default(), meter: Arc::clone(meter) }
    }

    /// The Lease is ours, and this is what waits; or it is ours no longer. Without it, how Apps are is another
    /// agent's to say.
    pub(crate) fn leads(&self, queue: Option<Arc<Scheduler>>) {
        let mut numbers = self.numbers();
        let is_over = queue.is_none();
        numbers.queue = queue;
        for source in numbers.sources.values_mut() {
            source.apps.clear();
            if is_over {
                (source.undelivered, source.last_success, source.round) = (None, None, None);
            }
        }
    }

    /// A webhook of a source came. Both are words of ours, never a sender's.
    pub(crate) fn webhook(&self, source: &str, outcome: &'static str) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        *numbers.webhooks.entry(outcome).or_default() += 1;
    }

    /// All numbers in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let readings = self.meter.read();
        let numbers = self.numbers();
        let mut text = String::new();
        for (name, sort, help) in METRICS {
            let mut samples = String::new();
            let mut put = |suffix: &str, labels: &[(&str, &str)], value: String| {
                let labels: Vec<String> =
                    labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
                let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                // Writing to a String cannot fail.
                let _ = writeln!(samples, "{name}{suffix}{braces} {value}");
            };
            match name {
                "kompox_stage_duration_seconds" => stages(&readings, &mut put),
                _ => numbers.samples(name, &readings, &mut |labels, value| put("", labels, value)),
            }
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {sort}\n{samples}");
        }
        text
    }

    /// How everything is, for people, in plain text; `None` while the Lease is not held.
    pub(crate) fn page(&self) -> Option<String> {
        let numbers = self.numbers();
        numbers.queue.as_ref()?;
        let mut text = String::from("kompox-agent: holds the Lease and reconciles\n");
        for (name, source) in &numbers.sources {
            let commit = source.commit.as_deref().unwrap_or("none yet");
            let _ = writeln!(text, "\nsource {name}  commit {commit}");
            for (app, numbers) in &source.apps {
                let holds = match numbers.holds {
                    0 => String::new(),
                    count => format!("  {count} held"),
                };
                let drifted = if numbers.drifted > 0 { "  drifted" } else { "" };
                let _ = writeln!(text, "  {app}  {}{holds}{drifted}", numbers.state);
            }
        }
        Some(text)
    }
}

impl Numbers {
    fn samples(&self, name: &str, readings: &Readings, put: &mut Put<'_>) {
        let backlog = self.queue.as_ref().map(|queue| queue.backlog());
        match (name, backlog) {
            ("kompox_leader", _) => return put(&[], u8::from(self.queue.is_some()).to_string()),
            ("kompox_queue_depth", Some((depth, _))) => return put(&[], depth.to_string()),
            ("kompox_queue_oldest_seconds", Some((_, oldest))) => return put(&[], oldest.as_secs_f64().to_string()),
            ("kompox_api_requests_total", _) => {
                for ((verb, is_well), count) in &readings.requests {
                    let outcome = if *is_well { "ok" } else { "failed" };
                    put(&[("verb", verb), ("outcome", outcome)], count.to_string());
                }
                return;
            }
            _ => {}
        }
        for (source, numbers) in &self.sources {
            let label = ("source", source.as_str());
            match name {
                "kompox_commits_total" => put(&[label], numbers.commits.to_string()),
                "kompox_writes_total" => put(&[label], numbers.writes.to_string()),
                "kompox_drift_corrections_total" => put(&[label], numbers.corrections.to_string()),
                "kompox_fetches_total" => {
                    for (outcome, count) in &numbers.fetches {
                        put(&[label, ("outcome", outcome)], count.to_string());
                    }
                }
                "kompox_webhooks_total" => {
                    for (outcome, count) in &numbers.webhooks {
                        put(&[label, ("outcome", outcome)], count.to_string());
                    }
                }
                "kompox_reconciles_total" => {
                    for (outcome, count) in &numbers.reconciles {
                        put(&[label, ("outcome", outcome)], count.to_string());
                    }
                }
                // Without the Lease, it is another agent that tells the forge.
                "kompox_undelivered_statuses" => {
                    if let Some(count) = numbers.undelivered.filter(|_| self.queue.is_some()) {
                        put(&[label], count.to_string());
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
                ("kompox_app_drifted_objects", _) => put(&labels, numbers.drifted.to_string()),
                ("kompox_app_last_success_timestamp_seconds", Some(at)) => put(&labels, at.as_second().to_string()),
                _ => {}
            }
        }
    }

    /// Takes what a look at an App came to.
    fn see(&mut self, outcome: &AppOutcome, now: Timestamp) {
        self.enter(outcome, now);
        match &outcome.state {
            State::Healthy | State::Suspended => self.advance(&outcome.id, now),
            State::Removed => {}
            State::Paused(_) | State::Progressing(_) | State::Failed(_) => self.round = None,
        }
    }

    /// An App was found well.
    fn advance(&mut self, app: &AppId, now: Timestamp) {
        let Some(round) = &mut self.round else { return };
        round.unseen.remove(app);
        if round.unseen.is_empty() {
            round.unseen.clone_from(&round.all);
            self.last_success = Some(now);
        }
    }

    fn enter(&mut self, outcome: &AppOutcome, now: Timestamp) {
        let app = outcome.id.to_string();
        if outcome.state == State::Removed {
            self.apps.remove(&app);
            return;
        }
        let before = self.apps.get(&app).and_then(|numbers| numbers.last_success);
        if self.apps.len() < MOST_APPS || self.apps.contains_key(&app) {
            let last_success = if outcome.state == State::Healthy { Some(now) } else { before };
            let numbers = AppNumbers {
                state: word(&outcome.state),
                holds: outcome.holds.len(),
                drifted: outcome.drift.len(),
                last_success,
            };
            self.apps.insert(app, numbers);
        }
    }
}

impl Observer for Metrics {
    fn app(&self, source: &str, outcome: &AppOutcome) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        *numbers.reconciles.entry(word(&outcome.state)).or_default() += 1;
        let written = u64::try_from(outcome.done.written()).unwrap_or_default();
        numbers.writes += written;
        numbers.corrections += u64::try_from(outcome.restored).unwrap_or_default();
        numbers.see(outcome, Timestamp::now());
    }

    fn unchanged(&self, source: &str, outcome: &AppOutcome) {
        let mut numbers = self.numbers();
        if let Some(numbers) = numbers.sources.get_mut(source) {
            numbers.see(outcome, Timestamp::now());
        }
    }

    fn commit(&self, source: &str, record: &CommitRecord, _before: Option<&CommitRecord>) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        numbers.commits += 1;
        // What it asks for is not known to be there yet.
        numbers.round = None;
        numbers.commit = Some(record.id.clone());
    }

    fn fetched(&self, source: &str, came: Came<'_>) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        let outcome = match came {
            Came::Taken => "taken",
            Came::Held { .. } => "held",
            Came::Failed(_) => "failed",
        };
        *numbers.fetches.entry(outcome).or_default() += 1;
        // Where there is no App to look at, the commit itself is all that is asked for.
        if matches!(came, Came::Taken) && numbers.round.as_ref().is_some_and(|round| round.all.is_empty()) {
            numbers.last_success = Some(Timestamp::now());
        }
    }

    fn source(&self, source: &str, record: &CommitRecord, outcome: &Outcome) {
        let mut numbers = self.numbers();
        let numbers = numbers.sources.entry(source.to_owned()).or_default();
        numbers.commit = Some(record.id.clone());
        numbers.round = None;
        if !outcome.complete {
            return;
        }
        let known: BTreeSet<String> = outcome.apps.iter().map(|app| app.id.to_string()).collect();
        numbers.apps.retain(|app, _| known.contains(app));
        if outcome.failures().next().is_none() && !outcome.progressing() {
            numbers.last_success = Some(Timestamp::now());
            let there = outcome.apps.iter().filter(|app| app.state != State::Removed);
            let all: BTreeSet<AppId> = there.map(|app| app.id.clone()).collect();
            numbers.round = Some(Round { unseen: all.clone(), all });
        }
    }

    fn undelivered(&self, source: &str, waiting: usize) {
        self.numbers().sources.entry(source.to_owned()).or_default().undelivered = Some(waiting);
    }
}

/// The samples of the histogram of stages. Its buckets hold everything up to their bound.
fn stages(readings: &Readings, mut put: impl FnMut(&str, &[(&str, &str)], String)) {
    for stage in Stage::ALL {
        let histogram = readings.stages.get(&stage).copied().unwrap_or_default();
        let label = ("stage", stage.word());
        let mut count = 0;
        for ((_, bound), more) in BOUNDS.iter().zip(histogram.buckets) {
            count += more;
            put("_bucket", &[label, ("le", bound)], count.to_string());
        }
        put("_bucket", &[label, ("le", "+Inf")], histogram.count.to_string());
        put("_sum", &[label], histogram.sum.to_string());
        put("_count", &[label], histogram.count.to_string());
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
