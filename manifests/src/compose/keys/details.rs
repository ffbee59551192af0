//! Mappings that are reported as a whole, at the key that they belong to: their keys and types are checked
//! all the same.

use super::container::FILE_MOUNTS;
use super::service::HOOK;
use super::types::{
    BOOLEAN, COUNT, DISTINCT_PAIRS, FLAG, FLAG_ON, HOSTS, INTEGER, NUMBER, ONLY_NUMBER, OPTIONS, PAIRS, SCALAR, TEXT,
    TEXT_MAP, TEXT_OR_DISTINCT, TEXTS, Type,
};
use super::{Table, detail, idle, mapped, missed, needed};

/// `services.*.build`
pub(super) static BUILD: Table = Table::new(&[&[
    detail("context", TEXT),
    detail("dockerfile", TEXT),
    detail("dockerfile_inline", TEXT),
    detail("entitlements", TEXTS),
    detail("args", PAIRS),
    detail("ssh", DISTINCT_PAIRS),
    detail("labels", PAIRS),
    detail("cache_from", TEXTS),
    detail("cache_to", TEXTS),
    detail("no_cache", FLAG),
    detail("no_cache_filter", TEXT_OR_DISTINCT),
    detail("additional_contexts", PAIRS),
    detail("network", TEXT),
    detail("provenance", FLAG),
    detail("sbom", FLAG),
    detail("pull", FLAG),
    detail("target", TEXT),
    detail("shm_size", COUNT),
    detail("extra_hosts", HOSTS),
    detail("isolation", TEXT),
    detail("privileged", FLAG),
    detail("secrets", FILE_MOUNTS),
    detail("tags", TEXTS),
    detail("ulimits", Type::free(&const { COUNT.or_table(&ULIMIT) })),
    detail("platforms", TEXTS),
]]);

/// `services.*.ulimits.*`
pub(super) static ULIMIT: Table =
    Table::new(&[&[detail("hard", COUNT), detail("soft", COUNT)]]).requiring(&["soft", "hard"]);

/// `services.*.develop`
pub(super) static DEVELOP: Table = Table::new(&[&[detail("watch", Type::list(&const { Type::table(&WATCH) }))]]);

static WATCH: Table = Table::new(&[&[
    detail("ignore", TEXT_OR_DISTINCT),
    detail("include", TEXT_OR_DISTINCT),
    detail("path", TEXT),
    detail("action", Type::words(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
    detail("target", TEXT),
    detail("exec", Type::table(&HOOK)),
    detail("initial_sync", BOOLEAN),
]])
.requiring(&["path", "action"]);

/// `services.*.provider`
pub(super) static PROVIDER: Table =
    Table::new(&[&[detail("type", TEXT), detail("options", Type::free(&const { SCALAR.or_list(&SCALAR) }))]])
        .requiring(&["type"]);

/// `services.*.credential_spec`
pub(super) static CREDENTIAL_SPEC: Table =
    Table::new(&[&[detail("config", TEXT), detail("file", TEXT), detail("registry", TEXT)]]);

/// `services.*.logging`
pub(super) static LOGGING: Table =
    Table::new(&[&[detail("driver", TEXT), detail("options", Type::free(&const { NUMBER.or_null() }))]]);

/// `services.*.blkio_config`
pub(super) static BLKIO: Table = Table::new(&[&[
    detail("device_read_bps", BLKIO_LIMITS),
    detail("device_read_iops", BLKIO_LIMITS),
    detail("device_write_bps", BLKIO_LIMITS),
    detail("device_write_iops", BLKIO_LIMITS),
    detail("weight", COUNT),
    detail("weight_device", Type::list(&const { Type::table(&BLKIO_WEIGHT) })),
]])
.closed();

const BLKIO_LIMITS: Type = Type::list(&const { Type::table(&BLKIO_LIMIT) });
static BLKIO_LIMIT: Table = Table::new(&[&[detail("path", TEXT), detail("rate", COUNT)]]).closed();
static BLKIO_WEIGHT: Table = Table::new(&[&[detail("path", TEXT), detail("weight", COUNT)]]).closed();

/// An entry of `services.*.devices`
pub(super) static DEVICE: Table =
    Table::new(&[&[detail("source", TEXT), detail("target", TEXT), detail("permissions", TEXT)]])
        .requiring(&["source"]);

/// `services.*.models.*`
pub(super) static SERVICE_MODEL: Table = Table::new(&[&[detail("endpoint_var", TEXT), detail("model_var", TEXT)]]);

/// `services.*.networks.*`
pub(super) static NETWORK_MOUNT: Table = Table::new(&[&[
    mapped("aliases", TEXTS, "headless Services"),
    needed("ipv4_address", TEXT, "a Pod gets an address of the cluster's", "use the service's name to reach it"),
    needed("ipv6_address", TEXT, "a Pod gets an address of the cluster's", "use the service's name to reach it"),
    missed("link_local_ips", TEXTS, "a Pod gets an address of the cluster's", "remove the key"),
    missed("mac_address", TEXT, "a Pod gets an address of the cluster's", "remove the key"),
    missed("interface_name", TEXT, "the cluster names the Pod's interface", "remove the key"),
    idle("driver_opts", OPTIONS, "the network is the cluster's", "remove the key"),
    idle("priority", ONLY_NUMBER, "a Pod has one network", "remove the key"),
    idle("gw_priority", ONLY_NUMBER, "a Pod has one network", "remove the key"),
    idle("use_service_name_alias", FLAG_ON, "a service is always reached by its name", "remove the key"),
]]);

/// `services.*.deploy.placement`
pub(super) static PLACEMENT: Table = Table::new(&[&[
    detail("constraints", TEXTS),
    detail("preferences", Type::list(&const { Type::table(&PREFERENCE) })),
    detail("max_replicas_per_node", COUNT),
]]);

static PREFERENCE: Table = Table::new(&[&[detail("spread", TEXT)]]);

/// `services.*.deploy.restart_policy`
pub(super) static RESTART_POLICY: Table = Table::new(&[&[
    detail("condition", TEXT),
    detail("delay", TEXT),
    detail("max_attempts", COUNT),
    detail("window", TEXT),
]]);

/// `services.*.deploy.update_config` and `rollback_config`
pub(super) static UPDATE_CONFIG: Table = Table::new(&[&[
    detail("parallelism", COUNT),
    detail("delay", TEXT),
    detail("failure_action", TEXT),
    detail("monitor", TEXT),
    detail("max_failure_ratio", NUMBER),
    detail("order", Type::words(&["start-first", "stop-first"])),
]]);

/// An entry of `services.*.deploy.resources.reservations.generic_resources`
pub(super) static GENERIC_RESOURCE: Table =
    Table::new(&[&[detail("discrete_resource_spec", Type::table(&DISCRETE_RESOURCE))]]);

static DISCRETE_RESOURCE: Table = Table::new(&[&[detail("kind", TEXT), detail("value", NUMBER)]]);

/// `jobs.*.triggers`
pub(super) static TRIGGERS: Table =
    Table::new(&[&[detail("manual", FLAG), detail("schedule", Type::list(&const { TEXT.or_table(&SCHEDULE) }))]]);

static SCHEDULE: Table = Table::new(&[&[
    detail("cron", TEXT),
    detail("timezone", TEXT),
    detail("concurrency", Type::words(&["forbid", "queue"])),
    detail("missed_fires", Type::words(&["one", "skip"])),
]])
.requiring(&["cron"]);

/// `networks.*`
pub(super) static NETWORK: Table = Table::new(&[&[
    detail("name", TEXT),
    detail("driver", TEXT),
    detail("driver_opts", OPTIONS),
    detail("ipam", Type::table(&IPAM)),
    detail("external", FLAG.or_table(&EXTERNAL)),
    detail("internal", FLAG),
    detail("enable_ipv4", FLAG),
    detail("enable_ipv6", FLAG),
    detail("attachable", FLAG),
    detail("labels", PAIRS),
]]);

/// `external` in its old form
pub(super) static EXTERNAL: Table = Table::new(&[&[detail("name", TEXT)]]);

static IPAM: Table = Table::new(&[&[
    detail("driver", TEXT),
    detail("config", Type::list(&const { Type::table(&IPAM_CONFIG) })),
    detail("options", TEXT_MAP),
]]);

static IPAM_CONFIG: Table = Table::new(&[&[
    detail("subnet", TEXT),
    detail("ip_range", TEXT),
    detail("gateway", TEXT),
    detail("aux_addresses", TEXT_MAP),
]]);

/// `models.*`
pub(super) static MODEL: Table = Table::new(&[&[
    detail("name", TEXT),
    detail("model", TEXT),
    detail("context_size", INTEGER),
    detail("runtime_flags", TEXTS),
]])
.requiring(&["model"]);
