//! How far a throw-away Pod is.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};

use crate::health::{Health, Outlook, one_line, pods};

/// How the pulling goes: healthy when every image is on the node, whatever else is wrong with the Pod.
///
/// `events` are those about the Pod: they tell why nothing begins.
#[must_use]
pub fn judge(pod: &Pod, events: &[Event]) -> Health {
    let spec = pod.spec.as_ref();
    let images = || spec.into_iter().flat_map(|spec| &spec.containers);
    let status = |name: &str| super::statuses(pod).find(|status| status.name == name);
    let mut missing = images().filter(|container| !status(&container.name).is_some_and(is_pulled)).peekable();
    let Some(next) = missing.peek() else { return Health::Healthy };
    let waiting = format!("the image {} is being pulled", next.image.as_deref().unwrap_or_default());

    let trouble = missing.find_map(|container| {
        let waiting = status(&container.name)?.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let (label, outlook) = pods::image_trouble(reason)?;
        let words = waiting.message.as_deref().filter(|words| !words.is_empty()).unwrap_or(reason);
        let image = container.image.as_deref().unwrap_or_default();
        Some(Health::degraded(label, outlook, format!("the image {image} cannot be had: {}", one_line(words))))
    });
    trouble
        .or_else(|| ended(pod))
        .or_else(|| pods::unschedulable(pod))
        .or_else(|| pods::stuck(pod, events))
        .unwrap_or_else(|| Health::progressing("Pulling", waiting))
}

/// The Pod ended (its time is over, the node had no room for it) before every image was there. It does not
/// come back by itself.
fn ended(pod: &Pod) -> Option<Health> {
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    // A container that cannot start ends the Pod as well, but only after its image is there.
    let reason = status.reason.as_deref()?;
    let words = status.message.as_deref().map(|message| format!(": {}", one_line(message))).unwrap_or_default();
    Some(Health::degraded("PodFailed", Outlook::Never, format!("images cannot be pulled ({reason}){words}")))
}

/// Whether a container's image is on the node: the container was made from it, or what failed comes after the
/// pulling.
fn is_pulled(status: &ContainerStatus) -> bool {
    const AFTER_PULLING: [&str; 6] = [
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
        "PreCreateHookError",
        "PreStartHookError",
    ];
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    let waits_for = waiting.and_then(|waiting| waiting.reason.as_deref());
    super::was_made(status) || waits_for.is_some_and(|reason| AFTER_PULLING.contains(&reason))
}
