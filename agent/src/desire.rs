//! Desire: what a commit asks of this cluster. Pure; the work is done by `kompox-manifests`.

use kompox_manifests::desired::{self, Desired};
use kompox_manifests::diagnostic::{Diagnostic, Severity};
use kompox_manifests::id::{AppId, ClusterId};
use kompox_manifests::model::App;

use crate::reconcile::Commit;

/// What a commit asks of this cluster.
#[derive(Debug)]
pub struct Wanted {
    /// Apps of this cluster, in the order of their entries.
    pub apps: Vec<App>,
    /// Entries that are rejected as a whole.
    pub rejected: Vec<RejectedEntry>,
    /// Everything that is to be said about the files, sorted.
    pub diagnostics: Vec<Diagnostic>,
}

/// An entry that is rejected as a whole: nothing of it is touched.
#[derive(Debug)]
pub struct RejectedEntry {
    /// The entry file.
    pub file: String,
    /// The first error, in one line with its position.
    pub cause: String,
    /// The Apps that it claims, as far as they could be read.
    pub claims: Vec<AppId>,
}

/// Loads a commit and keeps what is for this cluster.
pub fn desire(commit: &Commit, cluster: &ClusterId) -> Wanted {
    let Desired { entries, diagnostics } = desired::desire(commit.tree.as_ref(), &commit.path);
    let mut wanted = Wanted { apps: Vec::new(), rejected: Vec::new(), diagnostics };
    for entry in entries {
        if entry.rejected {
            let error = entry.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
            let cause = error.map_or_else(|| format!("{}: rejected", entry.file), ToString::to_string);
            wanted.rejected.push(RejectedEntry { file: entry.file, cause, claims: entry.claims });
        } else {
            wanted.apps.extend(entry.apps.into_iter().filter(|app| app.id.cluster == *cluster));
        }
    }
    wanted
}

impl Wanted {
    /// Whether an App (`W/P/C/A`) may be in an entry that could not be loaded.
    pub fn claims(&self, app: &str) -> bool {
        self.rejected.iter().any(|entry| entry.claims.is_empty() || entry.claims.iter().any(|id| id.slashed() == app))
    }
}
