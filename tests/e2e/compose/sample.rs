//! Compose files made from the schema: a valid one around any key, with a value that fits.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::schema::Schema;

/// Files that the samples name.
pub(super) const FILES: &[(&str, &str)] = &[
    ("a.env", "A=\"b\"\n"),
    (".env", "WHO=me\n"),
    ("f.txt", "text\n"),
    ("inc.yml", "services: {inc: {image: \"i:${A:-none}\", env_file: [{path: more.env, required: false}]}}\n"),
    ("nowhere/else/more.env", "M=m\n"),
    ("base.yml", "services: {base: {image: i, environment: {BASE: b}}}\n"),
];

/// A Compose file with one key of the schema.
#[derive(Debug)]
pub(super) struct Sample {
    /// The file.
    pub(super) with: Value,
    /// The same without the key, or without what cannot be there without it.
    pub(super) without: Value,
    /// Where the key's value is in the file, as a JSON pointer.
    pub(super) pointer: String,
}

/// A file that has a key, and otherwise what the key needs. `whole` is the key itself, or the one above it with which it
/// is there or not.
pub(super) fn sample(schema: &Schema, path: &str, whole: &str) -> Result<Sample> {
    let mut around = json!({"services": {"web": {"image": "nginx"}}});
    merge(&mut around, surroundings(path));
    let (mut with, pointer) = plant(schema, path)?;
    let value = with.pointer(&pointer).cloned().with_context(|| format!("{path} is not where it was put"))?;
    // What the surroundings say is made for the key; only its own value is not theirs.
    merge(&mut with, around);
    if let Some(slot) = with.pointer_mut(&pointer) {
        *slot = value;
    }
    let mut without = with.clone();
    let mut taken = path.to_owned();
    let mut place = pointer.clone();
    // What must be there is taken away with what it is there for.
    while taken.len() > whole.len() || schema.is_required(&taken) {
        taken = outer(&taken).to_owned();
        place = place.rsplit_once('/').map_or("", |(outer, _)| outer).to_owned();
    }
    take(&mut without, &place).with_context(|| format!("{path} is not where it was put"))?;
    Ok(Sample { with, without, pointer })
}

/// The path of what a key or an item lies in.
fn outer(path: &str) -> &str {
    path.strip_suffix("[]").or_else(|| path.rsplit_once('.').map(|(outer, _)| outer)).unwrap_or("")
}

fn take(document: &mut Value, pointer: &str) -> Option<()> {
    let (outer, key) = pointer.rsplit_once('/')?;
    match document.pointer_mut(outer)? {
        Value::Object(map) => map.remove(key).map(drop),
        Value::Array(items) => {
            items.remove(key.parse().ok()?);
            Some(())
        }
        _ => None,
    }
}

/// Nothing but the key with a value, what must stand beside it, and what they lie in; and the place of the value.
fn plant(schema: &Schema, path: &str) -> Result<(Value, String)> {
    let mut steps: Vec<String> = Vec::new();
    for part in path.split('.') {
        let name = part.trim_end_matches("[]");
        let below = if steps.is_empty() { name.to_owned() } else { format!("{}.{name}", steps[steps.len() - 1]) };
        steps.push(below.clone());
        let mut list = below;
        for _ in 0..(part.len() - name.len()) / 2 {
            list += "[]";
            steps.push(list.clone());
        }
    }
    let mut value = value_of(schema, path)?;
    let mut pointer = String::new();
    for step in steps.iter().rev() {
        if step.ends_with("[]") {
            value = json!([value]);
            pointer = format!("/0{pointer}");
            continue;
        }
        let name = step.rsplit('.').next().unwrap_or_default();
        let name = if name == "*" { name_at(step) } else { name };
        let mut map = Map::new();
        for sibling in schema.keys.get(step).map(|key| key.required.as_slice()).unwrap_or_default() {
            map.insert(sibling.clone(), value_of(schema, &format!("{}.{sibling}", outer(step)))?);
        }
        map.insert(name.to_owned(), value);
        value = Value::Object(map);
        pointer = format!("/{name}{pointer}");
    }
    Ok((value, pointer))
}

/// A name where people choose one.
fn name_at(path: &str) -> &'static str {
    match path {
        "services.*" => "web",
        "configs.*" => "conf",
        "secrets.*" => "sec",
        "volumes.*" => "db",
        "services.*.depends_on.*" => "other",
        _ if path.ends_with("ulimits.*") => "nofile",
        _ => "name",
    }
}

/// A value that fits a key and asks for something.
pub(super) fn value_of(schema: &Schema, path: &str) -> Result<Value> {
    if let Some((_, value)) = values().into_iter().find(|(known, _)| *known == path) {
        return Ok(value);
    }
    let key = schema.keys.get(path).with_context(|| format!("no such key: {path}"))?;
    // What the container of a job or of a hook may have is what that of a service may have.
    for part in ["jobs.*.", "services.*.pre_start[]."] {
        if let Some(rest) = path.strip_prefix(part) {
            let twin = format!("services.*.{rest}");
            if schema.keys.contains_key(&twin) {
                return value_of(schema, &twin);
            }
        }
    }
    generated(schema, path, &key.value)
}

fn generated(schema: &Schema, path: &str, described: &Value) -> Result<Value> {
    let described = schema.resolved(described)?;
    if let Some(first) = described["enum"].as_array().and_then(|words| words.first()) {
        return Ok(first.clone());
    }
    for combination in ["oneOf", "anyOf"] {
        if let Some(parts) = described[combination].as_array() {
            let usable = |part: &&Value| {
                part["type"] != "null" && part.get("required").is_none_or(|_| part.get("type").is_some())
            };
            if let Some(part) = parts.iter().find(usable) {
                return generated(schema, path, part);
            }
        }
    }
    let kinds = &described["type"];
    let kind = kinds.as_str().or_else(|| kinds[0].as_str()).unwrap_or("object");
    Ok(match kind {
        "string" => json!("x"),
        "boolean" => json!(true),
        "integer" | "number" => {
            described.get("minimum").filter(|least| least.as_i64() > Some(0)).cloned().unwrap_or(json!(1))
        }
        "array" => json!([generated(schema, &format!("{path}[]"), &described["items"])?]),
        "object" => {
            let mut map = Map::new();
            let properties = described["properties"].as_object().cloned().unwrap_or_default();
            let required = described["required"].as_array().cloned().unwrap_or_default();
            for name in required.iter().filter_map(Value::as_str) {
                map.insert(name.to_owned(), value_of(schema, &format!("{path}.{name}"))?);
            }
            if let (true, Some((name, _))) = (map.is_empty(), properties.iter().next()) {
                map.insert(name.clone(), value_of(schema, &format!("{path}.{name}"))?);
            }
            let patterns = described["patternProperties"].as_object().cloned().unwrap_or_default();
            if let (true, Some((_, value))) = (map.is_empty(), patterns.iter().find(|(pattern, _)| *pattern != "^x-")) {
                map.insert(name_at(&format!("{path}.*")).to_owned(), generated(schema, &format!("{path}.*"), value)?);
            }
            ensure!(!map.is_empty() || path.ends_with("storage_opt"), "{path}: nothing can be in it");
            Value::Object(map)
        }
        other => anyhow::bail!("{path}: a value of type {other}"),
    })
}

/// Index-wise in lists, key-wise in mappings.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            for (at, value) in from.into_iter().enumerate() {
                match into.get_mut(at) {
                    Some(slot) => merge(slot, value),
                    None => into.push(value),
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// What a key needs to be sound: of the entries whose path the key's begins with, the longest.
fn surroundings(path: &str) -> Value {
    let known = [
        ("name", json!({"services": {"web": {"environment": {"PROJECT": "$COMPOSE_PROJECT_NAME"}}}})),
        ("services.*.networks", json!({"networks": {"name": {"internal": true}}})),
        ("services.*.healthcheck.", json!({"services": {"web": {"healthcheck": {"test": "check"}}}})),
        (
            "services.*.healthcheck.start_interval",
            json!({"services": {
                "web": {"healthcheck": {"test": "check"}},
                "late": {"image": "l", "depends_on": {"web": {"condition": "service_healthy"}}},
            }}),
        ),
        ("services.*.depends_on", json!({"services": {"other": {"image": "o"}}})),
        // A service that takes part is waited for, needed or not.
        ("services.*.depends_on.*.required", json!({"services": {"other": {"image": "o", "profiles": ["p"]}}})),
        ("services.*.env_file[].required", json!({"services": {"web": {"env_file": [{"path": "none.env"}]}}})),
        ("services.*.links", json!({"services": {"other": {"image": "o"}}})),
        ("services.*.extends", json!({"services": {"other": {"image": "o", "environment": {"O": "o"}}}})),
        ("services.*.extends.file", json!({"services": {"web": {"extends": {"service": "base"}}}})),
        ("services.*.ports[].", json!({"services": {"web": {"ports": [{"target": 80, "published": 80}]}}})),
        (
            "services.*.volumes[].",
            json!({"services": {"web": {"volumes": [{"type": "volume", "source": "db", "target": "/x"}]}}}),
        ),
        (
            "services.*.volumes[].bind",
            json!({"services": {"web": {"volumes": [{"type": "bind", "source": "./x", "target": "/x"}]}}}),
        ),
        ("services.*.volumes[].tmpfs", json!({"services": {"web": {"volumes": [{"type": "tmpfs", "target": "/x"}]}}})),
        ("services.*.configs", json!({"configs": {"conf": {"content": "c"}}})),
        (
            "services.*.configs[].",
            json!({"services": {"web": {"configs": [{"source": "conf"}]}}, "configs": {"conf": {"content": "c"}}}),
        ),
        ("services.*.secrets", json!({"secrets": {"sec": {"file": "f.txt"}}})),
        (
            "services.*.secrets[].",
            json!({"services": {"web": {"secrets": [{"source": "sec"}]}}, "secrets": {"sec": {"file": "f.txt"}}}),
        ),
        ("services.*.develop", json!({"services": {"web": {"build": "."}}})),
        ("services.*.gpus[].options", json!({"services": {"web": {"gpus": [{"count": 1}]}}})),
        ("services.*.gpus[].driver", json!({"services": {"web": {"gpus": [{"count": 1}]}}})),
        ("services.*.gpus[].capabilities", json!({"services": {"web": {"gpus": [{"count": 1}]}}})),
        ("configs.*", json!({"services": {"web": {"configs": ["conf"]}}})),
        (
            "configs.*.labels",
            json!({"services": {"web": {"configs": ["conf"]}}, "configs": {"conf": {"content": "c"}}}),
        ),
        (
            "configs.*.template_driver",
            json!({"services": {"web": {"configs": ["conf"]}}, "configs": {"conf": {"content": "c"}}}),
        ),
        (
            "configs.*.name",
            json!({"services": {"web": {"configs": ["conf"]}}, "configs": {"conf": {"external": true}}}),
        ),
        ("secrets.*", json!({"services": {"web": {"secrets": ["sec"]}}})),
        ("secrets.*.name", json!({"services": {"web": {"secrets": ["sec"]}}, "secrets": {"sec": {"external": true}}})),
        ("secrets.*.labels", json!({"services": {"web": {"secrets": ["sec"]}}, "secrets": {"sec": {"file": "f.txt"}}})),
        ("secrets.*.driver", json!({"services": {"web": {"secrets": ["sec"]}}, "secrets": {"sec": {"file": "f.txt"}}})),
        (
            "secrets.*.template_driver",
            json!({"services": {"web": {"secrets": ["sec"]}}, "secrets": {"sec": {"file": "f.txt"}}}),
        ),
        ("include[].", json!({"include": [{"path": "inc.yml"}]})),
    ];
    let fitting = known.into_iter().filter(|(prefix, _)| path.starts_with(prefix));
    fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(json!({}), |(_, document)| document)
}

/// Values where any that fits the schema would be refused for what it says, or asks for nothing.
fn values() -> Vec<(&'static str, Value)> {
    vec![
        ("services", json!({"more": {"image": "m"}})),
        ("configs", json!({"conf": {"content": "c"}})),
        ("secrets", json!({"sec": {"file": "f.txt"}})),
        ("include", json!(["inc.yml"])),
        ("include[].path", json!("inc.yml")),
        ("include[].project_directory", json!("nowhere/else")),
        ("include[].env_file", json!("a.env")),
        ("configs.*.file", json!("f.txt")),
        ("configs.*.environment", json!("WHO")),
        ("secrets.*.file", json!("f.txt")),
        ("secrets.*.environment", json!("WHO")),
        ("services.*.attach", json!(false)),
        ("services.*.cap_add", json!(["CHOWN"])),
        ("services.*.cap_drop", json!(["CHOWN"])),
        ("services.*.configs", json!(["conf"])),
        ("services.*.configs[].source", json!("conf")),
        ("services.*.configs[].mode", json!("0440")),
        ("services.*.configs[].uid", json!("1000")),
        ("services.*.configs[].gid", json!("1000")),
        ("services.*.secrets", json!(["sec"])),
        ("services.*.secrets[].source", json!("sec")),
        ("services.*.secrets[].mode", json!(256)),
        ("services.*.secrets[].uid", json!("1000")),
        ("services.*.secrets[].gid", json!("1000")),
        ("services.*.container_name", json!("another")),
        ("services.*.depends_on", json!(["other"])),
        ("services.*.depends_on.*.restart", json!(true)),
        ("services.*.depends_on.*.required", json!(false)),
        ("services.*.deploy.mode", json!("global")),
        ("services.*.deploy.replicas", json!(2)),
        ("services.*.deploy.labels", json!({"x": "y"})),
        ("services.*.deploy.resources.limits.memory", json!("64m")),
        ("services.*.deploy.resources.reservations.memory", json!("64m")),
        ("services.*.deploy.resources.reservations.devices[].capabilities", json!(["gpu"])),
        ("services.*.dns", json!("1.1.1.1")),
        ("services.*.env_file", json!("a.env")),
        ("services.*.env_file[].path", json!("a.env")),
        ("services.*.env_file[].required", json!(false)),
        ("services.*.env_file[].format", json!("raw")),
        ("services.*.expose", json!([80])),
        ("services.*.extends", json!("other")),
        ("services.*.extends.service", json!("other")),
        ("services.*.extends.file", json!("base.yml")),
        ("services.*.extra_hosts", json!(["name:10.0.0.1"])),
        ("services.*.gpus[].capabilities", json!(["tpu"])),
        ("services.*.gpus[].driver", json!("amd")),
        ("services.*.group_add", json!([5])),
        ("services.*.healthcheck", json!({"test": "check"})),
        ("services.*.healthcheck.interval", json!("7s")),
        ("services.*.healthcheck.timeout", json!("7s")),
        ("services.*.healthcheck.start_period", json!("7s")),
        ("services.*.healthcheck.start_interval", json!("7s")),
        ("services.*.healthcheck.retries", json!(7)),
        ("services.*.hostname", json!("another")),
        ("services.*.image", json!("another")),
        ("services.*.links", json!(["other:else"])),
        ("services.*.mem_limit", json!("64m")),
        ("services.*.mem_reservation", json!("64m")),
        ("services.*.network_mode", json!("bridge")),
        ("services.*.networks", json!(["name"])),
        ("services.*.networks.*.use_service_name_alias", json!(false)),
        ("services.*.platform", json!("linux/amd64")),
        ("services.*.ports", json!(["80:80"])),
        ("services.*.ports[].target", json!(81)),
        ("services.*.ports[].published", json!("81")),
        ("services.*.ports[].protocol", json!("udp")),
        ("services.*.ports[].host_ip", json!("127.0.0.1")),
        ("services.*.pull_policy", json!("always")),
        ("services.*.restart", json!("on-failure")),
        ("services.*.scale", json!(2)),
        ("services.*.security_opt", json!(["no-new-privileges"])),
        ("services.*.shm_size", json!("64m")),
        ("services.*.stop_grace_period", json!("7s")),
        ("services.*.storage_opt", json!({"size": "1g"})),
        ("services.*.sysctls", json!({"net.ipv4.tcp_syncookies": 0})),
        ("services.*.tmpfs", json!("/run")),
        ("services.*.user", json!("1000")),
        ("services.*.volumes", json!(["db:/x"])),
        ("services.*.volumes[].type", json!("volume")),
        ("services.*.volumes[].source", json!("default")),
        ("services.*.volumes[].target", json!("/y")),
        ("services.*.volumes[].bind.create_host_path", json!(false)),
        ("services.*.volumes[].volume.nocopy", json!(false)),
        ("services.*.volumes[].tmpfs", json!({"size": "1m"})),
        ("services.*.volumes[].tmpfs.size", json!("1m")),
        ("services.*.volumes[].tmpfs.mode", json!(448)),
        ("services.*.working_dir", json!("/srv")),
    ]
}
