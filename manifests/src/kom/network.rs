//! `networkPolicy`: who may connect.

use super::{shape, syntax};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{LabelSelector, NetworkPort, NetworkRule};
use crate::yaml::Node;
use crate::yaml::fields::{self, Fields, Findings};

/// The protocols that a rule can name.
const PROTOCOLS: [(&str, &str); 3] = [("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP")];

/// The operators of `matchExpressions`, each with whether it takes values.
const OPERATORS: [(&str, (&str, bool)); 4] = [
    ("In", ("In", true)),
    ("NotIn", ("NotIn", true)),
    ("Exists", ("Exists", false)),
    ("DoesNotExist", ("DoesNotExist", false)),
];

/// `networkPolicy.ingressRules` of an App or a Box.
pub(super) fn rules(fields: &mut Fields<'_, '_>) -> Vec<NetworkRule> {
    let findings = fields.findings();
    let Some(mut policy) = fields.section("networkPolicy", "networkPolicy") else { return Vec::new() };
    let rules = policy.list("ingressRules").iter().filter_map(|item| rule(item, findings)).collect();
    policy.finish();
    rules
}

fn rule(item: &Node, findings: &Findings) -> Option<NetworkRule> {
    let mut rule = Fields::of(item, "ingressRules[]", findings)?.shaped(&shape::INGRESS_RULE);
    let from: Vec<LabelSelector> = match rule.required("from").and_then(|node| fields::list(node, "from", findings)) {
        Some([]) => {
            let message = "an empty `from` would let everyone in";
            let help = "name the namespaces; `- namespaceSelector: {}` stands for all of them";
            findings.push(Diagnostic::error("network-rule", rule.at().clone(), message).help(help));
            Vec::new()
        }
        Some(peers) => peers.iter().filter_map(|peer| namespaces(peer, findings)).collect(),
        None => Vec::new(),
    };
    let ports = rule.list("ports").iter().filter_map(|item| port(item, findings)).collect();
    rule.finish();
    Some(NetworkRule { from, ports })
}

fn port(item: &Node, findings: &Findings) -> Option<NetworkPort> {
    let mut fields = Fields::of(item, "ports[]", findings)?.shaped(&shape::NETWORK_PORT);
    let protocol = fields.choice("protocol", &PROTOCOLS).map_or("TCP", |protocol| protocol.value);
    let port = fields.required("port").and_then(|node| fields::port(node, "port", findings));
    fields.finish();
    Some(NetworkPort { protocol: protocol.to_owned(), port: port?.value })
}

fn namespaces(peer: &Node, findings: &Findings) -> Option<LabelSelector> {
    let mut peer = Fields::of(peer, "from[]", findings)?.shaped(&shape::PEER);
    let selector = peer.required("namespaceSelector");
    peer.finish();
    let mut fields = Fields::of(selector?, "namespaceSelector", findings)?.shaped(&shape::SELECTOR);
    let mut selector = LabelSelector::default();
    if let Some(labels) = fields.get("matchLabels") {
        match_labels(labels, &mut selector, findings);
    }
    for item in fields.list("matchExpressions") {
        selector.match_expressions.extend(expression(item, findings));
    }
    fields.finish();
    Some(selector)
}

fn match_labels(labels: &Node, selector: &mut LabelSelector, findings: &Findings) {
    let Some(map) = labels.as_map() else {
        fields::wrong_type::<()>(labels, "matchLabels", "a mapping", findings);
        return;
    };
    for entry in map {
        let key = Spanned::new(entry.key.text.clone(), entry.key.span.clone());
        let Some(value) = fields::text(&entry.value, &key.value, findings) else { continue };
        if syntax::label_key(&key, findings) & syntax::label_value(&value, findings) {
            selector.match_labels.insert(key.value, value.value);
        }
    }
}

fn expression(item: &Node, findings: &Findings) -> Option<(String, String, Vec<String>)> {
    let mut fields = Fields::of(item, "matchExpressions[]", findings)?.shaped(&shape::EXPRESSION);
    let key = fields.required_string("key").filter(|key| syntax::label_key(key, findings));
    let operator = fields.required("operator").and_then(|node| fields::choice(node, "operator", &OPERATORS, findings));
    let values = fields.texts("values");
    let at: Span = fields.at().clone();
    fields.finish();
    let sound = values.iter().filter(|value| !syntax::label_value(value, findings)).count() == 0;
    let Spanned { value: (operator, takes_values), .. } = operator?;
    if takes_values == values.is_empty() {
        let (message, help) = match takes_values {
            true => (format!("`{operator}` needs `values`"), "list the values that are meant"),
            false => (format!("`{operator}` takes no `values`"), "remove `values`"),
        };
        findings.push(Diagnostic::error("network-rule", at, message).help(help));
        return None;
    }
    let key = key.filter(|_| sound)?;
    Some((key.value, operator.to_owned(), values.into_iter().map(|value| value.value).collect()))
}
