//! Who is told what came of reconciling.

use crate::outcome::{AppOutcome, Outcome};
use crate::record::CommitRecord;

/// Somebody who is told. A call must not wait for anything: whoever writes to a network keeps a bounded
/// queue and a task of its own.
pub(crate) trait Observer: Send + Sync {
    /// A look at an App has ended. Looks that found everything settled are not told.
    fn app(&self, _source: &str, _outcome: &AppOutcome) {}

    /// A new commit is being worked on. `before` is the one that it takes the place of.
    fn commit(&self, _source: &str, _record: &CommitRecord, _before: Option<&CommitRecord>) {}

    /// A commit is not worked on until a person says so.
    fn held(&self, _source: &str, _commit: &str, _reason: &str) {}

    /// How the source is now, after looks at its Apps.
    fn source(&self, _source: &str, _record: &CommitRecord, _outcome: &Outcome) {}
}
