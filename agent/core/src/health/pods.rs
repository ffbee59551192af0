//! What Pods say about themselves.

use k8s_openapi::api::core::v1::{self as core, ContainerStateTerminated, ContainerStatus, Event, Pod};

use super::{Health, Outlook, one_line, recent_event};

/// The first thing that is wrong with one of the Pods.
pub(super) fn degraded(pods: &[&Pod], events: &[Event]) -> Option<Health> {
    pods.iter().find_map(|pod| {
        unschedulable(pod)
            .or_else(|| ended(pod))
            .or_else(|| containers(pod).find_map(|container| container.degraded(pod)))
            .or_else(|| stuck(pod, events))
    })
}

/// What the first Pod that is not ready waits for.
pub(super) fn progressing(pods: &[&Pod], events: &[Event]) -> Option<Health> {
    pods.iter().find_map(|pod| {
        if !is_scheduled(pod) {
            return Some(Health::progressing("Scheduling", format!("{} waits for a node", title(pod))));
        }
        containers(pod).find_map(|container| container.progressing(pod, events))
    })
}

/// No node takes the Pod; the scheduler says why.
pub(crate) fn unschedulable(pod: &Pod) -> Option<Health> {
    let condition = pod.status.as_ref()?.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    })?;
    let words = one_line(condition.message.as_deref().unwrap_or("no reason given"));
    Some(Health::degraded("Unschedulable", Outlook::MayHeal, format!("no node takes {}: {words}", title(pod))))
}

fn is_scheduled(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref().is_some_and(|node| !node.is_empty()))
}

/// The Pod as a whole ended (evicted, the node is gone); its ReplicaSet makes another.
fn ended(pod: &Pod) -> Option<Health> {
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    let reason = status.reason.as_deref().unwrap_or("Failed");
    let words = status.message.as_deref().map(|message| format!(": {}", one_line(message))).unwrap_or_default();
    Some(Health::degraded("PodFailed", Outlook::MayHeal, format!("{} ended ({reason}){words}", title(pod))))
}

/// The Pod has a node but nothing runs yet, and the newest thing said about it is a warning: a
/// volume that cannot be mounted, a network that cannot be set up.
pub(crate) fn stuck(pod: &Pod, events: &[Event]) -> Option<Health> {
    let started = containers(pod).any(|container| container.status.is_some_and(has_started));
    if started || !is_scheduled(pod) {
        return None;
    }
    let event =
        recent_event::newest(events, pod.metadata.uid.as_deref()).filter(|event| recent_event::is_warning(event))?;
    let label = match event.reason.as_deref() {
        Some("FailedMount") => "FailedMount",
        Some("FailedAttachVolume") => "FailedAttachVolume",
        Some("FailedCreatePodSandBox") => "FailedCreatePodSandBox",
        _ => return None,
    };
    let words = one_line(event.message.as_deref().unwrap_or_default());
    Some(Health::degraded(label, Outlook::MayHeal, format!("{} cannot start: {words}", title(pod))))
}

fn has_started(status: &ContainerStatus) -> bool {
    status.restart_count > 0
        || status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

/// What a container is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Must end well before the next one starts.
    Init,
    /// An init container that runs on beside the main ones.
    Sidecar,
    /// Must not end.
    Main,
}

/// A container of a Pod with its status, if the node has reported one.
struct Container<'pod> {
    name: &'pod str,
    image: &'pod str,
    role: Role,
    status: Option<&'pod ContainerStatus>,
}

/// The init containers in order, then the others.
fn containers(pod: &Pod) -> impl Iterator<Item = Container<'_>> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let main = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    pod.spec.iter().flat_map(move |spec| {
        let init_containers = spec.init_containers.iter().flatten().map(move |container| {
            let sidecar = container.restart_policy.as_deref() == Some("Always");
            Container::of(container, if sidecar { Role::Sidecar } else { Role::Init }, init)
        });
        init_containers.chain(spec.containers.iter().map(move |container| Container::of(container, Role::Main, main)))
    })
}

impl<'pod> Container<'pod> {
    fn of(container: &'pod core::Container, role: Role, statuses: &'pod [ContainerStatus]) -> Self {
        Self {
            name: &container.name,
            image: container.image.as_deref().unwrap_or_default(),
            role,
            status: statuses.iter().find(|status| status.name == container.name),
        }
    }
}

impl Container<'_> {
    fn title(&self) -> String {
        let role = match self.role {
            Role::Init => "init container",
            Role::Sidecar => "sidecar container",
            Role::Main => "container",
        };
        format!("{role} {}", self.name)
    }

    fn degraded(&self, pod: &Pod) -> Option<Health> {
        let status = self.status?;
        let state = status.state.as_ref()?;
        if let Some(waiting) = &state.waiting {
            let words = one_line(waiting.message.as_deref().unwrap_or_default());
            return self.waiting(pod, status, waiting.reason.as_deref().unwrap_or_default(), &words);
        }
        // An init container must end well; others must not end at all.
        let end = state.terminated.as_ref().filter(|end| self.role != Role::Init || end.exit_code != 0)?;
        let text = format!("{} of {} ended: {}", self.title(), title(pod), exit(end));
        Some(Health::degraded("CrashLoopBackOff", Outlook::Unlikely, text))
    }

    fn waiting(&self, pod: &Pod, status: &ContainerStatus, reason: &str, words: &str) -> Option<Health> {
        if reason == "CrashLoopBackOff" {
            let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            let last = last.map_or_else(|| "its exit code is not known".to_owned(), exit);
            let restarts = times(status.restart_count);
            let text = format!("{} of {} keeps ending: {last} (restarted {restarts})", self.title(), title(pod));
            return Some(Health::degraded("CrashLoopBackOff", Outlook::Unlikely, text));
        }
        let words = if words.is_empty() { reason } else { words };
        if let Some((label, outlook)) = image_trouble(reason) {
            let text = format!("{}: the image {} of {} cannot be had: {words}", title(pod), self.image, self.title());
            return Some(Health::degraded(label, outlook, text));
        }
        let label = start_trouble(reason)?;
        let text = format!("{}: {} cannot be started: {words}", title(pod), self.title());
        Some(Health::degraded(label, Outlook::Unlikely, text))
    }

    fn progressing(&self, pod: &Pod, events: &[Event]) -> Option<Health> {
        let Some(status) = self.status else {
            return Some(Health::progressing("Starting", format!("{} is being set up on its node", title(pod))));
        };
        let state = status.state.as_ref();
        if state.is_some_and(|state| state.running.is_some()) {
            return self.running(pod, status);
        }
        if state.is_some_and(|state| state.terminated.is_some()) {
            return None;
        }
        let pulling = recent_event::newest(events, pod.metadata.uid.as_deref())
            .filter(|event| event.reason.as_deref() == Some("Pulling"))
            .and_then(|event| event.message.as_deref());
        let text = match pulling {
            Some(message) => format!("{}: {}", title(pod), one_line(message)),
            None => format!("{}: {} is being created", title(pod), self.title()),
        };
        Some(Health::progressing("Starting", text))
    }

    fn running(&self, pod: &Pod, status: &ContainerStatus) -> Option<Health> {
        let (title, pod) = (self.title(), title(pod));
        match self.role {
            Role::Init => return Some(Health::progressing("Initializing", format!("{pod}: {title} is running"))),
            Role::Sidecar | Role::Main if status.ready => return None,
            Role::Sidecar | Role::Main => {}
        }
        let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let text = match last {
            Some(end) => {
                let restarts = times(status.restart_count);
                format!("{pod}: {title} runs again (restarted {restarts}; before: {}) and is not ready yet", exit(end))
            }
            None => format!("{pod}: {title} runs and is not ready yet"),
        };
        Some(Health::progressing("NotReady", text))
    }
}

/// Reasons of the kubelet for a container whose image is not there. The two that take turns are one,
/// so that they are seen to last.
pub(crate) fn image_trouble(reason: &str) -> Option<(&'static str, Outlook)> {
    Some(match reason {
        "ErrImagePull" | "ImagePullBackOff" => ("ImagePullBackOff", Outlook::Unlikely),
        "ErrImageNeverPull" => ("ErrImageNeverPull", Outlook::Unlikely),
        "ImageInspectError" => ("ImageInspectError", Outlook::Unlikely),
        "InvalidImageName" => ("InvalidImageName", Outlook::Never),
        "RegistryUnavailable" => ("RegistryUnavailable", Outlook::MayHeal),
        "SignatureValidationFailed" => ("SignatureValidationFailed", Outlook::Unlikely),
        _ => return None,
    })
}

/// Reasons of the kubelet for a container that it cannot start. (Those about hooks are not here:
/// their words hold what the hook printed.)
fn start_trouble(reason: &str) -> Option<&'static str> {
    ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"]
        .into_iter()
        .find(|label| *label == reason)
}

/// How a container ended. Its own message is left out: it is what the program printed.
fn exit(end: &ContainerStateTerminated) -> String {
    let reason = end.reason.as_deref().unwrap_or_default();
    match (reason, end.signal) {
        ("OOMKilled", _) => "out of memory (OOMKilled)".to_owned(),
        ("" | "Error" | "Completed", None | Some(0)) => format!("exit code {}", end.exit_code),
        ("" | "Error", Some(signal)) => format!("signal {signal}"),
        _ => format!("exit code {} ({reason})", end.exit_code),
    }
}

fn times(count: i32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn title(pod: &Pod) -> String {
    format!("Pod {}", pod.metadata.name.as_deref().unwrap_or("(unnamed)"))
}
