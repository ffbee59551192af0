//! `validate` and `render`: no cluster, no provider.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use kompox_drivers::class;
use kompox_manifests::desired::{self, Conversions, Desired, Form};
use kompox_manifests::model::App;
use kompox_manifests::object::{Kind, Object};
use kompox_manifests::render::{encrypted_keys, render as render_app, to_yaml};
use kompox_manifests::slots::{Slots, VolumeBinding};
use serde_json::{Value, json};

use super::{Exit, answer, show, talk, tree};
use crate::args::{Output, RenderArgs, RenderOutput, ValidateArgs};
use crate::desire::read;

/// `validate`.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn validate(args: &ValidateArgs) -> anyhow::Result<Exit> {
    let commit = tree::open(&args.path, &args.terms)?;
    let form = if args.schema {
        desired::form(commit.tree.as_ref(), &commit.path)
    } else {
        let Desired { entries, diagnostics, certain: _ } = read(&commit, &mut Conversions::default());
        Form { entries: entries.len(), apps: entries.iter().map(|entry| entry.apps.len()).sum(), diagnostics }
    };
    let errors = form.errors();
    // An agent may wait for the first entry of a repository; whoever checks files means to check some.
    anyhow::ensure!(
        form.entries > 0 || errors > 0,
        "no kompoxops.yml or kompoxapp.yml in {} or below",
        args.path.display()
    );
    match args.output {
        Output::Json => {
            let list: Vec<Value> = form.diagnostics.iter().map(|diagnostic| diagnostic.to_json()).collect();
            answer(&format!("{:#}\n", Value::Array(list)))?;
        }
        Output::Text => {
            show(&form.diagnostics);
            let sound = if args.schema { "the form is valid, Compose files were not read" } else { "valid" };
            let verdict = if errors == 0 { sound.to_owned() } else { counted(errors, "error", "errors") };
            let (entries, apps) = (counted(form.entries, "entry", "entries"), counted(form.apps, "app", "apps"));
            answer(&format!("{entries}, {apps}: {verdict}\n"))?;
        }
    }
    Ok(if errors == 0 { Exit::Success } else { Exit::Error })
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `render`. With any error nothing is printed on stdout.
///
/// # Errors
/// The folder cannot be read, or a flag names something that does not exist.
pub(crate) fn render(args: &RenderArgs) -> anyhow::Result<Exit> {
    let commit = tree::open(&args.path, &args.terms)?;
    let Desired { entries, diagnostics, certain: _ } = read(&commit, &mut Conversions::default());
    if show(&diagnostics) > 0 {
        return Ok(Exit::Error);
    }
    let mut handles = volume_handles(&args.volume_handles)?;
    let all: Vec<Arc<App>> = entries.iter().flat_map(|entry| &entry.apps).map(|made| Arc::clone(&made.app)).collect();
    let apps: Vec<&Arc<App>> = match &args.app {
        None => all.iter().collect(),
        Some(id) => {
            let known = || all.iter().map(|app| app.id.to_string()).collect::<Vec<_>>().join(", ");
            let found = all.iter().find(|app| app.id.to_string() == *id);
            vec![found.with_context(|| format!("no App {id}; there are: {}", known()))?]
        }
    };
    anyhow::ensure!(!apps.is_empty(), "no App in {} or below", args.path.display());
    let mut objects = Vec::new();
    let mut used = Vec::new();
    for app in apps {
        let slots = slots(app, &handles, &mut used)?;
        objects.extend(render_app(app, &slots).into_iter().map(|object| masked(object, &encrypted_keys(app))));
    }
    handles.retain(|volume, _| !used.contains(volume));
    anyhow::ensure!(
        handles.is_empty(),
        "--volume-handle: no App has a volume {}",
        handles.keys().cloned().collect::<Vec<_>>().join(", ")
    );
    answer(&match args.output {
        RenderOutput::Yaml => to_yaml(&objects),
        RenderOutput::Json => format!("{:#}\n", json!(bodies(&objects))),
    })?;
    Ok(Exit::Success)
}

/// An object whose values from encrypted files are not shown: nobody can apply it by accident, for they are no base64.
fn masked(mut object: Object, encrypted: &BTreeMap<String, BTreeSet<String>>) -> Object {
    let keys = encrypted.get(&object.key.name).filter(|_| object.key.kind == Kind::Secret);
    for key in keys.into_iter().flatten() {
        if let Some(value) = object.body.get_mut("data").and_then(|data| data.get_mut(key)) {
            *value = Value::from("(secret)");
        }
    }
    object
}

fn bodies(objects: &[Object]) -> Vec<&Value> {
    objects.iter().map(|object| &object.body).collect()
}

/// The slots as far as they are known offline.
fn slots(app: &App, handles: &BTreeMap<String, String>, used: &mut Vec<String>) -> anyhow::Result<Slots> {
    let driver = &app.provider.driver.value;
    let mut slots = Slots::default();
    for volume in &app.volumes {
        let handle = match handles.get(&volume.name) {
            Some(handle) => {
                used.push(volume.name.clone());
                handle.clone()
            }
            None => {
                let handle = class::placeholder_handle(driver, &volume.name);
                talk(&format!(
                    "warning: volume {} of {}: its disk is not known here, `{handle}` stands in for it \
                     (--volume-handle {}=HANDLE)",
                    volume.name, app.id, volume.name
                ));
                handle
            }
        };
        let class = class::volume_class(driver, &app.provider.settings, &handle, None)
            .with_context(|| format!("{}: volume {}", app.provider.driver.at, volume.name))?;
        slots.volumes.insert(volume.name.clone(), VolumeBinding { handle, size: None, class });
    }
    Ok(slots)
}

fn volume_handles(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    given
        .iter()
        .map(|pair| {
            let (volume, handle) = pair
                .split_once('=')
                .filter(|(volume, handle)| !volume.is_empty() && !handle.is_empty())
                .with_context(|| format!("--volume-handle {pair}: write it as VOLUME=HANDLE"))?;
            Ok((volume.to_owned(), handle.to_owned()))
        })
        .collect()
}
