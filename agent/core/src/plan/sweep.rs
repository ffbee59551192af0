//! What is seen of a source only as a whole: many Apps that leave at once, an entry that has become
//! empty or is for another cluster now, an App that comes where one leaves.
//!
//! Each of these looks like a mistake more often than like a wish, so each is held for a person.

use std::collections::{BTreeMap, BTreeSet};

use kompox_manifests::id::AppId;
use kompox_manifests::model::{App, Protection};

use super::applied;
use super::hold::{Hold, HoldCause};
use super::removal::Departed;

/// More Apps than this never go at once without a person's word.
const MOST_APPS: usize = 5;
/// Nor as many per cent of a source's Apps as this, when they are at least [`FEWEST_APPS`].
const MOST_PERCENT: usize = 30;
/// See [`MOST_PERCENT`].
const FEWEST_APPS: usize = 2;

/// A source as its commit lists it and as the cluster has it.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Apps that the commit lists for this cluster.
    pub listed: Vec<&'a App>,
    /// Those of them that are deployed; see [`super::is_deployed`]. A Namespace alone stays of every App
    /// that ever was there.
    pub deployed: BTreeSet<&'a AppId>,
    /// Every entry that could be read, with the number of its Apps for this cluster.
    pub entries: &'a BTreeMap<String, usize>,
    /// Apps that the commit lists for other clusters.
    pub elsewhere: &'a BTreeSet<AppId>,
    /// Apps in the cluster that the source has written and that the commit does not list.
    pub departed: Vec<Departed<'a>>,
}

/// What must be accepted first, by App, of those that leave and those that come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement(BTreeMap<AppId, Vec<Hold>>);

impl Judgement {
    /// What must be accepted before an App comes or goes.
    #[must_use]
    pub fn of(&self, app: &AppId) -> Vec<Hold> {
        self.0.get(app).cloned().unwrap_or_default()
    }

    fn add(&mut self, app: &AppId, hold: Hold) {
        self.0.entry(app.clone()).or_default().push(hold);
    }
}

impl Listing<'_> {
    /// Looks at the source as a whole.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        let mut judgement = Judgement::default();
        let leaving: Vec<&Departed<'_>> = self.departed.iter().filter(|app| app.is_present()).collect();
        let many = self.many_at_once(&leaving);
        for app in &leaving {
            let holds = [many.clone(), self.empty_entry(app), self.other_cluster(app)];
            holds.into_iter().flatten().for_each(|hold| judgement.add(app.id, hold));
        }
        for come in self.listed.iter().filter(|app| !self.deployed.contains(&app.id)) {
            for left in &leaving {
                let Some(hold) = rename(left, come) else { continue };
                judgement.add(&come.id, hold.clone());
                judgement.add(left.id, hold);
            }
        }
        judgement
    }

    /// What the Cluster forbids: as the commit says, else as it was when the App was applied last.
    #[must_use]
    pub fn protection(&self, departed: &Departed<'_>) -> Protection {
        let said = self.listed.iter().find(|app| app.id.cluster == departed.id.cluster);
        let recorded = || departed.applied.map(|applied| applied.protection.into()).unwrap_or_default();
        said.map_or_else(recorded, |app| app.cluster.installation_protection)
    }

    /// One word is enough for all that leave with each other.
    fn many_at_once(&self, leaving: &[&Departed<'_>]) -> Option<Hold> {
        let all = self.deployed.len() + leaving.len();
        let is_share = leaving.len() >= FEWEST_APPS && leaving.len() * 100 >= all * MOST_PERCENT;
        if leaving.len() <= MOST_APPS && !is_share {
            return None;
        }
        // Also those that are gone already: else each that goes would make it another set.
        let mut facts: Vec<String> = self.departed.iter().map(|app| app.id.to_string()).collect();
        facts.sort();
        let names: Vec<&str> = leaving.iter().map(|app| app.id.app.as_str()).take(MOST_APPS).collect();
        let more = leaving.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = leaving.len();
        let reason = format!("{count} of the source's {all} Apps left Git at once: {}{more}", names.join(", "));
        let remedy = "bring back what is missing in Git; look whether the commit is complete".to_owned();
        Some(Hold { cause: HoldCause::MassRemoval, facts, reason, remedy })
    }

    fn empty_entry(&self, departed: &Departed<'_>) -> Option<Hold> {
        let reason = if self.entries.is_empty() {
            "the commit holds no entry at all".to_owned()
        } else {
            let entry = &departed.applied?.entry;
            if self.entries.get(entry) != Some(&0) || self.moved_to(departed).is_some() {
                return None;
            }
            format!("its entry {entry} is still there, but holds no App any more")
        };
        let facts = vec![departed.id.to_string(), reason.clone()];
        let remedy = "write the App again, or delete its entry file to take it out of Git".to_owned();
        Some(Hold { cause: HoldCause::EmptyEntry, facts, reason, remedy })
    }

    fn other_cluster(&self, departed: &Departed<'_>) -> Option<Hold> {
        let now = self.moved_to(departed)?;
        let reason = format!("the App is for the Cluster {} now, and its disks are still mounted here", now.cluster);
        let facts = vec![departed.id.to_string(), now.to_string()];
        let remedy = "name the Cluster as it was; to move the App, let this go first".to_owned();
        Some(Hold { cause: HoldCause::OtherCluster, facts, reason, remedy })
    }

    /// The App as the commit lists it for another cluster.
    fn moved_to(&self, departed: &Departed<'_>) -> Option<&AppId> {
        let (was, name) = (&departed.id.cluster, &departed.id.app);
        self.elsewhere.iter().find(|now| {
            now.app == *name && now.cluster.workspace == was.workspace && now.cluster.provider == was.provider
        })
    }
}

/// An App that comes with the host or in the folder of one that leaves is probably the same one.
fn rename(left: &Departed<'_>, come: &App) -> Option<Hold> {
    let hosts = applied::hosts(come);
    let shared = left.hosts().into_iter().find(|host| hosts.contains(host));
    let is_same_folder = left.applied.is_some_and(|applied| folder(&applied.entry) == folder(&come.entry));
    let sign = match shared {
        Some(host) => format!("with its host {host}"),
        None if is_same_folder => format!("in its folder ({})", come.entry),
        None => return None,
    };
    let reason = format!(
        "`{}` left Git and `{}` comes {sign}: a renamed App would start without its disks",
        left.id.app, come.id.app
    );
    let remedy = "name the App as before, or let it go: it is then another App, with disks of its own".to_owned();
    let facts = vec![left.id.to_string(), come.id.to_string()];
    Some(Hold { cause: HoldCause::Rename, facts, reason, remedy })
}

fn folder(entry: &str) -> &str {
    entry.rsplit_once('/').map_or("", |(folder, _)| folder)
}
