//! Devices that a container asks for by what they can do.

use super::types::{COUNT, DISTINCT, DISTINCT_PAIRS, TEXT};
use super::{Rule, Table, mapped, missed, needed};

/// An entry of `services.*.gpus`
pub(super) static GPU: Table = Table::new(&[REQUEST]);

/// An entry of `services.*.deploy.resources.reservations.devices`
pub(super) static DEVICE_REQUEST: Table = Table::new(&[REQUEST]).requiring(&["capabilities"]);

const REQUEST: &[Rule] = &[
    mapped("capabilities", DISTINCT, "must hold `gpu`"),
    mapped("driver", TEXT, "`nvidia` where it is left out, or `amd`"),
    mapped("count", COUNT, "how many; `all` becomes 1"),
    needed("device_ids", DISTINCT, "the cluster chooses the devices", "ask for a `count` of them"),
    missed("options", DISTINCT_PAIRS, "the driver's device plugin decides", "remove the key"),
];
