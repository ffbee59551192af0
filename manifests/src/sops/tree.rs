//! YAML and JSON: trees whose scalars are encrypted.

use std::sync::Arc;

use super::cipher::{DataKey, Decrypted, Kind, decrypt, is_encrypted};
use super::dotenv::{RESTORE, changed};
use super::mac::{Mac, ParseBool as _};
use super::metadata::Metadata;
use super::{Decryption, error};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{Node, Secret, Value};

/// The key of the metadata.
const METADATA: &str = "sops";

/// Decrypts the documents of a file in place: the values that were encrypted are marked as secret, and stay where they
/// stand in the encrypted file. The metadata is taken out. Gives the text of a file that is encrypted as a whole too.
///
/// # Errors
/// The file cannot be decrypted, or was changed.
pub(crate) fn documents(documents: &mut [Node], decryption: &Decryption) -> Result<(), Vec<Diagnostic>> {
    let taken: Vec<Option<Metadata>> = documents.iter_mut().map(take_metadata).collect();
    let Some(metadata) = taken.into_iter().next().flatten() else {
        // Callers have looked for it; without it there is nothing to decrypt.
        return Ok(());
    };
    let key = metadata.data_key(decryption).map_err(|problem| vec![problem])?;
    let mut walk = Walk { key: &key, mac: Mac::new(metadata.mac_only_encrypted), problems: Vec::new() };
    for document in documents {
        walk.node(document, &mut String::new());
    }
    let Walk { mac, mut problems, .. } = walk;
    if problems.is_empty() && !mac.matches(&metadata, &key) {
        problems.push(changed(&metadata.at, &metadata));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn take_metadata(document: &mut Node) -> Option<Metadata> {
    let Value::Map(map) = &mut document.value else { return None };
    let entry = map.remove(METADATA)?;
    Some(Metadata::of(&entry.value, &entry.key.span))
}

struct Walk<'k> {
    key: &'k DataKey,
    mac: Mac,
    problems: Vec<Diagnostic>,
}

impl Walk<'_> {
    /// `path` are the keys that lead here, each with a `:` behind it; items of a list have no part in it.
    fn node(&mut self, node: &mut Node, path: &mut String) {
        match &mut node.value {
            Value::Map(map) => {
                for (key, value) in map.iter_mut() {
                    let length = path.len();
                    path.push_str(&key.text);
                    path.push(':');
                    self.node(value, path);
                    path.truncate(length);
                }
            }
            Value::Seq(items) => {
                items.iter_mut().for_each(|item| self.node(item, path));
                // Comments between the items of a list were encrypted as items.
                items.retain(|item| !(item.is_null() && item.secret.is_some()));
            }
            Value::String(text) if is_encrypted(text) => {
                let opened = decrypt(text, path_of(path), self.key).and_then(|value| {
                    self.mac.encrypted(&value).ok_or("is not of its type")?;
                    value_of(&value)
                });
                match opened {
                    Ok(value) => {
                        *node = Node::new(value, node.span.clone());
                        node.secret = Some(Secret { what: Arc::from("an encrypted value"), from: 0 });
                    }
                    Err(why) => self.report(&node.span, path, why),
                }
            }
            _ => self.mac.plain(node),
        }
    }

    fn report(&mut self, at: &Span, path: &str, why: &str) {
        let path = path.trim_end_matches(':').replace(':', ".");
        self.problems.push(error(at, format!("the encrypted value of `{path}` {why}"), RESTORE));
    }
}

/// SOPS ends the path of every value with a `:`, that of the whole document too.
fn path_of(path: &str) -> &str {
    if path.is_empty() { ":" } else { path }
}

/// A decrypted value in the tree; a comment is null.
fn value_of(value: &Decrypted) -> Result<Value, &'static str> {
    let text = || value.text().ok_or("is no text");
    let typed = |parsed: Option<Value>| parsed.ok_or("is not of its type");
    match value.kind {
        Kind::Text | Kind::Bytes | Kind::Time => text().map(|text| Value::String(text.to_owned())),
        Kind::Int => typed(text()?.parse().ok().map(Value::Int)),
        Kind::Float => typed(text()?.parse().ok().map(Value::Float)),
        Kind::Bool => typed(text()?.parse_bool().map(Value::Bool)),
        Kind::Comment => Ok(Value::Null),
    }
}

/// The bytes of a file that is encrypted as a whole, from its document.
///
/// # Errors
/// The file cannot be decrypted, or was changed.
pub(super) fn whole(document: &mut Node, decryption: &Decryption) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let Some(metadata) = take_metadata(document) else { return Ok(Vec::new()) };
    let key = metadata.data_key(decryption).map_err(|problem| vec![problem])?;
    let sealed = document.get("data").and_then(Node::as_str).unwrap_or_default();
    let mut mac = Mac::new(metadata.mac_only_encrypted);
    let bytes = if sealed.is_empty() {
        Vec::new()
    } else {
        let opened = decrypt(sealed, "data:", &key);
        let opened = opened.and_then(|value| mac.encrypted(&value).map(|()| value).ok_or("is not of its type"));
        match opened {
            Ok(value) => value.bytes.to_vec(),
            Err(why) => {
                return Err(vec![error(&metadata.at, format!("the content of the encrypted file {why}"), RESTORE)]);
            }
        }
    };
    if mac.matches(&metadata, &key) { Ok(bytes) } else { Err(vec![changed(&metadata.at, &metadata)]) }
}
