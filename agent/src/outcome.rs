//! What a reconcile came to, App by App.

use kompox_core::plan::Counts;
use kompox_manifests::id::AppId;
use kompox_manifests::model::App;

use crate::desire::Wanted;
use crate::failure::{Failure, Kind};
use crate::reconcile::Commit;

/// The outcome for a whole source.
pub struct Outcome {
    /// The commit's id.
    pub commit: String,
    /// The outcome of every App of the commit that is ours.
    pub apps: Vec<AppOutcome>,
    /// Entries that were rejected: their files and why.
    pub rejected: Vec<(String, Failure)>,
    /// Apps in the cluster that the commit no longer lists, `W/P/C/A`.
    pub left_over: Vec<String>,
}

/// The outcome for one App.
#[derive(Clone, Debug)]
pub struct AppOutcome {
    /// The App.
    pub id: AppId,
    /// What was planned.
    pub plan: Counts,
    /// What was done.
    pub done: Counts,
    /// How it is now.
    pub state: State,
}

/// How an App is after a reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
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
    pub fn new(commit: &Commit, wanted: Wanted, left_over: Vec<String>, mut apps: Vec<AppOutcome>) -> Self {
        apps.sort_by(|one, other| one.id.cmp(&other.id));
        let rejected = wanted.rejected.into_iter().map(|entry| {
            let failure = Failure { text: entry.cause, kind: Kind::Rejected };
            (entry.file, failure)
        });
        Self { commit: commit.id.clone(), apps, rejected: rejected.collect(), left_over }
    }

    /// All failures, the entries' first.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        let of_apps = self.apps.iter().filter_map(|app| match &app.state {
            State::Failed(failure) => Some(failure),
            State::Healthy | State::Suspended | State::Progressing(_) => None,
        });
        self.rejected.iter().map(|(_, failure)| failure).chain(of_apps)
    }

    /// Whether some App is on its way.
    pub fn progressing(&self) -> bool {
        self.apps.iter().any(|app| matches!(app.state, State::Progressing(_)))
    }

    /// Everything that was done.
    pub fn done(&self) -> Counts {
        let mut sum = Counts::default();
        for app in &self.apps {
            sum += app.done;
        }
        sum
    }
}

impl AppOutcome {
    /// An App of which nothing was done.
    pub fn failed(app: &App, failure: Failure) -> Self {
        Self {
            id: app.id.clone(),
            plan: Counts::default(),
            done: Counts::default(),
            state: State::Failed(failure),
        }
    }
}
