//! GPUs: `gpus`, and the devices of `deploy.resources.reservations`. In a cluster they are a resource of the node,
//! named by the driver's device plugin, of which a container gets a number.

use std::collections::BTreeMap;

use crate::compose::{Scope, keys, scalar};
use crate::diagnostic::Diagnostic;
use crate::yaml::{Map, Node, Value};

const CODE: &str = "gpu";
/// Resources by driver. Source: the documentation of the vendors' device plugins.
const RESOURCES: [(&str, &str); 2] = [("nvidia", "nvidia.com/gpu"), ("amd", "amd.com/gpu")];
/// The driver of a request that names none, as in Compose.
const DEFAULT_DRIVER: &str = "nvidia";
/// Most devices that a node could have.
const MAX: u64 = 1024;

/// What a container asks for, by resource. `devices` are those that `deploy` reserves.
pub(super) fn gpus(scope: &Scope<'_>, service: &Map, devices: Option<&Node>) -> BTreeMap<String, String> {
    let mut wanted: BTreeMap<&'static str, u64> = BTreeMap::new();
    let own = keys::optional(service, "gpus");
    if let Some(node) = own.filter(|node| node.as_str().is_some()) {
        one_of_all(scope, node);
        wanted.insert(RESOURCES[0].1, 1);
    }
    let requests = [own.and_then(Node::as_seq), devices.and_then(Node::as_seq)];
    for request in requests.into_iter().flatten().flatten() {
        if let Some((resource, count)) = request.as_map().and_then(|map| self::request(scope, request, map)) {
            *wanted.entry(resource).or_default() += count;
        }
    }
    wanted.into_iter().map(|(resource, count)| (resource.to_owned(), count.to_string())).collect()
}

/// One request: its resource and how many of it.
fn request(scope: &Scope<'_>, node: &Node, map: &Map) -> Option<(&'static str, u64)> {
    let report = |at: &Node, message: String, help: &str| {
        scope.findings.push(Diagnostic::error(CODE, at.span.clone(), message).help(help));
    };
    if let Some(capabilities) = keys::optional(map, "capabilities")
        && !scalar::each(capabilities).iter().any(|capability| capability.as_str() == Some("gpu"))
    {
        report(
            capabilities,
            "the device is no GPU, and a cluster hands out no others by what they can do".to_owned(),
            "ask for the capability `gpu`, or remove the device",
        );
        return None;
    }
    let driver = keys::optional(map, "driver").and_then(scalar::text);
    let driver_name = driver.as_ref().map(|driver| driver.value.as_str()).filter(|name| !name.is_empty());
    let wanted = driver_name.unwrap_or(DEFAULT_DRIVER);
    let Some((_, resource)) = RESOURCES.into_iter().find(|(name, _)| *name == wanted) else {
        let shown = scalar::shown(wanted, &node.span);
        report(node, format!("no resource of a node is known for the driver `{shown}`"), "write `nvidia` or `amd`");
        return None;
    };
    let count = match keys::optional(map, "count") {
        // What `device_ids` ask for has been refused.
        None => {
            if keys::optional(map, "device_ids").is_none() {
                one_of_all(scope, node);
            }
            1
        }
        Some(count)
            if matches!(&count.value, Value::String(text) if text == "all") || count.value == Value::Int(-1) =>
        {
            one_of_all(scope, count);
            1
        }
        Some(count) => {
            let number = scalar::number(count, "count", MAX, scope.findings)?.value;
            if number == 0 {
                return None;
            }
            number
        }
    };
    Some((resource, count))
}

fn one_of_all(scope: &Scope<'_>, node: &Node) {
    let message = "the container gets one GPU: Kubernetes cannot give it all of a node's";
    let help = "say how many: `gpus: [{count: 1}]`";
    scope.findings.push(Diagnostic::warning(CODE, node.span.clone(), message).help(help));
}
