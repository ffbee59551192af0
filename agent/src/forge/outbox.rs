//! Statuses on their way to a forge.
//!
//! [`Outbox`] is what is written down in the cluster: for each commit and context, what the forge has and what it is
//! still to be told, in order. [`Courier`] is what one process knows beyond that: when to try again, and for which
//! commits it has compared notes with the forge. Both are pure; [`Request::send`] is the one step that is not.
//!
//! ```text
//! put ─► Outbox ─► Courier::next ─► Request::send ─► Courier::settle ─► Outbox, to be written down
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use kompox_core::next::Next;
use kompox_core::report::Status;
use serde::{Deserialize, Serialize};

use super::{Forge, ForgeError};
use crate::pace::Backoff;

/// Entries that are kept beside those of the commit that is told of, which has one for each App that it changes. The
/// oldest is dropped first: a forge that was down for a day is told the newest news.
const MAX_ENTRIES: usize = 200;
/// Commits whose delivered statuses are remembered, so that the same news is not sent again.
const REMEMBERED_COMMITS: usize = 3;
/// First and longest wait after trouble, also after what a person must mend, as it seems: a Gitea whose database is
/// busy refuses a good token.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(5 * 60));

/// What forges are still to be told, and what they have been told lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Outbox {
    entries: Vec<Entry>,
}

/// One context of one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    commit: String,
    context: String,
    /// What the forge has, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered: Option<Status>,
    /// What it is to be told, first things first: at most one pending status and one final one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queue: Vec<Status>,
}

impl Outbox {
    /// Says what the forge should show for a commit. Nothing is queued when it is no news.
    pub(crate) fn put(&mut self, commit: &str, status: Status) {
        let found = self.entries.iter().position(|entry| entry.commit == commit && entry.context == status.context);
        let index = found.unwrap_or_else(|| {
            self.make_room(commit);
            let (commit, context) = (commit.to_owned(), status.context.clone());
            self.entries.push(Entry { commit, context, delivered: None, queue: Vec::new() });
            self.entries.len() - 1
        });
        if let Some(entry) = self.entries.get_mut(index) {
            entry.put(status);
        }
    }

    /// Says everything that another outbox has still to tell, in its order.
    pub(crate) fn absorb(&mut self, other: Self) {
        for Entry { commit, queue, .. } in other.entries {
            queue.into_iter().for_each(|status| self.put(&commit, status));
        }
    }

    /// Whether the forge has been told everything.
    #[must_use]
    pub(crate) fn is_delivered(&self) -> bool {
        self.entries.iter().all(|entry| entry.queue.is_empty())
    }

    /// How many statuses the forge is still to be told.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.entries.iter().map(|entry| entry.queue.len()).sum()
    }

    /// Drops the oldest entries of other commits than this one when there are too many. A delivered one of its own
    /// would be sent again at the next look.
    fn make_room(&mut self, commit: &str) {
        while self.entries.iter().filter(|entry| entry.commit != commit).count() >= MAX_ENTRIES {
            let others = self.entries.iter().enumerate().filter(|(_, entry)| entry.commit != commit);
            let Some((oldest, _)) = others.min_by_key(|(_, entry)| entry.worth()) else { return };
            let dropped = self.entries.remove(oldest);
            if !dropped.queue.is_empty() {
                let Entry { commit, context, .. } = dropped;
                tracing::warn!(commit, context, "too many statuses wait for the forge; the oldest is given up");
            }
        }
    }

    /// Forgets delivered statuses of all but the newest commits.
    fn forget(&mut self) {
        let mut newest: Vec<String> = Vec::new();
        for entry in self.entries.iter().rev() {
            if !newest.contains(&entry.commit) {
                newest.push(entry.commit.clone());
            }
        }
        newest.truncate(REMEMBERED_COMMITS);
        self.entries.retain(|entry| !entry.queue.is_empty() || newest.contains(&entry.commit));
    }
}

impl Entry {
    /// How long it is kept where there are too many; the smallest goes first.
    fn worth(&self) -> u8 {
        match (self.queue.is_empty(), &self.delivered) {
            (true, _) => 0,
            (false, None) => 1,
            // The forge shows something that is not true any more, and would for ever.
            (false, Some(_)) => 2,
        }
    }

    fn put(&mut self, status: Status) {
        if self.queue.last().or(self.delivered.as_ref()).is_some_and(|last| status.repeats(last)) {
            return;
        }
        // What a later status says anew need not be sent first; but a pending one goes before the final one.
        if status.state.is_final() {
            self.queue.retain(|queued| !queued.state.is_final());
        } else {
            self.queue.clear();
        }
        // Back to what the forge already has: nothing to send after all.
        if !(self.queue.is_empty() && self.delivered.as_ref() == Some(&status)) {
            self.queue.push(status);
        }
    }

    /// The forge has this now.
    fn has(&mut self, status: Status) {
        if let Some(at) = self.queue.iter().position(|queued| queued.repeats(&status)) {
            self.queue.drain(..=at);
        }
        self.delivered = Some(status);
    }

    /// The forge shows this already: told by a process that ended before it wrote that down, for example. Nothing is
    /// on its way any more where the end has been told.
    fn shows(&mut self, status: Option<Status>) {
        let Some(status) = status else { return self.delivered = None };
        if status.state.is_final() {
            self.queue.retain(|queued| queued.state.is_final());
        }
        self.has(status);
    }
}

/// What is to be asked of the forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Which statuses a commit has. Asked once for each commit and process, before anything is written: what was
    /// written last before a crash is not written again.
    Read {
        /// The commit.
        commit: String,
    },
    /// To show a status.
    Write {
        /// The commit.
        commit: String,
        /// The status.
        status: Status,
    },
}

/// The forge's answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The newest status of each context.
    Statuses(Vec<Status>),
    /// The status is shown.
    Written,
}

impl Request {
    /// Asks the forge.
    ///
    /// # Errors
    /// As [`Forge`].
    pub(crate) async fn send(&self, forge: &dyn Forge) -> Result<Answer, ForgeError> {
        match self {
            Self::Read { commit } => forge.statuses(commit).await.map(Answer::Statuses),
            Self::Write { commit, status } => forge.set_status(commit, status).await.map(|()| Answer::Written),
        }
    }

    fn commit(&self) -> &str {
        match self {
            Self::Read { commit } | Self::Write { commit, .. } => commit,
        }
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Nothing, until something is put into the outbox.
    Rest,
    /// Nothing before this time.
    Wait(Timestamp),
    /// This.
    Ask(Request),
}

/// Delivers an outbox; lives as long as the process.
#[derive(Debug)]
pub(crate) struct Courier {
    /// Commits whose statuses on the forge were read.
    known: BTreeSet<String>,
    /// How often a commit's requests failed: one that always fails must not stop the others.
    failures: BTreeMap<String, u32>,
    backoff: Backoff,
    not_before: Option<Timestamp>,
}

impl Default for Courier {
    fn default() -> Self {
        Self { known: BTreeSet::new(), failures: BTreeMap::new(), backoff: BACKOFF, not_before: None }
    }
}

impl Courier {
    /// What to do now. One request at a time: forges ask for that, and it keeps the order.
    pub(crate) fn next(&mut self, outbox: &Outbox, now: Timestamp) -> Errand {
        // What the outbox has forgotten would have to be read again.
        self.known.retain(|commit| outbox.entries.iter().any(|entry| entry.commit == *commit));
        self.failures.retain(|commit, _| outbox.entries.iter().any(|entry| entry.commit == *commit));
        let waiting = outbox.entries.iter().filter_map(|entry| Some((entry, entry.queue.first()?)));
        // The first of those that failed least often.
        let failures = |commit: &str| self.failures.get(commit).copied().unwrap_or_default();
        let Some((entry, status)) = waiting.min_by_key(|(entry, _)| failures(&entry.commit)) else {
            return Errand::Rest;
        };
        match self.not_before {
            Some(time) if time > now => Errand::Wait(time),
            _ if self.known.contains(&entry.commit) => {
                Errand::Ask(Request::Write { commit: entry.commit.clone(), status: status.clone() })
            }
            _ => Errand::Ask(Request::Read { commit: entry.commit.clone() }),
        }
    }

    /// Enters the answer to a request. The outbox may have changed in the meantime. `dice` is in `0.0..1.0`.
    ///
    /// # Errors
    /// Why it failed, for the log. It is tried again later, or given up where the forge will never accept it.
    pub(crate) fn settle(
        &mut self,
        outbox: &mut Outbox,
        request: &Request,
        answer: Result<Answer, ForgeError>,
        now: Timestamp,
        dice: f64,
    ) -> Result<(), ForgeError> {
        let commit = request.commit();
        match answer {
            Ok(answer) => {
                self.backoff.reset();
                self.not_before = None;
                self.failures.remove(commit);
                self.enter(outbox, request, answer);
                outbox.forget();
                Ok(())
            }
            Err(ForgeError::Refused(reason)) => {
                give_up(outbox, request);
                outbox.forget();
                Err(ForgeError::Refused(reason))
            }
            Err(ForgeError::Fault(fault)) => {
                *self.failures.entry(commit.to_owned()).or_default() += 1;
                let asked = match fault.next {
                    Next::Retry { after } => after,
                    Next::Wait | Next::Stalled => None,
                };
                let wait = self.backoff.wait(asked, dice);
                self.not_before = now.checked_add(wait).ok();
                // After a write that may have arrived all the same, the forge is asked before it is written again.
                self.known.remove(commit);
                Err(ForgeError::Fault(fault))
            }
        }
    }

    fn enter(&mut self, outbox: &mut Outbox, request: &Request, answer: Answer) {
        let commit = request.commit();
        let entries = outbox.entries.iter_mut().filter(|entry| entry.commit == commit);
        match (request, answer) {
            (Request::Write { status, .. }, _) => {
                for entry in entries.filter(|entry| entry.context == status.context) {
                    entry.has(status.clone());
                }
            }
            (Request::Read { .. }, Answer::Statuses(statuses)) => {
                self.known.insert(commit.to_owned());
                for entry in entries {
                    entry.shows(statuses.iter().find(|status| status.context == entry.context).cloned());
                }
            }
            // The forge trait rules it out; then the commit stays unknown and is asked for again.
            (Request::Read { .. }, Answer::Written) => {}
        }
    }
}

/// Drops what the forge will never accept: one status, or all of a commit that it does not know.
fn give_up(outbox: &mut Outbox, request: &Request) {
    for entry in outbox.entries.iter_mut().filter(|entry| entry.commit == request.commit()) {
        match request {
            Request::Read { .. } => entry.queue.clear(),
            Request::Write { status, .. } => entry.queue.retain(|queued| queued != status),
        }
    }
}

#[cfg(test)]
mod tests;
