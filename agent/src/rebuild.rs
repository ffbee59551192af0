//! A rebuilt cluster: nothing of a source is in it, but some of its Apps have disks at the provider.
//! A volume that has none then probably lost it, and waits for a person. The first Namespace that is
//! written ends that sight, so what was missing is written down before.

use std::collections::BTreeSet;

use kompox_core::observed::ObservedApp;
use kompox_manifests::model::App;
use serde::{Deserialize, Serialize};

use crate::cluster::{ClusterError, state};
use crate::context::Agent;
use crate::failure::Failure;
use crate::observe::Observed;

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
        if !self.missing.contains(&app.id.slashed()) {
            return Vec::new();
        }
        self.with_disks.iter().filter(|other| **other != app.id.app).cloned().collect()
    }

    fn seen(apps: &[&App], observed: &Observed) -> Self {
        let mut rebuilt = Self::default();
        for app in apps {
            let Some(seen) = observed.apps.get(&app.id) else { continue };
            if seen.disks.as_ref().is_ok_and(|disks| !disks.is_empty()) {
                rebuilt.with_disks.insert(app.id.app.clone());
            }
            if misses_disks(app, seen) {
                rebuilt.missing.insert(app.id.slashed());
            }
        }
        if rebuilt.with_disks.is_empty() { Self::default() } else { rebuilt }
    }
}

/// Sees whether a source is in a rebuilt cluster, and remembers it there.
///
/// # Errors
/// It cannot be read or written down; nothing may be written then.
pub(crate) async fn recognize(
    agent: &Agent,
    source: Option<&str>,
    apps: &[&App],
    observed: &Observed,
) -> Result<Rebuilt, Failure> {
    // What a person applies by hand is that person's word.
    let Some(source) = source else { return Ok(Rebuilt::default()) };
    let missing = apps.iter().any(|app| observed.apps.get(&app.id).is_some_and(|seen| misses_disks(app, seen)));
    if !missing {
        return Ok(Rebuilt::default());
    }
    let failed = |error: ClusterError| Failure::of_cluster("what is known of a rebuilt cluster", &error);
    let name = format!("{source}{}", state::REBUILT);
    let stored = state::load(agent.cluster.as_ref(), &name).await.map_err(failed)?;
    let known = stored.as_ref().and_then(|stored| serde_json::from_value(stored.value.clone()).ok());
    if !observed.fresh {
        return Ok(known.unwrap_or_default());
    }
    let seen = Rebuilt::seen(apps, observed);
    let news = known.unwrap_or_default() != seen;
    if news && agent.may_write().is_ok() {
        let value = serde_json::json!(seen);
        let version = stored.as_ref().map(|stored| stored.resource_version.as_str());
        state::save(agent.cluster.as_ref(), &name, &value, version).await.map_err(failed)?;
    }
    Ok(seen)
}

/// Whether the provider says that a volume of the App has no disk.
fn misses_disks(app: &App, seen: &ObservedApp) -> bool {
    let Ok(disks) = &seen.disks else { return false };
    app.volumes.iter().any(|volume| disks.iter().all(|disk| disk.volume != volume.name))
}
