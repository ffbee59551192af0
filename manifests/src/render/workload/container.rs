//! The Pod's containers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, ExecAction, Lifecycle, LifecycleHandler, ResourceRequirements,
    SecretEnvSource, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::context::{Context, some, some_map};
use super::super::disk;
use super::volumes::PodVolumes;
use super::{probe, security};
use crate::model::{Port, Protocol, Resources, Runtime, Service, Until};
use crate::names::SUB_PATHS_CONTAINER;
use crate::shell;

const SUB_PATHS_IMAGE: &str = "busybox:1.36";
const SUB_PATHS_ROOT: &str = "/work";

/// One container for every service that nobody waits for, sorted by name.
pub(super) fn containers(context: &Context<'_>, volumes: &PodVolumes<'_>) -> Vec<Container> {
    let project = &context.app.project;
    let waits = |service: &&Service| project.pod.first.iter().all(|starter| starter.service != service.name);
    let main = project.services.iter().filter(waits);
    main.map(|service| watched(container(context, volumes, service), service)).collect()
}

/// The containers that run before the others: the one that makes the volumes' folders, then the services that
/// others wait for. One that keeps running is a native sidecar.
pub(super) fn init_containers(context: &Context<'_>, volumes: &PodVolumes<'_>) -> Vec<Container> {
    let project = &context.app.project;
    let starters = project.pod.first.iter().filter_map(|starter| {
        let service = project.services.iter().find(|service| service.name == starter.service)?;
        let plain = container(context, volumes, service);
        let sidecar = |plain| Container { restart_policy: Some("Always".to_owned()), ..watched(plain, service) };
        Some(match starter.until {
            Until::Completed => plain,
            Until::Started => sidecar(plain),
            Until::Healthy => {
                Container { startup_probe: service.runtime.health.as_ref().map(probe::startup), ..sidecar(plain) }
            }
        })
    });
    sub_paths(context).into_iter().chain(starters).collect()
}

/// What only a container that keeps running may have.
fn watched(container: Container, service: &Service) -> Container {
    let Runtime { health, liveness, post_start, pre_stop, .. } = &service.runtime;
    Container {
        lifecycle: lifecycle(post_start.as_deref(), pre_stop.as_deref()),
        liveness_probe: health.as_ref().filter(|_| *liveness).map(probe::steady),
        readiness_probe: health.as_ref().map(probe::steady),
        ..container
    }
}

fn lifecycle(post_start: Option<&[String]>, pre_stop: Option<&[String]>) -> Option<Lifecycle> {
    let handler = |command: &[String]| LifecycleHandler {
        exec: Some(ExecAction { command: Some(literals(command)) }),
        ..LifecycleHandler::default()
    };
    let (post_start, pre_stop) = (post_start.map(handler), pre_stop.map(handler));
    (post_start.is_some() || pre_stop.is_some()).then(|| Lifecycle { post_start, pre_stop, ..Lifecycle::default() })
}

fn container(context: &Context<'_>, volumes: &PodVolumes<'_>, service: &Service) -> Container {
    let Service {
        name,
        at: _,
        image,
        entrypoint,
        command,
        environment,
        env_file: _,
        encrypted: _,
        container_ports,
        mounts: _,
        configs: _,
        secrets: _,
        resources,
        runtime,
    } = service;
    // Probes and hooks depend on when the container starts, memory is mounted by the Pod's volumes.
    let Runtime {
        health: _,
        liveness: _,
        post_start: _,
        pre_stop: _,
        exposed,
        working_dir,
        tty,
        stdin,
        pull_policy,
        memory_mounts: _,
        security,
    } = runtime;
    // Compose calls Kubernetes' command `entrypoint` and its args `command`.
    Container {
        args: command.as_deref().map(literals),
        command: entrypoint.as_deref().map(literals),
        env: some(environment.iter().map(variable).collect()),
        env_from: Some(vec![
            optional_secret(context.names.base_secret(name)),
            optional_secret(context.names.override_secret(name)),
        ]),
        image: Some(image.value.clone()),
        image_pull_policy: pull_policy.map(str::to_owned),
        name: name.clone(),
        ports: some(ports(container_ports, exposed)),
        resources: requirements(resources),
        security_context: security::context(security, context.app.pod_security.hardening),
        stdin: stdin.then_some(true),
        tty: tty.then_some(true),
        working_dir: working_dir.clone(),
        volume_mounts: some(volumes.mounts(service)),
        ..Container::default()
    }
}

/// An empty value is the API's default and not written.
fn variable((name, value): (&String, &String)) -> EnvVar {
    EnvVar { name: name.clone(), value: (!value.is_empty()).then(|| literal(value)), ..EnvVar::default() }
}

fn optional_secret(name: String) -> EnvFromSource {
    EnvFromSource { secret_ref: Some(SecretEnvSource { name, optional: Some(true) }), ..EnvFromSource::default() }
}

/// Published ports, then those that are only exposed. TCP is the API's default and not written.
fn ports(published: &[u16], exposed: &[Port]) -> Vec<ContainerPort> {
    let port = |port: u16| ContainerPort { container_port: i32::from(port), ..ContainerPort::default() };
    let only_exposed =
        exposed.iter().filter(|port| port.protocol != Protocol::Tcp || !published.contains(&port.number));
    let exposed = only_exposed.map(|exposed| ContainerPort {
        protocol: (exposed.protocol != Protocol::Tcp).then(|| exposed.protocol.name().to_owned()),
        ..port(exposed.number)
    });
    published.iter().copied().map(port).chain(exposed).collect()
}

fn requirements(resources: &Resources) -> Option<ResourceRequirements> {
    let Resources { requests, limits } = resources;
    let quantities = |quantities: &BTreeMap<String, String>| {
        some_map(quantities.iter().map(|(name, quantity)| (name.clone(), Quantity(quantity.clone()))).collect())
    };
    let (requests, limits) = (quantities(requests), quantities(limits));
    (requests.is_some() || limits.is_some()).then(|| ResourceRequirements {
        limits,
        requests,
        ..ResourceRequirements::default()
    })
}

/// The init container that makes the folders below the volumes' roots which services mount: a
/// kubelet would make them too, but for root only.
fn sub_paths(context: &Context<'_>) -> Option<Container> {
    let services = &context.app.project.services;
    let paths: BTreeSet<(&str, &str)> = services
        .iter()
        .flat_map(|service| &service.mounts)
        .filter(|mount| disk::claim_name(context, &mount.volume).is_some())
        .filter_map(|mount| Some((mount.volume.as_str(), mount.sub_path.as_deref()?)))
        .collect();
    let volumes: BTreeSet<&str> = paths.iter().map(|&(volume, _)| volume).collect();
    if volumes.is_empty() {
        return None;
    }
    let make = |(volume, path): &(&str, &str)| {
        format!("mkdir -m 1777 -p {}", shell::word(&format!("{SUB_PATHS_ROOT}/{volume}/{path}")))
    };
    let script = paths.iter().map(make).collect::<Vec<_>>().join("\n");
    let mounts = volumes.iter().map(|volume| VolumeMount {
        mount_path: format!("{SUB_PATHS_ROOT}/{volume}"),
        name: (*volume).to_owned(),
        ..VolumeMount::default()
    });
    Some(Container {
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), literal(&script)]),
        image: Some(SUB_PATHS_IMAGE.to_owned()),
        name: SUB_PATHS_CONTAINER.to_owned(),
        security_context: security::of_folders(context.app.pod_security.hardening),
        volume_mounts: Some(mounts.collect()),
        ..Container::default()
    })
}

pub(super) fn literals(words: &[String]) -> Vec<String> {
    words.iter().map(|word| literal(word)).collect()
}

/// A text that Kubernetes hands to the container as it is. Compose knows no `$(NAME)`, but the
/// kubelet would replace it, and would make one `$` of two.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (before, from) = rest.split_at(start);
        let after = from.trim_start_matches('$');
        let run = &from[..from.len() - after.len()];
        literal.push_str(before);
        literal.push_str(run);
        if run.len() > 1 || after.starts_with('(') {
            literal.push_str(run);
        }
        rest = after;
    }
    literal + rest
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn the_kubelet_replaces_nothing() {
        assert_eq!(literal("a $HOME ${x} costs 5$"), "a $HOME ${x} costs 5$");
        assert_eq!(literal("$(date)"), "$$(date)");
        assert_eq!(literal("$$(date)"), "$$$$(date)");
        assert_eq!(literal("pid $$, $$$"), "pid $$$$, $$$$$$");
        assert_eq!(literal("ä$(ö)$"), "ä$$(ö)$");
    }
}
