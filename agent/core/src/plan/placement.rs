//! Whether any node can take the App's Pod, as far as node pools tell.

use kompox_manifests::model::{App, Choice};
use kompox_manifests::slots::NodePools;

use super::{Action, Subject, What};
use crate::observed::Node;

/// The pool of Apps that name none.
const DEFAULT_POOL: &str = "user";

/// Whether the pool selector is written: not in a cluster whose nodes carry no pool at all.
pub(super) fn node_pools(nodes: &[Node]) -> NodePools {
    if !nodes.is_empty() && nodes.iter().all(|node| node.pool.is_none()) {
        NodePools::Unlabelled
    } else {
        NodePools::Labelled
    }
}

/// Blocks an App whose pool no node is in, where nodes do carry pools.
pub(super) fn decide(app: &App, nodes: &[Node], actions: &mut Vec<Action>) {
    let wanted: Vec<&str> = match &app.placement.pools {
        Choice::Unset => vec![DEFAULT_POOL],
        Choice::One(pool) => vec![pool],
        Choice::AnyOf(pools) => pools.iter().map(String::as_str).collect(),
    };
    let fits = |node: &Node| node.pool.as_deref().is_some_and(|pool| wanted.contains(&pool));
    let Some(candidate) = nodes.iter().find(|node| node.pool.is_none()).or(nodes.first()) else { return };
    if node_pools(nodes) == NodePools::Unlabelled || nodes.iter().any(fits) {
        return;
    }
    let pool = wanted.first().copied().unwrap_or(DEFAULT_POOL);
    let remedy = format!("kubectl label node {} kompox.dev/node-pool={pool} --overwrite", candidate.name);
    let reason = format!("no node is in pool {}", wanted.join(" or "));
    actions.push(Action {
        what: What::Blocked { subject: Subject::App, remedy },
        reason,
        origin: Some(app.at.clone()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, pool: Option<&str>) -> Node {
        Node { name: name.into(), hostname: name.into(), pool: pool.map(Into::into) }
    }

    #[test]
    fn the_selector_is_left_out_only_where_no_node_has_a_pool() {
        assert_eq!(node_pools(&[]), NodePools::Labelled);
        assert_eq!(node_pools(&[node("a", None)]), NodePools::Unlabelled);
        assert_eq!(node_pools(&[node("a", None), node("b", Some("gpu"))]), NodePools::Labelled);
    }
}
