//! The Deployment: one Pod with one container for every Compose service.

mod container;
mod placement;
mod pod;
mod probe;
mod security;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{LocalObjectReference, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::config::{Content, hash_of};
use super::context::{Context, some};
use crate::diagnostic::Span;
use crate::hash;
use crate::labels;
use crate::model::Labels;
use crate::object::{Kind, Object};

use volumes::PodVolumes;

/// The App's Deployment; `None` when no Compose service takes part.
pub(super) fn deployment(context: &Context<'_>, contents: &[Content<'_>]) -> Option<Object> {
    let origin = origin(context)?;
    let mut meta = context.component_meta(context.names.workload());
    label(&mut meta, &context.app.project.pod.deployment_labels);
    Some(context.object(Kind::Deployment, meta, origin, |metadata| Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: LabelSelector {
                match_labels: Some(labels::selector(&context.names)),
                ..LabelSelector::default()
            },
            // A disk has one writer: the old Pod must be gone before the new one starts.
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), ..DeploymentStrategy::default() }),
            template: template(context, contents),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }))
}

/// The service that the Compose file names first.
fn origin<'a>(context: &Context<'a>) -> Option<&'a Span> {
    context.app.project.services.iter().map(|service| &service.at).min_by_key(|at| at.start)
}

/// The Pod.
pub(super) fn template(context: &Context<'_>, contents: &[Content<'_>]) -> PodTemplateSpec {
    let volumes = PodVolumes::of(context);
    let content = hash::pod_content(references(context, contents, &volumes));
    let mut meta = ObjectMeta {
        annotations: Some(BTreeMap::from([(labels::CONTENT_HASH.to_owned(), content)])),
        labels: Some(labels::component(&context.names)),
        ..ObjectMeta::default()
    };
    label(&mut meta, &context.app.project.pod.labels);
    PodTemplateSpec {
        metadata: Some(meta),
        spec: Some(PodSpec {
            affinity: placement::affinity(context),
            dns_config: pod::dns(context),
            host_aliases: some(pod::host_aliases(context)),
            hostname: context.app.project.pod.host_name.clone(),
            security_context: pod::security(context),
            termination_grace_period_seconds: context.app.project.pod.grace_period.map(i64::from),
            containers: container::containers(context, &volumes),
            image_pull_secrets: pull_secret(context).map(|name| vec![LocalObjectReference { name }]),
            init_containers: some(container::init_containers(context, &volumes)),
            node_selector: placement::node_selector(context),
            volumes: some(volumes.volumes()),
            ..PodSpec::default()
        }),
    }
}

/// Adds what people write; loading lets none of the App's own keys in.
fn label(meta: &mut ObjectMeta, written: &Labels) {
    for (own, more) in [(&mut meta.labels, &written.labels), (&mut meta.annotations, &written.annotations)] {
        if !more.is_empty() {
            own.get_or_insert_default().extend(more.clone());
        }
    }
}

/// The Secret to pull images with, when operators have made one. A reference to a Secret that does
/// not exist would only make the kubelet complain.
fn pull_secret(context: &Context<'_>) -> Option<String> {
    let name = context.names.pull_secret();
    context.slots.external_hashes.contains_key(&(Kind::Secret, name.clone())).then_some(name)
}

/// Content hashes of what the Pod refers to: pull secrets, then `envFrom` by container, then mounts
/// by container and name of the mount.
fn references<'a>(context: &'a Context<'_>, contents: &'a [Content<'_>], volumes: &PodVolumes<'_>) -> Vec<&'a str> {
    let mut references: Vec<(Kind, String)> =
        pull_secret(context).map(|name| (Kind::Secret, name)).into_iter().collect();
    let services = &context.app.project.services;
    for service in services {
        references.push((Kind::Secret, context.names.base_secret(&service.name)));
        references.push((Kind::Secret, context.names.override_secret(&service.name)));
    }
    for service in services {
        references.extend(volumes.references(service));
    }
    references.iter().map(|(kind, name)| hash_of(context, contents, *kind, name)).collect()
}
