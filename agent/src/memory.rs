//! What one source's reconciles remember from one to the next. Losing it (a restart) costs repeated
//! dry-runs and a look at every Pod, nothing else.

use std::collections::BTreeMap;
use std::time::Instant;

use kompox_core::health::{Limits, Rollout};
use kompox_manifests::id::AppId;

use crate::failure::{Failure, Kind};

/// The memory of one source.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Commits that the API server refused for an App, until a newer one comes.
    refusals: BTreeMap<AppId, (String, Failure)>,
    /// The commit of each App that the API server accepted last: what it refuses of that later is not
    /// the commit's fault.
    accepted: BTreeMap<AppId, String>,
    /// Rollouts under way, and those that ended.
    rollouts: BTreeMap<AppId, Watched>,
}

/// A rollout of one App at one commit.
#[derive(Debug)]
pub(crate) struct Watched {
    commit: String,
    /// When it began.
    pub(crate) began: Instant,
    /// What was seen of it.
    pub(crate) rollout: Rollout,
    /// It ended well; nothing is looked at until something is written again.
    pub(crate) settled: bool,
}

impl Memory {
    /// Why a commit cannot be deployed for an App, when that is known.
    pub(crate) fn refusal(&self, app: &AppId, commit: &str) -> Option<&Failure> {
        self.refusals.get(app).filter(|(refused, _)| refused == commit).map(|(_, failure)| failure)
    }

    /// Remembers that the API server accepted a commit of an App.
    pub(crate) fn accepted(&mut self, app: &AppId, commit: &str) {
        self.accepted.insert(app.clone(), commit.to_owned());
    }

    /// Remembers a refusal that a newer commit alone can mend.
    pub(crate) fn refused(&mut self, app: &AppId, commit: &str, failure: &Failure) {
        if failure.kind == Kind::Rejected && self.accepted.get(app).is_none_or(|accepted| accepted != commit) {
            self.refusals.insert(app.clone(), (commit.to_owned(), failure.clone()));
        }
    }

    /// The rollout of an App at a commit; a new one when the commit is new or something was written.
    pub(crate) fn rollout(&mut self, app: &AppId, commit: &str, written: bool, limits: Limits) -> &mut Watched {
        let fresh = || Watched {
            commit: commit.to_owned(),
            began: Instant::now(),
            rollout: Rollout::new(limits),
            settled: false,
        };
        let watched = self.rollouts.entry(app.clone()).or_insert_with(fresh);
        if watched.commit != commit || (written && watched.settled) {
            *watched = fresh();
        } else if written {
            // Its time goes on: something that is written again and again never gets healthy either.
            watched.rollout = Rollout::new(limits);
        }
        watched
    }

    /// Forgets a rollout: something may have been written, and how it went is not known.
    pub(crate) fn unsettled(&mut self, app: &AppId) {
        self.rollouts.remove(app);
    }
}
