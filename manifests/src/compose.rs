//! From a Compose document to a typed project.
//!
//! ```text
//! document (mapping, string, file:) ─► interpolate ─► extends, include ─► keys (known? of the right type? mapped?)
//!   ─► services, files, volumes ─► published ports
//! ```
//!
//! Nothing is dropped in silence: the module `keys` holds one table for every kind of mapping in the Compose
//! schema, and says of each key what its value is, and whether it is mapped here or what its loss means.

mod aliases;
mod depends_on;
mod document;
mod duration;
mod env_file;
mod environment;
mod expose;
mod files;
mod healthcheck;
mod hooks;
mod image;
mod interpolate;
mod key_value;
mod keys;
mod load;
mod memory;
mod merge;
mod mounts;
mod passwords;
mod places;
mod pod;
mod ports;
mod process;
mod publish;
mod resources;
mod scalar;
mod secrets;
mod security;
mod service;
mod tree;
mod words;

use crate::diagnostic::{Span, Spanned};
use crate::id::AppId;
use crate::model::{IngressRule, Pod, Project, Volume};
use crate::names::Names;
use crate::sops::Decryption;
use crate::source::SourceTree;
use crate::yaml::Node;
use crate::yaml::fields::Findings;

use files::FileKind;
pub use keys::reference;
use load::{Origin, Origins};
pub use places::Places;
pub(crate) use places::shown;

/// What a Compose document is loaded with.
pub struct ComposeInput<'a> {
    /// The repository.
    pub tree: &'a dyn SourceTree,
    /// What encrypted files are read with.
    pub decryption: &'a Decryption,
    /// `App.spec.compose`: a mapping, a string that holds one, or `file:relative/path.yml`.
    pub document: &'a Node,
    /// Folder of the file that the App is written in, relative to the repository's root.
    pub folder: &'a str,
    /// Whether the App may refer to local files: only one that is written in the entry file itself may.
    pub local_files: bool,
    /// The App.
    pub id: &'a AppId,
    /// Domain of the App's cluster, below which the default hosts live.
    pub domain: Option<&'a str>,
    /// `App.spec.volumes`.
    pub volumes: &'a [Volume],
    /// `App.spec.ingress.rules`, as written.
    pub rules: &'a [PublishRule],
}

/// One of `App.spec.ingress.rules` before it has met the Compose ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRule {
    /// `name`
    pub name: Spanned<String>,
    /// `port`: a host port of the Compose file.
    pub port: Spanned<u16>,
    /// `hosts`
    pub hosts: Vec<Spanned<String>>,
    /// Where the rule stands.
    pub at: Span,
}

/// What could be read of a Compose document.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Whether it is without errors, and fits its App.
    pub sound: bool,
    /// Whether every service is known by its name, also where there are errors.
    pub whole: bool,
    /// The services that take part, with their configs and secrets.
    pub project: Project,
    /// The App's rules, each with the container port behind it.
    pub rules: Vec<IngressRule>,
    /// Where the services' keys stand.
    pub places: Places,
}

/// Loads a Compose document and checks it against its App. Errors are among the findings, and so are warnings and
/// information. What could be read in spite of errors is only good for finding more of them.
pub fn load(input: &ComposeInput<'_>, findings: &Findings) -> Option<Loaded> {
    let own = Findings::new();
    let loaded = load_document(input, &own);
    let sound = !own.has_errors();
    findings.extend(own.into_vec());
    Some(Loaded { sound, ..loaded? })
}

fn load_document(input: &ComposeInput<'_>, findings: &Findings) -> Option<Loaded> {
    let load::Project { root: mut node, own, origins, whole } = load::project(input, findings)?;
    keys::FILE.conform(&mut node, &keys::Place::of("the Compose file"), findings);
    let scope = Scope { input, own, origins, names: Names::of(input.id), findings };
    let at = node.span.clone();
    let root = node.as_map()?;
    keys::explain_file(root, findings);
    let services = service::services(&scope, root, &at);
    service::check_restarts(&scope, root, &services);
    expose::conflicts(&scope, &services);
    let pod = Pod { first: depends_on::order(&scope, root, &services), ..pod::merge(&scope, root, &services) };
    let configs = files::objects(&scope, root, &services, FileKind::Config);
    let secrets = files::objects(&scope, root, &services, FileKind::Secret);
    let aliases = aliases::names(&scope, root, &services);
    mounts::check_top_level(&scope, root);
    let rules = publish::rules(&scope, &services);
    let whole = whole && keys::optional(root, "services").is_some();
    let services = services.into_iter().map(|loaded| loaded.service).collect();
    let project = Project { services, configs, secrets, pod, aliases };
    Some(Loaded { sound: true, whole, project, rules, places: Places::of(node) })
}

/// What every concern needs.
struct Scope<'a> {
    input: &'a ComposeInput<'a>,
    /// Of the App's own Compose document.
    own: Origin,
    origins: Origins,
    names: Names,
    findings: &'a Findings,
}

impl Scope<'_> {
    /// Where the paths of the file start that a value stands in, and its variables.
    fn origin(&self, at: &Span) -> &Origin {
        self.origins.get(&at.file.path).unwrap_or(&self.own)
    }
}

#[cfg(test)]
mod tests;
