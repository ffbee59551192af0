//! The spec of a Box: a component of an App beside its Compose project.

use super::{network, reserved, syntax};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::id::AppId;
use crate::names;
use crate::yaml::fields::Fields;

/// Checks `Box.spec`; deploying comes with a later version, and a warning says so.
pub(super) fn check(fields: &mut Fields<'_, '_>, app: &AppId, name: &Spanned<String>) {
    let findings = fields.findings();
    let component = fields.string("component").filter(|component| syntax::label("component", component, 63, findings));
    let component = component.unwrap_or_else(|| name.clone());
    if let Err(error) = names::check_component(&app.app, &component.value) {
        let help = "shorten it, or the App's name";
        findings.push(Diagnostic::error("name-too-long", component.at.clone(), error.to_string()).help(help));
    }
    fields.string("image");
    fields.texts("command");
    fields.texts("args");
    network::rules(fields);
    reserved(fields, "ingress");
    findings.push(not_deployed(&name.at));
}

fn not_deployed(at: &Span) -> Diagnostic {
    let message = "this version of the agent checks Box documents but does not deploy them yet";
    Diagnostic::warning("not-supported-yet", at.clone(), message)
        .help("nothing to do; the rest of the entry is deployed")
}
