//! The hash over all values of a file. SOPS keeps it in the file, encrypted with the data key.

use sha2::{Digest as _, Sha512};

use super::cipher::{DataKey, Decrypted, Kind, decrypt};
use super::metadata::Metadata;
use crate::yaml::{Node, Value};

/// What the hash begins with when only encrypted values are in it: the SHA-256 of `sops`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The hash while the values are read, in the order of the file.
pub(super) struct Mac {
    hash: Sha512,
    only_encrypted: bool,
}

impl Mac {
    pub(super) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ONLY_ENCRYPTED);
        }
        Self { hash, only_encrypted }
    }

    /// A value that was encrypted. `None` when its text is not one of its type.
    pub(super) fn encrypted(&mut self, value: &Decrypted) -> Option<()> {
        match value.kind {
            Kind::Text | Kind::Bytes | Kind::Time => self.hash.update(&*value.bytes),
            Kind::Int => self.hash.update(value.text()?.parse::<i64>().ok()?.to_string()),
            Kind::Float => self.hash.update(go_float(value.text()?.parse().ok()?)),
            Kind::Bool => self.hash.update(go_bool(value.text()?.parse_bool()?)),
            // Comments are no values.
            Kind::Comment => {}
        }
        Some(())
    }

    /// A text that was left as it is.
    pub(super) fn plain_text(&mut self, text: &str) {
        if !self.only_encrypted {
            self.hash.update(text);
        }
    }

    /// A scalar that was left as it is; null is no value.
    pub(super) fn plain(&mut self, node: &Node) {
        match &node.value {
            Value::Bool(value) => self.plain_text(go_bool(*value)),
            Value::Int(value) if i64::try_from(*value).is_ok() => self.plain_text(&value.to_string()),
            Value::Int(value) => self.plain_text(&go_float(*value as f64)),
            Value::Float(value) => self.plain_text(&go_float(*value)),
            Value::String(text) => match node.timestamp() {
                Some(time) => self.plain_text(&time),
                None => self.plain_text(text),
            },
            Value::Null | Value::Seq(_) | Value::Map(_) => {}
        }
    }

    /// Whether the hash is the one that the file keeps.
    pub(super) fn matches(self, metadata: &Metadata, key: &DataKey) -> bool {
        let own: String = self.hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
        let kept = metadata.mac.as_deref().map(|mac| decrypt(mac, &metadata.last_modified, key));
        matches!(kept, Some(Ok(kept)) if *kept.bytes == *own.as_bytes())
    }
}

/// As Go's `strconv.FormatFloat(value, 'f', -1, 64)` writes it.
pub(super) fn go_float(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

const fn go_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// Reads what SOPS takes for a boolean.
pub(super) trait ParseBool {
    fn parse_bool(&self) -> Option<bool>;
}

impl ParseBool for str {
    fn parse_bool(&self) -> Option<bool> {
        match self {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        }
    }
}
