//! The driver's keys in `Provider.spec.settings`.

use std::collections::BTreeMap;

use super::handle::{check_node, normal_path};
use crate::driver::Result;
use crate::error::DriverError;

/// The root folder on the node.
pub(crate) const ROOT: &str = "LOCAL_ROOT";
/// The node's label `kubernetes.io/hostname`.
pub(crate) const NODE: &str = "LOCAL_NODE";
/// Where the root is when nobody says.
pub const DEFAULT_ROOT: &str = "/var/lib/kompox";

/// The root folder.
pub(crate) fn root(settings: &BTreeMap<String, String>) -> Result<String> {
    let given = settings.get(ROOT).filter(|root| !root.is_empty()).map_or(DEFAULT_ROOT, String::as_str);
    normal_path(given).map_err(|error| DriverError::invalid(format!("setting {ROOT}: {}", error.message)))
}

/// The node, or the cluster's only one. `nodes` are the labels `kubernetes.io/hostname` of all.
pub(crate) fn node(settings: &BTreeMap<String, String>, nodes: &[String]) -> Result<String> {
    let node = match (settings.get(NODE).filter(|node| !node.is_empty()), nodes) {
        (Some(node), _) => node,
        (None, [only]) => only,
        (None, []) => {
            return Err(DriverError::transient(format!(
                "the setting {NODE} of the Provider is not set, and the cluster has no node to take instead"
            )));
        }
        (None, several) => {
            let mut names = several.to_vec();
            names.sort();
            return Err(DriverError::invalid(format!(
                "the setting {NODE} of the Provider is not set, and the cluster has {} nodes; set it to the one that \
                 holds the disks: {}",
                names.len(),
                names.join(", ")
            )));
        }
    };
    check_node(node).map_err(|error| DriverError::invalid(format!("setting {NODE}: {}", error.message)))?;
    Ok(node.clone())
}

/// A misspelt key would silently mean the default root: another place, without the data.
pub(crate) fn check_keys(settings: &BTreeMap<String, String>) -> Result<()> {
    match settings.keys().find(|key| key.starts_with("LOCAL_") && ![ROOT, NODE].contains(&key.as_str())) {
        Some(key) => Err(DriverError::invalid(format!(
            "the driver `local` has no setting `{key}`; its settings are {ROOT} and {NODE}"
        ))),
        None => Ok(()),
    }
}
