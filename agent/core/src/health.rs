//! Rollout health in words.
//!
//! [`assess`] reads a Deployment together with what hangs on it and says how it is; [`Rollout`]
//! watches these answers over time and decides when waiting is over.

use std::fmt;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

mod claims;
pub(crate) mod pods;
mod recent_event;
mod rollout;

pub use claims::claim_names;
pub use rollout::{Limits, Rollout, Verdict};

/// A Deployment and what hangs on it, as the API server returned it.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// The Deployment; `None` when there is none.
    pub deployment: Option<Deployment>,
    /// The ReplicaSets that its selector matches.
    pub replica_sets: Vec<ReplicaSet>,
    /// The Pods that its selector matches.
    pub pods: Vec<Pod>,
    /// The claims that its Pod template mounts, as far as they exist.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Events about these Pods and claims.
    pub events: Vec<Event>,
}

/// Of how many objects Events are read; a Deployment of the agent has one Pod.
const MOST_WITH_EVENTS: usize = 4;

impl Workload {
    /// UIDs of the Pods that have not started and the claims that are not bound: what Events say of them
    /// makes [`assess`] more precise.
    pub fn with_events(&self) -> impl Iterator<Item = &str> {
        let pods = self.pods.iter().filter(|pod| {
            pod.metadata.deletion_timestamp.is_none()
                && pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending")
        });
        let claims = self
            .claims
            .iter()
            .filter(|claim| claim.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Bound"));
        let all = pods.map(|pod| &pod.metadata).chain(claims.map(|claim| &claim.metadata));
        all.filter_map(|metadata| metadata.uid.as_deref()).take(MOST_WITH_EVENTS)
    }
}

/// How a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Rolled out and available.
    Healthy,
    /// On its way; nothing is known to be wrong.
    Progressing {
        /// What it waits for.
        reason: Reason,
    },
    /// Something is wrong.
    Degraded {
        /// What is wrong.
        reason: Reason,
    },
}

/// Why a workload is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A stable name in Kubernetes' spelling (`ImagePullBackOff`), for conditions and metrics.
    pub label: &'static str,
    /// One sentence for people; never holds what a container printed.
    pub text: String,
    /// What waiting may bring.
    pub outlook: Outlook,
}

/// What waiting may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It may pass by itself: a node that is being added, a disk that is being attached.
    MayHeal,
    /// It passes seldom: an image that cannot be pulled, a container that keeps ending.
    Unlikely,
    /// It never passes without a change: an image name that is none.
    Never,
}

impl Health {
    pub(crate) fn progressing(label: &'static str, text: impl Into<String>) -> Self {
        Self::Progressing { reason: Reason { label, text: text.into(), outlook: Outlook::MayHeal } }
    }

    pub(crate) fn degraded(label: &'static str, outlook: Outlook, text: impl Into<String>) -> Self {
        Self::Degraded { reason: Reason { label, text: text.into(), outlook } }
    }

    /// Why it is not healthy; `None` when it is.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Healthy => None,
            Self::Progressing { reason } | Self::Degraded { reason } => Some(reason),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => formatter.write_str("healthy"),
            Self::Progressing { reason } => write!(formatter, "progressing: {}", reason.text),
            Self::Degraded { reason } => write!(formatter, "degraded: {}", reason.text),
        }
    }
}

/// Says how a workload is, from the cause to the effect: the Deployment, its volumes, its Pods.
#[must_use]
pub fn assess(workload: &Workload) -> Health {
    let Some(deployment) = &workload.deployment else {
        return Health::degraded("Missing", Outlook::MayHeal, "the Deployment does not exist");
    };
    if let Some(behind) = controller_behind(deployment) {
        return behind;
    }
    let claims = claims::assess(deployment, workload);
    if let Some(broken @ Health::Degraded { .. }) = &claims {
        return broken.clone();
    }
    let replicas = Replicas::of(deployment);
    if replicas.rolled_out() {
        return Health::Healthy;
    }
    let current = current_pods(deployment, workload);
    replica_failure(deployment)
        .or_else(|| {
            pods::degraded(&current, &workload.events).filter(|trouble| claims.is_none() || !is_of_claims(trouble))
        })
        .or(claims)
        .or_else(|| deadline_exceeded(deployment))
        .or_else(|| pods::progressing(&current, &workload.events))
        .unwrap_or_else(|| replicas.progress(workload.pods.len() - current.len()))
}

/// Whether the scheduler waits only for claims, which say more about it themselves.
fn is_of_claims(trouble: &Health) -> bool {
    trouble.reason().is_some_and(|reason| {
        reason.label == "Unschedulable" && reason.text.contains("unbound immediate PersistentVolumeClaims")
    })
}

/// Whether the numbers of a Deployment's status say that it is rolled out. [`assess`] looks at neither
/// Pods, ReplicaSets nor Events then.
#[must_use]
pub fn is_rolled_out(deployment: &Deployment) -> bool {
    Replicas::of(deployment).rolled_out()
}

/// Whether a Deployment's Pod was replaced by another one that is not available yet, or goes with the Deployment
/// itself. A Deployment whose first Pod is on its way is not between two.
#[must_use]
pub fn is_between_pods(deployment: &Deployment) -> bool {
    // The Deployment controller counts Pod templates.
    const REVISION: &str = "deployment.kubernetes.io/revision";
    let revision = deployment.metadata.annotations.as_ref().and_then(|annotations| annotations.get(REVISION));
    let revision: u64 = revision.and_then(|revision| revision.parse().ok()).unwrap_or(0);
    deployment.metadata.deletion_timestamp.is_some() || (revision > 1 && !is_rolled_out(deployment))
}

/// The numbers of a rollout.
struct Replicas {
    wanted: i32,
    total: i32,
    updated: i32,
    available: i32,
}

impl Replicas {
    fn of(deployment: &Deployment) -> Self {
        let status = deployment.status.as_ref();
        let count =
            |read: fn(&k8s_openapi::api::apps::v1::DeploymentStatus) -> Option<i32>| status.and_then(read).unwrap_or(0);
        Self {
            wanted: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            total: count(|status| status.replicas),
            updated: count(|status| status.updated_replicas),
            available: count(|status| status.available_replicas),
        }
    }

    /// Every Pod runs the current template, none of an older one is left, and all are available.
    fn rolled_out(&self) -> bool {
        self.updated == self.wanted && self.total == self.wanted && self.available == self.wanted
    }

    /// Words for a rollout in which no Pod has anything to say. `older` is the number of Pods of
    /// earlier templates, or that are being deleted.
    fn progress(&self, older: usize) -> Health {
        if older > 0 {
            let pods = if older == 1 { "the old Pod".to_owned() } else { format!("{older} old Pods") };
            return Health::progressing("Stopping", format!("waiting for {pods} to end"));
        }
        if self.updated < self.wanted {
            return Health::progressing("Creating", format!("{} of {} Pods exist", self.updated, self.wanted));
        }
        Health::progressing("Starting", format!("{} of {} Pods are available", self.available, self.wanted))
    }
}

/// The Deployment controller has not seen the last change yet, or was told not to roll it out.
fn controller_behind(deployment: &Deployment) -> Option<Health> {
    let generation = deployment.metadata.generation.unwrap_or(0);
    let observed = deployment.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(0);
    if observed < generation {
        let text = format!("the Deployment controller has seen generation {observed} of {generation}");
        return Some(Health::progressing("Observing", text));
    }
    let paused = deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false);
    let done = Replicas::of(deployment).rolled_out();
    (paused && !done).then(|| {
        let text = "the Deployment is paused (spec.paused), so its change is not rolled out";
        Health::degraded("Paused", Outlook::MayHeal, text)
    })
}

/// Pods cannot be created: quota, Pod Security, a missing ServiceAccount.
fn replica_failure(deployment: &Deployment) -> Option<Health> {
    let condition = condition(deployment, "ReplicaFailure").filter(|condition| condition.status == "True")?;
    let text =
        format!("Pods cannot be created: {}", one_line(condition.message.as_deref().unwrap_or("no reason given")));
    Some(Health::degraded("ReplicaFailure", Outlook::MayHeal, text))
}

/// Kubernetes' own progress deadline passed. The agent's own may be longer, so it is no last word.
fn deadline_exceeded(deployment: &Deployment) -> Option<Health> {
    let condition = condition(deployment, "Progressing")?;
    if condition.reason.as_deref() != Some("ProgressDeadlineExceeded") {
        return None;
    }
    let seconds = deployment.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds).unwrap_or(600);
    let text = format!("no progress within {seconds} s (progressDeadlineSeconds)");
    Some(Health::degraded("ProgressDeadlineExceeded", Outlook::MayHeal, text))
}

fn condition<'a>(deployment: &'a Deployment, kind: &str) -> Option<&'a DeploymentCondition> {
    deployment.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// The Pods that run the Deployment's present template and are not being deleted. Older ones may
/// look bad for reasons that the rollout is about to end.
fn current_pods<'a>(deployment: &Deployment, workload: &'a Workload) -> Vec<&'a Pod> {
    let Some(template) = deployment.spec.as_ref().map(|spec| &spec.template) else { return Vec::new() };
    let current: Vec<&str> = workload
        .replica_sets
        .iter()
        .filter(|set| is_owned_by(&set.metadata, deployment.metadata.uid.as_deref()))
        .filter(|set| set.spec.as_ref().and_then(|spec| spec.template.as_ref()).is_some_and(|of| same(of, template)))
        .filter_map(|set| set.metadata.uid.as_deref())
        .collect();
    workload
        .pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter(|pod| current.iter().any(|uid| is_owned_by(&pod.metadata, Some(uid))))
        .collect()
}

fn is_owned_by(metadata: &ObjectMeta, owner: Option<&str>) -> bool {
    metadata.owner_references.iter().flatten().any(|reference| Some(reference.uid.as_str()) == owner)
}

/// Whether a ReplicaSet's template is the Deployment's. The controller adds one label to it.
fn same(of_replica_set: &PodTemplateSpec, of_deployment: &PodTemplateSpec) -> bool {
    let mut template = of_replica_set.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove("pod-template-hash");
    }
    template == *of_deployment
}

/// What a component says, on one line and of a length that fits a report.
pub(crate) fn one_line(message: &str) -> String {
    const LONGEST: usize = 300;
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests;
