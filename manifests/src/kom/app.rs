//! The spec of an App.

use std::collections::BTreeMap;

use super::{network, policy, reconcile, reserved, shape, unsupported, volume};
use crate::compose::PublishRule;
use crate::diagnostic::{Diagnostic, Span};
use crate::id::AppId;
use crate::model::{Choice, NetworkRule, Placement, Reconcile, SnapshotPolicy, Volume};
use crate::names;
use crate::yaml::Node;
use crate::yaml::fields::{self, Fields, Findings};

/// An App as its own document says it, before its Compose project is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct AppSpec {
    /// Resource ID.
    pub id: AppId,
    /// Where its name stands.
    pub at: Span,
    /// Folder of the file that it is written in; relative paths start there.
    pub folder: String,
    /// Whether it may refer to local files: only an App in the entry file itself may.
    pub local_files: bool,
    /// `compose`: a mapping, a string that holds one, or `file:relative/path.yml`.
    pub compose: Node,
    /// `ingress.certResolver`
    pub cert_resolver: Option<String>,
    /// `ingress.rules`
    pub rules: Vec<PublishRule>,
    /// `volumes`
    pub volumes: Vec<Volume>,
    /// `deployment`
    pub placement: Placement,
    /// `networkPolicy.ingressRules`
    pub network_rules: Vec<NetworkRule>,
    /// `reconcile`
    pub reconcile: Reconcile,
    /// `snapshotPolicies`
    pub snapshot_policies: Vec<SnapshotPolicy>,
    /// `settings`
    pub settings: BTreeMap<String, String>,
    /// `resources`
    pub resources: BTreeMap<String, String>,
}

/// Which App a spec belongs to, and where it is written.
pub(super) struct Origin<'a> {
    pub(super) id: AppId,
    pub(super) at: Span,
    pub(super) folder: &'a str,
    pub(super) local_files: bool,
}

/// `App.spec`. `None` when it has no Compose document; everything else is reported and left out.
pub(super) fn read(fields: &mut Fields<'_, '_>, origin: Origin<'_>) -> Option<AppSpec> {
    let findings = fields.findings();
    check_name(&origin, findings);
    let compose = fields.required("compose");
    let (cert_resolver, rules) = ingress(fields);
    let volumes = volume::volumes(fields);
    let placement = placement(fields);
    let network_rules = network::rules(fields);
    let reconcile = reconcile::read(fields, !volumes.is_empty());
    let snapshot_policies = policy::policies(fields, &volumes);
    unsupported(fields, "snapshotPolicies", "the App");
    let settings = fields.text_map("settings");
    let resources = fields.text_map("resources");
    let Origin { id, at, folder, local_files } = origin;
    Some(AppSpec {
        id,
        at,
        folder: folder.to_owned(),
        local_files,
        compose: compose?.clone(),
        cert_resolver,
        rules,
        volumes,
        placement,
        network_rules,
        reconcile,
        snapshot_policies,
        settings,
        resources,
    })
}

/// Checks that every name that is made from the App's fits.
fn check_name(origin: &Origin<'_>, findings: &Findings) {
    if let Err(error) = names::check_app(&origin.id) {
        let help = "shorten the App's name";
        findings.push(Diagnostic::error("name-too-long", origin.at.clone(), error.to_string()).help(help));
    }
}

/// `App.spec.ingress`; the rules meet the Compose ports, and are checked, when those are known.
fn ingress(app: &mut Fields<'_, '_>) -> (Option<String>, Vec<PublishRule>) {
    let findings = app.findings();
    let Some(mut ingress) = app.section("ingress", "ingress") else { return (None, Vec::new()) };
    let cert_resolver = ingress.string("certResolver").map(|resolver| resolver.value);
    let rules = ingress.list("rules").iter().filter_map(|item| rule(item, findings)).collect();
    ingress.finish();
    (cert_resolver, rules)
}

fn rule(item: &Node, findings: &Findings) -> Option<PublishRule> {
    let mut fields = Fields::of(item, "rules[]", findings)?.shaped(&shape::RULE);
    let name = fields.required_string("name");
    let port = fields.required("port").and_then(|node| fields::port(node, "port", findings));
    let hosts = fields.strings("hosts");
    let at = fields.at().clone();
    fields.finish();
    Some(PublishRule { name: name?, port: port?, hosts, at })
}

/// `App.spec.deployment`.
fn placement(app: &mut Fields<'_, '_>) -> Placement {
    let Some(mut deployment) = app.section("deployment", "deployment") else { return Placement::default() };
    let pools = choice(&mut deployment, "pool", "pools");
    let zones = choice(&mut deployment, "zone", "zones");
    reserved(&mut deployment, "selectors");
    deployment.finish();
    Placement { pools, zones }
}

/// One value, or a list of values under another key; never both. They end up as values of node labels.
fn choice(deployment: &mut Fields<'_, '_>, one: &'static str, several: &'static str) -> Choice {
    let findings = deployment.findings();
    let single = deployment.text(one);
    let list = deployment.get(several).map(|node| node.span.clone());
    let values = deployment.texts(several);
    for value in single.iter().chain(&values) {
        super::syntax::label_value(value, findings);
    }
    match (single, list) {
        (Some(_), Some(at)) => {
            let message = format!("`{one}` and `{several}` exclude each other");
            findings.push(Diagnostic::error("exclusive-keys", at, message).help("remove one of the two"));
            Choice::Unset
        }
        (Some(value), None) => Choice::One(value.value),
        (None, _) if values.is_empty() => Choice::Unset,
        (None, _) => Choice::AnyOf(values.into_iter().map(|value| value.value).collect()),
    }
}
