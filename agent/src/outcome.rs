//! What a reconcile came to, App by App.

use kompox_core::plan::Counts;
use kompox_manifests::diagnostic::Diagnostic;
use kompox_manifests::id::AppId;
use kompox_manifests::model::App;

use crate::desire::Wanted;
use crate::failure::{Failure, Kind};

/// The outcome for a whole source.
pub(crate) struct Outcome {
    /// The outcome of every App of the commit that is ours.
    pub(crate) apps: Vec<AppOutcome>,
    /// Entries that were rejected: their files and why.
    pub(crate) rejected: Vec<(String, Failure)>,
    /// Apps in the cluster that the commit no longer lists, `W/P/C/A`.
    pub(crate) left_over: Vec<String>,
    /// Everything that is to be said about the files.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The outcome for one App.
#[derive(Clone, Debug)]
pub(crate) struct AppOutcome {
    /// The App.
    pub(crate) id: AppId,
    /// What was done.
    pub(crate) done: Counts,
    /// How it is now.
    pub(crate) state: State,
}

/// How an App is after a reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As the commit asks, and available.
    Healthy,
    /// `reconcile.suspend`: left alone.
    Suspended,
    /// Written, and on its way; what it waits for.
    Progressing(String),
    /// Not as the commit asks.
    Failed(Failure),
}

impl Outcome {
    /// Joins what the stages found.
    pub(crate) fn new(wanted: Wanted, left_over: Vec<String>, mut apps: Vec<AppOutcome>) -> Self {
        apps.sort_by(|one, other| one.id.cmp(&other.id));
        let rejected = wanted.rejected.into_iter().map(|entry| {
            let failure = Failure { text: entry.cause, label: "rejected", kind: Kind::Rejected };
            (entry.file, failure)
        });
        Self { apps, rejected: rejected.collect(), left_over, diagnostics: wanted.diagnostics }
    }

    /// All failures, the entries' first.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        let of_apps = self.apps.iter().filter_map(|app| match &app.state {
            State::Failed(failure) => Some(failure),
            State::Healthy | State::Suspended | State::Progressing(_) => None,
        });
        self.rejected.iter().map(|(_, failure)| failure).chain(of_apps)
    }

    /// Whether some App is on its way.
    pub(crate) fn progressing(&self) -> bool {
        self.apps.iter().any(|app| matches!(app.state, State::Progressing(_)))
    }

    /// Everything that was done.
    pub(crate) fn done(&self) -> Counts {
        let mut sum = Counts::default();
        for app in &self.apps {
            sum += app.done;
        }
        sum
    }
}

impl AppOutcome {
    /// An App of which nothing was done.
    pub(crate) fn failed(app: &App, failure: Failure) -> Self {
        Self { id: app.id.clone(), done: Counts::default(), state: State::Failed(failure) }
    }
}
