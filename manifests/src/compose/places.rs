//! Where the keys of services stand, for what is found out about them later.

use super::scalar;
use crate::diagnostic::Span;
use crate::yaml::{Node, Value};

/// The services of a Compose project as they were written, after interpolation and merging.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    services: Option<Node>,
}

impl Places {
    pub(super) fn of(root: Node) -> Self {
        let services = match root.value {
            Value::Map(mut map) => map.remove("services").map(|entry| entry.value),
            _ => None,
        };
        Self { services }
    }

    /// Whether there is a service of this name, whether it takes part or not.
    pub(crate) fn has_service(&self, name: &str) -> bool {
        self.services.as_ref().is_some_and(|services| services.get(name).is_some())
    }

    /// The place of a key of a service, or of the item of its list or the entry of its mapping that `is` the one that is
    /// meant. Without a service, of the first one that has it.
    pub(crate) fn find(&self, service: Option<&str>, key: &str, is: impl Fn(&str) -> bool) -> Option<&Span> {
        let services = self.services.as_ref()?.as_map()?.iter();
        let mut asked = services.filter(|entry| service.is_none_or(|service| entry.key.text == service));
        asked.find_map(|service| {
            let node = service.value.get(key).filter(|node| !node.is_null())?;
            match &node.value {
                Value::Seq(items) => items.iter().find(|item| item.as_str().is_some_and(&is)).map(|item| &item.span),
                Value::Map(map) => map.iter().find(|entry| is(&entry.key.text)).map(|entry| &entry.key.span),
                _ => Some(&node.span),
            }
        })
    }
}

/// A value as messages may show it: the text of the file where it came out of a variable.
pub(crate) fn shown(value: &str, at: &Span) -> String {
    scalar::shown(value, at)
}
