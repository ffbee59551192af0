//! The keys of `agent.yml` as they are written, with their places. Unknown and repeated keys are errors.

use std::sync::Arc;

use kompox_manifests::diagnostic::{Diagnostic, SourceFile, Span};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use crate::redact::Redactor;

/// Largest accepted file, in bytes.
pub(super) const MAX_LEN: usize = 1024 * 1024;

/// A key whose function comes in a later version: parsed, so that the message can say so, and then refused.
pub(super) type Later = Option<Spanned<IgnoredAny>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AgentFile {
    pub(super) cluster: Option<Spanned<String>>,
    pub(super) sources: Option<Spanned<Vec<SourceEntry>>>,
    pub(super) server: Option<Spanned<ServerEntry>>,
    pub(super) new_disks: Option<Spanned<String>>,
    pub(super) max_disruptions: Option<Spanned<u32>>,
    pub(super) people: Option<Vec<Spanned<String>>>,
    pub(super) status_name: Option<Spanned<String>>,
    pub(super) policy: Option<Spanned<PolicyEntry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServerEntry {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) webhooks: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PolicyEntry {
    pub(super) pod_security: Option<Spanned<String>>,
    pub(super) allow: Option<Vec<Spanned<AllowEntry>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AllowEntry {
    pub(super) app: Spanned<String>,
    pub(super) capability: Option<Spanned<String>>,
    pub(super) sysctl: Option<Spanned<String>>,
    pub(super) control: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SourceEntry {
    pub(super) name: Spanned<String>,
    pub(super) url: Spanned<String>,
    #[serde(rename = "ref")]
    pub(super) reference: Option<Spanned<RefEntry>>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) interval: Option<Spanned<String>>,
    pub(super) auth: Option<Spanned<AuthEntry>>,
    pub(super) verify: Later,
    pub(super) forge: Option<Spanned<ForgeEntry>>,
    pub(super) review: Option<Spanned<ReviewEntry>>,
    pub(super) webhook: Option<Spanned<WebhookEntry>>,
    pub(super) allow_force_push: Option<bool>,
    pub(super) decryption: Option<Spanned<DecryptionEntry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookEntry {
    pub(super) secret_file: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DecryptionEntry {
    pub(super) age_keys_file: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RefEntry {
    pub(super) branch: Option<Spanned<String>>,
    pub(super) tag: Option<Spanned<String>>,
    pub(super) commit: Option<Spanned<String>>,
    pub(super) semver: Later,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuthEntry {
    pub(super) token_file: Option<Spanned<String>>,
    pub(super) username_file: Option<Spanned<String>>,
    pub(super) password_file: Option<Spanned<String>>,
    pub(super) ssh_key_file: Later,
    pub(super) known_hosts_file: Later,
    pub(super) github_app: Later,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ForgeEntry {
    #[serde(rename = "type")]
    pub(super) kind: Option<Spanned<String>>,
    pub(super) api_url: Option<Spanned<String>>,
    pub(super) token_file: Option<Spanned<String>>,
}

/// Only `enabled: false` says something that this version can do; the other keys count only when it is on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReviewEntry {
    pub(super) enabled: Option<bool>,
    #[serde(rename = "forks")]
    _forks: Option<IgnoredAny>,
    #[serde(rename = "label")]
    _label: Option<IgnoredAny>,
    #[serde(rename = "comment")]
    _comment: Option<IgnoredAny>,
}

/// Parses the text; the first thing that does not fit the form is the error. `file` is what may be quoted of it.
pub(super) fn parse(text: &str, file: &Arc<SourceFile>) -> Result<AgentFile, Diagnostic> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        reject_unsupported_tags: true,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 20_000,
            max_events: 100_000,
            max_documents: 1,
            max_reader_input_bytes: Some(MAX_LEN),
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let at = error.location().map_or_else(|| Span::file(file), |location| span(file, location));
        Diagnostic::error("agent-config", at, message(&error))
    })
}

/// The place of a value.
pub(super) fn place<T>(file: &Arc<SourceFile>, value: &Spanned<T>) -> Span {
    span(file, value.referenced)
}

fn span(file: &Arc<SourceFile>, location: serde_saphyr::Location) -> Span {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).max(1);
    let offset = location.span().byte_offset().and_then(|offset| usize::try_from(offset).ok());
    let len = location.span().byte_len().and_then(|len| usize::try_from(len).ok());
    let start = offset.unwrap_or_default().min(file.text.len());
    let end = start.saturating_add(len.unwrap_or_default()).min(file.text.len());
    Span { file: Arc::clone(file), line: number(location.line()), column: number(location.column()), start, end }
}

/// The parser's message without its place, which the diagnostic says.
fn message(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::MessageFormatter as _;
    let text = serde_saphyr::UserMessageFormatter.format_message(error.without_snippet()).into_owned();
    // It quotes values, and a value may be a URL with a password.
    Redactor::default().clean(&text).replace('\n', " ").trim_end_matches('.').to_owned()
}
