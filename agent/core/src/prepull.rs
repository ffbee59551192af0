//! Images that are pulled before the Pod that runs is stopped.
//!
//! The strategy `Recreate` stops the old Pod first: an image that cannot be had would be found out only when
//! nothing runs any more. So each image that the next Pod needs is pulled ahead, on the node where that Pod
//! will run, by a throw-away Pod.
//!
//! Pulling is all that this Pod does. Its containers' command is a path that no image has, so whatever the
//! image holds, not one instruction of it runs; the kubelet fails to start the container *after* it has
//! pulled the image. [`judge`] therefore looks at what the kubelet says about images, never at how a
//! container ended.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerStatus, Pod, PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile,
    SecurityContext, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kompox_manifests::{hash, labels};

mod judge;
mod reference;

pub use judge::judge;
use reference::Reference;

/// Label of throw-away Pods: what they are for.
pub const PURPOSE: &str = "kompox.dev/purpose";
/// Value of [`PURPOSE`].
pub const PREPULL: &str = "prepull";

/// A file that no image has.
const NOTHING: &str = "/.kompox-prepull/this-file-does-not-exist";

/// A user that owns nothing.
const NOBODY: i64 = 65_534;

/// An image and when the kubelet asks the registry for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Image {
    /// As the container names it.
    pub name: String,
    /// `imagePullPolicy`, where it is not given the one that Kubernetes takes.
    pub policy: PullPolicy,
}

/// `imagePullPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PullPolicy {
    /// The registry is asked at every start of a container.
    Always,
    /// Only when the node has not got the image.
    IfNotPresent,
    /// Never: who runs the node has put the image there.
    Never,
}

/// What is to be pulled, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The images, sorted, each once; at least one.
    pub images: Vec<Image>,
    /// The node; `None`: where the next Pod runs is the scheduler's choice, and so it is for this Pod.
    pub node: Option<String>,
}

/// What a throw-away Pod is made for.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// The App's name.
    pub app: &'a str,
    /// The App's namespace.
    pub namespace: &'a str,
    /// UID of the Deployment whose Pod is to be replaced: the throw-away Pod goes with it at the latest.
    pub deployment_uid: &'a str,
    /// After so many seconds the kubelet ends the Pod.
    pub deadline: u64,
}

/// What a node says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// It is ready, and Pods may be placed on it.
    pub takes_pods: bool,
    /// Names of the images that it has (`status.images[].names`). It need not tell all of them.
    pub images: Vec<String>,
}

/// What must be pulled before the running Pod is replaced by one of the spec `next`, as far as the Deployment's
/// Pods tell; `None` when nothing must: no Pod runs, or it has all the images already.
#[must_use]
pub fn need(next: &PodSpec, pods: &[Pod]) -> Option<Need> {
    // A disk has one writer, so there is one Pod.
    let running = pods.iter().find(|pod| is_running(pod))?;
    let place = running.spec.as_ref().filter(|spec| same_place(spec, next)).and(node_of(running));
    let at_hand = if place.is_some() { images_of(running) } else { Vec::new() };
    Need::of(next, place.map(str::to_owned), &at_hand)
}

/// Whether any of the Pods runs, so that replacing it interrupts something.
#[must_use]
pub fn is_anything_running(pods: &[Pod]) -> bool {
    pods.iter().any(is_running)
}

impl Need {
    fn of(next: &PodSpec, node: Option<String>, at_hand: &[&str]) -> Option<Self> {
        let mut images: Vec<Image> = containers(next).map(image).collect();
        images.retain(|image| image.policy == PullPolicy::Always || !at_hand.contains(&image.name.as_str()));
        images.sort();
        images.dedup();
        (!images.is_empty()).then_some(Self { images, node })
    }

    /// What must be pulled as far as the node tells where the Pod runs; `None` for a node that is gone. Where it
    /// takes no Pods, the next one runs elsewhere.
    #[must_use]
    pub fn given(mut self, node: Option<&NodeState>, next: &PodSpec) -> Option<Self> {
        let Some(node) = node.filter(|node| node.takes_pods) else { return Self::of(next, None, &[]) };
        let has: Vec<Reference> = node.images.iter().map(|name| Reference::of(name)).collect();
        self.images.retain(|image| image.policy == PullPolicy::Always || !has.contains(&Reference::of(&image.name)));
        (!self.images.is_empty()).then_some(self)
    }

    /// The images' names, for people.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.images.iter().map(|image| image.name.as_str()).collect();
        names.join(", ")
    }

    /// The throw-away Pod. It is named after what it pulls, so that an agent that was killed finds its own
    /// again; it carries none of the labels by which an App's Pods are found.
    #[must_use]
    pub fn pod(&self, next: &PodSpec, made_for: For<'_>) -> Pod {
        let For { app, namespace, deployment_uid, deadline } = made_for;
        let name = |index: usize| format!("image-{index}");
        let containers = self.images.iter().enumerate().map(|(index, image)| container(name(index), image));
        let labels = [
            ("app.kubernetes.io/name", app),
            (labels::MANAGED_BY, crate::ownership::FIELD_MANAGER),
            (PURPOSE, PREPULL),
        ];
        Pod {
            metadata: ObjectMeta {
                name: Some(format!("{app}--prepull-{}", self.hash(next))),
                namespace: Some(namespace.to_owned()),
                labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
                owner_references: Some(vec![OwnerReference {
                    api_version: "apps/v1".to_owned(),
                    kind: "Deployment".to_owned(),
                    name: format!("{app}-{}", kompox_manifests::names::APP_COMPONENT),
                    uid: deployment_uid.to_owned(),
                    ..OwnerReference::default()
                }]),
                ..ObjectMeta::default()
            },
            spec: Some(PodSpec {
                active_deadline_seconds: Some(i64::try_from(deadline).unwrap_or(i64::MAX)),
                automount_service_account_token: Some(false),
                containers: containers.collect(),
                enable_service_links: Some(false),
                image_pull_secrets: next.image_pull_secrets.clone(),
                restart_policy: Some("Never".to_owned()),
                security_context: Some(PodSecurityContext {
                    run_as_non_root: Some(true),
                    run_as_user: Some(NOBODY),
                    seccomp_profile: Some(SeccompProfile {
                        type_: "RuntimeDefault".to_owned(),
                        ..SeccompProfile::default()
                    }),
                    ..PodSecurityContext::default()
                }),
                service_account_name: next.service_account_name.clone(),
                termination_grace_period_seconds: Some(0),
                ..self.place(next)
            }),
            status: None,
        }
    }

    /// On its node whatever the node repels, else wherever the next Pod could run.
    fn place(&self, next: &PodSpec) -> PodSpec {
        match &self.node {
            Some(node) => PodSpec {
                node_name: Some(node.clone()),
                tolerations: Some(vec![Toleration { operator: Some("Exists".to_owned()), ..Toleration::default() }]),
                ..PodSpec::default()
            },
            None => PodSpec {
                affinity: next.affinity.clone(),
                node_selector: next.node_selector.clone(),
                tolerations: next.tolerations.clone(),
                ..PodSpec::default()
            },
        }
    }

    fn hash(&self, next: &PodSpec) -> String {
        let images = self.images.iter().map(|image| format!("{} {:?}", image.name, image.policy));
        let secrets = next.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone());
        let parts: Vec<String> = self.node.iter().cloned().chain(images).chain(secrets).collect();
        hash::short(parts.join("\n"))
    }
}

fn container(name: String, image: &Image) -> Container {
    let policy = match image.policy {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    };
    let tiny = || {
        let quantities = [("cpu", "1m"), ("memory", "4Mi")];
        quantities.map(|(name, quantity)| (name.to_owned(), Quantity(quantity.to_owned()))).into()
    };
    Container {
        command: Some(vec![NOTHING.to_owned()]),
        image: Some(image.name.clone()),
        image_pull_policy: Some(policy.to_owned()),
        name,
        resources: Some(ResourceRequirements { requests: Some(tiny()), ..ResourceRequirements::default() }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn image(container: &Container) -> Image {
    let name = container.image.clone().unwrap_or_default();
    let policy = match container.image_pull_policy.as_deref() {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        Some("IfNotPresent") => PullPolicy::IfNotPresent,
        // As the API server fills it in.
        _ if Reference::of(&name).is_latest() => PullPolicy::Always,
        _ => PullPolicy::IfNotPresent,
    };
    Image { name, policy }
}

fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

/// Whether something of the Pod runs that could be interrupted.
fn is_running(pod: &Pod) -> bool {
    let runs = |status: &ContainerStatus| status.state.as_ref().is_some_and(|state| state.running.is_some());
    pod.metadata.deletion_timestamp.is_none() && statuses(pod).any(runs)
}

/// Images that the Pod's node has, because the Pod's containers were made from them.
fn images_of(pod: &Pod) -> Vec<&str> {
    let made: BTreeSet<&str> =
        statuses(pod).filter(|status| was_made(status)).map(|status| status.name.as_str()).collect();
    let made = pod.spec.iter().flat_map(containers).filter(|container| made.contains(container.name.as_str()));
    made.filter_map(|container| container.image.as_deref()).collect()
}

/// Whether a container was made, for which its image must have been there.
fn was_made(status: &ContainerStatus) -> bool {
    // The kubelet's word for a container that it expected and the runtime does not know.
    const UNKNOWN: &str = "ContainerStatusUnknown";
    let state = status.state.as_ref();
    let ended = state.and_then(|state| state.terminated.as_ref());
    !status.image_id.is_empty()
        || state.is_some_and(|state| state.running.is_some())
        || ended.is_some_and(|end| end.reason.as_deref() != Some(UNKNOWN))
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
    })
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())
}

/// Whether what is said about nodes is the same for both, so that the node of the one is good for the other.
fn same_place(one: &PodSpec, other: &PodSpec) -> bool {
    let selectors = |spec: &PodSpec| spec.node_selector.clone().unwrap_or_default();
    let node_affinity = |spec: &PodSpec| spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    selectors(one) == selectors(other) && node_affinity(one) == node_affinity(other)
}

#[cfg(test)]
mod tests;
