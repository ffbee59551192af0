//! Lists in which an item of the later file replaces the one that asks for the same.

use std::collections::BTreeMap;

use crate::yaml::{Node, Value};

/// Keeps the last of the items with one key, at the place of the first.
pub(super) fn by(node: Node, key: fn(&Node) -> Option<String>) -> Node {
    let Value::Seq(items) = node.value else { return node };
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Node> = Vec::new();
    for item in items {
        let slot = key(&item).and_then(|key| match places.get(&key) {
            Some(&place) => kept.get_mut(place),
            None => {
                places.insert(key, kept.len());
                None
            }
        });
        match slot {
            Some(slot) => *slot = item,
            None => kept.push(item),
        }
    }
    Node::new(Value::Seq(kept), node.span)
}

/// Each text once, where it stands last: the order says which file wins.
pub(super) fn texts(node: Node) -> Node {
    let Value::Seq(mut items) = node.value else { return node };
    items.reverse();
    let mut once = by(Node::new(Value::Seq(items), node.span), Node::resolved);
    if let Value::Seq(items) = &mut once.value {
        items.reverse();
    }
    once
}

/// Address, host port, container port and protocol.
pub(super) fn port(node: &Node) -> Option<String> {
    let field = |key: &str| node.get(key).and_then(Node::resolved).unwrap_or_default();
    let (address, published, target, protocol) = match &node.value {
        Value::Map(_) => (field("host_ip"), field("published"), field("target"), field("protocol")),
        _ => {
            let text = node.resolved()?;
            let (ports, protocol) = text.split_once('/').unwrap_or((&text, ""));
            let (host, target) = ports.rsplit_once(':').unwrap_or(("", ports));
            let (address, published) = host.rsplit_once(':').unwrap_or(("", host));
            (address.to_owned(), published.to_owned(), target.to_owned(), protocol.to_owned())
        }
    };
    let protocol = if protocol.is_empty() { "tcp" } else { &protocol };
    Some(format!("{address}:{published}:{target}/{protocol}"))
}

/// The path in the container.
pub(super) fn volume(node: &Node) -> Option<String> {
    let target = match &node.value {
        Value::Map(map) => map.get("target")?.resolved()?,
        _ => {
            let text = node.as_str()?;
            text.split(':').nth(1).unwrap_or(text).to_owned()
        }
    };
    Some(target.trim_end_matches('/').to_owned())
}

/// The path of a config in the container.
pub(super) fn config(node: &Node) -> Option<String> {
    file(node, "/")
}

/// The path of a secret in the container.
pub(super) fn secret(node: &Node) -> Option<String> {
    file(node, "/run/secrets/")
}

fn file(node: &Node, folder: &str) -> Option<String> {
    let target = match &node.value {
        Value::Map(map) => {
            map.get("target").filter(|node| !node.is_null()).or_else(|| map.get("source"))?.resolved()?
        }
        _ => node.as_str()?.to_owned(),
    };
    Some(if target.starts_with('/') { target } else { format!("{folder}{target}") })
}
