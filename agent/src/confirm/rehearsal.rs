//! Objects tried where they are not: under another name, or in another Namespace.

use kompox_manifests::object::Object;

use crate::cluster::SYSTEM_NAMESPACE;

/// The namespace that every cluster has.
const DEFAULT_NAMESPACE: &str = "default";
/// The name under which what makes way for itself is tried.
const STAND_IN: &str = "kompox-rehearsal";

/// The object as it would be in the agent's own Namespace.
pub(super) fn elsewhere(object: &Object) -> Object {
    in_namespace(object, SYSTEM_NAMESPACE)
}

/// The object as it would be in a cluster in which the agent is not installed yet.
pub(super) fn anywhere(object: &Object) -> Object {
    in_namespace(object, DEFAULT_NAMESPACE)
}

/// The object as it would be if nothing of its name were there: what holds for its Namespace holds for it.
pub(super) fn beside_itself(object: &Object) -> Object {
    let mut moved = object.clone();
    STAND_IN.clone_into(&mut moved.key.name);
    if let Some(written) = moved.body.pointer_mut("/metadata/name") {
        *written = STAND_IN.into();
    }
    moved
}

fn in_namespace(object: &Object, namespace: &str) -> Object {
    let mut moved = object.clone();
    if object.key.kind.namespaced() {
        moved.key.namespace = Some(namespace.to_owned());
        if let Some(written) = moved.body.pointer_mut("/metadata/namespace") {
            *written = namespace.into();
        }
    }
    moved
}
