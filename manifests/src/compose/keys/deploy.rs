//! `services.*.deploy`

use super::container::REMOVE;
use super::details::{GENERIC_RESOURCE, PLACEMENT, RESTART_POLICY, UPDATE_CONFIG};
use super::resources::DEVICE_REQUEST;
use super::types::{COUNT, NUMBER, PAIRS, TEXT, Type};
use super::{Table, idle, mapped, missed, needed};

pub(super) static DEPLOY: Table = Table::new(&[&[
    mapped("mode", TEXT, "must be `replicated`"),
    mapped("replicas", COUNT, "must be 1"),
    mapped("resources", Type::table(&RESOURCES), ""),
    mapped("labels", PAIRS, "labels of the Deployment, or annotations where Kubernetes takes no such label"),
    needed(
        "placement",
        Type::table(&PLACEMENT),
        "the Pod could start on any node of its pool",
        "use `deployment.pool` and `zone` of the App",
    ),
    idle("endpoint_mode", TEXT, "services are found by name in the Pod's network", "remove the key"),
    idle("restart_policy", Type::table(&RESTART_POLICY), "Kubernetes always restarts containers", "remove the key"),
    idle(
        "update_config",
        Type::table(&UPDATE_CONFIG),
        "the old Pod always stops before the new one starts",
        "remove the key",
    ),
    idle(
        "rollback_config",
        Type::table(&UPDATE_CONFIG),
        "the old Pod always stops before the new one starts",
        "remove the key",
    ),
]]);

/// `deploy.resources`
static RESOURCES: Table = Table::new(&[&[
    mapped("limits", Type::table(&LIMITS), ""),
    mapped("reservations", Type::table(&RESERVATIONS), ""),
]]);

static LIMITS: Table = Table::new(&[&[
    mapped("cpus", NUMBER, "limit of `cpu`"),
    mapped("memory", TEXT, "limit of `memory`"),
    missed("pids", COUNT, "the kubelet's limit holds", "ask the cluster's operators for another one"),
]]);

static RESERVATIONS: Table = Table::new(&[&[
    mapped("cpus", NUMBER, "request of `cpu`"),
    mapped("memory", TEXT, "request of `memory`"),
    needed(
        "generic_resources",
        Type::list(&const { Type::table(&GENERIC_RESOURCE) }),
        "the container would not get them",
        REMOVE,
    ),
    mapped("devices", Type::list(&const { Type::table(&DEVICE_REQUEST) }), "a limit of `nvidia.com/gpu` or the like"),
]]);
