//! The Pod's volumes, and how a service's mounts refer to them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, SecretVolumeSource,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::context::Context;
use super::super::disk;
use crate::kom::quantity;
use crate::model::{FileContent, FileMount, FileObject, MemoryMount, Mount, Service};
use crate::names;
use crate::object::Kind;

/// Volumes of the Pod: App volumes that some service mounts, then configs, then secrets.
pub(super) struct PodVolumes<'a> {
    /// App volume and claim, in the order of the App.
    claims: Vec<(&'a str, String)>,
    /// By Compose name.
    configs: BTreeMap<&'a str, FileVolume<'a>>,
    /// By Compose name.
    secrets: BTreeMap<&'a str, FileVolume<'a>>,
    /// File systems in memory, by service, each in its service's order.
    memory: Vec<(&'a str, &'a MemoryMount)>,
}

/// A ConfigMap or Secret with one key, mounted as a file.
struct FileVolume<'a> {
    kind: Kind,
    /// Name of the Pod's volume.
    volume: String,
    /// Name of the ConfigMap or Secret.
    object: String,
    key: &'a str,
    /// Every mode that the file is mounted with.
    modes: BTreeSet<Option<u32>>,
}

impl<'a> PodVolumes<'a> {
    pub(super) fn of(context: &Context<'a>) -> Self {
        let project = &context.app.project;
        let mounted: BTreeSet<&str> =
            project.services.iter().flat_map(|service| &service.mounts).map(|mount| mount.volume.as_str()).collect();
        let claims = context
            .app
            .volumes
            .iter()
            .filter(|volume| mounted.contains(volume.name.as_str()))
            .filter_map(|volume| Some((volume.name.as_str(), disk::claim_name(context, &volume.name)?)))
            .collect();
        let files = |kind, objects: &'a [FileObject], mounts: fn(&Service) -> &[FileMount]| {
            let volume = |file: &'a FileObject| {
                let mounts = project.services.iter().flat_map(mounts).filter(|mount| mount.name == file.name);
                let modes: BTreeSet<Option<u32>> = mounts.map(|mount| mount.mode).collect();
                (!modes.is_empty()).then(|| (file.name.as_str(), FileVolume::new(context, kind, file, modes)))
            };
            objects.iter().filter_map(volume).collect()
        };
        Self {
            claims,
            configs: files(Kind::ConfigMap, &project.configs, |service| &service.configs),
            secrets: files(Kind::Secret, &project.secrets, |service| &service.secrets),
            memory: project
                .services
                .iter()
                .flat_map(|service| service.runtime.memory_mounts.iter().map(|mount| (service.name.as_str(), mount)))
                .collect(),
        }
    }

    pub(super) fn volumes(&self) -> Vec<Volume> {
        let claims = self.claims.iter().map(|(name, claim)| Volume {
            name: (*name).to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.clone(),
                ..PersistentVolumeClaimVolumeSource::default()
            }),
            ..Volume::default()
        });
        let files = self.configs.values().chain(self.secrets.values()).map(FileVolume::volume);
        let memory = self.memory.iter().enumerate().map(|(index, (_, mount))| Volume {
            name: memory_volume(index),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit: mount.size.map(|bytes| Quantity(amount(bytes))),
            }),
            ..Volume::default()
        });
        claims.chain(files).chain(memory).collect()
    }

    /// A service's mounts: volumes, configs, secrets, each in the order of the file.
    pub(super) fn mounts(&self, service: &Service) -> Vec<VolumeMount> {
        let volumes = service.mounts.iter().filter(|mount| self.binds(&mount.volume)).map(volume_mount);
        let file = |(volume, mount): (&FileVolume<'_>, &FileMount)| volume.mount(mount);
        let memory = self.memory.iter().enumerate().filter(|(_, (owner, _))| *owner == service.name);
        let memory = memory.map(|(index, (_, mount))| VolumeMount {
            mount_path: mount.target.clone(),
            name: memory_volume(index),
            read_only: mount.read_only.then_some(true),
            ..VolumeMount::default()
        });
        volumes.chain(self.files(service).map(file)).chain(memory).collect()
    }

    /// The ConfigMaps and Secrets that a service mounts, by name of the mount.
    pub(super) fn references(&self, service: &Service) -> impl Iterator<Item = (Kind, String)> {
        let mut references: Vec<(&str, Kind, String)> = self
            .files(service)
            .map(|(volume, _)| (volume.volume.as_str(), volume.kind, volume.object.clone()))
            .collect();
        references.sort();
        references.into_iter().map(|(_, kind, object)| (kind, object)).collect::<Vec<_>>().into_iter()
    }

    /// Whether a disk is bound to the App volume.
    pub(super) fn binds(&self, volume: &str) -> bool {
        self.claims.iter().any(|(name, _)| *name == volume)
    }

    fn files<'s>(&'s self, service: &'s Service) -> impl Iterator<Item = (&'s FileVolume<'a>, &'s FileMount)> {
        let configs = service.configs.iter().filter_map(|mount| Some((self.configs.get(mount.name.as_str())?, mount)));
        let secrets = service.secrets.iter().filter_map(|mount| Some((self.secrets.get(mount.name.as_str())?, mount)));
        configs.chain(secrets)
    }
}

impl<'a> FileVolume<'a> {
    fn new(context: &Context<'_>, kind: Kind, file: &'a FileObject, modes: BTreeSet<Option<u32>>) -> Self {
        let (volume, own) = match kind {
            Kind::ConfigMap => (names::config_volume(&file.name), context.names.config(&file.name)),
            _ => (names::secret_volume(&file.name), context.names.secret(&file.name)),
        };
        let (object, key) = match &file.content {
            FileContent::File { key, .. } => (own, key.as_str()),
            FileContent::External { object } => (object.clone(), file.name.as_str()),
        };
        Self { kind, volume, object, key, modes }
    }

    fn volume(&self) -> Volume {
        let items = self.modes.iter().map(|&mode| KeyToPath {
            key: self.key.to_owned(),
            mode: mode.map(u32::cast_signed),
            path: self.path(mode),
        });
        let items = Some(items.collect());
        let mut volume = Volume { name: self.volume.clone(), ..Volume::default() };
        if self.kind == Kind::ConfigMap {
            volume.config_map =
                Some(ConfigMapVolumeSource { items, name: self.object.clone(), ..ConfigMapVolumeSource::default() });
        } else {
            volume.secret = Some(SecretVolumeSource {
                items,
                secret_name: Some(self.object.clone()),
                ..SecretVolumeSource::default()
            });
        }
        volume
    }

    /// Path of the file in the volume. A file has one mode: another mode is another file.
    fn path(&self, mode: Option<u32>) -> String {
        match mode {
            Some(mode) if self.modes.first() != Some(&Some(mode)) => format!("{mode:04o}/{}", self.key),
            _ => self.key.to_owned(),
        }
    }

    fn mount(&self, mount: &FileMount) -> VolumeMount {
        VolumeMount {
            mount_path: mount.target.clone(),
            name: self.volume.clone(),
            read_only: Some(true),
            sub_path: Some(self.path(mount.mode)),
            ..VolumeMount::default()
        }
    }
}

/// Bytes, as the API server writes them.
fn amount(bytes: u64) -> String {
    let bytes = bytes.to_string();
    quantity::canonical(&bytes).unwrap_or(bytes)
}

/// A name that no App volume can have: it is too long for one.
fn memory_volume(index: usize) -> String {
    format!("memory-filesystem-{index}")
}

fn volume_mount(mount: &Mount) -> VolumeMount {
    VolumeMount {
        mount_path: mount.target.clone(),
        name: mount.volume.clone(),
        read_only: mount.read_only.then_some(true),
        sub_path: mount.sub_path.clone(),
        ..VolumeMount::default()
    }
}
