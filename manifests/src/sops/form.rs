//! Whether a file is encrypted, and in which of the forms that SOPS writes.

use super::MARK;
use crate::yaml::{Dialect, Node, Value, parse};

/// How an encrypted file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// YAML whose values are encrypted.
    Yaml,
    /// JSON whose values are encrypted.
    Json,
    /// JSON with the whole file in the value `data`.
    Binary,
    /// `NAME=value` lines whose values are encrypted.
    Dotenv,
    /// INI, which is not read here.
    Ini,
}

/// The form of a file that is encrypted; `None` for a plain one. SOPS goes by the name of a file, and so does this; a name
/// that says nothing leaves it to the content.
pub(crate) fn form_of(path: &str, bytes: &[u8]) -> Option<Form> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains(MARK))?;
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    match ending {
        "yaml" | "yml" => has_metadata(text).then_some(Form::Yaml),
        "json" => has_metadata(text).then_some(Form::Json),
        "ini" => is_ini(text).then_some(Form::Ini),
        "env" => is_dotenv(text).then_some(Form::Dotenv),
        // `.env.production` is a file of lines too.
        _ if stem.starts_with(".env") && is_dotenv(text) => Some(Form::Dotenv),
        _ if text.trim_start().starts_with('{') => match shape(text) {
            Some(keys) if keys == ["data", "sops"] => Some(Form::Binary),
            Some(keys) if keys.iter().any(|key| key == "sops") => Some(Form::Json),
            _ => None,
        },
        _ if is_ini(text) => Some(Form::Ini),
        _ if is_dotenv(text) => Some(Form::Dotenv),
        _ if text.lines().any(|line| line.trim_end() == "sops:") => Some(Form::Yaml),
        _ => None,
    }
}

/// Whether a value of a file without metadata was encrypted: the metadata was taken away.
pub(crate) fn lacks_metadata(path: &str, bytes: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.contains(MARK)) else { return false };
    let name = path.to_lowercase();
    if name.ends_with(".env") {
        return text.lines().any(|line| line.split_once('=').is_some_and(|(_, value)| value.starts_with(MARK)));
    }
    let structured = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
    structured && documents(text).iter().any(has_encrypted)
}

fn has_encrypted(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => text.starts_with(MARK),
        Value::Seq(items) => items.iter().any(has_encrypted),
        Value::Map(map) => map.iter().any(|entry| has_encrypted(&entry.value)),
        _ => false,
    }
}

fn documents(text: &str) -> Vec<Node> {
    let file = std::sync::Arc::new(crate::diagnostic::SourceFile { path: String::new(), text: String::new() });
    parse(&file, text, Dialect::Compose).unwrap_or_default()
}

/// What does not parse is taken for encrypted when it looks so: it must not be handed over as it is.
fn has_metadata(text: &str) -> bool {
    let looks = || text.lines().any(|line| line.starts_with("sops:") || line.trim_start().starts_with("\"sops\":"));
    documents(text).first().map_or_else(looks, |document| document.get("sops").is_some())
}

/// The keys of a mapping, sorted.
fn shape(text: &str) -> Option<Vec<String>> {
    let [document] = documents(text).try_into().ok()?;
    let Node { value: Value::Map(map), .. } = document else { return None };
    let mut keys: Vec<String> = map.into_iter().map(|entry| entry.key.text).collect();
    keys.sort();
    Some(keys)
}

fn is_dotenv(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("sops_") && line.contains('='))
}

fn is_ini(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "[sops]")
}
