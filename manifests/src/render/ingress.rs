//! The Ingresses: default hosts below the cluster's domain, and the App's own hosts.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    ServiceBackendPort,
};

use super::context::Context;
use crate::diagnostic::Span;
use crate::object::{Kind, Object};

const ENTRY_POINTS: &str = "traefik.ingress.kubernetes.io/router.entrypoints";
const TLS: &str = "traefik.ingress.kubernetes.io/router.tls";
const CERT_RESOLVER: &str = "traefik.ingress.kubernetes.io/router.tls.certresolver";

pub(super) fn objects(context: &Context<'_>) -> impl Iterator<Item = Object> {
    default_hosts(context).into_iter().chain(custom_hosts(context))
}

fn default_hosts(context: &Context<'_>) -> Option<Object> {
    let domain = &context.app.cluster.domain.as_ref()?.value;
    let rules = &context.app.ingress.rules;
    let first = rules.first()?;
    let hosts =
        rules.iter().map(|rule| backend(context, context.names.default_host(rule.port, domain), &rule.name)).collect();
    Some(ingress(context, context.names.default_ingress(), None, &first.at, hosts))
}

fn custom_hosts(context: &Context<'_>) -> Option<Object> {
    let rules = &context.app.ingress.rules;
    let first = rules.iter().find(|rule| !rule.hosts.is_empty())?;
    let resolver = context.app.ingress.cert_resolver.as_ref().or(context.app.cluster.cert_resolver.as_ref());
    let hosts = rules
        .iter()
        .flat_map(|rule| rule.hosts.iter().map(|host| backend(context, host.clone(), &rule.name)))
        .collect();
    Some(ingress(context, context.names.custom_ingress(), resolver, &first.at, hosts))
}

fn ingress(
    context: &Context<'_>,
    name: String,
    resolver: Option<&String>,
    origin: &Span,
    rules: Vec<IngressRule>,
) -> Object {
    let mut annotations =
        BTreeMap::from([(ENTRY_POINTS.to_owned(), "websecure".to_owned()), (TLS.to_owned(), "true".to_owned())]);
    annotations.extend(resolver.map(|resolver| (CERT_RESOLVER.to_owned(), resolver.clone())));
    let mut meta = context.component_meta(name);
    meta.annotations = Some(annotations);
    context.object(Kind::Ingress, meta, origin, |metadata| Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: Some("traefik".to_owned()),
            rules: Some(rules),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}

/// Everything below a host goes to the port of this name.
fn backend(context: &Context<'_>, host: String, port: &str) -> IngressRule {
    let service = IngressServiceBackend {
        name: context.names.workload(),
        port: Some(ServiceBackendPort { name: Some(port.to_owned()), ..ServiceBackendPort::default() }),
    };
    IngressRule {
        host: Some(host),
        http: Some(HTTPIngressRuleValue {
            paths: vec![HTTPIngressPath {
                backend: IngressBackend { service: Some(service), ..IngressBackend::default() },
                path: Some("/".to_owned()),
                path_type: "Prefix".to_owned(),
            }],
        }),
    }
}
