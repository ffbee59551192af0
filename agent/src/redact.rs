//! Takes secrets out of texts that people or other programs will see.

use std::sync::RwLock;

use base64::Engine;

use crate::secret::{Credentials, Secret, SecretError};

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Shorter texts are not masked: replacing every `a` would destroy the message and reveal the secret by its gaps.
const SHORTEST: usize = 4;
/// Secrets remembered at the same time; the oldest is forgotten first. Rotation replaces a handful a day.
const CAPACITY: usize = 64;

/// Knows the secrets that the agent has read, and masks them wherever they turn up. One for the whole process.
#[derive(Default)]
pub(crate) struct Redactor {
    known: RwLock<Vec<Secret>>,
}

impl Redactor {
    /// Remembers a secret, and its Base64 form.
    pub(crate) fn learn(&self, secret: &Secret) {
        self.remember(secret.expose());
        self.remember(&base64::engine::general_purpose::STANDARD.encode(secret.expose()));
    }

    /// Reads the user name and password of credentials; `token_user` goes with a token. Both are remembered.
    ///
    /// # Errors
    /// When a secret file cannot be read.
    pub(crate) fn read(&self, credentials: &Credentials, token_user: &str) -> Result<(String, Secret), SecretError> {
        let (user, password) = match credentials {
            Credentials::Token(token) => (token_user.to_owned(), token.read()?),
            Credentials::Password { username, password } => (username.read()?.expose().to_owned(), password.read()?),
        };
        self.learn(&password);
        self.learn(&Secret::new(format!("{user}:{}", password.expose())));
        Ok((user, password))
    }

    fn remember(&self, text: &str) {
        if text.len() < SHORTEST {
            return;
        }
        // A poisoned lock only means that another thread panicked: the list is still whole.
        let mut known = self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.iter().any(|secret| secret.expose() == text) {
            return;
        }
        if known.len() == CAPACITY {
            known.remove(0);
        }
        known.push(Secret::new(text));
    }

    /// The text without known secrets, without user names and passwords in URLs, and without the query of URLs
    /// (signed URLs carry their signature there). Control characters other than line breaks become spaces.
    #[must_use]
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        {
            let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut secrets: Vec<&str> = known.iter().map(Secret::expose).collect();
            // The longest first, so that a secret that contains another one leaves no rest.
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
            for secret in secrets {
                if clean.contains(secret) {
                    clean = clean.replace(secret, MASK);
                }
            }
        }
        mask_urls(&clean)
    }
}

/// Masks `user:password@` and `?query` of every URL in a text.
fn mask_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'`<>()".contains(c)).unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        let authority_end = url.find(['/', '?', '#']).unwrap_or(url.len());
        let (authority, path) = url.split_at(authority_end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                masked.push_str(MASK);
                masked.push('@');
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        match path.split_once('?') {
            Some((path, _)) => {
                masked.push_str(path);
                masked.push('?');
                masked.push_str(MASK);
            }
            None => masked.push_str(path),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_and_their_base64_form_are_masked() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new("canary-4711"));
        let text = redactor.clean("token canary-4711 (Y2FuYXJ5LTQ3MTE=) refused");
        assert_eq!(text, "token *** (***) refused");
    }

    #[test]
    fn a_secret_inside_a_longer_one_leaves_no_rest() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new("canary"));
        redactor.learn(&Secret::new("canary-4711"));
        assert_eq!(redactor.clean("canary-4711 canary"), "*** ***");
    }

    #[test]
    fn short_texts_are_not_masked() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new("git"));
        assert_eq!(redactor.clean("git fetch"), "git fetch");
    }

    #[test]
    fn user_names_passwords_and_queries_of_urls_are_masked() {
        let redactor = Redactor::default();
        let cases = [
            ("see https://bob:pw@host/a.git now", "see https://***@host/a.git now"),
            ("https://pw@host", "https://***@host"),
            ("(https://host/x?sig=abc#f) end", "(https://host/x?***) end"),
            ("https://host/a@b", "https://host/a@b"),
            ("two http://a:b@c/ http://d:e@f", "two http://***@c/ http://***@f"),
            ("no url: // at all ://", "no url: // at all ://"),
        ];
        for (text, expected) in cases {
            assert_eq!(redactor.clean(text), expected);
        }
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(Redactor::default().clean("a\u{1b}[31mb\r\nc\0"), "a [31mb \nc ");
    }

    #[test]
    fn only_the_newest_secrets_are_remembered() {
        let redactor = Redactor::default();
        for number in 0..CAPACITY {
            redactor.learn(&Secret::new(format!("secret-{number:04}")));
        }
        assert_eq!(redactor.known.read().unwrap().len(), CAPACITY);
        assert_eq!(redactor.clean(&format!("secret-{:04}", CAPACITY - 1)), MASK);
    }
}
