//! Passwords in plain files: whoever may read the repository reads them too. They are found by the names of their
//! keys, or as part of a URL; no message ever repeats a value.

use std::collections::BTreeMap;

use super::key_value::Setting;
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::Node;
use crate::yaml::fields::Findings;

/// Words that name a password by themselves.
const WORDS: [&str; 14] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "SECRETKEY",
    "PRIVATEKEY",
    "SALT",
];
/// Words that do so in front of `KEY`.
const KEYS: [&str; 10] =
    ["API", "APP", "AUTH", "PRIVATE", "SECRET", "ACCESS", "ENCRYPTION", "MASTER", "NONCE", "SIGNING"];
/// Last words that say that the value is something about the password, not the password.
const ABOUT: [&str; 36] = [
    "FILE",
    "PATH",
    "DIR",
    "URL",
    "URI",
    "HOST",
    "NAME",
    "USER",
    "USERNAME",
    "ID",
    "TYPE",
    "ALGORITHM",
    "METHOD",
    "MODE",
    "FORMAT",
    "HEADER",
    "ISSUER",
    "PROVIDER",
    "SCOPE",
    "POLICY",
    "LENGTH",
    "SIZE",
    "LIMIT",
    "COUNT",
    "TTL",
    "AGE",
    "TIMEOUT",
    "LIFETIME",
    "EXPIRY",
    "EXPIRES",
    "EXPIRATION",
    "DAYS",
    "HOURS",
    "MINUTES",
    "SECONDS",
    "ENABLED",
];

/// Warns about a variable of a plain file that looks like a password.
pub(super) fn check(name: &str, value: &str, at: &Span, findings: &Findings) {
    let what = if looks_like_password(name) && !is_harmless(value) {
        "looks like a password"
    } else if is_url_with_password(value) {
        "is a URL with a password"
    } else {
        return;
    };
    let message = format!("`{name}` {what}, and stands in a plain file of the repository");
    let help =
        "encrypt the file with SOPS, or set it on the cluster, in the App's `-override` Secret, and remove it here";
    // The line is not quoted: it holds the value.
    findings.push(Diagnostic::warning("plain-password", at.without_text(), message).help(help));
}

/// Warns about the variables of a plain file, once a variable: where it is set last, which counts.
pub(super) fn check_file(settings: &[Setting], findings: &Findings) {
    let last: BTreeMap<&str, &Setting> = settings.iter().map(|setting| (setting.key.value.as_str(), setting)).collect();
    for Setting { key, value, secret: _ } in last.into_values().filter(|setting| !setting.secret) {
        check(&key.value, value, &key.at, findings);
    }
}

/// Whether the value stands in the Compose file; what comes out of a variable stands elsewhere.
pub(super) fn is_literal(value: &Node) -> bool {
    let at = &value.span;
    !value.is_null() && value.secret.is_none() && !at.file.text.get(at.start..at.end).unwrap_or_default().contains('$')
}

fn looks_like_password(name: &str) -> bool {
    let upper = name.to_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    let named = words.iter().any(|word| WORDS.contains(word) || word.ends_with("PASSWORD"));
    let key = words.windows(2).any(|pair| matches!(pair, [what, "KEY"] if KEYS.contains(what)));
    // `PWD` alone is the working folder.
    (named || key) && words != ["PWD"] && !words.last().is_some_and(|last| ABOUT.contains(last))
}

/// Nothing, and what switches something on or off.
fn is_harmless(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "" | "true" | "false" | "yes" | "no" | "on" | "off" | "0" | "1")
}

/// `scheme://user:password@host`
fn is_url_with_password(value: &str) -> bool {
    let authority = value.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_known_by_their_names() {
        for name in [
            "POSTGRES_PASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "db_password",
            "PGPASSWORD",
            "SECRET_KEY_BASE",
            "API_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "GITEA__security__SECRET_KEY",
            "SMTP_PASS",
            "app.secret",
            "STRIPE_API_KEY",
            "WORDPRESS_LOGGED_IN_SALT",
        ] {
            assert!(looks_like_password(name), "{name}");
        }
        for name in [
            "POSTGRES_PASSWORD_FILE",
            "PWD",
            "USER",
            "KEY",
            "KEYBOARD",
            "TOKEN_TTL",
            "PASSENGER",
            "COMPASS",
            "SECRET_NAME",
            "PUBLIC_KEY",
            "TOKENIZER",
            "PASSWORD_MIN_LENGTH",
            "",
        ] {
            assert!(!looks_like_password(name), "{name}");
        }
    }

    #[test]
    fn a_url_may_hold_a_password() {
        for url in ["postgres://shop:hush@db/shop", "redis://:hush@cache:6379", "a://b:c@d"] {
            assert!(is_url_with_password(url), "{url}");
        }
        for text in ["", "https://example.com/a:b@c", "postgres://shop@db/shop", "postgres://shop:@db", "a:b@c"] {
            assert!(!is_url_with_password(text), "{text}");
        }
    }
}
