//! What SOPS writes beside the values: for whom the data key is encrypted, and the MAC.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::iter::once;

use age::{DecryptError, Decryptor, armor::ArmoredReader};
use zeroize::Zeroizing;

use super::cipher::DataKey;
use super::{AgeKeys, Decryption, error};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{Entry, Key, Node, Value};

/// Most recipients of one file.
const MOST_RECIPIENTS: usize = 256;
/// Services and programs that keep keys, with what names a key of them.
const OTHERS: [(&str, &str); 6] = [
    ("kms", "arn"),
    ("gcp_kms", "resource_id"),
    ("hckms", "key_id"),
    ("azure_kv", "name"),
    ("hc_vault", "key_name"),
    ("pgp", "fp"),
];

/// The metadata of one file.
pub(super) struct Metadata {
    /// Where it stands.
    pub(super) at: Span,
    /// The data key for each age key: the public key, and the data key encrypted for it.
    recipients: Vec<(String, String)>,
    /// Keys of other kinds, in words.
    others: Vec<String>,
    /// Whether several groups of keys are needed together.
    pub(super) several_groups: bool,
    /// The encrypted hash over all values.
    pub(super) mac: Option<String>,
    /// Whether only encrypted values are in the hash.
    pub(super) mac_only_encrypted: bool,
    /// When the file was changed, as it is written.
    pub(super) last_modified: String,
}

impl Metadata {
    /// Reads the mapping `sops` of a file.
    pub(super) fn of(node: &Node, at: &Span) -> Self {
        let groups = node.get("key_groups").and_then(Node::as_seq).unwrap_or_default();
        // One group may be written either way.
        let keys = if let [only] = groups { only } else { node };
        let text = |node: &Node, key: &str| node.get(key).and_then(Node::resolved).unwrap_or_default();
        let list = |key: &str| keys.get(key).and_then(Node::as_seq).unwrap_or_default();
        let others = OTHERS
            .iter()
            .flat_map(|(kind, name)| list(kind).iter().map(move |key| format!("{kind} {}", text(key, name))));
        Self {
            at: at.clone(),
            recipients: list("age").iter().map(|key| (text(key, "recipient"), text(key, "enc"))).collect(),
            others: others.collect(),
            several_groups: groups.len() > 1,
            mac: node.get("mac").and_then(Node::as_str).map(str::to_owned).filter(|mac| !mac.is_empty()),
            mac_only_encrypted: matches!(
                node.get("mac_only_encrypted").map(|node| &node.value),
                Some(Value::Bool(true))
            ) || text(node, "mac_only_encrypted") == "true",
            last_modified: text(node, "lastmodified"),
        }
    }

    /// Decrypts the data key.
    ///
    /// # Errors
    /// There is no key for it, or it is for keys that cannot be used here.
    pub(super) fn data_key(&self, decryption: &Decryption) -> Result<DataKey, Diagnostic> {
        let keys = match decryption {
            Decryption::Keys(keys) => keys,
            Decryption::Refused { why, help } => {
                return Err(error(&self.at, format!("the file is encrypted, and {why}"), help.clone()));
            }
        };
        if self.several_groups {
            let message = "the file needs keys of several groups together, which this version cannot read";
            return Err(error(&self.at, message, "encrypt it with one group of keys"));
        }
        if self.recipients.is_empty() {
            return Err(self.no_age());
        }
        let mut damaged = false;
        for (_, sealed) in self.recipients.iter().take(MOST_RECIPIENTS) {
            match open(sealed, keys) {
                Ok(Some(key)) => return Ok(key),
                Ok(None) => damaged = true,
                Err(no_key) => damaged |= !no_key,
            }
        }
        let ours = |recipient: &String| keys.recipients().contains(recipient);
        if damaged && self.recipients.iter().any(|(recipient, _)| ours(recipient)) {
            let message = "the encrypted data key of the file is damaged";
            return Err(error(&self.at, message, "take the file from an earlier commit, or encrypt it anew"));
        }
        Err(self.wrong_keys(keys))
    }

    fn no_age(&self) -> Diagnostic {
        let help = "encrypt it for an age key as well: `sops --add-age age1…`, or `sops updatekeys`";
        let message = if self.others.is_empty() {
            "the file is marked as encrypted, and names nobody who can read it".to_owned()
        } else {
            format!("the file is encrypted for {}, and this version knows age keys only", self.others.join(", "))
        };
        error(&self.at, message, help)
    }

    fn wrong_keys(&self, keys: &AgeKeys) -> Diagnostic {
        let wanted: Vec<&str> = self.recipients.iter().map(|(recipient, _)| recipient.as_str()).take(8).collect();
        let message = format!(
            "the file is encrypted for {}, and the keys that are given are for {}",
            wanted.join(" and "),
            keys.recipients().join(" and ")
        );
        let help = "encrypt it for one of these keys as well (`sops updatekeys`), or add the private key to the file of \
                    age keys";
        error(&self.at, message, help)
    }
}

/// A data key that was encrypted for one recipient. `Ok(None)` when it is no data key; the error says whether it is just
/// none of our keys.
fn open(sealed: &str, keys: &AgeKeys) -> Result<Option<DataKey>, bool> {
    for identity in keys.identities() {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed.as_bytes())).map_err(|_| false)?;
        let mut reader = match decryptor.decrypt(once(identity as &dyn age::Identity)) {
            Ok(reader) => reader,
            Err(DecryptError::NoMatchingKeys) => continue,
            Err(_) => return Err(false),
        };
        let mut key = Zeroizing::new(Vec::new());
        // One byte more than a key has.
        if reader.by_ref().take(64).read_to_end(&mut key).is_err() {
            return Err(false);
        }
        return Ok(DataKey::new(&key));
    }
    Err(true)
}

/// The metadata of a file of lines as the mapping that other files have: `age__list_0__map_recipient` is the key
/// `recipient` in the first item of the list `age`.
pub(super) fn unflatten(settings: &[(String, String)], at: &Span) -> Node {
    let paths = settings.iter().map(|(name, value)| {
        let name = name.replace("__list_", "\0[").replace("__map_", "\0");
        (name.split('\0').map(str::to_owned).collect(), value.as_str())
    });
    build(paths.collect(), at)
}

fn build(values: Vec<(VecDeque<String>, &str)>, at: &Span) -> Node {
    if let Some((_, value)) = values.iter().find(|(path, _)| path.is_empty()) {
        return Node::string(*value, at.clone());
    }
    let mut members: BTreeMap<String, Vec<(VecDeque<String>, &str)>> = BTreeMap::new();
    for (mut path, value) in values {
        members.entry(path.pop_front().unwrap_or_default()).or_default().push((path, value));
    }
    let value = if members.keys().all(|key| key.starts_with('[')) {
        Value::Seq(members.into_values().map(|values| build(values, at)).collect())
    } else {
        let entry = |(key, values)| Entry { key: Key::new(key, at.clone()), value: build(values, at) };
        Value::Map(members.into_iter().map(entry).collect())
    };
    Node::new(value, at.clone())
}
