//! Keys of a service and of the mappings inside it.

use super::{Table, idle, mapped, missed, needed};

const REQUESTS: &str = "write `x-kompox: {resources: {cpu: …, memory: …}}`";
const LIMITS: &str = "write `x-kompox: {limits: {cpu: …, memory: …}}`";
const IMAGE: &str = "build it into the image, or remove the key";
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
    needed("working_dir", "the command would run in another folder", IMAGE),
    needed("user", "the command would run as the image's user", "set the user in the image, or remove the key"),
    needed("group_add", "the command would lack these groups", REMOVE),
    missed(
        "init",
        "the command runs as process 1 and nothing reaps its orphans",
        "use an image with an init of its own",
    ),
    missed("stdin_open", "nobody is attached to the container", REMOVE),
    missed("tty", "nobody is attached to the container", REMOVE),
    missed("label_file", "labels are not carried over to the Pod", "remove the key"),
    missed("labels", "labels are not carried over to the Pod", "publish ports with `ingress.rules` of the App"),
    missed("annotations", "annotations are not carried over to the Pod", "remove the key"),
    needed("post_start", "the hook would never run", "do it in the entrypoint"),
    needed("pre_stop", "the hook would never run", "do it when the command is told to stop"),
    // Carried out before anything is read.
    mapped("extends"),
    // Security.
    needed("privileged", "the container would not be privileged", REMOVE),
    needed("cap_add", "the capabilities would be missing", REMOVE),
    needed("cap_drop", "the container would keep the capabilities", "remove the key if it may keep them"),
    needed("read_only", "the container's file system would be writable", "remove the key if it may be written to"),
    needed("security_opt", "the options would not hold", "remove the key if the service may run without them"),
    needed("userns_mode", "the container would run in another user namespace", REMOVE),
    needed("credential_spec", WINDOWS, REMOVE),
    needed("isolation", WINDOWS, REMOVE),
    // Start, health, stop.
    missed(
        "depends_on",
        "the containers of an App start together",
        "let the service try again until the other one answers",
    ),
    missed("healthcheck", "a container counts as ready once it runs", "let the command end when it cannot work"),
    missed("stop_grace_period", "a container gets 30 seconds to stop", "remove the key if 30 seconds are enough"),
    missed("stop_signal", "a container is stopped with the signal that its image names", "set STOPSIGNAL in the image"),
    // Resources.
    missed("cpus", "no limit is set", LIMITS),
    missed("cpu_count", "no limit is set", LIMITS),
    missed("cpu_percent", "no limit is set", LIMITS),
    missed("cpu_quota", "no limit is set", LIMITS),
    missed("cpu_period", "no limit is set", LIMITS),
    missed("cpu_rt_period", "real-time scheduling is not set", LIMITS),
    missed("cpu_rt_runtime", "real-time scheduling is not set", LIMITS),
    missed("cpu_shares", "no share is set", REQUESTS),
    missed("cpuset", "processors are not pinned", REQUESTS),
    missed("mem_limit", "no limit is set", LIMITS),
    missed("memswap_limit", "Kubernetes does not give containers swap", LIMITS),
    missed("mem_reservation", "no memory is reserved", REQUESTS),
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
    needed("shm_size", "shared memory would have 64 MiB", REMOVE),
    needed("tmpfs", "the folder would lie in the container's own file system", REMOVE),
    needed("gpus", "the container would see no GPU", REMOVE),
    needed("devices", "the container would not see the devices", REMOVE),
    needed("device_cgroup_rules", "the container would not be allowed to use the devices", REMOVE),
    // Names and networks.
    idle("container_name", "containers are named after their services", "remove the key"),
    missed("hostname", "containers have the host name of their Pod", "use the service's name to reach it"),
    missed("domainname", "containers have the host name of their Pod", "use the service's name to reach it"),
    idle("expose", "services of an App reach every port of each other", "remove the key"),
    missed("links", "services reach each other by name, and other names are not made", "use the services' names"),
    needed(
        "external_links",
        "containers outside the App have no name in it",
        "use the name of a Service in the cluster",
    ),
    missed("networks", ONE_POD, "remove the key; use the services' names to reach them"),
    needed("dns", "names would be resolved by the cluster's DNS", REMOVE),
    needed("dns_opt", "names would be resolved with the cluster's options", REMOVE),
    needed("dns_search", "names would be searched for in the cluster's domains", REMOVE),
    needed("extra_hosts", "the names would be unknown in the container", "use names that a DNS server knows"),
    needed("mac_address", "Pods get an address of the cluster's", REMOVE),
    needed("sysctls", "the kernel parameters would keep their defaults", REMOVE),
    // Namespaces and runtimes.
    needed("cgroup", "the container would have a cgroup namespace of its own", REMOVE),
    missed("cgroup_parent", "the kubelet decides it", "remove the key"),
    needed("ipc", "the containers of a Pod share one IPC namespace, and no other", REMOVE),
    needed("pid", "the container would have a process namespace of its own", REMOVE),
    needed("uts", "the container would have a host name of its own", REMOVE),
    needed("runtime", "the container would run in the cluster's runtime", REMOVE),
    missed("platform", "the Pod may start on any node of its pool", "choose nodes with `deployment.pool` of the App"),
    needed("use_api_socket", "there is no container engine to talk to in a cluster", REMOVE),
    needed("volumes_from", "the volumes would be missing", "list them under `volumes` of this service"),
    needed("models", "the cluster runs no models for Compose", "run the model as a service"),
    needed("provider", "the cluster runs no Compose providers", "run it as a service"),
    // Images, logs, development.
    missed("pull_policy", "images are pulled as Kubernetes does by default", "name a fixed tag or digest in `image`"),
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
    missed("resources", "no requests or limits are set", "write `x-kompox: {resources: …, limits: …}`"),
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
pub(in super::super) const KOMPOX: Table = Table(&[
    mapped("resources"),
    mapped("limits"),
    missed("liveness", "health checks are not turned into probes", "remove the key"),
]);
