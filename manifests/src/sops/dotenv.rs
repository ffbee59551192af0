//! Files of `NAME=value` lines.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::cipher::{Kind, decrypt, is_encrypted};
use super::mac::Mac;
use super::metadata::{Metadata, unflatten};
use super::{Decryption, error};
use crate::diagnostic::{Diagnostic, SourceFile, Span};

/// How the names of the metadata begin.
const METADATA: &str = "sops_";

/// The plain text of a file of lines, line by line as the encrypted one, and whether each line was encrypted. Lines of
/// the metadata are empty.
///
/// # Errors
/// The file cannot be decrypted, or was changed.
pub(crate) fn lines(
    source: &Arc<SourceFile>,
    text: &str,
    decryption: &Decryption,
) -> Result<(Zeroizing<String>, Vec<bool>), Vec<Diagnostic>> {
    let settings = text.split('\n').filter_map(|line| line.strip_prefix(METADATA)?.split_once('='));
    let settings: Vec<(String, String)> =
        settings.map(|(name, value)| (name.to_owned(), value.replace("\\n", "\n"))).collect();
    let file = Span::file(source);
    let metadata = Metadata::of(&unflatten(&settings, &file), &file);
    let key = metadata.data_key(decryption).map_err(|problem| vec![problem])?;
    let mut mac = Mac::new(metadata.mac_only_encrypted);
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut secret = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            plain.push('\n');
        }
        secret.push(false);
        // Comments are no values, whether they are encrypted or not.
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            plain.push_str(if line.starts_with('#') { "" } else { line });
            continue;
        };
        if name.starts_with(METADATA) {
            continue;
        }
        if !is_encrypted(value) {
            mac.plain_text(&value.replace("\\n", "\n"));
            plain.push_str(line);
            continue;
        }
        let opened = decrypt(value, &format!("{name}:"), &key).and_then(|value| {
            let text = value.text().filter(|_| value.kind != Kind::Comment).ok_or("is no text")?;
            // SOPS writes line breaks so, and reads them so.
            plain.push_str(name);
            plain.push('=');
            plain.push_str(&Zeroizing::new(text.replace('\n', "\\n")));
            mac.encrypted(&value).ok_or("is not of its type")
        });
        if let Some(last) = secret.last_mut() {
            *last = true;
        }
        if let Err(why) = opened {
            let at = Span { line: u32::try_from(number + 1).unwrap_or(u32::MAX), ..file.clone() };
            problems.push(error(&at, format!("the encrypted value of `{name}` {why}"), RESTORE));
        }
    }
    if problems.is_empty() && !mac.matches(&metadata, &key) {
        problems.push(changed(&file, &metadata));
    }
    if problems.is_empty() { Ok((plain, secret)) } else { Err(problems) }
}

pub(super) const RESTORE: &str = "take the file from an earlier commit, and change it with `sops edit` only";

/// What the hash says against a file.
pub(super) fn changed(at: &Span, metadata: &Metadata) -> Diagnostic {
    let message = match metadata.mac {
        Some(_) => "the file was changed after it was encrypted: the hash over its values (MAC) is another one",
        None => "the hash over the values of the encrypted file (MAC) is missing",
    };
    error(at, message, RESTORE)
}
