//! ConfigMaps and Secrets from Compose configs, secrets and `env_file`.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::context::{Context, some_map};
use crate::diagnostic::Span;
use crate::hash;
use crate::labels;
use crate::model::{FileContent, FileObject};
use crate::object::{Kind, Object};

/// What one ConfigMap or Secret holds.
pub(super) struct Content<'a> {
    kind: Kind,
    name: String,
    entries: Vec<(&'a str, &'a [u8])>,
    hash: String,
    origin: &'a Span,
}

impl<'a> Content<'a> {
    fn new(kind: Kind, name: String, entries: Vec<(&'a str, &'a [u8])>, origin: &'a Span) -> Self {
        let hash = hash::content(entries.iter().copied());
        Self { kind, name, entries, hash, origin }
    }
}

/// The content hash of an object that the Pod refers to; empty when it does not exist.
pub(super) fn hash_of<'a>(context: &'a Context<'_>, contents: &'a [Content<'_>], kind: Kind, name: &str) -> &'a str {
    let own = contents.iter().find(|content| content.kind == kind && content.name == name);
    match own {
        Some(content) => &content.hash,
        None => context.slots.external_hashes.get(&(kind, name.to_owned())).map_or("", String::as_str),
    }
}

/// Everything that Git puts into ConfigMaps and Secrets.
pub(super) fn contents<'a>(context: &Context<'a>) -> Vec<Content<'a>> {
    let project = &context.app.project;
    let names = &context.names;
    let configs = project.configs.iter().map(|file| (Kind::ConfigMap, names.config(&file.name), file));
    let secrets = project.secrets.iter().map(|file| (Kind::Secret, names.secret(&file.name), file));
    let files = configs.chain(secrets).filter_map(|(kind, name, file)| file_content(kind, name, file));
    let environments = project.services.iter().filter_map(|service| {
        let entries = service.env_file.as_ref()?.0.iter().map(|(key, value)| (key.as_str(), value.as_bytes()));
        Some(Content::new(Kind::Secret, names.base_secret(&service.name), entries.collect(), &service.at))
    });
    files.chain(environments).collect()
}

fn file_content(kind: Kind, name: String, file: &FileObject) -> Option<Content<'_>> {
    match &file.content {
        FileContent::File { key, bytes, encrypted: _ } => {
            Some(Content::new(kind, name, vec![(key.as_str(), bytes.0.as_slice())], &file.at))
        }
        FileContent::External { .. } => None,
    }
}

pub(super) fn objects<'a>(context: &'a Context<'_>, contents: &'a [Content<'_>]) -> impl Iterator<Item = Object> + 'a {
    contents.iter().map(|content| match content.kind {
        Kind::ConfigMap => config_map(context, content),
        _ => secret(context, content),
    })
}

fn config_map(context: &Context<'_>, content: &Content<'_>) -> Object {
    // Loading lets only UTF-8 text into configs.
    let text = |&(key, value): &(&str, &[u8])| (key.to_owned(), String::from_utf8_lossy(value).into_owned());
    let data = content.entries.iter().map(text).collect();
    let meta = annotated(context, content);
    context.object(Kind::ConfigMap, meta, content.origin, |metadata| ConfigMap {
        metadata,
        data: Some(data),
        ..ConfigMap::default()
    })
}

fn secret(context: &Context<'_>, content: &Content<'_>) -> Object {
    let data: BTreeMap<String, ByteString> =
        content.entries.iter().map(|&(key, value)| (key.to_owned(), ByteString(value.to_vec()))).collect();
    let meta = annotated(context, content);
    context.object(Kind::Secret, meta, content.origin, |metadata| Secret {
        metadata,
        data: some_map(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}

fn annotated(context: &Context<'_>, content: &Content<'_>) -> ObjectMeta {
    let mut meta = context.component_meta(content.name.clone());
    meta.annotations = Some(BTreeMap::from([(labels::CONTENT_HASH.to_owned(), content.hash.clone())]));
    meta
}
