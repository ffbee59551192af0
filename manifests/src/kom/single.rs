//! The single-file form: `kompoxops.yml`.

use super::resource::ResourceId;
use super::{Loaded, Parent, ParentSpec, app, shape, spec, syntax};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::entry::EntryFile;
use crate::id::{AppId, ClusterId};
use crate::yaml::Node;
use crate::yaml::fields::{Fields, Findings};

/// The only version there is.
const VERSION: &str = "v1";

/// Reads the documents of a `kompoxops.yml`: one mapping with `version` and one of each kind.
pub(super) fn read(documents: &[Node], entry: &EntryFile, findings: &Findings) -> Loaded {
    let documents: Vec<&Node> = documents.iter().filter(|document| !document.is_null()).collect();
    let [document] = documents.as_slice() else {
        let (at, message) = match documents.get(1) {
            Some(second) => (second.span.clone(), "kompoxops.yml holds one document; this is a second one"),
            None => (crate::entry::place(&entry.path), "kompoxops.yml is empty"),
        };
        let help = "use kompoxapp.yml for several documents; see the examples";
        findings.push(Diagnostic::error("kom-document", at, message).help(help));
        return uncertain();
    };
    let Some(mut root) = Fields::of(document, "kompoxops.yml", findings) else { return uncertain() };
    root = root.shaped(&shape::SINGLE);
    check_version(&mut root);
    let mut section = |key, shape| Some(Fields::of(root.required(key)?, key, findings)?.shaped(shape));
    let mut workspace = section("workspace", &shape::SINGLE_WORKSPACE);
    let mut provider = section("provider", &shape::SINGLE_PROVIDER);
    let mut cluster = section("cluster", &shape::SINGLE_CLUSTER);
    let mut app = section("app", &shape::SINGLE_APP);
    root.finish();

    let names = [name(&mut workspace), name(&mut provider), name(&mut cluster), name(&mut app)];
    let mut loaded = Loaded::default();
    let workspace_spec = workspace.as_mut().map(|fields| ParentSpec::Workspace(spec::workspace(fields)));
    let provider_spec = provider.as_mut().and_then(spec::provider).map(ParentSpec::Provider);
    let cluster_spec = cluster.as_mut().map(|fields| ParentSpec::Cluster(Box::new(spec::cluster(fields))));
    if let [Some(workspace), Some(provider), Some(cluster), Some(name)] = &names {
        let parents = [workspace, provider, cluster];
        let ids: Vec<&str> = parents.iter().map(|name| name.value.as_str()).collect();
        for (depth, spec) in [workspace_spec, provider_spec, cluster_spec].into_iter().enumerate() {
            let at = parents[depth].at.clone();
            loaded.parents.extend(spec.map(|spec| Parent { id: ResourceId::of(&ids[..=depth]), at, spec }));
        }
        let cluster = ClusterId {
            workspace: workspace.value.clone(),
            provider: provider.value.clone(),
            cluster: cluster.value.clone(),
        };
        let id = AppId::new(cluster, name.value.clone());
        loaded.claims.push(Spanned::new(id.clone(), name.at.clone()));
        let origin = app::Origin { id, at: name.at.clone(), folder: &entry.folder, local_files: true };
        loaded.apps.extend(app.as_mut().and_then(|fields| app::read(fields, origin)));
    } else {
        loaded.uncertain = true;
    }
    // Without all four names the App has no ID, and its other keys cannot be read as unknown ones.
    let finished = [workspace, provider, cluster, if loaded.uncertain { None } else { app }];
    finished.into_iter().flatten().for_each(Fields::finish);
    loaded
}

/// Without an ID, nobody knows which App this was.
fn uncertain() -> Loaded {
    Loaded { uncertain: true, ..Loaded::default() }
}

fn check_version(root: &mut Fields<'_, '_>) {
    let findings = root.findings();
    if let Some(version) = root.required_string("version")
        && version.value != VERSION
    {
        let message = format!("`version` is `{}`; only `{VERSION}` is known", version.value);
        findings
            .push(Diagnostic::error("kom-version", version.at, message).help(format!("write `version: {VERSION}`")));
    }
}

/// The inline `name` of a section that is there.
fn name(section: &mut Option<Fields<'_, '_>>) -> Option<Spanned<String>> {
    let fields = section.as_mut()?;
    let findings = fields.findings();
    fields.required_string("name").filter(|name| syntax::label("name", name, 63, findings))
}
