//! Files that SOPS has encrypted for age keys: <https://github.com/getsops/sops>.
//!
//! Every value is encrypted by itself with a data key, the data key for each recipient, and a hash over all values (the
//! MAC) tells whether anything was changed, moved or taken away. This is a reader only; nothing is written back, and
//! no message ever holds a value.
//!
//! ```text
//! bytes ─► form (YAML, JSON, binary, dotenv) ─► metadata ─► data key ─► values, MAC ─► tree or plain file
//! ```

mod cipher;
mod dotenv;
mod form;
mod keys;
mod mac;
mod metadata;
mod plain;
mod tree;

use crate::diagnostic::{Diagnostic, Span};

pub(crate) use self::dotenv::lines;
pub(crate) use self::form::{Form, form_of, lacks_metadata};
pub use self::keys::{AgeKeys, KeysError};
pub(crate) use self::plain::file;
pub(crate) use self::tree::documents;

/// Code of everything about encrypted files.
const CODE: &str = "encrypted-file";
/// How every encrypted value begins.
pub(crate) const MARK: &str = "ENC[AES256_GCM,";

/// What encrypted files are read with.
#[derive(Clone, Debug, PartialEq)]
pub enum Decryption {
    /// With these keys.
    Keys(AgeKeys),
    /// Not at all: an encrypted file is an error.
    Refused {
        /// Why, as a sentence.
        why: String,
        /// What to do about it.
        help: String,
    },
}

impl Default for Decryption {
    fn default() -> Self {
        Self::Refused {
            why: "no keys are given to read it with".to_owned(),
            help: "name the file of age keys: `decryption: {ageKeysFile: …}` of the source in agent.yml, or \
                   --age-keys-file"
                .to_owned(),
        }
    }
}

fn error(at: &Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error(CODE, at.clone(), message).help(help)
}

#[cfg(test)]
mod tests;
