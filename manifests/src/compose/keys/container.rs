//! Keys of everything that is a container: of a service, and of what runs before it or by itself.

use super::details::{BLKIO, CREDENTIAL_SPEC, DEVICE, LOGGING, NETWORK_MOUNT, SERVICE_MODEL, ULIMIT};
use super::resources::GPU;
use super::types::{
    ANYTHING, BOOLEAN, COMMAND, COUNT, DISTINCT, DISTINCT_PAIRS, FLAG, FLAG_ON, HOSTS, NUMBER, PAIRS, TEXT,
    TEXT_OR_TEXTS, TEXTS, Type,
};
use super::{Rule, Table, detail, idle, mapped, missed, needed};

const REQUESTS: &str = "write `x-kompox: {resources: {cpu: …, memory: …}}`";
const LIMITS: &str = "write `x-kompox: {limits: {cpu: …, memory: …}}`";
pub(super) const REMOVE: &str = "remove the key if the service can do without it";
const WINDOWS: &str = "it is for Windows containers";

/// The keys of a container.
pub(super) const CONTAINER: &[Rule] = &[
    // What it runs, and what it is given.
    mapped("image", TEXT, "`image` of the container"),
    mapped("entrypoint", COMMAND, "`command` of the container"),
    mapped("command", COMMAND, "`args` of the container"),
    mapped(
        "environment",
        PAIRS,
        "`env`, sorted by name; encrypted values go into the Secret `<app>-app-<service>-base`",
    ),
    mapped("env_file", TEXT.or_list(&const { TEXT.or_table(&ENV_FILE) }), "the Secret `<app>-app-<service>-base`"),
    mapped(
        "volumes",
        Type::list(&const { TEXT.or_table(&VOLUME_MOUNT) }),
        "mounts of the App's volumes; `tmpfs` an `emptyDir` in memory",
    ),
    mapped("configs", FILE_MOUNTS, "a file from a ConfigMap"),
    mapped("secrets", FILE_MOUNTS, "a file from a Secret"),
    mapped("working_dir", TEXT, "`workingDir`"),
    mapped("user", TEXT, "`runAsUser`, `runAsGroup`; numbers only"),
    mapped("group_add", Type::list(&const { NUMBER }).distinct(), "`supplementalGroups` of the Pod; numbers only"),
    missed(
        "init",
        FLAG,
        "the command runs as process 1 and nothing reaps its orphans",
        "use an image with an init of its own",
    ),
    needed(
        "umask",
        COUNT.or_null().within(0, 0xffff_ffff),
        "the command would run with the umask of the container runtime",
        "set it in the entrypoint: `[\"sh\", \"-c\", \"umask 0027 && exec …\"]`",
    ),
    mapped("labels", PAIRS, "labels of the Pod, or annotations where Kubernetes takes no such label"),
    missed("label_file", TEXT.or_list(&TEXT), "labels are not read from files", "write them under `labels`"),
    mapped("annotations", PAIRS, "annotations of the Pod"),
    // Security.
    mapped("privileged", FLAG, "`privileged`"),
    mapped("cap_add", TEXTS, "`capabilities.add`, within the policy of the agent"),
    mapped("cap_drop", TEXTS, "`capabilities.drop`"),
    mapped("read_only", FLAG, "read-only root file system"),
    mapped(
        "security_opt",
        DISTINCT,
        "`no-new-privileges`, `seccomp:unconfined`, `apparmor:…`, within the policy of the agent; others are errors",
    ),
    needed("userns_mode", TEXT, "the container would run in another user namespace", REMOVE),
    needed("credential_spec", Type::table(&CREDENTIAL_SPEC), WINDOWS, REMOVE),
    needed("isolation", TEXT, WINDOWS, REMOVE),
    // How it stops.
    mapped("stop_grace_period", TEXT, "the longest is `terminationGracePeriodSeconds` of the Pod"),
    missed(
        "stop_signal",
        TEXT,
        "a container is stopped with the signal that its image names; Kubernetes has a field for it only behind the \
         feature gate `ContainerStopSignals`, which no version switches on, and drops it otherwise",
        "set STOPSIGNAL in the image, or send it yourself: `pre_stop: [{command: [sh, -c, kill -QUIT 1]}]`",
    ),
    // Resources.
    mapped("cpus", NUMBER, "limit of `cpu`"),
    missed("cpu_count", COUNT.within(0, i64::MAX as i128), "no limit is set", LIMITS),
    missed("cpu_percent", COUNT.within(0, 100), "no limit is set", LIMITS),
    missed("cpu_quota", NUMBER, "no limit is set", LIMITS),
    missed("cpu_period", NUMBER, "no limit is set", LIMITS),
    missed("cpu_rt_period", NUMBER, "real-time scheduling is not set", LIMITS),
    missed("cpu_rt_runtime", NUMBER, "real-time scheduling is not set", LIMITS),
    missed("cpu_shares", NUMBER, "no share is set", REQUESTS),
    missed("cpuset", TEXT, "processors are not pinned", REQUESTS),
    mapped("mem_limit", NUMBER, "limit of `memory`"),
    missed("memswap_limit", NUMBER, "Kubernetes does not give containers swap", LIMITS),
    mapped("mem_reservation", COUNT, "request of `memory`"),
    missed("mem_swappiness", COUNT, "Kubernetes does not give containers swap", LIMITS),
    missed("oom_kill_disable", FLAG, "the kernel may end the command when memory runs out", LIMITS),
    missed("oom_score_adj", COUNT.within(-1000, 1000), "the kubelet sets it from requests and limits", REQUESTS),
    missed("pids_limit", NUMBER, "the kubelet's limit holds", "ask the cluster's operators for another one"),
    missed(
        "ulimits",
        Type::free(&const { COUNT.or_table(&ULIMIT) }),
        "the container runtime's limits hold",
        "raise them in the entrypoint, or in the runtime",
    ),
    missed(
        "blkio_config",
        Type::table(&BLKIO),
        "Kubernetes does not weigh block I/O",
        "choose a disk with the `options` of the App's volume",
    ),
    missed("storage_opt", ANYTHING, "the container's own file system has no size of its own", "write to a volume"),
    mapped("shm_size", NUMBER, "an `emptyDir` in memory on `/dev/shm`"),
    mapped("tmpfs", TEXT_OR_TEXTS, "an `emptyDir` in memory"),
    mapped(
        "gpus",
        Type::words(&["all"]).or_list(&const { Type::table(&GPU) }),
        "a limit of `nvidia.com/gpu` or the like; `all` becomes 1",
    ),
    needed("devices", Type::list(&const { TEXT.or_table(&DEVICE) }), "the container would not see the devices", REMOVE),
    needed("device_cgroup_rules", DISTINCT, "the container would not be allowed to use the devices", REMOVE),
    // Names and networks.
    mapped("hostname", TEXT, "a headless Service, and `hostname` of the Pod where no other service names one"),
    missed("domainname", TEXT, "a Pod has the domain of its namespace", "use the names of the services to reach them"),
    mapped("network_mode", TEXT, "`host` is an error; others have no effect"),
    mapped(
        "networks",
        DISTINCT.or_named(&const { Type::table(&NETWORK_MOUNT).or_null() }),
        "one network for all services of the App; `aliases` are headless Services",
    ),
    mapped("dns", TEXT_OR_TEXTS, "name servers of the Pod behind the cluster's own"),
    mapped("dns_opt", TEXTS, "resolver options of the Pod"),
    mapped("dns_search", TEXT_OR_TEXTS, "search domains of the Pod"),
    mapped("extra_hosts", HOSTS, "`hostAliases` of the Pod"),
    needed("mac_address", TEXT, "Pods get an address of the cluster's", REMOVE),
    mapped("sysctls", PAIRS, "`sysctls` of the Pod, within the policy of the agent"),
    // Namespaces and runtimes.
    needed(
        "cgroup",
        Type::words(&["host", "private"]),
        "the container would have a cgroup namespace of its own",
        REMOVE,
    ),
    missed("cgroup_parent", TEXT, "the kubelet decides it", "remove the key"),
    needed("ipc", TEXT, "the containers of a Pod share one IPC namespace, and no other", REMOVE),
    needed("pid", TEXT.or_null(), "the container would have a process namespace of its own", REMOVE),
    needed("uts", TEXT, "the containers of a Pod share one host name", REMOVE),
    needed("runtime", TEXT, "the container would run in the cluster's runtime", REMOVE),
    mapped("platform", TEXT, "node selector `kubernetes.io/arch`"),
    needed("use_api_socket", BOOLEAN, "there is no container engine to talk to in a cluster", REMOVE),
    needed("volumes_from", DISTINCT, "the volumes would be missing", "list them under `volumes` of this service"),
    needed(
        "models",
        DISTINCT.or_named(&const { Type::table(&SERVICE_MODEL).or_null() }),
        "the cluster runs no models for Compose",
        "run the model as a service",
    ),
    // Images and logs.
    mapped("pull_policy", TEXT, "`imagePullPolicy`"),
    missed(
        "pull_refresh_after",
        TEXT,
        "images are pulled as Kubernetes does by default",
        "name a fixed tag or digest in `image`",
    ),
    idle("logging", Type::table(&LOGGING), "the cluster collects what containers print", "remove the key"),
];

/// Of `configs` and `secrets`.
pub(super) const FILE_MOUNTS: Type = Type::list(&const { TEXT.or_table(&CONFIG_MOUNT) });

/// An entry of `services.*.env_file`
static ENV_FILE: Table = Table::new(&[&[
    mapped("path", TEXT, "a file of the repository"),
    mapped("required", FLAG_ON, "`false`: the file may be missing"),
    mapped("format", TEXT, "`raw`, or left out"),
]])
.closed()
.requiring(&["path"]);

/// An entry of `services.*.volumes`
pub(in super::super) static VOLUME_MOUNT: Table = Table::new(&[&[
    mapped(
        "type",
        Type::words(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"]),
        "`bind`, `volume` or `tmpfs`; others are errors",
    ),
    mapped("source", TEXT, "the App's volume, and a folder on it"),
    mapped("target", TEXT, "`mountPath`"),
    mapped("read_only", FLAG, "`readOnly`"),
    mapped("bind", Type::table(&BIND_OPTIONS), ""),
    mapped("volume", Type::table(&VOLUME_OPTIONS), ""),
    mapped("tmpfs", Type::table(&TMPFS_OPTIONS), ""),
    idle("consistency", TEXT, "it is for desktop machines", "remove the key"),
    needed("image", Type::table(&IMAGE_OPTIONS), "images are not mounted", "remove it"),
]])
.requiring(&["type", "target"]);

/// `bind` of a volume mount
static BIND_OPTIONS: Table = Table::new(&[&[
    mapped("create_host_path", FLAG_ON, "folders are always made; `false` is reported"),
    idle("selinux", Type::words(&["z", "Z"]), "the container runtime labels volumes by itself", "remove the key"),
    needed("propagation", TEXT, "mounts inside the container stay there", "remove the key"),
    missed(
        "recursive",
        Type::words(&["enabled", "disabled", "writable", "readonly"]),
        "the volume is mounted as it is",
        "remove the key",
    ),
]]);

/// `volume` of a volume mount
static VOLUME_OPTIONS: Table = Table::new(&[&[
    mapped("subpath", TEXT, "`subPath`"),
    mapped("nocopy", FLAG, "nothing is ever copied from the image; `false` is reported"),
    missed("labels", DISTINCT_PAIRS, "the App's volumes have no labels of their own", "remove the key"),
]]);

/// `tmpfs` of a volume mount
static TMPFS_OPTIONS: Table = Table::new(&[&[
    mapped("size", COUNT.within(0, i64::MAX as i128), "`sizeLimit`"),
    mapped("mode", NUMBER, "1777 or 777; others are reported"),
]]);

/// `image` of a volume mount
static IMAGE_OPTIONS: Table = Table::new(&[&[detail("subpath", TEXT)]]);

/// An entry of `services.*.configs` or `services.*.secrets`
pub(in super::super) static CONFIG_MOUNT: Table = Table::new(&[&[
    mapped("source", TEXT, "name of the config or secret"),
    mapped("target", TEXT, "`mountPath`"),
    mapped("mode", NUMBER, "`mode` of the file"),
    mapped("uid", TEXT, "files belong to root; others are reported"),
    mapped("gid", TEXT, "files belong to root; others are reported"),
]]);
