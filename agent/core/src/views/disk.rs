//! `KompoxDisk`: a disk that the provider holds for a volume of an App.

use jiff::Timestamp;
use kompox_manifests::id::AppId;
use kompox_manifests::names::{Names, cluster_hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::{Aspect, Condition, Finding, Truth, shown, whole_seconds};
use super::{View, ViewKey, ViewKind, app_labels, value};
use crate::disk::{Attachment, ClaimState, Disk, DiskSource, DiskState};

/// Which disk a `KompoxDisk` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskSpec {
    /// Name of the App.
    pub app: String,
    /// The volume that it belongs to.
    pub volume: String,
    /// Its name, unique in the volume.
    pub disk: String,
}

/// How the disk is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskStatus {
    /// The generation of the object that this status is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The provider's identifier; a PersistentVolume refers to it.
    pub handle: String,
    /// Whether it is the volume's current disk: the one that is mounted.
    pub assigned: bool,
    /// Its size.
    pub size: String,
    /// The zone that it is tied to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Who uses it, as far as the provider knows.
    pub attachment: String,
    /// Whose it is: `this cluster`, `another cluster` or `nobody`.
    pub claim: String,
    /// Whether it must not be deleted.
    pub protected: bool,
    /// What it was made from, where that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When the provider made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub created: Option<Timestamp>,
    /// How it is: Ready, Progressing, Degraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// The view of a disk.
#[must_use]
pub fn view(app: &AppId, source: &str, disk: &Disk) -> View {
    let names = Names::of(app);
    let claim = match disk.claim_state(&cluster_hash(&app.cluster)) {
        ClaimState::Ours => "this cluster",
        ClaimState::Unclaimed => "nobody",
        ClaimState::Foreign(_) => "another cluster",
    };
    let status = DiskStatus {
        observed_generation: None,
        handle: disk.handle.clone(),
        assigned: disk.assigned,
        size: quantity(disk.size),
        zone: disk.zone.clone(),
        attachment: match &disk.attachment {
            Attachment::Detached => "none".to_owned(),
            Attachment::Attached(users) => shown(&users.join(", ")),
            Attachment::NotReported => "not known".to_owned(),
        },
        claim: claim.to_owned(),
        protected: disk.protected,
        source: disk.source.as_ref().map(made_from),
        created: Some(whole_seconds(disk.created)),
        conditions: Vec::new(),
    };
    View {
        key: key(&names, disk),
        labels: app_labels(&names, source),
        spec: Some(value(&DiskSpec { app: names.app, volume: disk.volume.clone(), disk: disk.name.clone() })),
        status: value(&status),
        findings: findings(disk),
        passing: false,
    }
}

/// The key of a disk's view. A volume's name has no dot, so no two disks meet in one name.
fn key(names: &Names, disk: &Disk) -> ViewKey {
    let name = format!("{}.{}", disk.volume, disk.name);
    ViewKey { kind: ViewKind::Disk, namespace: names.namespace.clone(), name }
}

fn made_from(source: &DiskSource) -> String {
    match source {
        DiskSource::Empty => "nothing: it was new and empty".to_owned(),
        other => other.to_string(),
    }
}

fn findings(disk: &Disk) -> Vec<Finding> {
    use Truth::{False, True};
    // Ready, Progressing, Degraded.
    let (truths, reason, text) = match &disk.state {
        DiskState::Ready => ([True, False, False], "Ready", "it can be mounted"),
        DiskState::Creating => ([False, True, False], "Creating", "the provider is still making it"),
        DiskState::Deleting => ([False, True, False], "Deleting", "the provider is removing it"),
        DiskState::Failed(why) => ([False, False, True], "Failed", why.as_str()),
    };
    [Aspect::Ready, Aspect::Progressing, Aspect::Degraded]
        .into_iter()
        .zip(truths)
        .map(|(aspect, truth)| Finding::new(aspect, truth, reason, text))
        .collect()
}

/// A number of bytes in the largest binary unit that it is a whole number of: `1Gi`.
#[must_use]
pub fn quantity(bytes: u64) -> String {
    const UNITS: [(u32, &str); 6] = [(60, "Ei"), (50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let whole = UNITS.into_iter().find(|(bits, _)| bytes > 0 && bytes.trailing_zeros() >= *bits);
    match whole {
        Some((bits, unit)) => format!("{}{unit}", bytes >> bits),
        None => bytes.to_string(),
    }
}
