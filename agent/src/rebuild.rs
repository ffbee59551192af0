//! A rebuilt cluster: nothing of a source is in it, but some of its Apps have disks at the provider.
//! A volume that has none then probably lost it, and waits for a person. The first Namespace that is
//! written ends that sight, so what was missing is written down before.

use std::collections::BTreeSet;

use std::sync::Arc;

use kompox_core::observed::ObservedApp;
use kompox_manifests::model::App;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::cluster::{ClusterError, state};
use crate::context::{Agent, CommitRef, Wish};
use crate::failure::Failure;
use crate::observe;

/// What was seen when the cluster was empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rebuilt {
    /// Names of the Apps that had disks.
    with_disks: BTreeSet<String>,
    /// Apps with a volume that had none, `W/P/C/A`.
    missing: BTreeSet<String>,
}

impl Rebuilt {
    /// The other Apps of the source whose disks speak against a new empty one for this App.
    pub(crate) fn against(&self, app: &App) -> Vec<String> {
        if !self.missing.contains(app.id.slashed()) {
            return Vec::new();
        }
        self.with_disks.iter().filter(|other| **other != app.id.app).cloned().collect()
    }

    fn add(&mut self, app: &App, seen: &ObservedApp) {
        if seen.disks.as_ref().is_ok_and(|disks| !disks.is_empty()) {
            self.with_disks.insert(app.id.app.clone());
        }
        if misses_disks(app, seen) {
            self.missing.insert(app.id.slashed().to_owned());
        }
    }
}

/// What is known of one source. While nothing of it is in the cluster, its Apps wait here for each other:
/// the first Namespace that is written ends the sight by which the others would be judged.
#[derive(Debug, Default)]
pub(crate) struct Sight(Mutex<Option<(Arc<CommitRef>, Rebuilt)>>);

/// Sees whether a source is in a rebuilt cluster, and remembers it there. `wishes` are all that the commit
/// asks for, `wish` and `observed` the one that is to be planned.
///
/// # Errors
/// It cannot be read or written down; nothing may be written then.
pub(crate) async fn recognize(
    agent: &Agent,
    sight: &Sight,
    wishes: &[Arc<Wish>],
    wish: &Wish,
    observed: &ObservedApp,
) -> Result<Rebuilt, Failure> {
    // What a person applies by hand is that person's word.
    let Some(source) = wish.source.as_deref() else { return Ok(Rebuilt::default()) };
    let is_fresh = || !agent.cache.knows_source(source);
    if !is_fresh() && !misses_disks(&wish.app, observed) {
        return Ok(Rebuilt::default());
    }
    let mut sight = sight.0.lock().await;
    if let Some((commit, rebuilt)) = sight.as_ref()
        && *commit == wish.commit
    {
        return Ok(rebuilt.clone());
    }
    // Others may have written while this one waited.
    if !is_fresh() {
        return Ok(load(agent, source).await?.0.unwrap_or_default());
    }
    let mut seen = Rebuilt::default();
    let mut is_certain = true;
    for wish in wishes.iter().filter(|wish| !wish.app.volumes.is_empty()) {
        let observed = observe::observe(agent, wish).await?;
        is_certain &= observed.disks.is_ok();
        seen.add(&wish.app, &observed);
    }
    if seen.with_disks.is_empty() {
        seen = Rebuilt::default();
    }
    if !seen.missing.is_empty() {
        let (known, version) = load(agent, source).await?;
        if known.as_ref() != Some(&seen) && agent.may_write().is_ok() {
            let (name, value) = (name(source), serde_json::json!(seen));
            state::save(agent.cluster.as_ref(), &name, &value, version.as_deref()).await.map_err(failed)?;
        }
    }
    if is_certain {
        *sight = Some((Arc::clone(&wish.commit), seen.clone()));
    }
    Ok(seen)
}

/// What was written down, and its version.
async fn load(agent: &Agent, source: &str) -> Result<(Option<Rebuilt>, Option<String>), Failure> {
    let stored = state::load(agent.cluster.as_ref(), &name(source)).await.map_err(failed)?;
    let known = stored.as_ref().and_then(|stored| serde_json::from_value(stored.value.clone()).ok());
    Ok((known, stored.map(|stored| stored.resource_version)))
}

fn name(source: &str) -> String {
    format!("{source}{}", state::REBUILT)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: ClusterError) -> Failure {
    Failure::of_cluster("what is known of a rebuilt cluster", &error)
}

/// Whether the provider says that a volume of the App has no disk.
pub(crate) fn misses_disks(app: &App, seen: &ObservedApp) -> bool {
    let Ok(disks) = &seen.disks else { return false };
    app.volumes.iter().any(|volume| disks.iter().all(|disk| disk.volume != volume.name))
}
