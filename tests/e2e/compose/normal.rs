//! One form for what the reference and the agent make of a project, of what both of them know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use kompox_manifests::model::{App, HealthCheck, Service, Until};
use serde_json::{Map, Value, json};

/// The reference's project, loaded from a folder.
pub(super) fn reference(project: &Value, folder: &Path) -> Result<Value> {
    let services = project["services"].as_object().context("the reference's project has no services")?;
    let mut normal = Map::new();
    let mut waited: BTreeMap<String, &str> = BTreeMap::new();
    let mut labels = BTreeMap::new();
    for (name, service) in services {
        normal.insert(name.clone(), reference_service(service, folder)?);
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            let condition = condition["condition"].as_str().unwrap_or_default();
            let slot = waited.entry(other.clone()).or_insert(condition);
            if *slot == "service_started" {
                *slot = condition;
            }
        }
        for key in ["labels", "annotations"] {
            let own = service[key].as_object().into_iter().flatten();
            labels.extend(own.map(|(key, value)| (key.clone(), text(value))));
        }
    }
    // What is not there is not waited for.
    waited.retain(|name, _| services.contains_key(name));
    Ok(json!({"services": normal, "waited": waited, "labels": labels}))
}

fn reference_service(service: &Value, folder: &Path) -> Result<Value> {
    let words = |key: &str| service[key].as_array().filter(|words| !words.is_empty()).cloned();
    let environment: BTreeMap<&String, String> = service["environment"]
        .as_object()
        .into_iter()
        .flatten()
        // A name without a value anywhere is left out.
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name, text(value)))
        .collect();
    let mounts: Vec<Value> =
        list(&service["volumes"]).iter().map(|mount| reference_mount(mount, folder)).collect::<Result<_>>()?;
    let files = |key: &str, prefix: &str| -> Vec<Value> {
        let target = |file: &Value| match file["target"].as_str() {
            Some(target) if target.starts_with('/') => target.to_owned(),
            Some(target) => format!("{prefix}{target}"),
            None => format!("{prefix}{}", file["source"].as_str().unwrap_or_default()),
        };
        list(&service[key]).iter().map(|file| json!([target(file), file["source"], mode(&file["mode"])])).collect()
    };
    let mut ports = Vec::new();
    for port in list(&service["ports"]) {
        if !ports.contains(&port["target"]) {
            ports.push(port["target"].clone());
        }
    }
    let set = |key: &str| list(&service[key]).iter().map(text).collect::<BTreeSet<_>>();
    let flag = |key: &str| service[key].as_bool().unwrap_or(false);
    Ok(json!({
        "image": service["image"],
        "entrypoint": words("entrypoint"),
        "command": words("command"),
        "environment": environment,
        "mounts": mounts,
        "configs": files("configs", "/"),
        "secrets": files("secrets", "/run/secrets/"),
        "ports": ports,
        "expose": set("expose"),
        "working_dir": service["working_dir"],
        "privileged": flag("privileged"),
        "read_only": flag("read_only"),
        "tty": flag("tty"),
        "stdin_open": flag("stdin_open"),
        "cap_add": set("cap_add"),
        "cap_drop": set("cap_drop"),
        "health": reference_health(&service["healthcheck"]),
        "memory": service["mem_limit"].as_str().and_then(|bytes| bytes.parse::<u64>().ok()).filter(|bytes| *bytes > 0),
    }))
}

fn reference_mount(mount: &Value, folder: &Path) -> Result<Value> {
    let source = mount["source"].as_str().unwrap_or_default();
    let read_only = mount["read_only"].as_bool().unwrap_or(false);
    let (volume, below) = if mount["type"] == "bind" {
        let inside = Path::new(source).strip_prefix(folder).with_context(|| format!("{source} lies elsewhere"))?;
        ("default", inside.to_str().filter(|path| !path.is_empty()).map(str::to_owned))
    } else {
        (source, mount["volume"]["subpath"].as_str().map(str::to_owned))
    };
    Ok(json!([mount["target"], volume, below, read_only]))
}

fn reference_health(check: &Value) -> Value {
    let test: Vec<String> = list(&check["test"]).iter().map(text).collect();
    let command: Vec<String> = match test.split_first() {
        Some((kind, rest)) if kind == "CMD-SHELL" => [&["sh".to_owned(), "-c".to_owned()], rest].concat(),
        Some((kind, rest)) if kind == "CMD" => rest.to_vec(),
        _ => return Value::Null,
    };
    if check["disable"] == true {
        return Value::Null;
    }
    let or = |key: &str, default: &str| check[key].as_str().unwrap_or(default).to_owned();
    json!({
        "command": command,
        "interval": or("interval", "30s"),
        "timeout": or("timeout", "30s"),
        "start_period": or("start_period", "0s"),
        "retries": check["retries"].as_u64().unwrap_or(3),
    })
}

/// The agent's.
pub(super) fn ours(app: &App) -> Value {
    let project = &app.project;
    let services: Map<String, Value> =
        project.services.iter().map(|service| (service.name.clone(), our_service(service))).collect();
    let condition = |until| match until {
        Until::Started => "service_started",
        Until::Healthy => "service_healthy",
        Until::Completed => "service_completed_successfully",
    };
    let waited: BTreeMap<&str, &str> =
        project.pod.first.iter().map(|first| (first.service.as_str(), condition(first.until))).collect();
    let labels = &project.pod.labels;
    let labels: BTreeMap<_, _> = labels.labels.iter().chain(&labels.annotations).collect();
    json!({"services": services, "waited": waited, "labels": labels})
}

fn our_service(service: &Service) -> Value {
    let mut environment: BTreeMap<&String, &String> = service.env_file.iter().flat_map(|file| &file.0).collect();
    environment.extend(&service.environment);
    let files = |mounts: &[kompox_manifests::model::FileMount]| -> Vec<Value> {
        mounts.iter().map(|file| json!([file.target, file.name, file.mode])).collect()
    };
    let runtime = &service.runtime;
    let mounts: Vec<Value> = service
        .mounts
        .iter()
        .map(|mount| json!([mount.target, mount.volume, mount.sub_path, mount.read_only]))
        .collect();
    let exposed: BTreeSet<String> = runtime.exposed.iter().map(|port| port.number.to_string()).collect();
    json!({
        "image": service.image.value,
        "entrypoint": service.entrypoint,
        "command": service.command,
        "environment": environment,
        "mounts": mounts,
        "configs": files(&service.configs),
        "secrets": files(&service.secrets),
        "ports": service.container_ports,
        "expose": exposed,
        "working_dir": runtime.working_dir,
        "privileged": runtime.security.privileged,
        "read_only": runtime.security.read_only,
        "tty": runtime.tty,
        "stdin_open": runtime.stdin,
        "cap_add": runtime.security.cap_add,
        "cap_drop": runtime.security.cap_drop,
        "health": runtime.health.as_ref().map(our_health),
        "memory": service.resources.limits.get("memory").map(|quantity| bytes(quantity)),
    })
}

fn our_health(check: &HealthCheck) -> Value {
    json!({
        "command": check.command,
        "interval": duration(check.interval),
        "timeout": duration(check.timeout),
        "start_period": duration(check.start_period),
        "retries": check.retries,
    })
}

/// As the reference prints durations.
fn duration(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn bytes(quantity: &str) -> Option<u64> {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30)];
    match units.iter().find_map(|(unit, power)| Some((quantity.strip_suffix(unit)?, power))) {
        Some((number, power)) => Some(number.parse::<u64>().ok()? << power),
        None => quantity.parse().ok(),
    }
}

fn mode(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| u64::from_str_radix(value.as_str()?, 8).ok())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
