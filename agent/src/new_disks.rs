//! A person's word for a new empty disk, which is good for one disk.
//!
//! The word may be in Git for ever, and whoever loses the disk that it made, with everything that speaks of it, must be
//! asked again. So the digest of a hold has two facts that end with what the word was said of: the installation of the
//! agent, which ends with the cluster, and the word on which the volume's last disk was made, which is written down here.
//! It is written down twice: before the disk is made, since a process may be killed at any moment, and once the disk was
//! seen. Between the two, the same word counts: a disk that could not be made is tried again.

use std::collections::BTreeMap;

use kompox_core::observed::ObservedApp;
use kompox_core::plan::{self, HoldDigest, What};
use kompox_manifests::object::{Kind, ObjectKey};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use crate::cluster::{ClusterError, SYSTEM_NAMESPACE, state};
use crate::context::{Agent, Planned, Wish};
use crate::failure::Failure;
use crate::rebuild;

/// What is known of one source, once it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Words(Mutex<Option<Known>>);

/// What bears on the holds of one App's new disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Names the installation of the agent; empty where it is none.
    pub(crate) installation: String,
    /// The words on which the last disks were made, by volume.
    pub(crate) spent: BTreeMap<String, HoldDigest>,
}

#[derive(Debug)]
struct Known {
    installation: String,
    /// By App (`W/P/C/A`) and volume.
    used: Used,
    /// The version of what is written down.
    version: Option<String>,
}

type Used = BTreeMap<String, BTreeMap<String, Word>>;

/// A word that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    digest: HoldDigest,
    /// The disk was seen that was made on it.
    made: bool,
}

/// What is known of words for the App's disks. Asked only where a disk may have to be made, or where words are that may
/// have made one.
///
/// # Errors
/// It cannot be read or written down.
pub(crate) async fn said(agent: &Agent, words: &Words, wish: &Wish, seen: &ObservedApp) -> Result<Said, Failure> {
    let Some(source) = wish.source.as_deref() else { return Ok(Said::default()) };
    if wish.commit.accepted.is_empty() && !rebuild::misses_disks(&wish.app, seen) {
        return Ok(Said::default());
    }
    made(agent, words, wish, seen).await?;
    let known = words.known(agent, source).await?;
    let Some(known) = known.as_ref() else { return Ok(Said::default()) };
    let used = known.used.get(wish.app.id.slashed()).into_iter().flatten().filter(|(_, word)| word.made);
    let spent = used.map(|(volume, word)| (volume.clone(), word.digest.clone())).collect();
    Ok(Said { installation: known.installation.clone(), spent })
}

/// Writes down which words a plan is about to use.
///
/// # Errors
/// It cannot be written down; no disk may be made then.
pub(crate) async fn use_up(agent: &Agent, words: &Words, wish: &Wish, planned: &Planned) -> Result<(), Failure> {
    let Planned { app, settings, plan, .. } = planned;
    let Some(source) = wish.source.as_deref().filter(|_| plan.obstacle().is_none()) else { return Ok(()) };
    let made = plan.actions.iter().filter_map(|action| match &action.what {
        What::CreateDisk(spec) => app.volumes.iter().find(|volume| volume.name == spec.volume),
        _ => None,
    });
    let on_words = made.filter_map(|volume| {
        let digest = plan::new_disk_hold(app, volume, settings)?.digest();
        Some((volume.name.clone(), Word { digest, made: false }))
    });
    let on_words: BTreeMap<String, Word> = on_words.collect();
    if on_words.is_empty() {
        return Ok(());
    }
    words.note(agent, source, |used| used.entry(app.id.slashed().to_owned()).or_default().extend(on_words)).await
}

/// Notes of which words the disks are seen. A provider that is silent says nothing of them.
///
/// # Errors
/// It cannot be read or written down.
pub(crate) async fn made(agent: &Agent, words: &Words, wish: &Wish, seen: &ObservedApp) -> Result<(), Failure> {
    let (Some(source), Ok(disks)) = (wish.source.as_deref(), &seen.disks) else { return Ok(()) };
    let is_there = |volume: &str| disks.iter().any(|disk| disk.volume == volume);
    let see = |used: &mut Used| {
        let of_app = used.get_mut(wish.app.id.slashed()).into_iter().flatten();
        of_app.for_each(|(volume, word)| word.made |= is_there(volume));
    };
    words.note(agent, source, see).await
}

impl Words {
    /// What is written down, which is asked for once: nobody else writes it.
    async fn known(&self, agent: &Agent, source: &str) -> Result<MutexGuard<'_, Option<Known>>, Failure> {
        let mut known = self.0.lock().await;
        if known.is_none() {
            let key = ObjectKey { kind: Kind::Namespace, namespace: None, name: SYSTEM_NAMESPACE.to_owned() };
            let system = agent.cluster.get(&key).await.map_err(failed)?;
            let stored = state::load(agent.cluster.as_ref(), &name(source)).await.map_err(failed)?;
            let used = match &stored {
                Some(stored) => serde_json::from_value(stored.value.clone()).map_err(unreadable)?,
                None => Used::new(),
            };
            *known = Some(Known {
                installation: system.map(|system| system.uid).unwrap_or_default(),
                used,
                version: stored.map(|stored| stored.resource_version),
            });
        }
        Ok(known)
    }

    /// Changes what is written down. Who may not write, and so makes no disks, only goes by it.
    async fn note(&self, agent: &Agent, source: &str, change: impl FnOnce(&mut Used)) -> Result<(), Failure> {
        let mut guard = self.known(agent, source).await?;
        let Some(known) = guard.as_mut() else { return Ok(()) };
        let mut used = known.used.clone();
        change(&mut used);
        if used == known.used {
            return Ok(());
        }
        if agent.may_write().is_ok() {
            let (name, value) = (name(source), serde_json::json!(used));
            match state::save(agent.cluster.as_ref(), &name, &value, known.version.as_deref()).await {
                Ok(saved) => known.version = Some(saved.resource_version),
                Err(error) => {
                    // Whether it was written is not known; it is read again.
                    *guard = None;
                    return Err(failed(error));
                }
            }
        }
        known.used = used;
        Ok(())
    }
}

fn name(source: &str) -> String {
    format!("{source}{}", state::NEW_DISKS)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: ClusterError) -> Failure {
    Failure::of_cluster(WHAT, &error)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: serde_json::Error) -> Failure {
    Failure::retry("state", format!("{WHAT} cannot be read: {error}"))
}

/// For failures.
const WHAT: &str = "which words of people have made new disks";
