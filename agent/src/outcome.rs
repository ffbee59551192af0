//! What reconciling came to, App by App.

use std::sync::Arc;

use kompox_core::pause::Pause;
use kompox_core::plan::{Counts, HoldDigest, Plan, Subject, What};
use kompox_manifests::diagnostic::Diagnostic;
use kompox_manifests::id::AppId;

use crate::context::{CommitRef, Wish};
use crate::desire::Wanted;
use crate::disks::Serial;
use crate::failure::{Failure, Kind};
use crate::record::HeldRecord;

/// The outcome for a whole source.
pub(crate) struct Outcome {
    /// The outcome of every App of the commit that is ours, and of those that left it.
    pub(crate) apps: Vec<AppOutcome>,
    /// Entries that were rejected: their files and why.
    pub(crate) rejected: Vec<(String, Failure)>,
    /// Everything that is to be said about the files.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Every App was looked at.
    pub(crate) complete: bool,
}

/// The outcome for one App.
#[derive(Clone, Debug)]
pub(crate) struct AppOutcome {
    /// The App.
    pub(crate) id: AppId,
    /// The commit that it was brought to.
    pub(crate) commit: Arc<CommitRef>,
    /// What was done.
    pub(crate) done: Counts,
    /// How it is now.
    pub(crate) state: State,
    /// How often in a row it failed through something that may pass.
    pub(crate) faults: u32,
    /// What waits for a person's word.
    pub(crate) holds: Vec<HeldFact>,
    /// Hash of all files that it was made from; `None` for one that left Git.
    pub(crate) inputs: Option<Arc<str>>,
    /// How many of the objects that were written were put back to what had been applied before.
    pub(crate) restored: usize,
    /// What others have changed and is left so, as `reconcile.drift: report` says: object and fields, free of secrets.
    pub(crate) drift: Vec<String>,
    /// Which of its provider's answers this goes by: another one is to be shown.
    pub(crate) disks: Option<Serial>,
}

/// Something that waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldFact {
    /// What lets it go.
    pub(crate) digest: HoldDigest,
    /// What would happen and why it is held, free of secrets.
    pub(crate) reason: String,
}

impl HeldFact {
    /// Everything that is held in a plan.
    pub(crate) fn of(plan: &Plan) -> Vec<Self> {
        let held = plan.actions.iter().filter_map(|action| match &action.what {
            What::Held { digest, .. } => Some(Self { digest: digest.clone(), reason: action.reason.clone() }),
            _ => None,
        });
        held.collect()
    }
}

/// What of a plan others have changed and is left so.
pub(crate) fn drift(plan: &Plan) -> Vec<String> {
    let told = plan.drift().map(|action| match action.what.subject() {
        Subject::Object(key) => format!("{key}: {}", action.reason),
        Subject::Volume(_) | Subject::App => action.reason.clone(),
    });
    told.collect()
}

impl From<&HeldRecord> for HeldFact {
    /// As it was written down.
    fn from(record: &HeldRecord) -> Self {
        Self { digest: record.digest.clone(), reason: record.reason.clone() }
    }
}

/// How an App is after a reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As the commit asks, and available.
    Healthy,
    /// `reconcile.suspend`: left alone.
    Suspended,
    /// A person has paused it: left alone until the pause ends.
    Paused(Pause),
    /// It left Git, and everything of it that goes is gone.
    Removed,
    /// Written, and on its way; what it waits for.
    Progressing(String),
    /// Not as the commit asks.
    Failed(Failure),
}

impl Outcome {
    /// The outcome of Apps that a commit asks for.
    pub(crate) fn new(wanted: &Wanted, mut apps: Vec<AppOutcome>, complete: bool) -> Self {
        apps.sort_by(|one, other| one.id.cmp(&other.id));
        let rejected = wanted.rejected.iter().map(|entry| {
            let failure = Failure { text: entry.cause.clone(), label: "rejected", kind: Kind::Rejected };
            (entry.file.clone(), failure)
        });
        Self { apps, rejected: rejected.collect(), diagnostics: wanted.diagnostics.clone(), complete }
    }

    /// All failures, the entries' first.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        let of_apps = self.apps.iter().filter_map(|app| match &app.state {
            State::Failed(failure) => Some(failure),
            State::Healthy | State::Suspended | State::Paused(_) | State::Removed | State::Progressing(_) => None,
        });
        self.rejected.iter().map(|(_, failure)| failure).chain(of_apps)
    }

    /// Whether some App is on its way, or will be once its pause has ended.
    pub(crate) fn progressing(&self) -> bool {
        self.apps.iter().any(|app| matches!(app.state, State::Progressing(_) | State::Paused(_)))
    }
}

impl AppOutcome {
    /// An App of which nothing was done.
    pub(crate) fn untouched(wish: &Wish, state: State) -> Self {
        Self::of(wish, Counts::default(), state)
    }

    /// An App and what was done of it.
    pub(crate) fn of(wish: &Wish, done: Counts, state: State) -> Self {
        Self {
            id: wish.app.id.clone(),
            commit: Arc::clone(&wish.commit),
            done,
            state,
            faults: 0,
            holds: Vec::new(),
            inputs: Some(Arc::clone(&wish.digest)),
            restored: 0,
            disks: None,
            drift: Vec::new(),
        }
    }

    /// Whether nothing more is expected to happen by itself, neither good nor bad.
    pub(crate) fn is_final(&self) -> bool {
        match &self.state {
            State::Healthy | State::Suspended | State::Paused(_) | State::Removed => true,
            State::Progressing(_) => false,
            State::Failed(failure) => !failure.passes(),
        }
    }
}
