//! Who may connect to the App's Pods.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::context::{Context, some, some_map};
use crate::model::{self, NetworkPort, NetworkRule};
use crate::object::{Kind, Object};

const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

pub(super) fn network_policy(context: &Context<'_>) -> Object {
    let app = context.app;
    let meta = context.app_meta(context.names.app.clone());
    let rules = std::iter::once(own_namespaces(context)).chain(app.network_rules.iter().map(rule)).collect();
    context.object(Kind::NetworkPolicy, meta, &app.at, |metadata| NetworkPolicy {
        metadata,
        spec: Some(NetworkPolicySpec {
            ingress: Some(rules),
            // Empty is every Pod of the namespace. API servers before 1.34 ask for the field.
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ..NetworkPolicySpec::default()
        }),
    })
}

/// The App itself, the cluster's own namespace and the ingress controller's.
fn own_namespaces(context: &Context<'_>) -> NetworkPolicyIngressRule {
    let mut namespaces = vec![context.names.namespace.clone(), "kube-system".to_owned()];
    if !namespaces.contains(&context.app.cluster.ingress_namespace) {
        namespaces.push(context.app.cluster.ingress_namespace.clone());
    }
    let selector = LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: NAMESPACE_NAME.to_owned(),
            operator: "In".to_owned(),
            values: Some(namespaces),
        }]),
        ..LabelSelector::default()
    };
    NetworkPolicyIngressRule { from: Some(vec![peer(selector)]), ports: None }
}

fn rule(rule: &NetworkRule) -> NetworkPolicyIngressRule {
    let NetworkRule { from, ports } = rule;
    NetworkPolicyIngressRule {
        from: some(from.iter().map(|namespaces| peer(selector(namespaces))).collect()),
        ports: some(ports.iter().map(port).collect()),
    }
}

fn peer(namespaces: LabelSelector) -> NetworkPolicyPeer {
    NetworkPolicyPeer { namespace_selector: Some(namespaces), ..NetworkPolicyPeer::default() }
}

fn selector(selector: &model::LabelSelector) -> LabelSelector {
    let model::LabelSelector { match_labels, match_expressions } = selector;
    let requirement = |(key, operator, values): &(String, String, Vec<String>)| LabelSelectorRequirement {
        key: key.clone(),
        operator: operator.clone(),
        values: some(values.clone()),
    };
    LabelSelector {
        match_expressions: some(match_expressions.iter().map(requirement).collect()),
        match_labels: some_map(match_labels.clone()),
    }
}

fn port(port: &NetworkPort) -> NetworkPolicyPort {
    let NetworkPort { protocol, port } = port;
    NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(*port))),
        protocol: Some(protocol.clone()),
        ..NetworkPolicyPort::default()
    }
}
