//! Secrets without their values. Whether a value is the one that is wanted can be told by its hash, so
//! nothing else is kept of what the cluster holds.

use std::borrow::Cow;

use kompox_manifests::object::Kind;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What a sealed value begins with. No value has it: they are in Base64.
const MARK: &str = "sha256:";

/// Replaces the values of a Secret by their hashes. Sealing again changes nothing.
pub fn seal(body: &mut Value) {
    for value in body.get_mut("data").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if let Some(text) = value.as_str().filter(|text| !text.starts_with(MARK)) {
            let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            *value = Value::String(format!("{MARK}{hash}"));
        }
    }
}

/// An object of any kind as it can be compared with one that is sealed.
pub(crate) fn comparable(kind: Kind, body: &Value) -> Cow<'_, Value> {
    if kind != Kind::Secret {
        return Cow::Borrowed(body);
    }
    let mut sealed = body.clone();
    seal(&mut sealed);
    Cow::Owned(sealed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sealed_secret_tells_its_keys_and_whether_values_are_the_same() {
        let sealed = |value: &str| {
            let mut body = json!({"metadata": {"name": "s"}, "data": {"password": value, "user": "YW5u"}});
            seal(&mut body);
            body
        };
        let one = sealed("aHVudGVyMg==");
        assert!(!one.to_string().contains("aHVudGVyMg=="), "{one}");
        assert_eq!(one, sealed("aHVudGVyMg=="));
        assert_ne!(one, sealed("aHVudGVyMw=="));
        assert_eq!(one["metadata"]["name"], "s");
        let mut again = one.clone();
        seal(&mut again);
        assert_eq!(again, one);
    }

    #[test]
    fn what_has_no_values_stays_as_it_is() {
        for body in [json!({}), json!({"data": null}), json!({"data": {"k": 1}}), json!("text")] {
            let mut sealed = body.clone();
            seal(&mut sealed);
            assert_eq!(sealed, body);
        }
    }
}
