//! What a plan may show of a field's value.

use kompox_manifests::object::Kind;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Longest value that a plan shows, in characters.
const LONGEST: usize = 120;

/// Parts of a variable's name that say its value is a secret.
const SECRET_NAMES: [&str; 8] = ["PASS", "PWD", "SECRET", "TOKEN", "APIKEY", "_KEY", "CREDENTIAL", "SALT"];

/// Annotation with a hash over values, of Secrets among them: with a short password, a hash tells it.
const CONTENT_HASH: &str = "compose-content-hash";

/// What stands for a secret value.
const MASK: &str = "(secret)";

/// A field's value as a plan shows it: Secret data, its content hashes and values of variables that
/// are named like passwords are masked; long values are cut, with a hash of the whole masked text
/// behind them: two texts that differ never look the same.
#[must_use]
pub fn shown(kind: Kind, path: &str, value: &Value) -> String {
    if is_secret(kind, path) {
        return MASK.to_owned();
    }
    let masked = mask_variables(value);
    let whole = match masked {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let line: String = whole.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line == whole && line.chars().count() <= LONGEST {
        return line;
    }
    let hash: String = Sha256::digest(&whole).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let end = format!("… #{hash}");
    let cut: String = line.trim_end().chars().take(LONGEST - end.chars().count()).collect();
    format!("{cut}{end}")
}

/// A whole object with everything masked that [`shown`] masks, and nothing cut.
#[must_use]
pub fn masked(kind: Kind, body: &Value) -> Value {
    let mut masked = mask_variables(body);
    if kind == Kind::Secret {
        for part in ["data", "stringData"] {
            for value in masked.get_mut(part).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
                *value = MASK.into();
            }
        }
    }
    masked
}

/// Whether a variable of this name probably holds a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn is_secret(kind: Kind, path: &str) -> bool {
    let secret_data = kind == Kind::Secret && (path.starts_with("data") || path.starts_with("stringData"));
    secret_data || path.contains(CONTENT_HASH) || variable(path).is_some_and(is_secret_name)
}

/// The variable's name in a path that goes through `env[NAME]`.
fn variable(path: &str) -> Option<&str> {
    path.split_once(".env[")?.1.split_once(']').map(|(name, _)| name)
}

/// Masks `{name, value}` pairs, content hashes and passwords in URLs wherever they stand below a value
/// that is shown whole.
fn mask_variables(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(mask_variables).collect()),
        Value::Object(fields) => {
            let secret = fields.get("name").and_then(Value::as_str).is_some_and(is_secret_name);
            let field = |(name, value): (&String, &Value)| {
                let value = if secret && name == "value" || name.contains(CONTENT_HASH) {
                    Value::String(MASK.to_owned())
                } else {
                    mask_variables(value)
                };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::String(text) => Value::String(mask_urls(text)),
        scalar => scalar.clone(),
    }
}

/// Masks the password of every `scheme://user:password@host`.
fn mask_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"')).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
            Some((user, host)) => masked.push_str(&format!("{user}:{MASK}@{host}")),
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secret_data_and_its_hash_are_masked() {
        assert_eq!(shown(Kind::Secret, "data.PASSWORD", &json!("aHVudGVyMg==")), "(secret)");
        assert_eq!(shown(Kind::Secret, "data", &json!({"A": "aHVudGVyMg=="})), "(secret)");
        let hash = "metadata.annotations.kompox.dev/compose-content-hash";
        assert_eq!(shown(Kind::Secret, hash, &json!("332s63")), "(secret)");
        assert_eq!(shown(Kind::ConfigMap, "data.nginx.conf", &json!("listen 80")), "listen 80");
    }

    #[test]
    fn variables_named_like_passwords_are_masked_wherever_they_stand() {
        let path = "spec.template.spec.containers[db].env[POSTGRES_PASSWORD].value";
        assert_eq!(shown(Kind::Deployment, path, &json!("hunter2")), "(secret)");
        let container = json!({"name": "db", "env": [{"name": "DB_PASSWD", "value": "hunter2"}]});
        let text = shown(Kind::Deployment, "spec.template.spec.containers[db]", &container);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("DB_PASSWD"), "{text}");
    }

    #[test]
    fn passwords_in_urls_and_hashes_below_are_masked() {
        let url = json!("postgres://app:hunter2@db/app?x=http://a:b@c and mailto:x@y https://plain/");
        let text = shown(Kind::Deployment, "spec.template.spec.containers[a].env[URL].value", &url);
        assert_eq!(text, "postgres://app:(secret)@db/app?x=http://a:(secret)@c and mailto:x@y https://plain/");
        let annotations = json!({"kompox.dev/compose-content-hash": "332s63", "other": "1"});
        let text = shown(Kind::Deployment, "spec.template.metadata.annotations", &annotations);
        assert_eq!(text, r#"{"kompox.dev/compose-content-hash":"(secret)","other":"1"}"#);
    }

    #[test]
    fn long_and_multi_line_values_are_cut_to_one_line() {
        let text = shown(Kind::ConfigMap, "data.a", &json!("x\n".repeat(500)));
        assert_eq!(text.chars().count(), LONGEST);
        assert!(!text.contains('\n'));
        assert_eq!(shown(Kind::ConfigMap, "data.a", &json!("a\nb")), "a b… #7e18f737");
    }

    #[test]
    fn texts_that_differ_never_look_the_same() {
        let long = |end: &str| shown(Kind::ConfigMap, "data.a", &json!(format!("{}{end}", "x".repeat(500))));
        assert_ne!(long("1"), long("2"));
        let lines = |text: &str| shown(Kind::ConfigMap, "data.a", &json!(text));
        assert_ne!(lines("a b"), lines("a\nb"));
        assert_ne!(lines("a\tb"), lines("a\nb"));
        // The hash is of what is shown: it tells nothing of a password.
        let url = |password: &str| long(&format!(" https://user:{password}@host"));
        assert_eq!(url("one"), url("two"));
    }

    #[test]
    fn a_masked_object_keeps_the_names_of_what_is_secret() {
        let secret = json!({"metadata": {"name": "s"}, "data": {"A": "aHVudGVyMg=="}, "type": "Opaque"});
        let masked = masked(Kind::Secret, &secret);
        assert_eq!(masked, json!({"metadata": {"name": "s"}, "data": {"A": "(secret)"}, "type": "Opaque"}));
    }
}
