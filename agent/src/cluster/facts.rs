//! What the agent knows of a node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;

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
    /// Whether it is ready and takes Pods (not cordoned).
    pub(crate) ready: bool,
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

impl From<Node> for NodeFacts {
    fn from(node: Node) -> Self {
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let cordoned = node.spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
        Self {
            name: node.metadata.name.unwrap_or_default(),
            labels: node.metadata.labels.unwrap_or_default(),
            ready: ready && !cordoned,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(node: serde_json::Value) -> NodeFacts {
        serde_json::from_value::<Node>(node).unwrap().into()
    }

    #[test]
    fn labels_name_host_and_pool() {
        let node = facts(json!({
            "metadata": {"name": "aks-1", "labels": {
                "kubernetes.io/hostname": "host-1", "kompox.dev/node-pool": "user"}},
            "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]},
        }));
        assert_eq!((node.hostname(), node.node_pool()), ("host-1", Some("user")));
        assert!(node.ready);
    }

    #[test]
    fn a_bare_node_is_named_by_itself_and_not_ready() {
        let node = facts(json!({"metadata": {"name": "n"}}));
        assert_eq!((node.hostname(), node.node_pool(), node.ready), ("n", None, false));
    }

    #[test]
    fn a_cordoned_node_takes_no_pods() {
        let node = facts(json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        assert!(!node.ready);
    }
}
