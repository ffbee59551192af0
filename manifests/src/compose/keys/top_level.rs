//! Keys of the Compose file itself and of its configs, secrets and volumes.

use super::details::{EXTERNAL, MODEL, NETWORK};
use super::service::{JOB, SERVICE};
use super::types::{DISTINCT_PAIRS, FLAG, OPTIONS, TEXT, TEXT_OR_DISTINCT, Type};
use super::{Table, idle, mapped, missed, needed};

/// The Compose file.
pub(in super::super) const FILE: Type = Type::table(&TOP);

/// Its keys.
pub(in super::super) static TOP: Table = Table::new(&[&[
    mapped("services", Type::named(&const { Type::table(&SERVICE) }, "service"), "a container each"),
    mapped("configs", Type::named(&const { Type::table(&CONFIG) }, "config"), "ConfigMaps"),
    mapped("secrets", Type::named(&const { Type::table(&SECRET) }, "secret"), "Secrets"),
    mapped(
        "volumes",
        Type::named(&const { Type::table(&VOLUME).or_null() }, "volume"),
        "the App's volumes of the same names",
    ),
    mapped("name", TEXT, "the value of `COMPOSE_PROJECT_NAME`; objects are named after the App"),
    idle("version", TEXT, "Compose ignores it too", "remove the key"),
    idle(
        "networks",
        Type::named(&const { Type::table(&NETWORK).or_null() }, "network"),
        "all services of an App share one Pod and its network",
        "remove the key",
    ),
    // Carried out before anything is read.
    mapped("include", Type::list(&INCLUDE), "the other file's services, volumes, configs and secrets"),
    needed(
        "models",
        Type::named(&const { Type::table(&MODEL) }, "model"),
        "the cluster runs no models for Compose",
        "run the model as a service",
    ),
    needed(
        "jobs",
        Type::named(&const { Type::table(&JOB) }, "job"),
        "nothing would run them",
        "make a CronJob of your own of it, or a service that others wait for until it has ended",
    ),
]]);

/// An entry of `include`
pub(in super::super) const INCLUDE: Type = TEXT.or_table(&INCLUDE_KEYS);

static INCLUDE_KEYS: Table = Table::new(&[&[
    mapped("path", TEXT_OR_DISTINCT, "a file of the repository, or several that are merged"),
    mapped("project_directory", TEXT, "where its relative paths start"),
    mapped("env_file", TEXT_OR_DISTINCT, "its variables, instead of the `.env` beside it"),
]])
.closed()
.requiring(&["path"]);

/// `configs.*`
static CONFIG: Table = Table::new(&[&[
    mapped("file", TEXT, "a text file of the repository"),
    mapped("content", TEXT, "the text itself"),
    mapped("environment", TEXT, "the value of a variable of `.env`"),
    mapped("external", FLAG.or_table(&EXTERNAL), "a ConfigMap that is in the cluster"),
    mapped("name", TEXT, "the name of that ConfigMap"),
    needed("template_driver", TEXT, "the file would be mounted as it is", "remove the key"),
    missed("labels", DISTINCT_PAIRS, "labels are not carried over", "remove the key"),
]]);

/// `secrets.*`
static SECRET: Table = Table::new(&[&[
    mapped("file", TEXT, "a file of the repository"),
    mapped("environment", TEXT, "the value of a variable of `.env`"),
    mapped("external", FLAG.or_table(&EXTERNAL), "a Secret that is in the cluster"),
    mapped("name", TEXT, "the name of that Secret"),
    needed("driver", TEXT, "secrets are Secrets of the cluster", "use `file:` or `external: true`"),
    needed("driver_opts", OPTIONS, "secrets are Secrets of the cluster", "use `file:` or `external: true`"),
    needed("template_driver", TEXT, "the file would be mounted as it is", "remove the key"),
    missed("labels", DISTINCT_PAIRS, "labels are not carried over", "remove the key"),
]]);

/// `volumes.*`: the App's volumes decide.
static VOLUME: Table = Table::new(&[&[
    missed("driver", TEXT, "the App's provider makes the disks", "describe the disk in `volumes` of the App"),
    missed("driver_opts", OPTIONS, "the App's provider makes the disks", "write `options` of the App's volume"),
    missed(
        "external",
        FLAG.or_table(&EXTERNAL),
        "the App's provider makes the disks",
        "name the disk in `source` of the App's volume",
    ),
    missed("name", TEXT, "disks are named after the App and its volume", "remove the key"),
    missed("labels", DISTINCT_PAIRS, "labels are not carried over", "remove the key"),
]]);
