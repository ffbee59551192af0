//! What the driver can make at all.

use kompox_core::disk::{DiskSource, DiskSpec};
use kompox_manifests::model::VolumeKind;

use crate::driver::Result;
use crate::error::DriverError;

/// Options of other providers: noted on the disk and without effect, so that one App runs on both.
const FOREIGN_OPTIONS: [&str; 3] = ["sku", "iops", "mbps"];

/// Checks what this driver can make at all.
pub(crate) fn check(spec: &DiskSpec) -> Result<()> {
    if spec.kind == VolumeKind::Files {
        return Err(DriverError::unsupported(format!(
            "volume `{}` has `type: files`, and the driver `local` has no shared file systems; use `type: disk`",
            spec.volume
        )));
    }
    if spec.size == 0 {
        return Err(DriverError::invalid(format!("volume `{}` has size 0", spec.volume)));
    }
    if let Some(option) = spec.options.keys().find(|option| !FOREIGN_OPTIONS.contains(&option.as_str())) {
        return Err(DriverError::invalid(format!(
            "volume `{}`: no driver has an option `{option}`; the options are {}",
            spec.volume,
            FOREIGN_OPTIONS.join(", ")
        )));
    }
    match &spec.source {
        DiskSource::Empty => Ok(()),
        DiskSource::Disk(_) | DiskSource::Snapshot(_) | DiskSource::LatestSnapshot { .. } => {
            Err(DriverError::unsupported(format!(
                "volume `{}`: the driver `local` cannot make a disk from `{}` in this version: a copy of a folder \
                 needs the application to be stopped (quiesce), which comes with snapshots",
                spec.volume, spec.source
            )))
        }
        DiskSource::Existing(_) => Err(DriverError::unsupported(format!(
            "volume `{}`: the driver `local` cannot take over an existing folder in this version; copy its content \
             into the new disk's folder while the application is stopped",
            spec.volume
        ))),
        DiskSource::Native(id) => Err(DriverError::invalid(format!(
            "volume `{}`: the source `{id}` is none of `disk:NAME`, `snapshot:NAME` and `existing:HANDLE`",
            spec.volume
        ))),
    }
}
