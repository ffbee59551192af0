//! Keys of a service, and of the other two things that are containers.

use super::container::{CONTAINER, REMOVE};
use super::deploy::DEPLOY;
use super::details::{DEVELOP, PROVIDER, TRIGGERS};
use super::types::{COMMAND, COUNT, DISTINCT, DISTINCT_PAIRS, FLAG, FLAG_ON, NUMBER, TEXT, TEXTS, Type};
use super::workload::WORKLOAD;
use super::{Rule, Table, detail, idle, mapped, needed};

/// A service.
pub(in super::super) static SERVICE: Table = Table::new(&[CONTAINER, WORKLOAD, ONLY_SERVICE]);

/// What only a service has.
const ONLY_SERVICE: &[Rule] = &[
    // Carried out before anything is read.
    mapped("extends", EXTENDS, "the other service is written out, and this one over it"),
    mapped("profiles", TEXTS, "a service with profiles stays out"),
    mapped("deploy", Type::table(&DEPLOY).or_null(), ""),
    mapped("scale", COUNT, "must be 1"),
    mapped("restart", TEXT, "containers are always restarted; other values are reported"),
    needed(
        "pre_start",
        Type::list(&const { Type::table(&PRE_START) }),
        "the container would never run",
        "write it as a service, and wait for it: `depends_on: {…: {condition: service_completed_successfully}}`",
    ),
    mapped("post_start", Type::list(&const { Type::table(&HOOK) }), "`lifecycle.postStart`"),
    mapped("pre_stop", Type::list(&const { Type::table(&HOOK) }), "`lifecycle.preStop`"),
    mapped("container_name", TEXT, "a headless Service, where it can be the name of one"),
    mapped("links", TEXTS, "the service is waited for, and has a headless Service of the other name"),
    needed(
        "external_links",
        DISTINCT,
        "containers outside the App have no name in it",
        "use the name of a Service in the cluster",
    ),
    needed("provider", Type::table(&PROVIDER), "the cluster runs no Compose providers", "run it as a service"),
    idle("attach", FLAG_ON, "nobody watches the containers start", "remove the key"),
    idle("develop", Type::table(&DEVELOP).or_null(), "it is for work on a developer's machine", "remove the key"),
    mapped("x-kompox", Type::table(&KOMPOX).or_null(), "requests, limits and `liveness`; holds against all others"),
];

/// `services.*.extends`
pub(in super::super) const EXTENDS: Type = TEXT.or_table(&EXTENDS_KEYS);

static EXTENDS_KEYS: Table =
    Table::new(&[&[mapped("service", TEXT, "its name"), mapped("file", TEXT, "another file of the repository")]])
        .closed()
        .requiring(&["service"]);

/// An entry of `services.*.post_start` or `services.*.pre_stop`
pub(super) static HOOK: Table = Table::new(&[&[
    mapped("command", COMMAND, "an `exec` handler; several hooks run in one shell, one after the other"),
    needed("user", TEXT, "a hook runs as the container's user", REMOVE),
    needed("privileged", FLAG, "a hook has the rights of its container", REMOVE),
    needed("working_dir", TEXT, "a hook runs where the container's command does", "change to it in the command"),
    needed(
        "environment",
        DISTINCT_PAIRS,
        "a hook has the environment of its container",
        "set it in the command: `[env, NAME=value, …]`",
    ),
]])
.requiring(&["command"]);

/// An entry of `services.*.pre_start`
static PRE_START: Table = Table::new(&[CONTAINER, &[detail("per_replica", FLAG)]]);

/// `jobs.*`
pub(super) static JOB: Table =
    Table::new(&[CONTAINER, WORKLOAD, &[detail("profiles", TEXTS), detail("triggers", Type::table(&TRIGGERS))]])
        .requiring(&["triggers"]);

/// `services.*.x-kompox`
static KOMPOX: Table = Table::new(&[&[
    mapped("resources", Type::table(&AMOUNTS).or_null(), "requests"),
    mapped("limits", Type::table(&AMOUNTS).or_null(), "limits"),
    mapped("liveness", FLAG, "the health check as `livenessProbe` too"),
]])
.closed();

/// `services.*.x-kompox.resources` and `.limits`
static AMOUNTS: Table = Table::new(&[&[
    mapped("cpu", NUMBER.or_null(), "processors, as a Kubernetes quantity"),
    mapped("memory", NUMBER.or_null(), "bytes, as a Kubernetes quantity"),
]])
.closed();
