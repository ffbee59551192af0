//! A mount path shows the data that it showed before, or a person has said otherwise.
//!
//! Where a service mounts another volume or another folder at a path that it used already, the
//! application starts on other data: empty, or another service's. A relative bind moves like this when
//! the first of the App's volumes becomes another one.

use std::collections::{BTreeMap, BTreeSet};

use kompox_manifests::diagnostic::Span;
use kompox_manifests::model::App;
use kompox_manifests::names::SUB_PATHS_CONTAINER;
use kompox_manifests::object::Kind;
use serde_json::Value;

use super::Settings;
use super::action::{Action, Subject};
use super::applied::{self, MountRecord};
use super::hold::{Hold, HoldCause};
use crate::observed::{LiveObject, ObservedApp};

/// Holds the App when a mount path would show other data than it did after the last apply.
pub(super) fn guard(app: &App, observed: &ObservedApp, settings: &Settings, actions: &mut Vec<Action>) {
    let moved = moved(app, observed, settings);
    let Some(first) = moved.first() else { return };
    let words: Vec<String> = moved.iter().map(Move::in_words).collect();
    let relative = moved.iter().find_map(|moved| moved.by_first_volume(app));
    let mut reason = format!("the app would start on other data: {}", words.join("; "));
    if let Some(volume) = relative {
        reason.push_str(&format!(" (relative paths live on the first of `volumes`, which is `{volume}` now)"));
    }
    let hold = Hold {
        cause: HoldCause::Mounts,
        facts: std::iter::once(app.id.to_string()).chain(words).collect(),
        reason,
        remedy: "put it back as it was, or copy the data to its new place first".to_owned(),
    };
    if !hold.is_accepted(&settings.accepted) {
        let origin = origin(app, &first.to).or_else(|| Some(app.at.clone()));
        actions.push(hold.action(Subject::App, origin));
    }
}

/// A mount path whose data moves.
#[derive(Debug)]
struct Move {
    from: MountRecord,
    to: MountRecord,
}

impl Move {
    fn in_words(&self) -> String {
        let place = |mount: &MountRecord| match &mount.sub_path {
            Some(folder) => format!("`{folder}` on volume `{}`", mount.volume),
            None => format!("volume `{}`", mount.volume),
        };
        let MountRecord { service, path, .. } = &self.to;
        format!("service `{service}` had {} at {path} and would get {}", place(&self.from), place(&self.to))
    }

    /// The App's first volume, when the same folder moved there from a volume that is not the first.
    fn by_first_volume<'a>(&self, app: &'a App) -> Option<&'a str> {
        let first = app.volumes.first()?;
        let moved = self.from.sub_path == self.to.sub_path && self.from.volume != self.to.volume;
        (moved && self.to.volume == first.name).then_some(first.name.as_str())
    }
}

fn moved(app: &App, observed: &ObservedApp, settings: &Settings) -> Vec<Move> {
    let deployment = observed.objects.values().find(|live| live.key.kind == Kind::Deployment);
    let running = deployment.map(running);
    // An App of the older command line has no record; what runs is what it applied.
    let last = settings.applied.as_ref().map(|applied| &applied.mounts).or(running.as_ref());
    let Some(last) = last else { return Vec::new() };
    let by_path: BTreeMap<(&str, &str), &MountRecord> = last.iter().map(|mount| (key(mount), mount)).collect();
    let moved = applied::mounts(app).into_iter().filter_map(|to| {
        let from = by_path.get(&key(&to)).filter(|from| ***from != to)?;
        // It runs like this already: a run that was cut short has not written the record.
        let done = running.as_ref().is_some_and(|running| running.contains(&to));
        (!done).then(|| Move { from: (*from).clone(), to })
    });
    moved.collect()
}

fn key(mount: &MountRecord) -> (&str, &str) {
    (&mount.service, &mount.path)
}

/// The mounts of a Deployment that runs.
fn running(deployment: &LiveObject) -> BTreeSet<MountRecord> {
    let list = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let volumes = list(&deployment.body, "/spec/template/spec/volumes");
    let claimed = volumes.iter().filter(|volume| volume.get("persistentVolumeClaim").is_some());
    let claimed: BTreeSet<String> = claimed.filter_map(|volume| text(volume, "name")).collect();
    let mut mounts = BTreeSet::new();
    for group in ["containers", "initContainers"] {
        for container in list(&deployment.body, &format!("/spec/template/spec/{group}")) {
            let Some(service) = text(&container, "name").filter(|name| name != SUB_PATHS_CONTAINER) else { continue };
            for mount in list(&container, "/volumeMounts") {
                let (Some(path), Some(volume)) = (text(&mount, "mountPath"), text(&mount, "name")) else { continue };
                if claimed.contains(&volume) {
                    let sub_path = text(&mount, "subPath").filter(|path| !path.is_empty());
                    mounts.insert(MountRecord { service: service.clone(), path, volume, sub_path });
                }
            }
        }
    }
    mounts
}

fn origin(app: &App, mount: &MountRecord) -> Option<Span> {
    let service = app.project.services.iter().find(|service| service.name == mount.service)?;
    service.mounts.iter().find(|found| found.target == mount.path).map(|found| found.at.clone())
}
