//! Keys of a service and of the mappings inside it.

use super::{Table, idle, mapped, missed, needed};

const REQUESTS: &str = "write `x-kompox: {resources: {cpu: …, memory: …}}`";
const LIMITS: &str = "write `x-kompox: {limits: {cpu: …, memory: …}}`";
const REMOVE: &str = "remove the key if the service can do without it";
const WINDOWS: &str = "it is for Windows containers";
const ONE_POD: &str = "all services of an App share one Pod and its network";

/// A service.
pub(in super::super) const SERVICE: Table = Table(&[
    mapped("image"),
    mapped("entrypoint"),
    mapped("command"),
    mapped("environment"),
    mapped("env_file"),
    mapped("ports"),
    mapped("volumes"),
    mapped("configs"),
    mapped("secrets"),
    mapped("profiles"),
    mapped("x-kompox"),
    // Judged by their values.
    mapped("build"),
    mapped("deploy"),
    mapped("network_mode"),
    mapped("restart"),
    mapped("scale"),
    // What a container is started with.
    mapped("working_dir"),
    mapped("user"),
    mapped("group_add"),
    missed(
        "init",
        "the command runs as process 1 and nothing reaps its orphans",
        "use an image with an init of its own",
    ),
    mapped("stdin_open"),
    mapped("tty"),
    missed("label_file", "labels are not carried over to the Pod", "remove the key"),
    missed("labels", "labels are not carried over to the Pod", "publish ports with `ingress.rules` of the App"),
    missed("annotations", "annotations are not carried over to the Pod", "remove the key"),
    needed("post_start", "the hook would never run", "do it in the entrypoint"),
    needed("pre_stop", "the hook would never run", "do it when the command is told to stop"),
    // Carried out before anything is read.
    mapped("extends"),
    // Security.
    mapped("privileged"),
    mapped("cap_add"),
    mapped("cap_drop"),
    mapped("read_only"),
    mapped("security_opt"),
    needed("userns_mode", "the container would run in another user namespace", REMOVE),
    needed("credential_spec", WINDOWS, REMOVE),
    needed("isolation", WINDOWS, REMOVE),
    // Start, health, stop.
    mapped("depends_on"),
    mapped("healthcheck"),
    mapped("stop_grace_period"),
    missed("stop_signal", "a container is stopped with the signal that its image names", "set STOPSIGNAL in the image"),
    // Resources.
    mapped("cpus"),
    missed("cpu_count", "no limit is set", LIMITS),
    missed("cpu_percent", "no limit is set", LIMITS),
    missed("cpu_quota", "no limit is set", LIMITS),
    missed("cpu_period", "no limit is set", LIMITS),
    missed("cpu_rt_period", "real-time scheduling is not set", LIMITS),
    missed("cpu_rt_runtime", "real-time scheduling is not set", LIMITS),
    missed("cpu_shares", "no share is set", REQUESTS),
    missed("cpuset", "processors are not pinned", REQUESTS),
    mapped("mem_limit"),
    missed("memswap_limit", "Kubernetes does not give containers swap", LIMITS),
    mapped("mem_reservation"),
    missed("mem_swappiness", "Kubernetes does not give containers swap", LIMITS),
    missed("oom_kill_disable", "the kernel may end the command when memory runs out", LIMITS),
    missed("oom_score_adj", "the kubelet sets it from requests and limits", REQUESTS),
    missed("pids_limit", "the kubelet's limit holds", "ask the cluster's operators for another one"),
    missed("ulimits", "the container runtime's limits hold", "raise them in the entrypoint, or in the runtime"),
    missed(
        "blkio_config",
        "Kubernetes does not weigh block I/O",
        "choose a disk with the `options` of the App's volume",
    ),
    missed("storage_opt", "the container's own file system has no size of its own", "write to a volume"),
    mapped("shm_size"),
    mapped("tmpfs"),
    needed("gpus", "the container would see no GPU", REMOVE),
    needed("devices", "the container would not see the devices", REMOVE),
    needed("device_cgroup_rules", "the container would not be allowed to use the devices", REMOVE),
    // Names and networks.
    idle("container_name", "containers are named after their services", "remove the key"),
    missed("hostname", "containers have the host name of their Pod", "use the service's name to reach it"),
    missed("domainname", "containers have the host name of their Pod", "use the service's name to reach it"),
    mapped("expose"),
    missed("links", "services reach each other by name, and other names are not made", "use the services' names"),
    needed(
        "external_links",
        "containers outside the App have no name in it",
        "use the name of a Service in the cluster",
    ),
    missed("networks", ONE_POD, "remove the key; use the services' names to reach them"),
    mapped("dns"),
    mapped("dns_opt"),
    mapped("dns_search"),
    mapped("extra_hosts"),
    needed("mac_address", "Pods get an address of the cluster's", REMOVE),
    mapped("sysctls"),
    // Namespaces and runtimes.
    needed("cgroup", "the container would have a cgroup namespace of its own", REMOVE),
    missed("cgroup_parent", "the kubelet decides it", "remove the key"),
    needed("ipc", "the containers of a Pod share one IPC namespace, and no other", REMOVE),
    needed("pid", "the container would have a process namespace of its own", REMOVE),
    needed("uts", "the container would have a host name of its own", REMOVE),
    needed("runtime", "the container would run in the cluster's runtime", REMOVE),
    mapped("platform"),
    needed("use_api_socket", "there is no container engine to talk to in a cluster", REMOVE),
    needed("volumes_from", "the volumes would be missing", "list them under `volumes` of this service"),
    needed("models", "the cluster runs no models for Compose", "run the model as a service"),
    needed("provider", "the cluster runs no Compose providers", "run it as a service"),
    // Images, logs, development.
    mapped("pull_policy"),
    missed(
        "pull_refresh_after",
        "images are pulled as Kubernetes does by default",
        "name a fixed tag or digest in `image`",
    ),
    idle("logging", "the cluster collects what containers print", "remove the key"),
    idle("attach", "nobody watches the containers start", "remove the key"),
    idle("develop", "it is for work on a developer's machine", "remove the key"),
]);

/// `services.*.deploy`
pub(in super::super) const DEPLOY: Table = Table(&[
    mapped("mode"),
    mapped("replicas"),
    mapped("resources"),
    missed("labels", "labels are not carried over", "remove the key"),
    needed("placement", "the Pod could start on any node of its pool", "use `deployment.pool` and `zone` of the App"),
    idle("endpoint_mode", "services are found by name in the Pod's network", "remove the key"),
    idle("restart_policy", "Kubernetes always restarts containers", "remove the key"),
    idle("update_config", "the old Pod always stops before the new one starts", "remove the key"),
    idle("rollback_config", "the old Pod always stops before the new one starts", "remove the key"),
]);

/// `services.*.extends`
pub(in super::super) const EXTENDS: Table = Table(&[mapped("file"), mapped("service")]);

/// An entry of `services.*.env_file`
pub(in super::super) const ENV_FILE: Table = Table(&[mapped("path"), mapped("required"), mapped("format")]);

/// An entry of `services.*.ports`
pub(in super::super) const PORT: Table = Table(&[
    mapped("target"),
    mapped("published"),
    mapped("protocol"),
    needed(
        "host_ip",
        "published ports have the cluster's addresses",
        "remove it, or the whole port if it is not public",
    ),
    idle("mode", "ports are published by `ingress.rules` of the App", "remove the key"),
    idle("name", "ports are named by `ingress.rules` of the App", "remove the key"),
    idle("app_protocol", "ports are published as HTTP by `ingress.rules` of the App", "remove the key"),
]);

/// An entry of `services.*.volumes`
pub(in super::super) const VOLUME_MOUNT: Table = Table(&[
    mapped("type"),
    mapped("source"),
    mapped("target"),
    mapped("read_only"),
    mapped("bind"),
    mapped("volume"),
    idle("consistency", "it is for desktop machines", "remove the key"),
    needed("tmpfs", "the mount is no tmpfs", "remove it"),
    needed("image", "the mount is no image", "remove it"),
]);

/// `bind` of a volume mount
pub(in super::super) const BIND_OPTIONS: Table = Table(&[
    // Folders are always made.
    mapped("create_host_path"),
    idle("selinux", "the container runtime labels volumes by itself", "remove the key"),
    needed("propagation", "mounts inside the container stay there", "remove the key"),
    missed("recursive", "the volume is mounted as it is", "remove the key"),
]);

/// `volume` of a volume mount
pub(in super::super) const VOLUME_OPTIONS: Table = Table(&[
    mapped("subpath"),
    // Nothing is ever copied from the image.
    mapped("nocopy"),
    missed("labels", "labels are not carried over", "remove the key"),
]);

/// An entry of `services.*.configs` or `services.*.secrets`
pub(in super::super) const CONFIG_MOUNT: Table =
    Table(&[mapped("source"), mapped("target"), mapped("mode"), mapped("uid"), mapped("gid")]);

/// `services.*.x-kompox`
pub(in super::super) const KOMPOX: Table = Table(&[mapped("resources"), mapped("limits"), mapped("liveness")]);

/// `services.*.healthcheck`
pub(in super::super) const HEALTHCHECK: Table = Table(&[
    mapped("test"),
    mapped("interval"),
    mapped("timeout"),
    mapped("retries"),
    mapped("start_period"),
    mapped("start_interval"),
    mapped("disable"),
]);

/// `services.*.depends_on.*`
pub(in super::super) const DEPENDENCY: Table = Table(&[
    mapped("condition"),
    mapped("required"),
    idle("restart", "Kubernetes restarts a container by itself, and no other with it", "remove the key"),
]);

/// `services.*.deploy.resources`
pub(in super::super) const DEPLOY_RESOURCES: Table = Table(&[mapped("limits"), mapped("reservations")]);

/// `services.*.deploy.resources.limits`
pub(in super::super) const DEPLOY_LIMITS: Table = Table(&[
    mapped("cpus"),
    mapped("memory"),
    missed("pids", "the kubelet's limit holds", "ask the cluster's operators for another one"),
]);

/// `services.*.deploy.resources.reservations`
pub(in super::super) const DEPLOY_RESERVATIONS: Table = Table(&[
    mapped("cpus"),
    mapped("memory"),
    needed("generic_resources", "the container would not get them", REMOVE),
    needed("devices", "the container would see no such device", REMOVE),
]);
