//! `extends`: a service that is written over another one, of this file or of another.

use std::rc::Rc;

use super::{File, Loader, MAX_DEPTH};
use crate::compose::{keys, merge, scalar};
use crate::diagnostic::Spanned;
use crate::yaml::fields::{suggest, wrong_type};
use crate::yaml::{Node, Value};

/// The services on the way from the one that is read, the first of a file and its name.
type Chain = Vec<(String, String)>;

impl Loader<'_> {
    /// The file with every service written out.
    pub(super) fn extended(&mut self, file: &Rc<File>) -> Option<Node> {
        let mut root = file.root.clone();
        let Value::Map(map) = &mut root.value else { return Some(root) };
        let Some(Node { value: Value::Map(services), .. }) = map.get_mut("services") else { return Some(root) };
        let names: Vec<String> = services.iter().map(|entry| entry.key.text.clone()).collect();
        for name in names {
            let Some(slot) = services.get_mut(&name).filter(|service| service.get("extends").is_some()) else {
                continue;
            };
            if let Some(service) = self.service(file, &name, &mut Chain::new()) {
                *slot = service;
            } else if let Value::Map(map) = &mut slot.value
                && let Some(extends) = map.get_mut("extends")
            {
                // The service stays as it is written, so that its own mistakes are found too; those of `extends` are.
                *extends = Node::string("", extends.span.clone());
            }
        }
        Some(root)
    }

    /// One service of a file, written out.
    fn service(&mut self, file: &Rc<File>, name: &str, chain: &mut Chain) -> Option<Node> {
        let service = file.root.get("services").and_then(|services| services.get(name))?;
        // A null is no name, and is reported with the other keys.
        let Some(extends) = service.get("extends").filter(|node| !node.is_null()) else { return Some(service.clone()) };
        chain.push((file.path.clone(), name.to_owned()));
        let base = self.base(file, extends, chain);
        chain.pop();
        let base = base?;
        self.charge(&base, &extends.span)?;
        merge::service(base, without_extends(service.clone()), self.findings)
    }

    /// The service that `extends` names.
    fn base(&mut self, file: &Rc<File>, extends: &Node, chain: &mut Chain) -> Option<Node> {
        let (other, name) = self.reference(file, extends)?;
        let Spanned { value: name, at } = name;
        let shown = scalar::shown(&name, &at);
        if chain.iter().any(|(path, service)| *path == other.path && *service == name) {
            let mut names: Vec<&str> = chain.iter().map(|(_, service)| service.as_str()).collect();
            names.push(&shown);
            self.error(&at, format!("the services extend each other: {}", names.join(" → ")), "break the circle");
            return None;
        }
        if chain.len() >= MAX_DEPTH {
            self.error(&at, format!("more than {MAX_DEPTH} services extend each other"), "write some of them out");
            return None;
        }
        let services = other.root.get("services").and_then(Node::as_map);
        let Some(base) = services.and_then(|services| services.get(&name)) else {
            let names = services.into_iter().flatten().map(|entry| entry.key.text.as_str());
            let help = match suggest(&name, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name a service of that file".to_owned(),
            };
            self.error(&at, format!("`{}` has no service `{shown}` to extend", other.path), help);
            return None;
        };
        if base.as_map().is_none() {
            return wrong_type(base, &shown, "a mapping", self.findings);
        }
        self.service(&other, &name, chain)
    }

    /// The file and the name of the service in it.
    fn reference(&mut self, file: &Rc<File>, extends: &Node) -> Option<(Rc<File>, Spanned<String>)> {
        let mut extends = extends.clone();
        keys::EXTENDS.conform(&mut extends, &keys::Place::of("`extends`"), self.findings);
        let Value::Map(map) = &extends.value else { return Some((Rc::clone(file), scalar::text(&extends)?)) };
        let name = keys::optional(map, "service").and_then(scalar::text);
        let Some(path) = keys::optional(map, "file") else { return Some((Rc::clone(file), name?)) };
        let path = scalar::text(path)?;
        let other = self.open(&file.origin.folder, &path.value, &path.at, &file.origin, None)?;
        Some((other, name?))
    }
}

fn without_extends(mut service: Node) -> Node {
    if let Value::Map(map) = &mut service.value {
        map.remove("extends");
    }
    service
}
