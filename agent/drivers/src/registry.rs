//! From a Provider to its driver.

use std::sync::Arc;

use kompox_manifests::model::Provider;

use crate::class::DriverName;
use crate::driver::{Driver, Result};
use crate::error::DriverError;
use crate::local::{LocalDriver, settings};

/// What a driver must know of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriverContext {
    /// The label `kubernetes.io/hostname` of every node.
    pub nodes: Vec<String>,
}

/// The driver of a Provider. Nothing is asked of it yet.
///
/// # Errors
/// `Invalid` when the driver is not known or its settings are wrong, `Unsupported` when this version
/// cannot manage its disks yet, `Transient` when it depends on a node and the cluster has none.
pub fn driver_for(provider: &Provider, context: &DriverContext) -> Result<Arc<dyn Driver>> {
    let name: DriverName = provider.driver.value.parse()?;
    match name {
        DriverName::Local => {
            settings::check_keys(&provider.settings)?;
            let root = settings::root(&provider.settings)?;
            let node = settings::node(&provider.settings, &context.nodes)?;
            Ok(Arc::new(LocalDriver::new(&root, &node)?))
        }
        DriverName::Csi | DriverName::Aks | DriverName::Eks | DriverName::Gke | DriverName::Oke => {
            Err(DriverError::unsupported(format!(
                "this version manages disks with the driver `local` only; Apps of a Provider with driver `{name}` can \
                 be rendered, but their disks can be neither listed nor made"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kompox_manifests::diagnostic::{SourceFile, Span, Spanned};

    use super::*;

    fn provider(driver: &str, settings: &[(&str, &str)]) -> Provider {
        let file = Arc::new(SourceFile { path: "kompoxapp.yml".into(), text: String::new() });
        Provider {
            driver: Spanned::new(driver.to_owned(), Span::file(&file)),
            settings: settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    fn nodes(names: &[&str]) -> DriverContext {
        DriverContext { nodes: names.iter().map(|&name| name.to_owned()).collect() }
    }

    fn fails(driver: &str, settings: &[(&str, &str)], context: &DriverContext, label: &str, words: &str) {
        let error = driver_for(&provider(driver, settings), context).unwrap_err();
        assert_eq!(error.label(), label, "{error}");
        assert!(error.message.contains(words), "{error}");
    }

    #[test]
    fn the_only_node_is_taken() {
        let driver = driver_for(&provider("local", &[("LOCAL_ROOT", "/srv//kompox/")]), &nodes(&["n1"])).unwrap();
        assert_eq!(driver.name(), "local");
        assert_eq!(driver.normalize_handle("local://n1/srv//kompox/x").unwrap(), "local://n1/srv/kompox/x");
    }

    #[test]
    fn a_named_node_needs_no_list() {
        assert!(driver_for(&provider("local", &[("LOCAL_NODE", "n2")]), &nodes(&["n1", "n2"])).is_ok());
        assert!(driver_for(&provider("local", &[("LOCAL_NODE", "n2")]), &nodes(&[])).is_ok());
    }

    #[test]
    fn several_nodes_are_listed() {
        let several = nodes(&["n2", "n1"]);
        fails("local", &[], &several, "invalid", "has 2 nodes; set it to the one that holds the disks: n1, n2");
        fails("local", &[("LOCAL_NODE", "")], &several, "invalid", "LOCAL_NODE");
        fails("local", &[], &nodes(&[]), "transient", "the cluster has no node");
    }

    #[test]
    fn wrong_settings_are_refused() {
        let one = nodes(&["n1"]);
        fails("local", &[("LOCAL_ROT", "/srv")], &one, "invalid", "no setting `LOCAL_ROT`");
        fails("local", &[("LOCAL_ROOT", "srv")], &one, "invalid", "setting LOCAL_ROOT: the path `srv` is not absolute");
        fails("local", &[("LOCAL_ROOT", "/a/../b")], &one, "invalid", "setting LOCAL_ROOT");
        fails("local", &[("LOCAL_ROOT", "/")], &one, "invalid", "choose a folder");
        fails("local", &[("LOCAL_NODE", "a/b")], &one, "invalid", "setting LOCAL_NODE");
    }

    #[test]
    fn drivers_to_come_say_so_and_unknown_ones_are_refused() {
        let one = nodes(&["n1"]);
        for driver in ["csi", "aks", "eks", "gke", "oke"] {
            fails(driver, &[], &one, "unsupported", "this version manages disks with the driver `local` only");
        }
        fails("azure", &[], &one, "invalid", "`azure` is not known; the drivers are local, csi, aks, eks, gke, oke");
        assert_eq!(BTreeMap::<String, String>::new(), provider("local", &[]).settings);
    }
}
