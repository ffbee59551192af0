//! What the agent knows of a node.

use std::collections::BTreeMap;

/// Label of a node: its name as `local` volumes pin it.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// Label of a node: its pool.
const NODE_POOL: &str = "kompox.dev/node-pool";

/// What the agent knows of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    /// `metadata.name`.
    pub(crate) name: String,
    /// Every label.
    pub(crate) labels: BTreeMap<String, String>,
}

impl NodeFacts {
    /// The name by which volumes are pinned to it; usually the node's own.
    pub(crate) fn hostname(&self) -> &str {
        self.labels.get(HOSTNAME).unwrap_or(&self.name)
    }

    /// Its pool, if it is labelled.
    pub(crate) fn node_pool(&self) -> Option<&str> {
        self.labels.get(NODE_POOL).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_host_and_pool() {
        let labels =
            [(HOSTNAME, "host-1"), (NODE_POOL, "user")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let node = NodeFacts { name: "aks-1".into(), labels: labels.into() };
        assert_eq!((node.hostname(), node.node_pool()), ("host-1", Some("user")));
    }

    #[test]
    fn a_bare_node_is_named_by_itself() {
        let node = NodeFacts { name: "n".into(), labels: BTreeMap::new() };
        assert_eq!((node.hostname(), node.node_pool()), ("n", None));
    }
}
