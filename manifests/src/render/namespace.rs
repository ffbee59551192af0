//! The App's Namespace.

use k8s_openapi::api::core::v1::Namespace;

use super::context::Context;
use crate::labels;
use crate::object::{Kind, Object};

pub(super) fn namespace(context: &Context<'_>) -> Object {
    let mut meta = context.app_meta(context.names.namespace.clone());
    let mut annotations = context.ownership();
    annotations.insert(labels::PROVIDER_DRIVER.to_owned(), context.app.provider.driver.value.clone());
    meta.annotations = Some(annotations);
    context.object(Kind::Namespace, meta, &context.app.at, |metadata| Namespace { metadata, ..Namespace::default() })
}
