//! What somebody else writes or deletes again and again is not fought over: that would be a change every few
//! seconds for ever, and a Pod that restarts with each of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kompox_manifests::object::{Kind, ObjectKey};

use super::action::{Action, Subject, What};

/// So often something is put back …
const MOST: usize = 3;
/// … in this time; then it is left as it is until some of that has passed.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// When what of an App was put back lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections(BTreeMap<Corrected, Vec<Timestamp>>);

/// What is put back at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Corrected {
    /// A field of an object, by its path.
    Field(ObjectKey, String),
    /// An object that was gone.
    Whole(ObjectKey),
}

impl Corrected {
    /// What an action puts back, where it brings nothing new.
    fn by(what: &What) -> Vec<Self> {
        match what {
            What::Change { object, fields, .. } | What::Replace { object, fields, .. } => {
                fields.iter().map(|field| Self::Field(object.key.clone(), field.path.clone())).collect()
            }
            What::Create { object, .. } => vec![Self::Whole(object.key.clone())],
            // A volume is given back once for each deletion of its claim, and the claim counts.
            What::GiveBack { .. }
            | What::CreateDisk(_)
            | What::AssignDisk(_)
            | What::Delete(_)
            | What::Keep(_)
            | What::Drifted { .. }
            | What::Left { .. }
            | What::Awaited { .. }
            | What::Blocked { .. }
            | What::Held { .. } => Vec::new(),
        }
    }
}

impl Corrections {
    /// Notes what was carried out of a plan that asked for nothing new.
    pub fn note<'a>(&mut self, carried_out: impl IntoIterator<Item = &'a Action>, now: Timestamp) {
        for corrected in carried_out.into_iter().flat_map(|action| Corrected::by(&action.what)) {
            self.0.entry(corrected).or_default().push(now);
        }
        self.0.retain(|_, times| {
            times.retain(|time| is_recent(*time, now));
            !times.is_empty()
        });
    }

    /// When the first of what is left as it is now may be put back again; `None` when there is none.
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

    fn is_over(&self, corrected: &Corrected, now: Timestamp) -> bool {
        let times = self.0.get(corrected);
        times.is_none_or(|times| times.iter().filter(|time| is_recent(**time, now)).count() < MOST)
    }
}

fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time) < WITHIN
}

/// Leaves what was put back too often. Without its Namespace, nothing else of an App can be there: that one stands alone
/// in the plan then.
pub(super) fn guard(corrections: &Corrections, now: Timestamp, actions: &mut Vec<Action>) {
    let mut base = None;
    for (index, action) in actions.iter_mut().enumerate() {
        let fought = Corrected::by(&action.what).into_iter().find(|corrected| !corrections.is_over(corrected, now));
        let Some(fought) = fought else { continue };
        if matches!(&fought, Corrected::Whole(key) if key.kind == Kind::Namespace) {
            base = Some(index);
        }
        leave(action, fought);
    }
    if let Some(base) = base {
        *actions = vec![actions.swap_remove(base)];
    }
}

fn leave(action: &mut Action, fought: Corrected) {
    let minutes = WITHIN.as_mins();
    let (words, stop) = match &fought {
        Corrected::Field(_, path) => (
            format!(
                "{path} was put back {MOST} times in {minutes} minutes and is changed again: two write it by turns"
            ),
            "stop the other one, or take the field out of Git",
        ),
        Corrected::Whole(_) => (
            format!(
                "it was made anew {MOST} times in {minutes} minutes and is gone again: something deletes it, nothing \
                 here tells what"
            ),
            "find out what deletes it (the API server's audit log names it) and stop that, or take it out of Git",
        ),
    };
    action.reason = format!("{}; {words}", action.reason);
    let remedy =
        format!("{stop}; it is put back again when some of that time has passed, and with the App's next commit");
    action.what = match fought {
        Corrected::Whole(key) if key.kind == Kind::Namespace => What::Blocked { subject: Subject::Object(key), remedy },
        Corrected::Whole(key) | Corrected::Field(key, _) => What::Left { subject: Subject::Object(key), remedy },
    };
}
