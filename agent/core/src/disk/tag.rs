//! The tags that say whose a disk is, and the scope that they describe.

use std::collections::BTreeMap;

use kompox_manifests::id::AppId;
use kompox_manifests::names::Hashes;

/// Keys of the tags that disks and snapshots carry.
pub mod tags {
    /// Who manages it; the value is [`MANAGER`].
    pub const MANAGED_BY: &str = "managed-by";
    /// The value of [`MANAGED_BY`].
    pub const MANAGER: &str = "kompox";
    /// Name of the Workspace.
    pub const WORKSPACE: &str = "kompox-workspace-name";
    /// Older deployments carry this instead of [`WORKSPACE`]; read, never written.
    pub const OLD_WORKSPACE: &str = "kompox-service-name";
    /// Name of the Provider.
    pub const PROVIDER: &str = "kompox-provider-name";
    /// Name of the App.
    pub const APP: &str = "kompox-app-name";
    /// `idHASH` of the App.
    pub const APP_ID_HASH: &str = "kompox-app-id-hash";
    /// Name of the volume.
    pub const VOLUME: &str = "kompox-volume";
    /// Name of the disk.
    pub const DISK: &str = "kompox-disk-name";
    /// Whether the disk is the volume's current one: `true` or `false`.
    pub const ASSIGNED: &str = "kompox-disk-assigned";
    /// Name of the snapshot.
    pub const SNAPSHOT: &str = "kompox-snapshot-name";
    /// The claim: `clsHASH` of the cluster that may act on it.
    pub const CLUSTER: &str = "kompox-cluster";
    /// Key of the operation that made it.
    pub const OP: &str = "kompox-op";
    /// Must not be deleted: `true`.
    pub const KEEP: &str = "kompox-keep";
}

/// Whose disks a driver is asked about: one App, seen from one cluster. The hashes are those of
/// names and labels (`spHASH`, `idHASH`, `clsHASH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskScope {
    /// Name of the Workspace.
    pub workspace: String,
    /// Name of the Provider.
    pub provider: String,
    /// Name of the App.
    pub app: String,
    /// `spHASH`: hash of workspace and provider.
    pub provider_hash: String,
    /// `idHASH`: hash of workspace, provider and app; the same in every cluster.
    pub app_id_hash: String,
    /// `clsHASH`: hash of workspace, provider and cluster; what this cluster claims disks with.
    pub cluster_hash: String,
}

/// A tag that shows that something belongs to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tag `{key}` is {}, not `{wanted}`",
    .found.as_ref().map_or_else(|| "missing".to_owned(), |found| format!("`{found}`"))
)]
pub struct ForeignTags {
    /// The tag.
    pub key: &'static str,
    /// Its value here.
    pub wanted: String,
    /// The value that was found.
    pub found: Option<String>,
}

impl DiskScope {
    /// The scope of an App.
    #[must_use]
    pub fn of(id: &AppId) -> Self {
        let Hashes { provider, cluster, app, instance: _ } = Hashes::of(id);
        Self {
            workspace: id.cluster.workspace.clone(),
            provider: id.cluster.provider.clone(),
            app: id.app.clone(),
            provider_hash: provider,
            app_id_hash: app,
            cluster_hash: cluster,
        }
    }

    /// The tags that everything of this App carries, the claim included.
    #[must_use]
    pub fn tags(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> =
            self.ownership().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        all.insert(tags::CLUSTER.to_owned(), self.cluster_hash.clone());
        all
    }

    /// Checks that something belongs to this App, whichever cluster claims it.
    ///
    /// # Errors
    /// The first tag that differs. Nothing whose ownership differs may be adopted, changed or
    /// deleted.
    pub fn check_ownership(&self, found: &BTreeMap<String, String>) -> Result<(), ForeignTags> {
        for (key, wanted) in self.ownership() {
            let value = match found.get(key) {
                None if key == tags::WORKSPACE => found.get(tags::OLD_WORKSPACE),
                value => value,
            };
            if value.map(String::as_str) != Some(wanted) {
                return Err(ForeignTags { key, wanted: wanted.to_owned(), found: value.cloned() });
            }
        }
        Ok(())
    }

    fn ownership(&self) -> [(&'static str, &str); 5] {
        [
            (tags::MANAGED_BY, tags::MANAGER),
            (tags::APP_ID_HASH, &self.app_id_hash),
            (tags::WORKSPACE, &self.workspace),
            (tags::PROVIDER, &self.provider),
            (tags::APP, &self.app),
        ]
    }
}
