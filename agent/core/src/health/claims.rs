//! Volumes that a workload waits for.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim};

use super::{Health, Outlook, Workload, one_line, recent_event};

/// The first volume that stands in the way; `None` when all are bound.
pub(super) fn assess(deployment: &Deployment, workload: &Workload) -> Option<Health> {
    claim_names(deployment).find_map(|name| {
        let claim = workload.claims.iter().find(|claim| claim.metadata.name.as_deref() == Some(name));
        match claim {
            None => Some(Health::degraded(
                "VolumeMissing",
                Outlook::MayHeal,
                format!("the PersistentVolumeClaim {name} does not exist"),
            )),
            Some(claim) => unbound(name, claim, &workload.events),
        }
    })
}

/// Names of the claims that a Deployment's Pod template mounts.
pub fn claim_names(deployment: &Deployment) -> impl Iterator<Item = &str> {
    deployment
        .spec
        .iter()
        .filter_map(|spec| spec.template.spec.as_ref())
        .flat_map(|pod| pod.volumes.iter().flatten())
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|claim| claim.claim_name.as_str())
}

fn unbound(name: &str, claim: &PersistentVolumeClaim, events: &[Event]) -> Option<Health> {
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
    match claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending") {
        "Bound" => None,
        "Lost" => Some(Health::degraded(
            "VolumeLost",
            Outlook::MayHeal,
            format!("the PersistentVolume {} of the claim {name} is gone", volume.unwrap_or("(unnamed)")),
        )),
        phase => {
            let wanted = volume.map_or_else(String::new, |volume| format!(" to the PersistentVolume {volume}"));
            let text = format!("the PersistentVolumeClaim {name} is not bound{wanted} yet (it is {phase})");
            let event = recent_event::newest(events, claim.metadata.uid.as_deref());
            Some(match event.filter(|event| recent_event::is_warning(event)) {
                Some(event) => {
                    let words = one_line(event.message.as_deref().unwrap_or_default());
                    Health::degraded("VolumeNotBound", Outlook::MayHeal, format!("{text}: {words}"))
                }
                None => Health::progressing("VolumeNotBound", text),
            })
        }
    }
}
