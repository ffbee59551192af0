//! What was applied last, as far as later plans go by it.
//!
//! A plan compares with the cluster; some rules compare with what the App was meant to be before: which
//! data a mount showed, whether its disks were to be deleted with it, what a restart was asked for.

use std::collections::{BTreeMap, BTreeSet};

use kompox_manifests::model::{App, DeletionPolicy, Protection};
use kompox_manifests::object::ObjectKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::observed::ObservedApp;

/// What was applied last of one App. It is kept with the App, in its Namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppliedRecord {
    /// The commit that was applied first of those that said the same about the App.
    pub commit: String,
    /// Digest of everything that the commit said about the App.
    pub inputs: String,
    /// Digest of the contents of ConfigMaps and Secrets that operators keep in the cluster.
    pub externals: String,
    /// The entry file that the App came from.
    pub entry: String,
    /// Every mount of a volume.
    pub mounts: BTreeSet<MountRecord>,
    /// The volumes.
    pub volumes: BTreeSet<String>,
    /// Those of them whose disks were to be deleted with the App.
    pub deleted_with_app: BTreeSet<String>,
    /// The hosts of its ingress rules.
    pub hosts: BTreeSet<String>,
    /// What the Cluster forbade.
    pub protection: ProtectionRecord,
    /// Digest of the Pod as it was rendered when it was applied; `None` where an earlier build of the agent has written
    /// this. It is made of hashes of Secrets too, so it is shown nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Digests of the objects as they were rendered when they were applied, likewise; by [`Rendered::name`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<String, String>,
    /// What was given up for this, because it did not become healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Digests of what is rendered of an App.
#[derive(Clone, Debug, Default)]
pub(super) struct Rendered {
    /// Of the Pod; `None` where there is none.
    pub(super) pod: Option<String>,
    /// Of every object, by its name.
    pub(super) objects: BTreeMap<String, String>,
}

impl Rendered {
    /// An object among those of its App, as short as it can be.
    pub(super) fn name(key: &ObjectKey) -> String {
        format!("{}/{}", key.kind, key.name)
    }

    /// Whether an object is rendered as it was when it was applied; `None` where nothing tells that.
    pub(super) fn is_as_applied(&self, key: &ObjectKey, applied: Option<&AppliedRecord>) -> Option<bool> {
        let name = Self::name(key);
        Some(applied?.objects.get(&name)? == self.objects.get(&name)?)
    }
}

/// A deployment that was rolled back. It is not tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Digest of everything that it said about the App.
    pub inputs: String,
    /// Its commit.
    pub commit: String,
    /// Why it did not become healthy, free of secrets.
    pub reason: String,
}

/// A volume mounted into a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MountRecord {
    /// Name of the Compose service.
    pub service: String,
    /// Absolute path in the container.
    pub path: String,
    /// Name of the App volume.
    pub volume: String,
    /// Path inside the volume; `None` is its root.
    pub sub_path: Option<String>,
}

/// `Cluster.spec.protection.installation`, as it is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProtectionRecord {
    /// Nothing.
    #[default]
    None,
    /// Deleting.
    CannotDelete,
    /// Every change.
    ReadOnly,
}

impl AppliedRecord {
    /// The record of an App whose plan was carried out. `inputs` is the digest of everything that the
    /// commit said about it, `observed` what was seen when it was planned.
    #[must_use]
    pub fn of(app: &App, commit: &str, inputs: &str, observed: &ObservedApp) -> Self {
        let deleted = |policy| policy == DeletionPolicy::Delete;
        Self {
            commit: commit.to_owned(),
            inputs: inputs.to_owned(),
            externals: externals_digest(observed),
            entry: app.entry.clone(),
            mounts: mounts(app),
            volumes: app.volumes.iter().map(|volume| volume.name.clone()).collect(),
            deleted_with_app: (app.volumes.iter())
                .filter(|volume| deleted(volume.deletion_policy))
                .map(|volume| volume.name.clone())
                .collect(),
            hosts: hosts(app),
            protection: app.cluster.installation_protection.into(),
            pod: None,
            objects: BTreeMap::new(),
            refused: None,
        }
    }

    /// The same with what is there once `plan` is carried out: as it is rendered, or as it was applied `before` where the
    /// plan leaves something waiting.
    #[must_use]
    pub fn with_rendered(self, plan: &Plan, before: Option<&Self>) -> Self {
        let pod = plan.applied_pod().map(str::to_owned).or_else(|| before?.pod.clone());
        let digest = |name: &String, rendered: &String| {
            let applied = if plan.leaves_waiting(name) { before?.objects.get(name) } else { Some(rendered) };
            Some((name.clone(), applied?.clone()))
        };
        let objects = plan.rendered.objects.iter().filter_map(|(name, rendered)| digest(name, rendered)).collect();
        Self { pod, objects, ..self }
    }

    /// Whether the other record says that everything is rendered as this one does.
    #[must_use]
    pub fn is_rendered_as(&self, other: &Self) -> bool {
        self.pod == other.pod && self.objects == other.objects
    }

    /// Whether the other record says the same. The commit alone is nothing new, nor is what the same files are rendered to
    /// otherwise: nobody has asked for anything.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let (commit, pod, objects) = (self.commit.clone(), self.pod.clone(), self.objects.clone());
        *self == Self { commit, pod, objects, ..other.clone() }
    }
}

impl From<Protection> for ProtectionRecord {
    fn from(protection: Protection) -> Self {
        match protection {
            Protection::None => Self::None,
            Protection::CannotDelete => Self::CannotDelete,
            Protection::ReadOnly => Self::ReadOnly,
        }
    }
}

impl From<ProtectionRecord> for Protection {
    fn from(record: ProtectionRecord) -> Self {
        match record {
            ProtectionRecord::None => Self::None,
            ProtectionRecord::CannotDelete => Self::CannotDelete,
            ProtectionRecord::ReadOnly => Self::ReadOnly,
        }
    }
}

/// The mounts that an App asks for.
pub(super) fn mounts(app: &App) -> BTreeSet<MountRecord> {
    let services = app.project.services.iter();
    let of_service = services.flat_map(|service| service.mounts.iter().map(move |mount| (service, mount)));
    let record = of_service.map(|(service, mount)| MountRecord {
        service: service.name.clone(),
        path: mount.target.clone(),
        volume: mount.volume.clone(),
        sub_path: mount.sub_path.clone(),
    });
    record.collect()
}

/// The hosts that an App asks for, beside those below the Cluster's domain.
pub(super) fn hosts(app: &App) -> BTreeSet<String> {
    app.ingress.rules.iter().flat_map(|rule| rule.hosts.iter().cloned()).collect()
}

/// A digest of the contents that Git does not hold. The hashes behind it are of Secrets, so it is kept
/// in a Secret and shown nowhere.
pub(super) fn externals_digest(observed: &ObservedApp) -> String {
    let mut hasher = Sha256::new();
    for ((kind, name), hash) in &observed.external_hashes {
        for part in [kind.name(), name, hash] {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
