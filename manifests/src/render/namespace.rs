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
    // What the policy lets through is all that anybody may run there.
    let enforced = (labels::POD_SECURITY.to_owned(), context.app.pod_security.enforced.name().to_owned());
    meta.labels.get_or_insert_default().extend([enforced]);
    context.object(Kind::Namespace, meta, &context.app.at, |metadata| Namespace { metadata, ..Namespace::default() })
}
