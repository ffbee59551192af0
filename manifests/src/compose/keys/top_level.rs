//! Keys of the Compose file itself and of its configs, secrets and volumes.

use super::{Table, idle, mapped, missed, needed};

/// The Compose file.
pub(in super::super) const TOP: Table = Table(&[
    mapped("services"),
    mapped("configs"),
    mapped("secrets"),
    mapped("volumes"),
    idle("name", "objects are named after the App", "remove the key"),
    idle("version", "Compose ignores it too", "remove the key"),
    idle("networks", "all services of an App share one Pod and its network", "remove the key"),
    // Carried out before anything is read.
    mapped("include"),
    needed("models", "the cluster runs no models for Compose", "run the model as a service"),
]);

/// An entry of `include`
pub(in super::super) const INCLUDE: Table = Table(&[mapped("path"), mapped("project_directory"), mapped("env_file")]);

/// `configs.*`
pub(in super::super) const CONFIG: Table = Table(&[
    mapped("file"),
    mapped("external"),
    mapped("name"),
    needed("content", "only files become configs", "put the text into a file and name it with `file:`"),
    needed("environment", "only files become configs", "put the text into a file and name it with `file:`"),
    needed("template_driver", "the file would be mounted as it is", "remove the key"),
    missed("labels", "labels are not carried over", "remove the key"),
]);

/// `secrets.*`
pub(in super::super) const SECRET: Table = Table(&[
    mapped("file"),
    mapped("external"),
    mapped("name"),
    needed("environment", "only files become secrets", "put the value into a file and name it with `file:`"),
    needed("driver", "secrets are Secrets of the cluster", "use `file:` or `external: true`"),
    needed("driver_opts", "secrets are Secrets of the cluster", "use `file:` or `external: true`"),
    needed("template_driver", "the file would be mounted as it is", "remove the key"),
    missed("labels", "labels are not carried over", "remove the key"),
]);

/// `volumes.*`: the App's volumes decide.
pub(in super::super) const VOLUME: Table = Table(&[
    missed("driver", "the App's provider makes the disks", "describe the disk in `volumes` of the App"),
    missed("driver_opts", "the App's provider makes the disks", "write `options` of the App's volume"),
    missed("external", "the App's provider makes the disks", "name the disk in `source` of the App's volume"),
    missed("name", "disks are named after the App and its volume", "remove the key"),
    missed("labels", "labels are not carried over", "remove the key"),
]);
