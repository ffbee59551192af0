//! From an App and its slots to the objects that the agent applies.
//!
//! Rendering cannot fail: whatever could be wrong was found by loading. Objects hold only what the
//! agent owns (no status, no defaults), stand in the order of writing, and are the same bytes for
//! the same input.

mod access;
mod config;
mod context;
mod disk;
mod emit;
mod ingress;
mod namespace;
mod network_policy;
mod service;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::model::{App, FileContent, Volume};
use crate::names::Names;
use crate::object::{Kind, Object};
use crate::slots::Slots;

use context::Context;
pub use emit::{to_document, to_yaml};

/// The objects of an App, in the order of writing: by kind, then by name.
#[must_use]
pub fn render(app: &App, slots: &Slots) -> Vec<Object> {
    let context = Context::new(app, slots);
    let contents = config::contents(&context);
    let mut objects = vec![namespace::namespace(&context)];
    objects.extend(access::objects(&context));
    objects.push(network_policy::network_policy(&context));
    objects.extend(disk::objects(&context));
    objects.extend(config::objects(&context, &contents));
    objects.extend(service::objects(&context));
    objects.extend(workload::deployment(&context, &contents));
    objects.extend(ingress::objects(&context));
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    objects
}

/// The App's Pod as it is rendered.
pub(crate) fn pod(app: &App, slots: &Slots) -> PodTemplateSpec {
    workload::template(&Context::new(app, slots), &[])
}

/// The keys of the App's Secrets whose values come from encrypted files, by the name of the Secret. They are not to be
/// shown.
#[must_use]
pub fn encrypted_keys(app: &App) -> BTreeMap<String, BTreeSet<String>> {
    let names = Names::of(&app.id);
    let services = app.project.services.iter().filter(|service| !service.encrypted.is_empty());
    let mut keys: BTreeMap<String, BTreeSet<String>> =
        services.map(|service| (names.base_secret(&service.name), service.encrypted.clone())).collect();
    for file in &app.project.secrets {
        if let FileContent::File { key, encrypted: true, .. } = &file.content {
            keys.entry(names.secret(&file.name)).or_default().insert(key.clone());
        }
    }
    keys
}

/// Volumes of the App that no disk is bound to yet: rendering leaves out their PersistentVolume,
/// claim and mounts, so the result must not be applied.
#[must_use]
pub fn missing_volumes<'a>(app: &'a App, slots: &Slots) -> Vec<&'a Volume> {
    app.volumes.iter().filter(|volume| !slots.volumes.contains_key(&volume.name)).collect()
}

/// ConfigMaps and Secrets in the App's namespace that Git does not hold and whose content hashes
/// belong into [`Slots::external_hashes`], sorted, without repetitions. They need not exist.
#[must_use]
pub fn external_names(app: &App) -> Vec<(Kind, String)> {
    let names = Names::of(&app.id);
    let overrides = app.project.services.iter().map(|service| names.override_secret(&service.name));
    let mut external: Vec<(Kind, String)> = overrides.map(|name| (Kind::Secret, name)).collect();
    external.push((Kind::Secret, names.pull_secret()));
    for (kind, files) in [(Kind::ConfigMap, &app.project.configs), (Kind::Secret, &app.project.secrets)] {
        external.extend(files.iter().filter_map(|file| match &file.content {
            FileContent::External { object } => Some((kind, object.clone())),
            FileContent::File { .. } => None,
        }));
    }
    external.sort();
    external.dedup();
    external
}

#[cfg(test)]
mod tests;
