//! The specs of Workspace, Provider and Cluster.

use std::collections::BTreeMap;

use super::{shape, syntax};
use crate::model::{Certificate, Cluster, Protection, Provider};
use crate::yaml::fields::Fields;

/// Where the ingress controller runs when the Cluster does not say.
const DEFAULT_INGRESS_NAMESPACE: &str = "traefik";

/// The words of `protection`.
const PROTECTIONS: [(&str, Protection); 3] =
    [("none", Protection::None), ("cannotDelete", Protection::CannotDelete), ("readOnly", Protection::ReadOnly)];

/// `Workspace.spec`: its settings.
pub(super) fn workspace(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    fields.text_map("settings")
}

/// `Provider.spec`.
pub(super) fn provider(fields: &mut Fields<'_, '_>) -> Option<Provider> {
    let driver = fields.required_string("driver");
    let settings = fields.text_map("settings");
    let driver = driver.filter(|driver| syntax::label("driver", driver, 63, fields.findings()))?;
    Some(Provider { driver, settings })
}

/// `Cluster.spec`.
pub(super) fn cluster(fields: &mut Fields<'_, '_>) -> Cluster {
    let mut cluster = Cluster {
        existing: fields.boolean("existing").is_some_and(|existing| existing.value),
        ingress_namespace: DEFAULT_INGRESS_NAMESPACE.to_owned(),
        ingress_controller: None,
        ingress_service_account: None,
        domain: None,
        cert_resolver: None,
        cert_email: None,
        certificates: Vec::new(),
        provisioning_protection: Protection::None,
        installation_protection: Protection::None,
        settings: fields.text_map("settings"),
    };
    if let Some(ingress) = fields.section("ingress", "ingress") {
        cluster_ingress(ingress, &mut cluster);
    }
    if let Some(mut protection) = fields.section("protection", "protection") {
        let mut level = |key| protection.choice(key, &PROTECTIONS).map(|level| level.value).unwrap_or_default();
        cluster.provisioning_protection = level("provisioning");
        cluster.installation_protection = level("installation");
        protection.finish();
    }
    cluster
}

/// `Cluster.spec.ingress`.
fn cluster_ingress(mut ingress: Fields<'_, '_>, cluster: &mut Cluster) {
    let findings = ingress.findings();
    if let Some(namespace) = ingress.string("namespace")
        && syntax::label("namespace", &namespace, 63, findings)
    {
        cluster.ingress_namespace = namespace.value;
    }
    cluster.ingress_controller = ingress.string("controller").map(|controller| controller.value);
    cluster.ingress_service_account = ingress.string("serviceAccount").map(|account| account.value);
    cluster.domain = ingress.string("domain").filter(|domain| syntax::domain("domain", domain, findings));
    cluster.cert_resolver = ingress.string("certResolver").map(|resolver| resolver.value);
    cluster.cert_email = ingress.string("certEmail").map(|email| email.value);
    for item in ingress.list("certificates") {
        let Some(certificate) = Fields::of(item, "certificates[]", findings) else { continue };
        let mut certificate = certificate.shaped(&shape::CERTIFICATE);
        let name = certificate.required_string("name");
        let source = certificate.required_string("source");
        certificate.finish();
        if let (Some(name), Some(source)) = (name, source) {
            cluster.certificates.push(Certificate { name: name.value, source: source.value });
        }
    }
    ingress.finish();
}
