//! What carries the labels of kompox and is of no source: deployed by hand, with the older command line, or by a
//! source that the agent does not read any more. It is listed, and left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kompox_manifests::labels;
use kompox_manifests::object::{Kind, ObjectKey};
use serde::Serialize;

use super::BY_HAND;
use crate::observed::LiveObject;
use crate::ownership;

/// Most objects that are named in the text.
const MOST_NAMED: usize = 3;

/// Objects of one App, or of none, that no source manages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmanaged {
    /// The App (`W/P/C/A`) that their Namespace names; `None` where nothing does.
    pub app: Option<String>,
    /// Why they are nobody's.
    pub reason: String,
    /// The objects, as `Kind namespace/name`.
    pub objects: Vec<String>,
}

/// What is managed, or spoken of elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Managed<'a> {
    /// Sources that are read.
    pub sources: &'a BTreeSet<String>,
    /// Instance hashes of Apps whose plans tell of everything in them.
    pub planned: &'a BTreeSet<String>,
}

/// Finds the objects of no source among all those with the label of kompox, by App.
#[must_use]
pub fn unmanaged(objects: &[LiveObject], managed: Managed<'_>) -> Vec<Unmanaged> {
    let namespaces: Vec<&LiveObject> = objects.iter().filter(|live| live.key.kind == Kind::Namespace).collect();
    let homes: BTreeMap<&str, &str> =
        namespaces.iter().filter_map(|live| Some((instance(live)?, live.key.name.as_str()))).collect();
    let mut groups: BTreeMap<Option<&str>, Vec<&LiveObject>> = BTreeMap::new();
    for live in objects {
        let home = match live.key.kind {
            Kind::Namespace => Some(live.key.name.as_str()),
            Kind::PersistentVolume => instance(live).and_then(|instance| homes.get(instance)).copied(),
            _ => live.key.namespace.as_deref(),
        };
        groups.entry(home).or_default().push(live);
    }
    let found = groups.into_iter().filter_map(|(home, members)| {
        let namespace = namespaces.iter().find(|live| Some(live.key.name.as_str()) == home).copied();
        of_group(namespace, members, managed)
    });
    found.collect()
}

fn of_group(namespace: Option<&LiveObject>, members: Vec<&LiveObject>, managed: Managed<'_>) -> Option<Unmanaged> {
    let is_planned = |live: &LiveObject| instance(live).is_some_and(|instance| managed.planned.contains(instance));
    let (reason, objects): (String, Vec<&LiveObject>) = match namespace {
        Some(namespace) if is_planned(namespace) => return None,
        Some(namespace) => match namespace.annotation(labels::SOURCE) {
            None => ("no source has deployed it".to_owned(), members),
            Some(BY_HAND) => ("a person has applied it by hand".to_owned(), members),
            Some(source) if !managed.sources.contains(source) => {
                (format!("its source `{source}` is none that is read"), members)
            }
            // What the older command line wrote in it is adopted as it changes.
            Some(_) => {
                let foreign = |live: &&LiveObject| !ownership::is_applied_by_agent(live) && !ownership::is_legacy(live);
                ("the agent has not written it".to_owned(), members.into_iter().filter(foreign).collect())
            }
        },
        None => {
            let unplanned = members.into_iter().filter(|live| !is_planned(live)).collect();
            ("no Namespace says which App it is of".to_owned(), unplanned)
        }
    };
    let app = namespace.and_then(|namespace| namespace.annotation(labels::APP)).map(str::to_owned);
    let keys: BTreeSet<&ObjectKey> = objects.into_iter().map(|live| &live.key).collect();
    let objects: Vec<String> = keys.into_iter().map(ToString::to_string).collect();
    (!objects.is_empty()).then_some(Unmanaged { app, reason, objects })
}

fn instance(live: &LiveObject) -> Option<&str> {
    live.label(labels::INSTANCE_HASH)
}

impl fmt::Display for Unmanaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, reason, objects } = self;
        let named = objects.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = objects.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let app = app.as_deref().unwrap_or("of no App");
        write!(formatter, "{app}: {named}{more}: {reason}; left alone")
    }
}
