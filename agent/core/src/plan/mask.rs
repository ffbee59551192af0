//! What a plan may show of a field's value.

use kompox_manifests::object::Kind;
use serde_json::Value;

/// Longest value that a plan shows, in characters.
const LONGEST: usize = 120;

/// Parts of a variable's name that say its value is a secret.
const SECRET_NAMES: [&str; 9] =
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "API_KEY", "PRIVATE_KEY", "CREDENTIAL", "PASSPHRASE"];

/// A field's value as a plan shows it: Secret data, its content hashes and values of variables that
/// are named like passwords are masked; long values are cut.
#[must_use]
pub fn shown(kind: Kind, path: &str, value: &Value) -> String {
    if is_secret(kind, path) {
        return "(secret)".to_owned();
    }
    let masked = mask_variables(value);
    let text = match masked {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let cut: String = text.chars().take(LONGEST - 1).collect();
    format!("{cut}…")
}

/// Whether a variable of this name probably holds a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn is_secret(kind: Kind, path: &str) -> bool {
    let secret_data = kind == Kind::Secret
        && (path.starts_with("data") || path.starts_with("stringData") || path.contains("compose-content-hash"));
    secret_data || variable(path).is_some_and(is_secret_name)
}

/// The variable's name in a path that goes through `env[NAME]`.
fn variable(path: &str) -> Option<&str> {
    path.split_once(".env[")?.1.split_once(']').map(|(name, _)| name)
}

/// Masks `{name, value}` pairs wherever they stand below a value that is shown whole.
fn mask_variables(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(mask_variables).collect()),
        Value::Object(fields) => {
            let secret = fields.get("name").and_then(Value::as_str).is_some_and(is_secret_name);
            let field = |(name, value): (&String, &Value)| {
                let value = if secret && name == "value" {
                    Value::String("(secret)".to_owned())
                } else {
                    mask_variables(value)
                };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        scalar => scalar.clone(),
    }
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
    fn long_and_multi_line_values_are_cut_to_one_line() {
        let text = shown(Kind::ConfigMap, "data.a", &json!("x\n".repeat(500)));
        assert_eq!(text.chars().count(), LONGEST);
        assert!(!text.contains('\n'));
    }
}
