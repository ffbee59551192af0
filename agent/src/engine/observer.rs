//! Who is told what came of reconciling.

use crate::fault::Fault;
use crate::outcome::{AppOutcome, Outcome};
use crate::record::CommitRecord;

/// Somebody who wants to know what came of a look. A call must not wait: whoever has IO to do has a task of
/// its own for it.
pub(crate) trait Observer: Send + Sync {
    /// A look at an App came to something new.
    fn app(&self, _source: &str, _outcome: &AppOutcome) {}

    /// A look at an App found it as the one before did. In peace this is all that is heard, App by App with every
    /// timer: whoever listens must not make more of it than a number.
    fn unchanged(&self, _source: &str, _outcome: &AppOutcome) {}

    /// A new commit is what is asked for now; `before` is the record of the one before.
    fn commit(&self, _source: &str, _record: &CommitRecord, _before: Option<&CommitRecord>) {}

    /// The newest revision was asked for.
    fn fetched(&self, _source: &str, _came: Came<'_>) {}

    /// How everything is that the commit asks for.
    fn source(&self, _source: &str, _record: &CommitRecord, _outcome: &Outcome) {}

    /// So many statuses have waited for the forge for a while; 0 when it has taken all.
    fn undelivered(&self, _source: &str, _waiting: usize) {}
}

/// What came of asking for the newest revision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Came<'a> {
    /// It is what is asked for now.
    Taken,
    /// It waits for a person; what was asked for before still is.
    Held {
        /// Its id.
        commit: &'a str,
        /// Why it waits.
        reason: &'a str,
    },
    /// It could not be had; what was asked for before still is.
    Failed(&'a Fault),
}
