//! What people ask of the running agent with `sync` and `hold accept`: a document a source beside its record,
//! so that it works from anywhere with a kubeconfig and no port. The agent watches the names of ConfigMaps in
//! its Namespace, and so hears of it at once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kompox_core::plan::HoldDigest;
use kompox_manifests::id::AppId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError, state};

/// Stands for every App of the source.
const ALL: &str = "*";
/// A request to look is forgotten after so long: it was heard, or there is no agent.
const LOOK_LASTS: SignedDuration = SignedDuration::from_hours(24);
/// As with trailers of commits, an accepted digest counts for so long.
const ACCEPT_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often the document is written against others who write it at the same moment.
const ATTEMPTS: usize = 5;

/// What is asked of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// Apps (`W/P/C/A`, or `*` for all) to look at now.
    sync: BTreeMap<String, Word>,
    /// Holds to let go.
    accepted: BTreeMap<HoldDigest, Word>,
}

/// Who asked, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Word {
    /// When.
    pub(crate) at: Timestamp,
    /// Who, as the API server names them.
    pub(crate) by: String,
}

/// What is to be looked at now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    /// Everything.
    All,
    /// These Apps; there may be none.
    Apps(BTreeSet<AppId>),
}

impl Asked {
    /// Asks for a look at an App (`W/P/C/A`), or at all.
    pub(crate) fn look(&mut self, app: Option<&str>, word: Word) {
        self.sync.insert(app.unwrap_or(ALL).to_owned(), word);
    }

    /// Accepts a hold; the first word stands.
    pub(crate) fn accept(&mut self, digest: HoldDigest, word: Word) {
        self.accepted.entry(digest).or_insert(word);
    }

    /// Who accepted a hold, and when.
    pub(crate) fn accepted(&self, digest: &HoldDigest) -> Option<&Word> {
        self.accepted.get(digest)
    }

    /// The holds that are accepted, and since when.
    pub(crate) fn accepts(&self, now: Timestamp) -> impl Iterator<Item = (&HoldDigest, &Word)> {
        self.accepted.iter().filter(move |(_, word)| now.duration_since(word.at) < ACCEPT_LASTS)
    }

    /// What is to be looked at that was not asked for before.
    pub(crate) fn looks_since(&self, before: &Self) -> Looks {
        let fresh = self.sync.iter().filter(|(app, word)| before.sync.get(*app) != Some(word));
        let apps: BTreeSet<&str> = fresh.map(|(app, _)| app.as_str()).collect();
        if apps.contains(ALL) {
            return Looks::All;
        }
        Looks::Apps(apps.into_iter().filter_map(|app| AppId::from_slashed(app).ok()).collect())
    }

    /// Forgets what has had its time.
    fn tidy(&mut self, now: Timestamp) {
        self.sync.retain(|_, word| now.duration_since(word.at) < LOOK_LASTS);
        self.accepted.retain(|_, word| now.duration_since(word.at) < ACCEPT_LASTS);
    }
}

/// Loads what is asked of a source. What cannot be read asks for nothing.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn load(cluster: &dyn ClusterApi, source: &str) -> Result<Asked, ClusterError> {
    Ok(read(source, state::load(cluster, &document(source)).await?.map(|stored| stored.value)))
}

/// Writes something more into what is asked of a source.
///
/// # Errors
/// The cluster cannot be read or written.
pub(crate) async fn ask(
    cluster: &dyn ClusterApi,
    source: &str,
    now: Timestamp,
    more: impl Fn(&mut Asked),
) -> Result<Asked, ClusterError> {
    let name = document(source);
    let mut attempt = 1;
    loop {
        let stored = state::load(cluster, &name).await?;
        let version = stored.as_ref().map(|stored| stored.resource_version.clone());
        let mut asked = read(source, stored.map(|stored| stored.value));
        asked.tidy(now);
        more(&mut asked);
        let value = serde_json::to_value(&asked).unwrap_or_default();
        match state::save(cluster, &name, &value, version.as_deref()).await {
            Ok(_) => return Ok(asked),
            Err(error) if attempt < ATTEMPTS && matches!(error.cause, Cause::Changed | Cause::AlreadyExists) => {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn read(source: &str, value: Option<Value>) -> Asked {
    serde_json::from_value(value.filter(|value| !value.is_null()).unwrap_or_else(|| Value::Object(Default::default())))
        .unwrap_or_else(|error| {
            warn!(source, %error, "what people asked of the source cannot be read and is begun anew");
            Asked::default()
        })
}

fn document(source: &str) -> String {
    format!("{source}{}", state::ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::faulty::{Fault, Faulty};
    use crate::cluster::memory::Memory;

    fn word(at: &str) -> Word {
        Word { at: at.parse().unwrap(), by: "ada".into() }
    }

    #[test]
    fn only_what_is_asked_anew_is_looked_at() {
        let mut before = Asked::default();
        before.look(Some("w/p/c/shop"), word("2026-01-02T03:04:05Z"));
        let mut now = before.clone();
        assert_eq!(now.looks_since(&before), Looks::Apps(BTreeSet::new()));
        now.look(Some("w/p/c/blog"), word("2026-01-02T03:04:06Z"));
        now.look(Some("no App"), word("2026-01-02T03:04:06Z"));
        assert_eq!(now.looks_since(&before), Looks::Apps([AppId::from_slashed("w/p/c/blog").unwrap()].into()));
        now.look(Some("w/p/c/shop"), word("2026-01-02T03:04:07Z"));
        assert!(matches!(now.looks_since(&before), Looks::Apps(apps) if apps.len() == 2), "asked once more");
        now.look(None, word("2026-01-02T03:04:06Z"));
        assert_eq!(now.looks_since(&before), Looks::All);
    }

    #[tokio::test]
    async fn people_who_ask_at_the_same_moment_are_all_heard_and_old_words_are_forgotten() {
        let cluster = Faulty::new(Memory::default()).fault("patch", 0, Fault::Refuse(Cause::Changed));
        let digest: HoldDigest = "0123456789abcdef".parse().unwrap();
        let first = word("2026-01-02T03:04:05Z");
        ask(&cluster, "apps", first.at, |asked| asked.look(None, first.clone())).await.unwrap();
        ask(&cluster, "apps", first.at, |asked| asked.accept(digest.clone(), first.clone())).await.unwrap();
        let found = load(&cluster, "apps").await.unwrap();
        assert_eq!(found.accepted(&digest), Some(&first));
        assert_eq!(found.looks_since(&Asked::default()), Looks::All);
        assert_eq!(load(&cluster, "others").await.unwrap(), Asked::default());
        assert!(state::sources(&cluster).await.unwrap().is_empty(), "what is asked of a source is no source");

        let week = first.at + ACCEPT_LASTS;
        assert_eq!((found.accepts(first.at).count(), found.accepts(week).count()), (1, 0));
        let later = ask(&cluster, "apps", week, |_| ()).await.unwrap();
        assert_eq!(later, Asked::default());
    }
}
