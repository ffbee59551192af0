//! Which Events are worth a request: none is told twice in a short time, and one noisy App cannot take more
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
    /// The same again within this time is not told again. Less than the hour that the API server keeps Events.
    pub window: Duration,
    /// So many Events of one namespace may come at once.
    pub burst: u32,
    /// After that, one more in this time.
    pub refill: Duration,
    /// So many namespaces and Events are remembered; the oldest are forgotten first.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { window: Duration::from_mins(10), burst: 20, refill: Duration::from_secs(30), memory: 2000 }
    }
}

/// Decides what is sent.
#[derive(Debug)]
pub struct Desk {
    limits: Limits,
    /// When each Event was sent last.
    sent: BTreeMap<(Topic, &'static str, String), Timestamp>,
    budgets: BTreeMap<String, Budget>,
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
        Self { limits, sent: BTreeMap::new(), budgets: BTreeMap::new() }
    }

    /// The name of the Event that is to be made of an occurrence, unique in its namespace; `None` when it was
    /// told lately, or its namespace had its share.
    pub fn take(&mut self, topic: &Topic, occurrence: &Occurrence, now: Timestamp) -> Option<String> {
        let key = (topic.clone(), occurrence.reason, occurrence.note.clone());
        let is_old = self.sent.get(&key).is_some_and(|sent| since(*sent, now) < self.limits.window);
        if is_old || !self.afford(&topic.namespace, now) {
            return None;
        }
        self.forget();
        self.sent.insert(key, now);
        Some(event_name(topic, occurrence, now))
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

    /// Makes room for one more Event.
    fn forget(&mut self) {
        if self.sent.len() < self.limits.memory {
            return;
        }
        let oldest = self.sent.iter().min_by_key(|(_, sent)| **sent).map(|(key, _)| key.clone());
        oldest.map(|oldest| self.sent.remove(&oldest));
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
