//! PersistentVolumes and their claims: one pair for every volume that a disk is bound to.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, LocalVolumeSource, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec,
    VolumeNodeAffinity, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::context::{Context, some_map};
use crate::labels;
use crate::model::Volume;
use crate::object::{Kind, Object};
use crate::slots::{PvSource, VolumeBinding, VolumeClass};

const FILESYSTEM: &str = "Filesystem";

pub(super) fn objects(context: &Context<'_>) -> Vec<Object> {
    let bound = context.app.volumes.iter().filter_map(|volume| {
        let binding = context.slots.volumes.get(&volume.name)?;
        Some([persistent_volume(context, volume, binding), claim(context, volume, binding)])
    });
    bound.flatten().collect()
}

/// The claim that the Pod mounts for a volume; `None` while no disk is bound to it.
pub(super) fn claim_name(context: &Context<'_>, volume: &str) -> Option<String> {
    context.slots.volumes.get(volume).map(|binding| context.names.volume(volume, &binding.handle))
}

fn persistent_volume(context: &Context<'_>, volume: &Volume, binding: &VolumeBinding) -> Object {
    let VolumeClass { storage_class, access_modes, source, node_affinity } = &binding.class;
    let name = context.names.volume(&volume.name, &binding.handle);
    let (csi, local) = match source.clone() {
        PvSource::Csi { driver, handle, attributes } => (
            Some(CSIPersistentVolumeSource {
                driver,
                volume_handle: handle,
                volume_attributes: some_map(attributes),
                ..CSIPersistentVolumeSource::default()
            }),
            None,
        ),
        PvSource::Local { path } => (None, Some(LocalVolumeSource { path, ..LocalVolumeSource::default() })),
    };
    let mut meta = context.app_meta(name.clone());
    let mut annotations = context.ownership();
    if let Some(handle) = context.slots.previous_handles.get(&volume.name) {
        annotations.insert(labels::PREVIOUS_HANDLE.to_owned(), handle.clone());
    }
    meta.annotations = Some(annotations);
    context.object(Kind::PersistentVolume, meta, &volume.at, |metadata| PersistentVolume {
        metadata,
        spec: Some(PersistentVolumeSpec {
            access_modes: Some(access_modes.clone()),
            capacity: Some(storage(size(volume, binding))),
            // Without it any claim of the class could take the disk. Its uid is the cluster's to fill in.
            claim_ref: Some(ObjectReference {
                api_version: Some(Kind::PersistentVolumeClaim.api_version()),
                kind: Some(Kind::PersistentVolumeClaim.name().to_owned()),
                namespace: Some(context.names.namespace.clone()),
                name: Some(name),
                ..ObjectReference::default()
            }),
            csi,
            local,
            node_affinity: affinity(node_affinity),
            persistent_volume_reclaim_policy: Some("Retain".to_owned()),
            storage_class_name: Some(storage_class.clone()),
            volume_mode: Some(FILESYSTEM.to_owned()),
            ..PersistentVolumeSpec::default()
        }),
        ..PersistentVolume::default()
    })
}

fn claim(context: &Context<'_>, volume: &Volume, binding: &VolumeBinding) -> Object {
    let name = context.names.volume(&volume.name, &binding.handle);
    let meta = context.app_meta(name.clone());
    context.object(Kind::PersistentVolumeClaim, meta, &volume.at, |metadata| PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(binding.class.access_modes.clone()),
            resources: Some(VolumeResourceRequirements {
                requests: Some(storage(size(volume, binding))),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: Some(binding.class.storage_class.clone()),
            volume_mode: Some(FILESYSTEM.to_owned()),
            volume_name: Some(name),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    })
}

fn affinity(labels: &[(String, Vec<String>)]) -> Option<VolumeNodeAffinity> {
    let requirement = |(key, values): &(String, Vec<String>)| NodeSelectorRequirement {
        key: key.clone(),
        operator: "In".to_owned(),
        values: Some(values.clone()),
    };
    (!labels.is_empty()).then(|| VolumeNodeAffinity {
        required: Some(NodeSelector {
            node_selector_terms: vec![NodeSelectorTerm {
                match_expressions: Some(labels.iter().map(requirement).collect()),
                ..NodeSelectorTerm::default()
            }],
        }),
    })
}

fn size(volume: &Volume, binding: &VolumeBinding) -> u64 {
    binding.size.unwrap_or(volume.size)
}

fn storage(bytes: u64) -> BTreeMap<String, Quantity> {
    BTreeMap::from([("storage".to_owned(), Quantity(binary_size(bytes)))])
}

/// A size in the largest of Ti, Gi and Mi that divides it, rounded up to Mi.
fn binary_size(bytes: u64) -> String {
    let mebi = bytes.div_ceil(1 << 20);
    match mebi {
        0 => "0".to_owned(),
        _ if mebi.is_multiple_of(1 << 20) => format!("{}Ti", mebi >> 20),
        _ if mebi.is_multiple_of(1 << 10) => format!("{}Gi", mebi >> 10),
        _ => format!("{mebi}Mi"),
    }
}

#[cfg(test)]
mod tests {
    use super::binary_size;

    #[test]
    fn sizes_are_written_in_the_largest_unit_that_divides_them() {
        assert_eq!(binary_size(5_000_000_000), "4769Mi");
        assert_eq!(binary_size(32 << 30), "32Gi");
        assert_eq!(binary_size(2 << 40), "2Ti");
        assert_eq!(binary_size(1536 << 30), "1536Gi");
        assert_eq!(binary_size((1 << 30) + (512 << 20)), "1536Mi");
        assert_eq!(binary_size(1), "1Mi");
        assert_eq!(binary_size((1 << 30) + 1), "1025Mi");
        assert_eq!(binary_size(u64::MAX), "16777216Ti");
    }
}
