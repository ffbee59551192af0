//! What is rendered of every mapped key, held against the real API server: it takes it whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _};
use kompox_manifests::compose::reference;
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::parts::{self, Part};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams, ValidationDirective};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::combined::{self, Combined};
use super::reference::Reference;
use super::sample::{self, FILES};
use super::schema::Schema;
use super::{keys, ours};

/// Where the rounds begin, and how long they go on (instead of twice for every key).
const FIRST: &str = "KOMPOX_COMBINED_FIRST";
const SECONDS: &str = "KOMPOX_COMBINED_SECONDS";
/// Objects that are tried at once.
const PARALLEL: usize = 4;

/// Values that are rendered, of keys whose sample is refused with good reason.
fn sound(path: &str) -> Option<Value> {
    Some(match path {
        "services.*.deploy.mode" => json!("replicated"),
        "services.*.deploy.replicas" | "services.*.scale" => json!(1),
        "services.*.deploy.resources.reservations.devices[].count" | "services.*.gpus[].count" => json!(1),
        "services.*.deploy.resources.reservations.devices[].driver" => json!("nvidia"),
        "services.*.gpus[].capabilities" => json!(["gpu"]),
        "services.*.ports[].protocol" => json!("tcp"),
        "services.*.privileged" => json!(false),
        "services.*.profiles" => json!([]),
        _ => return None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_whole_what_is_rendered_of_every_mapped_key() -> Result<()> {
    if parts::skip_without(&[Part::Compose, Part::ControlPlane]) {
        return Ok(());
    }
    let schema = Schema::read(Reference::find().await?.schema().await?)?;
    let plane = ControlPlane::start(Options::default()).await?;
    let server = Server(plane.client().await?);
    // Many files have most objects in common; each is tried once, for the first key that renders it.
    let mut objects: BTreeMap<String, (String, Value)> = BTreeMap::new();
    let mut refused = Vec::new();
    for part in parts_of(&schema)? {
        let (rendered, said) = ours::read(&part.file.to_string(), FILES).told();
        if rendered.is_empty() {
            refused.push(format!("{}: {} {said:?}", part.path, part.file));
        }
        for object in rendered {
            objects.entry(object.to_string()).or_insert_with(|| (part.path.clone(), object));
        }
    }
    ensure!(refused.is_empty(), "{} mapped keys render nothing:\n{}", refused.len(), refused.join("\n"));
    ensure!(objects.len() > 100, "only {} objects", objects.len());
    let (_, namespace) = objects.values().find(|(_, object)| object["kind"] == "Namespace").context("no Namespace")?;
    server.create(namespace).await?;
    let mut wrong = Vec::new();
    for (path, object) in objects.values() {
        let faults = server.faults(std::slice::from_ref(object)).await;
        wrong.extend(faults.into_iter().map(|fault| format!("{path}: {fault}")));
    }
    ensure!(wrong.is_empty(), "{} faults in {} objects:\n{}", wrong.len(), objects.len(), wrong.join("\n"));
    Ok(())
}

/// The same of many keys at once, and of values that nobody would write. A round is named by its number, from which it
/// can be run again.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_whole_what_is_rendered_of_keys_together() -> Result<()> {
    if parts::skip_without(&[Part::Compose, Part::ControlPlane]) {
        return Ok(());
    }
    let schema = Schema::read(Reference::find().await?.schema().await?)?;
    let plane = ControlPlane::start(Options::default()).await?;
    let server = Server(plane.client().await?);
    let parts = parts_of(&schema)?;
    let known = reference::keys();
    let known: BTreeSet<&str> = known.iter().map(|key| key.path.as_str()).collect();
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>()).transpose().context(FIRST);
    let first = number(FIRST)?.unwrap_or(1);
    let until = number(SECONDS)?.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // Every key is the first one of two rounds.
    let least = first + 2 * parts.len() as u64;
    let mut tried = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut wrong = BTreeMap::new();
    let mut rounds = 0;
    for round in first.. {
        if until.map_or(round >= least, |until| Instant::now() >= until) {
            break;
        }
        rounds += 1;
        let Combined { entry, compose, outcome } = combined::file(&parts, round);
        let objects = outcome.told().0;
        ensure!(!objects.is_empty(), "round {round}: nothing is rendered of {compose}");
        used.extend(combined::used(&compose, &known));
        if tried.is_empty() {
            let namespace = objects.iter().find(|object| object["kind"] == "Namespace").context("no Namespace")?;
            server.create(namespace).await?;
        }
        let new: Vec<Value> = objects.into_iter().filter(|object| tried.insert(object.to_string())).collect();
        for fault in server.faults(&new).await {
            wrong.entry(fault).or_insert_with(|| format!("round {round}: {entry} {compose}"));
        }
    }
    eprintln!("{rounds} rounds from {first} ({FIRST}, {SECONDS}): {} objects, {} keys", tried.len(), used.len());
    let list: Vec<String> = wrong.iter().map(|(fault, file)| format!("{fault}\n    {file}")).collect();
    ensure!(wrong.is_empty(), "{} faults in {} objects:\n{}", wrong.len(), tried.len(), list.join("\n"));
    let unused: Vec<&str> = parts.iter().map(|part| part.path.as_str()).filter(|path| !used.contains(*path)).collect();
    ensure!(unused.is_empty() || rounds < parts.len(), "mapped keys that no file had: {unused:?}");
    Ok(())
}

/// A file for every mapped key.
fn parts_of(schema: &Schema) -> Result<Vec<combined::Part>> {
    let known = reference::keys();
    let fates: BTreeMap<String, &str> = known.iter().map(|key| (key.path.clone(), key.handling)).collect();
    // A key below one that is reported is as little mapped as that.
    let is_mapped = |path: &str| fates.get(keys::whole(&fates, path)) == Some(&"mapped");
    let mut parts = combined::own();
    for key in known.iter().filter(|key| schema.keys.contains_key(&key.path) && is_mapped(&key.path)) {
        let sample = sample::sample(schema, &key.path, &key.path)?;
        let mut file = sample.with;
        if let (Some(slot), Some(value)) = (file.pointer_mut(&sample.pointer), sound(&key.path)) {
            *slot = value;
        }
        parts.push(combined::Part { path: key.path.clone(), file, pointer: sample.pointer });
    }
    Ok(parts)
}

/// A real API server.
pub(super) struct Server(Client);

impl Server {
    pub(super) fn new(client: Client) -> Self {
        Self(client)
    }

    fn api(&self, object: &Value) -> Result<(Api<DynamicObject>, String)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (kind, version) =
            (text(&object["kind"]).context("no kind")?, text(&object["apiVersion"]).context("no version")?);
        let (group, version) = version.rsplit_once('/').unwrap_or(("", &version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let api = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.0.clone(), namespace, &resource),
            None => Api::all_with(self.0.clone(), &resource),
        };
        Ok((api, text(&object["metadata"]["name"]).context("no name")?))
    }

    /// Makes an object, unless it is there.
    pub(super) async fn create(&self, object: &Value) -> Result<()> {
        let (api, _) = self.api(object)?;
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        match api.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            made => made.map(drop).context("cannot make the Namespace"),
        }
    }

    /// What is wrong with objects, in the order of the objects.
    pub(super) async fn faults(&self, objects: &[Value]) -> Vec<String> {
        let of = |object: Value| async move {
            let mut found = Vec::new();
            match self.rehearse(&object).await {
                Ok(returned) => {
                    lost(&object, &returned, "", &mut |what| found.push(format!("{}: {what}", name(&object))));
                }
                Err(error) => found.push(format!("{}: {error:#}", name(&object))),
            }
            found
        };
        stream::iter(objects.to_vec()).map(of).buffered(PARALLEL).concat().await
    }

    /// What the object would become.
    async fn rehearse(&self, object: &Value) -> Result<Value> {
        let (api, name) = self.api(object)?;
        let parameters = PatchParams {
            dry_run: true,
            force: true,
            field_manager: Some("kompox-test".to_owned()),
            field_validation: Some(ValidationDirective::Strict),
        };
        Ok(serde_json::to_value(api.patch(&name, &parameters, &Patch::Apply(object)).await?)?)
    }
}

/// Tells every field that was sent and did not come back as it was. Empty ones may go: they say nothing.
fn lost(sent: &Value, returned: &Value, path: &str, tell: &mut dyn FnMut(String)) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    match (sent, returned) {
        (Value::Object(sent), Value::Object(returned)) => {
            for (key, value) in sent {
                let path = format!("{path}.{key}");
                match returned.get(key) {
                    Some(returned) => lost(value, returned, &path, tell),
                    None if is_empty(value) => {}
                    None => tell(format!("{path} was dropped: {value}")),
                }
            }
        }
        (Value::Array(sent), Value::Array(returned)) if sent.len() == returned.len() => {
            for (index, (sent, returned)) in sent.iter().zip(returned).enumerate() {
                lost(sent, returned, &format!("{path}[{index}]"), tell);
            }
        }
        (sent, returned) if sent == returned => {}
        (sent, returned) => tell(format!("{path} was {sent} and came back as {returned}")),
    }
}

fn name(object: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", word(&object["kind"]), word(&object["metadata"]["name"]))
}
