//! The ingress Service, and one headless Service for every Compose service and every further name of one,
//! so that services reach each other by name.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::context::Context;
use crate::diagnostic::Span;
use crate::labels;
use crate::model::IngressRule;
use crate::object::{Kind, Object};

pub(super) fn objects(context: &Context<'_>) -> Vec<Object> {
    let project = &context.app.project;
    let services = project.services.iter().map(|service| headless(context, &service.name, &service.at));
    let aliases = project.aliases.iter().map(|alias| headless(context, &alias.value, &alias.at));
    ingress(context).into_iter().chain(services).chain(aliases).collect()
}

/// The Service behind the Ingresses; `None` when nothing is published.
fn ingress(context: &Context<'_>) -> Option<Object> {
    let rules = &context.app.ingress.rules;
    let first = rules.first()?;
    let meta = context.component_meta(context.names.workload());
    Some(context.object(Kind::Service, meta, &first.at, |metadata| Service {
        metadata,
        spec: Some(ServiceSpec {
            ports: Some(rules.iter().map(port).collect()),
            selector: Some(labels::selector(&context.names)),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }))
}

fn port(rule: &IngressRule) -> ServicePort {
    ServicePort {
        name: Some(rule.name.clone()),
        port: i32::from(rule.port),
        target_port: Some(IntOrString::Int(i32::from(rule.container_port))),
        ..ServicePort::default()
    }
}

fn headless(context: &Context<'_>, name: &str, at: &Span) -> Object {
    let mut meta = context.component_meta(name.to_owned());
    meta.labels.get_or_insert_default().insert(labels::HEADLESS.to_owned(), "true".to_owned());
    context.object(Kind::Service, meta, at, |metadata| Service {
        metadata,
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // A Pod that waits for its own database by name could otherwise never become ready.
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::selector(&context.names)),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}
