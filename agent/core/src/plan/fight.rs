//! A field that somebody else writes again and again is not fought over: that would be a change every few
//! seconds for ever, and a Pod that restarts with each of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kompox_manifests::object::ObjectKey;

use super::action::{Action, Subject, What};

/// So often a field is put back …
const MOST: usize = 3;
/// … in this time; then it is left as it is until some of that has passed.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// When which fields of an App were put back lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections(BTreeMap<(ObjectKey, String), Vec<Timestamp>>);

impl Corrections {
    /// Notes what was carried out.
    pub fn note(&mut self, actions: &[Action], now: Timestamp) {
        for action in actions {
            let What::Change { object, fields, .. } = &action.what else { continue };
            for field in fields {
                self.0.entry((object.key.clone(), field.path.clone())).or_default().push(now);
            }
        }
        self.0.retain(|_, times| {
            times.retain(|time| is_recent(*time, now));
            !times.is_empty()
        });
    }

    /// When the first field that is left as it is now may be put back again; `None` when there is none.
    #[must_use]
    pub fn over_at(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.0.values().filter_map(|times| {
            let recent: Vec<Timestamp> = times.iter().copied().filter(|time| is_recent(*time, now)).collect();
            // The one that must have passed for another to be allowed.
            let blocking = recent.len().checked_sub(MOST)?;
            recent.get(blocking)?.checked_add(WITHIN).ok()
        });
        ends.min()
    }

    fn is_over(&self, key: &ObjectKey, path: &str, now: Timestamp) -> bool {
        let times = self.0.get(&(key.clone(), path.to_owned()));
        times.is_none_or(|times| times.iter().filter(|time| is_recent(**time, now)).count() < MOST)
    }
}

fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time) < WITHIN
}

/// Leaves what was put back too often.
pub(super) fn guard(corrections: &Corrections, now: Timestamp, actions: &mut [Action]) {
    for action in actions {
        let What::Change { object, fields, .. } = &action.what else { continue };
        let Some(field) = fields.iter().find(|field| !corrections.is_over(&object.key, &field.path, now)) else {
            continue;
        };
        let minutes = WITHIN.as_mins();
        action.reason = format!(
            "{}; {} was put back {MOST} times in {minutes} minutes and is changed again: two write it by turns",
            action.reason, field.path
        );
        let remedy = "stop the other one, or take the field out of Git; it is put back again when some of that time \
                      has passed, and with the App's next commit"
            .to_owned();
        action.what = What::Left { subject: Subject::Object(object.key.clone()), remedy };
    }
}
