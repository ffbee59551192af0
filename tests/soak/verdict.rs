//! How it must have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::wait::{Look, until};
use serde_json::Value;

use crate::apps::App;
use crate::ground::Ground;

/// People's edits in the last moment are still to be undone when the last commit is a success.
const REST: Duration = Duration::from_secs(90);
const KINDS: &str = "serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,configmaps,secrets,services,deployments,ingresses";
/// Every App's view: its name, and whether it is ready and in sync.
const VIEWS: &str = "jsonpath={range .items[*]}{.metadata.name} \
                     {.status.conditions[?(@.type==\"Ready\")].status} \
                     {.status.conditions[?(@.type==\"Synced\")].status}{\"\\n\"}{end}";
const OURS: &str = "app.kubernetes.io/managed-by=kompox";

/// Every object of every App, without what the API server and its controllers add, by kind, Namespace and name.
pub(crate) type Snapshot = BTreeMap<String, Value>;

/// What is in the cluster now.
pub(crate) fn snapshot(ground: &Ground) -> Result<Snapshot> {
    let mut snapshot = Snapshot::new();
    for arguments in [vec!["get", "namespaces,persistentvolumes"], vec!["get", KINDS, "-A"]] {
        let list = ground.kubectl(&[&arguments[..], &["-l", OURS, "-o", "json"]].concat())?;
        let mut list: Value = serde_json::from_str(&list).context("kubectl get -o json")?;
        for object in list["items"].as_array_mut().context("no items")? {
            let name = ["/kind", "/metadata/namespace", "/metadata/name"]
                .map(|path| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned());
            // Its own record: when something was applied is in it.
            if name[2].ends_with("--last-applied") || name[2].ends_with("--history") {
                continue;
            }
            snapshot.insert(name.join("/"), without_the_servers(object.take()));
        }
    }
    Ok(snapshot)
}

/// Of what holds data, the UID stays: it must be the very same object in the end.
fn without_the_servers(mut object: Value) -> Value {
    let holds_data = ["Namespace", "PersistentVolume", "PersistentVolumeClaim"].map(Value::from);
    let holds_data = holds_data.contains(&object["kind"]);
    let remove = |value: &mut Value, keys: &[&str]| {
        if let Some(map) = value.as_object_mut() {
            map.retain(|key, _| !keys.contains(&key.as_str()));
        }
    };
    remove(&mut object, &["status"]);
    remove(&mut object["metadata"], &["creationTimestamp", "generation", "managedFields", "resourceVersion"]);
    if !holds_data {
        remove(&mut object["metadata"], &["uid"]);
        if object["kind"] == "Service" {
            remove(&mut object["spec"], &["clusterIP", "clusterIPs"]);
        }
    }
    remove(&mut object["metadata"]["annotations"], &["deployment.kubernetes.io/revision"]);
    remove(&mut object["spec"]["claimRef"], &["resourceVersion"]);
    object
}

/// Holds the end against what the last commit asks; then asks for the beginning again, and holds that against
/// what it was.
pub(crate) async fn judge(ground: &mut Ground, before: &Snapshot) -> Result<()> {
    ground.publish("The last commit")?;
    ground.settled().await?;
    for app in ground.apps.clone() {
        until(&format!("{} to be as the last commit asks", app.name), REST, || async {
            ground.check_agent()?;
            Ok(match differs(ground, &app)? {
                None => Look::Done(()),
                Some(what) => Look::NotYet(what),
            })
        })
        .await?;
    }

    for app in &mut ground.apps {
        app.reset();
    }
    ground.publish("As it was in the beginning")?;
    ground.settled().await?;
    until("everything to be as it was in the beginning", REST, || async {
        ground.check_agent()?;
        let now = snapshot(ground)?;
        Ok(match first_difference(before, &now) {
            None => Look::Done(()),
            Some(what) => Look::NotYet(what),
        })
    })
    .await?;
    until("what is shown of the Apps to be as they are", REST, || async {
        let shown = ground.kubectl(&["get", "kompoxapps", "-A", "-o", VIEWS])?;
        let mut shown: Vec<&str> = shown.lines().collect();
        shown.sort_unstable();
        let mut all: Vec<String> = ground.apps.iter().map(|app| format!("{} True True", app.name)).collect();
        all.sort_unstable();
        Ok(if shown == all { Look::Done(()) } else { Look::NotYet(shown.join(", ")) })
    })
    .await?;
    let own =
        ground.kubectl(&["get", "pods", "-A", "-l", "app.kubernetes.io/managed-by=kompox-agent", "-o", "name"])?;
    ensure!(own.trim().is_empty(), "Pods that the agent has made for itself are left over: {own}");
    let with_disks = ground.apps.iter().filter(|app| app.has_disk).count();
    ensure!(ground.disks()? == with_disks, "{} disks for {with_disks} Apps with one", ground.disks()?);
    Ok(())
}

/// What of an App is not as its commit asks.
fn differs(ground: &Ground, app: &App) -> Result<Option<String>> {
    let Some(namespace) = ground.namespace(app.name)? else {
        return Ok(app.is_present.then(|| "it has no Namespace".to_owned()));
    };
    let get = |what: &str, path: &str| {
        ground.kubectl(&["-n", &namespace, "get", what, "--ignore-not-found", "-o", &format!("jsonpath={path}")])
    };
    if !app.is_present {
        let left = ground.kubectl(&["-n", &namespace, "get", "deployments,services,ingresses,pods", "-o", "name"])?;
        return Ok((!left.trim().is_empty()).then(|| format!("it left, but for {left}")));
    }
    let deployment = format!("deployment/{}-app", app.name);
    let mode = ground.kubectl(&[
        "-n",
        &namespace,
        "get",
        "secrets",
        "-l",
        OURS,
        "-o",
        "go-template={{range .items}}{{with .data.MODE}}{{. | base64decode}}{{end}}{{end}}",
    ])?;
    let hosts = ground.kubectl(&["-n", &namespace, "get", "ingresses", "-o", "jsonpath={..spec.rules[*].host}"])?;
    let seen = [
        ("its image", get(&deployment, "{.spec.template.spec.containers[0].image}")?, app.image()),
        ("its replicas", get(&deployment, "{.spec.replicas}")?, "1".to_owned()),
        ("its environment", format!("MODE={mode}\n"), app.environment()),
        ("its service", get("service/web", "{.metadata.labels.app\\.kubernetes\\.io/name}")?, app.name.to_owned()),
        ("whether its host is there", hosts.contains(&app.host()).to_string(), app.has_host.to_string()),
    ];
    let wrong = seen.into_iter().find(|(_, found, asked)| found != asked);
    Ok(wrong.map(|(what, found, asked)| format!("{what} is {found:?} instead of {asked:?}")))
}

fn first_difference(before: &Snapshot, now: &Snapshot) -> Option<String> {
    let lost = before.keys().find(|name| !now.contains_key(*name)).map(|name| format!("{name} is lost"));
    let left = || now.keys().find(|name| !before.contains_key(*name)).map(|name| format!("{name} is left over"));
    let other = || {
        let (name, was) = before.iter().find(|(name, was)| now.get(*name) != Some(was))?;
        Some(format!("{name}: {}", field_that_differs("", was, now.get(name)?)?))
    };
    lost.or_else(left).or_else(other)
}

/// The first field that differs, with what it was and what it is.
fn field_that_differs(path: &str, was: &Value, is: &Value) -> Option<String> {
    if was == is {
        return None;
    }
    let (Value::Object(before), Value::Object(now)) = (was, is) else {
        return Some(format!("{path} was {was} and is {is}"));
    };
    let null = Value::Null;
    let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    keys.into_iter().find_map(|key| {
        let (was, is) = (before.get(key).unwrap_or(&null), now.get(key).unwrap_or(&null));
        field_that_differs(&format!("{path}/{key}"), was, is)
    })
}
