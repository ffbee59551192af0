//! On which nodes the Pod may run.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

use super::super::context::{Context, some, some_map};
use crate::labels::{NODE_POOL, NODE_ZONE};
use crate::model::Choice;
use crate::slots::NodePools;

/// The label that kubelets put onto their nodes.
const ARCHITECTURE: &str = "kubernetes.io/arch";
/// The pool of an App that names none.
const DEFAULT_POOL: &str = "user";

/// One pool and one zone are selected directly.
pub(super) fn node_selector(context: &Context<'_>) -> Option<BTreeMap<String, String>> {
    let mut selector = BTreeMap::new();
    match &context.app.placement.pools {
        _ if !pools_known(context) => {}
        Choice::Unset => {
            selector.insert(NODE_POOL.to_owned(), DEFAULT_POOL.to_owned());
        }
        Choice::One(pool) => {
            selector.insert(NODE_POOL.to_owned(), pool.clone());
        }
        Choice::AnyOf(_) => {}
    }
    if let Choice::One(zone) = &context.app.placement.zones {
        selector.insert(NODE_ZONE.to_owned(), zone.clone());
    }
    if let Some(architecture) = &context.app.project.pod.architecture {
        selector.insert(ARCHITECTURE.to_owned(), architecture.clone());
    }
    some_map(selector)
}

/// Several pools and zones are required by affinity; a node must fit both.
pub(super) fn affinity(context: &Context<'_>) -> Option<Affinity> {
    let mut requirements = Vec::new();
    if let (true, Choice::AnyOf(pools)) = (pools_known(context), &context.app.placement.pools) {
        requirements.push(any_of(NODE_POOL, pools));
    }
    if let Choice::AnyOf(zones) = &context.app.placement.zones {
        requirements.push(any_of(NODE_ZONE, zones));
    }
    let term = NodeSelectorTerm { match_expressions: Some(some(requirements)?), ..NodeSelectorTerm::default() };
    Some(Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector { node_selector_terms: vec![term] }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    })
}

fn pools_known(context: &Context<'_>) -> bool {
    context.slots.node_pools == NodePools::Labelled
}

fn any_of(label: &str, values: &[String]) -> NodeSelectorRequirement {
    NodeSelectorRequirement { key: label.to_owned(), operator: "In".to_owned(), values: Some(values.to_vec()) }
}
