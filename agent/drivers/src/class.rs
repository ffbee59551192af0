//! How disks appear in Kubernetes, for every known driver; pure, so that manifests can be rendered
//! where no provider can be asked.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kompox_manifests::slots::{PvSource, VolumeClass};
use serde_json::Value;

use crate::driver::Result;
use crate::error::DriverError;
use crate::local::handle::LocalHandle;
use crate::local::settings;

/// Stands in a rendered object for a node or CSI driver that only the cluster knows. Nothing has
/// this name, so that an object rendered on a guess is never mounted anywhere.
pub const NOT_KNOWN: &str = "not-known";

const HOSTNAME: &str = "kubernetes.io/hostname";
const READ_WRITE_ONCE: &str = "ReadWriteOnce";

/// The drivers that a Provider can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverName {
    /// Folders on one node.
    Local,
    /// Any CSI driver of the cluster.
    Csi,
    /// Azure managed disks.
    Aks,
    /// AWS EBS.
    Eks,
    /// Google persistent disks.
    Gke,
    /// Oracle block volumes.
    Oke,
}

impl DriverName {
    /// Every driver.
    pub const ALL: [Self; 6] = [Self::Local, Self::Csi, Self::Aks, Self::Eks, Self::Gke, Self::Oke];

    /// The name in `Provider.spec.driver`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Csi => "csi",
            Self::Aks => "aks",
            Self::Eks => "eks",
            Self::Gke => "gke",
            Self::Oke => "oke",
        }
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for DriverName {
    type Err = DriverError;

    fn from_str(given: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|driver| driver.as_str() == given).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            DriverError::invalid(format!("the provider's driver `{given}` is not known; the drivers are {known}"))
        })
    }
}

/// The handle that stands for a volume's disk where no provider was asked.
#[must_use]
pub fn placeholder_handle(driver: &str, volume: &str) -> String {
    format!("{driver}:{volume}")
}

/// How the disk with this handle appears in Kubernetes.
///
/// `driver` and `settings` are the Provider's; `zone` is the disk's, in the provider's words or as
/// `deployment.zone` has it, and gives the PersistentVolume its node affinity. A placeholder handle
/// (see [`placeholder_handle`]) gives a class that can be looked at but not mounted.
///
/// # Errors
/// `Invalid` when the driver is not known, a setting that it needs is missing, or the handle cannot
/// be one of its own.
pub fn volume_class(
    driver: &str,
    settings: &BTreeMap<String, String>,
    handle: &str,
    zone: Option<&str>,
) -> Result<VolumeClass> {
    let driver: DriverName = driver.parse()?;
    let zone = zone.filter(|zone| !zone.is_empty());
    match driver {
        DriverName::Local => local(settings, handle),
        DriverName::Csi => csi(settings, handle),
        DriverName::Aks => Ok(cloud(Cloud {
            class: "managed-csi",
            driver: "disk.csi.azure.com",
            handle,
            attributes: &[("fsType", "ext4")],
            zone: azure_zone(settings, zone).map(|zone| ("topology.disk.csi.azure.com/zone", zone)),
        })),
        DriverName::Eks => Ok(cloud(Cloud {
            class: "gp3",
            driver: "ebs.csi.aws.com",
            handle,
            attributes: &[],
            zone: zone.map(|zone| ("topology.kubernetes.io/zone", zone.to_owned())),
        })),
        DriverName::Gke => Ok(cloud(Cloud {
            class: "standard-rwo",
            driver: "pd.csi.storage.gke.io",
            handle,
            attributes: &[],
            zone: zone.map(|zone| ("topology.gke.io/zone", zone.to_owned())),
        })),
        DriverName::Oke => Ok(cloud(Cloud {
            class: "oci-bv",
            driver: "blockvolume.csi.oraclecloud.com",
            handle,
            attributes: &[],
            // The label has only what follows the tenancy's prefix: `Uocm:PHX-AD-2` is `PHX-AD-2`.
            zone: zone.map(|zone| {
                ("topology.kubernetes.io/zone", zone.rsplit_once(':').map_or(zone, |(_, domain)| domain).to_owned())
            }),
        })),
    }
}

/// The class of a folder on a node.
pub(crate) fn local_class(handle: &LocalHandle) -> VolumeClass {
    VolumeClass {
        storage_class: "kompox-local".to_owned(),
        access_modes: vec![READ_WRITE_ONCE.to_owned()],
        source: PvSource::Local { path: handle.path().to_owned() },
        node_affinity: vec![(HOSTNAME.to_owned(), vec![handle.node().to_owned()])],
    }
}

fn local(settings: &BTreeMap<String, String>, handle: &str) -> Result<VolumeClass> {
    let node = settings.get(settings::NODE).filter(|node| !node.is_empty()).map_or(NOT_KNOWN, String::as_str);
    let handle = if handle.starts_with('/') {
        LocalHandle::new(node, handle)?
    } else if let Some(volume) = handle.strip_prefix("local:").filter(|rest| !rest.starts_with('/')) {
        let root = settings::root(settings)?;
        LocalHandle::new(node, &format!("{root}/disks/{volume}"))?
    } else {
        handle.parse()?
    };
    Ok(local_class(&handle))
}

/// A CSI volume is named as in the cluster's own bookkeeping: `<csi driver>^<volume handle>`.
fn csi(settings: &BTreeMap<String, String>, handle: &str) -> Result<VolumeClass> {
    const SETTING: &str = "CSI_STORAGE_CLASS";
    let class = settings.get(SETTING).filter(|class| !class.is_empty()).ok_or_else(|| {
        DriverError::invalid(format!(
            "the `csi` driver needs the setting {SETTING} of its Provider: the StorageClass of its disks"
        ))
    })?;
    let (driver, handle) = handle.split_once('^').unwrap_or((NOT_KNOWN, handle));
    Ok(cloud(Cloud { class, driver, handle, attributes: &[], zone: None }))
}

struct Cloud<'a> {
    class: &'a str,
    driver: &'a str,
    handle: &'a str,
    attributes: &'a [(&'a str, &'a str)],
    zone: Option<(&'a str, String)>,
}

fn cloud(cloud: Cloud<'_>) -> VolumeClass {
    let Cloud { class, driver, handle, attributes, zone } = cloud;
    VolumeClass {
        storage_class: class.to_owned(),
        access_modes: vec![READ_WRITE_ONCE.to_owned()],
        source: PvSource::Csi {
            driver: driver.to_owned(),
            handle: handle.to_owned(),
            attributes: attributes.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
        },
        node_affinity: zone.into_iter().map(|(key, value)| (key.to_owned(), vec![value])).collect(),
    }
}

/// Azure's label is `<region>-<number>`; people write the number. Without the region nothing can be
/// said, and a wrong affinity would keep the Pod from starting.
fn azure_zone(settings: &BTreeMap<String, String>, zone: Option<&str>) -> Option<String> {
    let zone = zone?;
    if zone.contains('-') {
        return Some(zone.to_owned());
    }
    let region = settings.get("AZURE_LOCATION").filter(|region| !region.is_empty())?;
    Some(format!("{}-{zone}", region.to_lowercase().replace(' ', "")))
}

/// The disk handle behind a PersistentVolume (its whole body, as the API server returns it): what
/// the volume is bound to when the provider cannot be asked.
///
/// # Errors
/// `Invalid` when the volume is not of the kind that this driver makes; the words say what is
/// missing.
pub fn handle_of_pv(driver: &str, pv: &Value) -> Result<String> {
    let name = pv.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("(without a name)");
    let text = |pointer: &str| pv.pointer(pointer).and_then(Value::as_str);
    let missing = |what: &str| {
        DriverError::invalid(format!("PersistentVolume `{name}` is none of driver `{driver}`: it has no {what}"))
    };
    match driver.parse()? {
        DriverName::Local => {
            let path = text("/spec/local/path").ok_or_else(|| missing("spec.local.path"))?;
            let node = hostname(pv).ok_or_else(|| missing("node affinity that names one node"))?;
            Ok(LocalHandle::new(node, path)?.to_string())
        }
        DriverName::Csi => {
            let csi = text("/spec/csi/driver").ok_or_else(|| missing("spec.csi.driver"))?;
            let handle = text("/spec/csi/volumeHandle").ok_or_else(|| missing("spec.csi.volumeHandle"))?;
            Ok(format!("{csi}^{handle}"))
        }
        DriverName::Aks | DriverName::Eks | DriverName::Gke | DriverName::Oke => {
            Ok(text("/spec/csi/volumeHandle").ok_or_else(|| missing("spec.csi.volumeHandle"))?.to_owned())
        }
    }
}

/// The only node that a PersistentVolume's affinity allows.
fn hostname(pv: &Value) -> Option<&str> {
    let [term] = pv.pointer("/spec/nodeAffinity/required/nodeSelectorTerms")?.as_array()?.as_slice() else {
        return None;
    };
    let expressions = term.get("matchExpressions")?.as_array()?;
    let of_hostname = expressions.iter().find(|one| one.get("key").and_then(Value::as_str) == Some(HOSTNAME))?;
    match (of_hostname.get("operator")?.as_str()?, of_hostname.get("values")?.as_array()?.as_slice()) {
        ("In", [only]) => only.as_str(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
