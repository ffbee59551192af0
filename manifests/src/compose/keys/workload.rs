//! Keys of what is started and watched: of a service, and of a job.

use super::details::BUILD;
use super::types::{BOOLEAN, COUNT, DISTINCT, FLAG, NUMBER, TEXT, TEXT_OR_TEXTS, Type};
use super::{Rule, Table, idle, mapped, needed};

/// The keys of a workload.
pub(super) const WORKLOAD: &[Rule] = &[
    mapped("build", TEXT.or_table(&BUILD), "needs `image`; nothing is built"),
    mapped(
        "depends_on",
        DISTINCT.or_named(&const { Type::table(&DEPENDENCY) }),
        "native sidecars and init containers, in order; a job runs at every start of the Pod",
    ),
    mapped(
        "healthcheck",
        Type::table(&HEALTHCHECK),
        "`readinessProbe`; `startupProbe` where others wait for it. One unhealthy service takes the whole Pod out of \
         its Ingress",
    ),
    mapped(
        "ports",
        Type::list(&const { NUMBER.or_table(&PORT) }),
        "container ports; `ingress.rules` of the App publish them",
    ),
    mapped("expose", Type::list(&NUMBER), "container ports"),
    mapped("stdin_open", FLAG, "`stdin`"),
    mapped("tty", FLAG, "`tty`"),
];

/// `services.*.depends_on.*`
static DEPENDENCY: Table = Table::new(&[&[
    mapped(
        "condition",
        Type::words(&["service_started", "service_healthy", "service_completed_successfully"]),
        "what of the service is waited for",
    ),
    mapped("required", BOOLEAN, "`false`: the service may be missing"),
    idle("restart", FLAG, "Kubernetes restarts a container by itself, and no other with it", "remove the key"),
]])
.requiring(&["condition"]);

/// `services.*.healthcheck`
static HEALTHCHECK: Table = Table::new(&[&[
    mapped("test", TEXT_OR_TEXTS, "`exec.command`; `CMD-SHELL` through `sh -c`"),
    mapped("interval", TEXT, "`periodSeconds`"),
    mapped("timeout", TEXT, "`timeoutSeconds`"),
    mapped("retries", NUMBER, "`failureThreshold`"),
    mapped("start_period", TEXT, "`initialDelaySeconds`: the service is not asked, and so not ready, sooner"),
    mapped("start_interval", TEXT, "`periodSeconds` of the `startupProbe`, where others wait for the service"),
    mapped("disable", FLAG, "`true`: no probe"),
]]);

/// An entry of `services.*.ports`
static PORT: Table = Table::new(&[&[
    mapped("target", COUNT, "the container port"),
    mapped("published", COUNT, "the host port, by which `ingress.rules` of the App name it"),
    mapped("protocol", TEXT, "`tcp`; others are errors"),
    needed(
        "host_ip",
        TEXT,
        "published ports have the cluster's addresses",
        "remove it, or the whole port if it is not public",
    ),
    idle("mode", TEXT, "ports are published by `ingress.rules` of the App", "remove the key"),
    idle("name", TEXT, "ports are named by `ingress.rules` of the App", "remove the key"),
    idle("app_protocol", TEXT, "ports are published as HTTP by `ingress.rules` of the App", "remove the key"),
]])
.requiring(&["target", "published"]);
