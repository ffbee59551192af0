//! One form for what may be written in two.

use crate::yaml::{Entry, Key, Map, Node, Value};

/// A mapping from a list of `NAME=value`; a name alone has a null value. Anything else stays as it is.
pub(super) fn mapping(node: Node) -> Node {
    listed(node, |text| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Value::String(value.to_owned())),
        None => (text.to_owned(), Value::Null),
    })
}

/// A mapping from a list of its keys; a dependency gets what Compose takes it to mean.
pub(super) fn names(node: Node, path: &[&str]) -> Node {
    let dependency = path.last() == Some(&"depends_on");
    let mut node = listed(node, |text| (text.to_owned(), Value::Null));
    if let (true, Value::Map(map)) = (dependency, &mut node.value) {
        for value in map.values_mut().filter(|value| value.is_null()) {
            let condition = Node::string("service_started", value.span.clone());
            let key = Key::new("condition", value.span.clone());
            value.value = Value::Map([Entry { key, value: condition }].into_iter().collect());
        }
    }
    node
}

fn listed(node: Node, entry: impl Fn(&str) -> (String, Value)) -> Node {
    let Value::Seq(items) = &node.value else { return node };
    let mut map = Map::new();
    for item in items {
        // What is no text is reported where the key is read: the list stays as it is.
        let Some(text) = item.as_str() else { return node };
        let (name, value) = entry(text);
        let mut value = Node::new(value, item.span.clone());
        value.secret.clone_from(&item.secret);
        map.insert(Key::new(name, item.span.clone()), value);
    }
    Node::new(Value::Map(map), node.span)
}

/// A list of `NAME=value` from a mapping of one or several values.
pub(super) fn hosts(node: Node) -> Node {
    let Value::Map(map) = &node.value else { return node };
    let mut items = Vec::new();
    for Entry { key, value } in map {
        let several = value.as_seq().unwrap_or(std::slice::from_ref(value));
        for one in several {
            let Some(address) = one.resolved() else { return node };
            items.push(Node::string(format!("{}={address}", key.text), one.span.clone()));
        }
    }
    Node::new(Value::Seq(items), node.span)
}

/// A list from its only item.
pub(super) fn list(node: Node) -> Node {
    if matches!(node.value, Value::Seq(_) | Value::Null) || node.tag.is_some() {
        return node;
    }
    let span = node.span.clone();
    Node::new(Value::Seq(vec![node]), span)
}

/// A mapping from the folder that an image is built in.
pub(super) fn build(node: Node) -> Node {
    if node.as_str().is_none() {
        return node;
    }
    let span = node.span.clone();
    let entry = Entry { key: Key::new("context", span.clone()), value: node };
    Node::new(Value::Map([entry].into_iter().collect()), span)
}
