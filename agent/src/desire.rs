//! Desire: what a commit asks of this cluster. Pure; the work is done by `kompox-manifests`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use kompox_manifests::desired::{Conversions, Desired, EntryApp};
use kompox_manifests::diagnostic::{Diagnostic, Severity};
use kompox_manifests::id::{AppId, ClusterId};

use crate::context::{Commit, CommitRef, Wish};
use crate::kept::MadeOf;
use crate::providers;

/// What a commit asks of this cluster.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Apps of this cluster, in the order of their entries.
    pub(crate) apps: Vec<Arc<Wish>>,
    /// The same Apps: whether one is listed is asked for every App that is deployed.
    listed: HashSet<AppId>,
    /// Entries that are rejected as a whole.
    pub(crate) rejected: Vec<RejectedEntry>,
    /// Everything that is to be said about the files, sorted.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Every entry that is not rejected, with the number of its Apps for this cluster.
    pub(crate) entries: BTreeMap<String, usize>,
    /// Apps that are listed for other clusters.
    pub(crate) elsewhere: BTreeSet<AppId>,
    /// Whether it is certain which Apps the commit lists.
    pub(crate) certain: bool,
    /// Whether it is what was applied last, and no commit: nothing of it is to be told of one.
    pub(crate) recalled: bool,
}

/// What a person can do about a source of which nothing is known.
pub(crate) const READ_IT: &str = "make it readable, or take it out of the agent's configuration";

/// An entry that is rejected as a whole: nothing of it is touched.
#[derive(Debug)]
pub(crate) struct RejectedEntry {
    /// The entry file.
    pub(crate) file: String,
    /// The first error, in one line with its position.
    pub(crate) cause: String,
    /// The Apps that it claims, as far as they could be read.
    pub(crate) claims: Vec<AppId>,
}

/// Loads a commit and keeps what is for this cluster. Entries that an earlier commit had too are not
/// converted again.
pub(crate) fn desire(commit: &Commit, cluster: &ClusterId, known: &mut Conversions) -> Wanted {
    let Desired { entries, diagnostics, certain } = read(commit, known);
    let source: Option<Arc<str>> = commit.source.as_deref().map(Arc::from);
    let of_commit = Arc::new(CommitRef::of(commit));
    let mut wanted = Wanted {
        apps: Vec::new(),
        listed: HashSet::new(),
        rejected: Vec::new(),
        diagnostics,
        entries: BTreeMap::new(),
        elsewhere: BTreeSet::new(),
        certain,
        recalled: false,
    };
    for entry in &entries {
        wanted.elsewhere.extend(entry.claims.iter().filter(|app| app.cluster != *cluster).cloned());
        // An entry for other clusters alone is their agents' to report.
        let concerns = !certain || entry.claims.is_empty() || entry.claims.iter().any(|app| app.cluster == *cluster);
        if entry.rejected && !concerns {
            continue;
        }
        if entry.rejected {
            let error = entry.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
            let cause = error.map_or_else(|| format!("{}: rejected", entry.file), ToString::to_string);
            let (file, claims) = (entry.file.clone(), entry.claims.clone());
            wanted.rejected.push(RejectedEntry { file, cause, claims });
        } else {
            let before = wanted.apps.len();
            let ours = entry.apps.iter().filter(|made| made.app.id.cluster == *cluster);
            wanted.apps.extend(ours.map(|EntryApp { app, names, record }| {
                Arc::new(Wish {
                    source: source.clone(),
                    commit: Arc::clone(&of_commit),
                    names: Arc::clone(names),
                    app: Arc::clone(app),
                    digest: Arc::clone(&entry.digest),
                    made_of: MadeOf { tree: Arc::clone(&commit.tree), record: Arc::clone(record) },
                    instead_of: None,
                })
            }));
            wanted.entries.insert(entry.file.clone(), wanted.apps.len() - before);
        }
    }
    wanted.listed = listed(&wanted.apps);
    wanted
}

fn listed(apps: &[Arc<Wish>]) -> HashSet<AppId> {
    apps.iter().map(|wish| wish.app.id.clone()).collect()
}

impl Wanted {
    /// What was applied last, where nobody knows what the newest commit lists.
    pub(crate) fn recalled(apps: Vec<Arc<Wish>>) -> Self {
        let mut entries = BTreeMap::new();
        for wish in &apps {
            *entries.entry(wish.app.entry.clone()).or_default() += 1;
        }
        Self {
            listed: listed(&apps),
            apps,
            rejected: Vec::new(),
            diagnostics: Vec::new(),
            entries,
            elsewhere: BTreeSet::new(),
            certain: false,
            recalled: true,
        }
    }

    /// Whether an App (`W/P/C/A`) is in the commit.
    pub(crate) fn lists(&self, app: &str) -> bool {
        self.listed.contains(app)
    }

    /// Whether an App (`W/P/C/A`) that could not be loaded may be in the commit all the same.
    pub(crate) fn may_list(&self, app: &str) -> bool {
        !self.certain || self.claimant(app).is_some()
    }

    /// Why an App (`W/P/C/A`) that could not be loaded may be in the commit all the same, and whose act tells; `None`
    /// where it is certain that it is not.
    pub(crate) fn doubt(&self, app: &str) -> Option<String> {
        if self.recalled {
            let known =
                "nothing could be fetched of it since the agent started, and only what was applied last is known";
            return Some(format!("{known}; {READ_IT}"));
        }
        if let Some(RejectedEntry { file, cause, claims: _ }) = self.claimant(app) {
            return Some(format!(
                "its entry {file} lists the App and is rejected: {cause}; mend that entry, or take the App out of it"
            ));
        }
        let errors = || self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let cause = || errors().next().map(|error| format!(": {error}")).unwrap_or_default();
        (!self.certain).then(|| format!("not all of its entries can be read{}; mend that, or take it out", cause()))
    }

    /// The rejected entry that an App is in.
    fn claimant(&self, app: &str) -> Option<&RejectedEntry> {
        self.rejected.iter().find(|entry| entry.claims.iter().any(|id| id.slashed() == app))
    }
}

/// Reads everything that a commit asks for, of whichever cluster.
pub(crate) fn read(commit: &Commit, known: &mut Conversions) -> Desired {
    known.desire(commit.tree.as_ref(), &commit.path, &commit.terms, providers::check)
}

/// The Clusters that the Apps of a commit are for, each once.
pub(crate) fn clusters(commit: &Commit) -> Vec<ClusterId> {
    let Desired { entries, diagnostics: _, certain: _ } = read(commit, &mut Conversions::default());
    let claimed = entries.iter().flat_map(|entry| &entry.claims).map(|app| app.cluster.clone());
    let mut clusters: Vec<ClusterId> = claimed.collect();
    clusters.sort();
    clusters.dedup();
    clusters
}

#[cfg(test)]
mod tests;
