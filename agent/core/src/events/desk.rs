//! Which Events are worth a request: repeats are counted in a series, and one noisy App cannot take more
//! than its share.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Occurrence;

/// What an Event is about; the App's namespace and the object in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// Namespace of the object and of its Events.
    pub namespace: String,
    /// `kind` of the object.
    pub kind: String,
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Name of the object.
    pub name: String,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The same Event again within this time belongs to the same series.
    pub window: Duration,
    /// A series is counted up on the server at most so often.
    pub beat: Duration,
    /// So many Events of one namespace may come at once.
    pub burst: u32,
    /// After that, one more in this time.
    pub refill: Duration,
    /// So many namespaces and series are remembered; the oldest are forgotten first.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            beat: Duration::from_secs(60),
            burst: 20,
            refill: Duration::from_secs(30),
            memory: 2000,
        }
    }
}

/// What an occurrence is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A new Event of this name.
    Create {
        /// Its name, unique in the namespace.
        name: String,
    },
    /// The Event of this name happened so often.
    Repeat {
        /// Its name.
        name: String,
        /// How often in all.
        count: i32,
    },
    /// Nothing yet: it was counted.
    Count,
    /// Nothing: its namespace had its share.
    Drop,
}

/// Decides what is sent.
#[derive(Debug)]
pub struct Desk {
    limits: Limits,
    series: BTreeMap<(Topic, &'static str, String), Series>,
    budgets: BTreeMap<String, Budget>,
}

#[derive(Debug)]
struct Series {
    name: String,
    count: i32,
    last: Timestamp,
    sent: Timestamp,
}

#[derive(Debug)]
struct Budget {
    left: u32,
    filled: Timestamp,
}

impl Desk {
    /// A desk that knows of no Event yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, series: BTreeMap::new(), budgets: BTreeMap::new() }
    }

    /// What is to be sent for an occurrence.
    pub fn take(&mut self, topic: &Topic, occurrence: &Occurrence, now: Timestamp) -> Errand {
        let key = (topic.clone(), occurrence.reason, occurrence.note.clone());
        let (window, beat) = (self.limits.window, self.limits.beat);
        if let Some(series) = self.series.get_mut(&key).filter(|series| since(series.last, now) < window) {
            series.count = series.count.saturating_add(1);
            series.last = now;
            if since(series.sent, now) < beat {
                return Errand::Count;
            }
            let errand = Errand::Repeat { name: series.name.clone(), count: series.count };
            series.sent = now;
            return if self.afford(&topic.namespace, now) { errand } else { Errand::Drop };
        }
        if !self.afford(&topic.namespace, now) {
            return Errand::Drop;
        }
        self.forget();
        let name = event_name(topic, occurrence, now);
        self.series.insert(key, Series { name: name.clone(), count: 1, last: now, sent: now });
        Errand::Create { name }
    }

    /// Takes one Event from a namespace's share.
    fn afford(&mut self, namespace: &str, now: Timestamp) -> bool {
        let Limits { burst, refill, memory, .. } = self.limits;
        if !self.budgets.contains_key(namespace) && self.budgets.len() >= memory {
            let oldest = self.budgets.iter().min_by_key(|(_, budget)| budget.filled).map(|(name, _)| name.clone());
            oldest.map(|oldest| self.budgets.remove(&oldest));
        }
        let budget = self.budgets.entry(namespace.to_owned()).or_insert_with(|| Budget { left: burst, filled: now });
        let earned = since(budget.filled, now).as_millis() / refill.as_millis().max(1);
        if earned > 0 {
            budget.left = budget.left.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(burst);
            budget.filled = now;
        }
        let affordable = budget.left > 0;
        budget.left = budget.left.saturating_sub(1);
        affordable
    }

    /// Makes room for one more series.
    fn forget(&mut self) {
        if self.series.len() < self.limits.memory {
            return;
        }
        let oldest = self.series.iter().min_by_key(|(_, series)| series.last).map(|(key, _)| key.clone());
        oldest.map(|oldest| self.series.remove(&oldest));
    }
}

/// Time from one moment to a later one; none when the clock was set back.
fn since(earlier: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(earlier)).unwrap_or_default()
}

/// A name that no other Event has: what it is about, and the moment.
fn event_name(topic: &Topic, occurrence: &Occurrence, now: Timestamp) -> String {
    let mut text = occurrence.reason.to_owned();
    text.push_str(&occurrence.note);
    let hash = kompox_manifests::hash::short(text);
    format!("{}.{:x}.{hash}", topic.name, now.as_nanosecond())
}
