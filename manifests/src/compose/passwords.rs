//! Passwords in plain files: whoever may read the repository reads them too. They are found by their names; no message
//! ever repeats a value.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::yaml::fields::Findings;

/// Words that name a password by themselves.
const WORDS: [&str; 12] = [
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
];
/// Words that do so in front of `KEY`.
const KEYS: [&str; 7] = ["API", "PRIVATE", "SECRET", "ACCESS", "ENCRYPTION", "MASTER", "SIGNING"];
/// Last words that say that the value is something about the password, not the password.
const ABOUT: [&str; 15] = [
    "FILE",
    "PATH",
    "DIR",
    "URL",
    "URI",
    "NAME",
    "TTL",
    "EXPIRY",
    "EXPIRES",
    "LENGTH",
    "ALGORITHM",
    "ENABLED",
    "ISSUER",
    "TYPE",
    "ID",
];

/// Warns when a variable that is set in a plain file looks like a password.
pub(super) fn check(name: &str, value: &str, at: &Span, findings: &Findings) {
    if !looks_like_password(name) || is_harmless(value) {
        return;
    }
    let message = format!("`{name}` looks like a password, and stands in a plain file of the repository");
    let help = "set it on the cluster, in the App's `-override` Secret, and remove it here";
    findings.push(Diagnostic::warning("plain-password", at.clone(), message).help(help));
}

/// The place of a variable in a file of `NAME=value` lines: where it is set first.
pub(super) fn place(file: &Arc<SourceFile>, text: &str, name: &str) -> Span {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let statement = line.trim_start();
        let statement = statement.strip_prefix("export ").map_or(statement, str::trim_start);
        if statement.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')) {
            let before = line.len() - statement.len();
            let column = line.get(..before).unwrap_or_default().chars().count() + 1;
            let start = start + before;
            let end = start + name.len();
            return Span { file: Arc::clone(file), line: count(number + 1), column: count(column), start, end };
        }
        start += line.len();
    }
    Span::file(file)
}

fn looks_like_password(name: &str) -> bool {
    let upper = name.to_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    let named = words.iter().any(|word| WORDS.contains(word) || word.ends_with("PASSWORD"));
    let key = words.windows(2).any(|pair| matches!(pair, [what, "KEY"] if KEYS.contains(what)));
    // `PWD` and `OLDPWD` alone are the working folder.
    (named || key) && words != ["PWD"] && !words.last().is_some_and(|last| ABOUT.contains(last))
}

/// Nothing, and what switches something on or off.
fn is_harmless(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "" | "true" | "false" | "yes" | "no" | "on" | "off")
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
            "",
        ] {
            assert!(!looks_like_password(name), "{name}");
        }
    }
}
