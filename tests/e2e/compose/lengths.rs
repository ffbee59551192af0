//! Names that people choose, as long as the agent takes them: the real API server takes all that is made from them, and
//! one character more is an error at the line.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::parts::{self, Part};
use serde_json::{Value, json};

use super::ours;
use super::server::Server;

/// Longer than any name of Kubernetes.
const MOST: usize = 300;

/// A place where a name stands, the longest one there, and what an entry and a Compose file with it look like.
struct Place {
    name: &'static str,
    longest: usize,
    files: fn(&str) -> (Value, Value),
}

/// An entry around a Compose file.
fn entry(app: &str, domain: &str, spec: &Value) -> Value {
    let mut entry = json!({
        "version": "v1",
        "workspace": {"name": "acme"},
        "provider": {"name": "home", "driver": "local"},
        "cluster": {"name": "one", "ingress": {"domain": domain, "certResolver": "le"}},
        "app": {
            "name": app,
            "compose": "file:compose.yml",
            "volumes": [{"name": "default", "size": "1Gi"}],
            "ingress": {"rules": [{"name": "http", "port": 65535, "hosts": ["a.example.org"]}]},
        },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        entry["app"][key] = value.clone();
    }
    entry
}

const DOMAIN: &str = "apps.example.com";

/// A Compose file in which everything is used that objects are named after.
fn compose(service: &str, file: &str) -> Value {
    json!({
        "services": {
            "other": {
                "image": "i",
                "ports": ["65535:80"],
                "volumes": ["./data:/data"],
                "depends_on": {service: {"condition": "service_healthy"}},
            },
            service: {
                "image": "i",
                "env_file": "a.env",
                "healthcheck": {"test": "check"},
                "configs": [file],
                "secrets": [file],
                "networks": {"default": {"aliases": [service.replace('a', "b")]}},
            },
        },
        "configs": {file: {"content": "c"}},
        "secrets": {file: {"file": "f.txt"}},
    })
}

/// A host of labels that are as long as labels can be.
fn host(length: usize) -> String {
    let mut host = String::new();
    while host.len() < length {
        host.push(if host.len() % 64 == 63 { '.' } else { 'a' });
    }
    host
}

const PLACES: &[Place] = &[
    Place { name: "an App", longest: 45, files: |name| (entry(name, DOMAIN, &json!({})), compose("web", "conf")) },
    Place { name: "a service", longest: 63, files: |name| (entry("shop", DOMAIN, &json!({})), compose(name, "conf")) },
    Place { name: "a file", longest: 59, files: |name| (entry("shop", DOMAIN, &json!({})), compose("web", name)) },
    Place {
        name: "a volume",
        longest: 16,
        files: |name| {
            (entry("shop", DOMAIN, &json!({"volumes": [{"name": name, "size": "1Gi"}]})), compose("web", "conf"))
        },
    },
    Place {
        name: "a rule",
        longest: 15,
        files: |name| {
            let rules = json!({"rules": [{"name": name, "port": 65535}]});
            (entry("shop", DOMAIN, &json!({"ingress": rules})), compose("web", "conf"))
        },
    },
    Place {
        name: "a host",
        longest: 253,
        files: |name| {
            let rules = json!({"rules": [{"name": "http", "port": 65535, "hosts": [host(name.len())]}]});
            (entry("shop", DOMAIN, &json!({"ingress": rules})), compose("web", "conf"))
        },
    },
    // What is left behind `shop-<hash>-65535.`
    Place {
        name: "a domain",
        longest: 253 - 18,
        files: |name| (entry("shop", &host(name.len()), &json!({})), compose("web", "conf")),
    },
    Place {
        name: "a pool",
        longest: 63,
        files: |name| (entry("shop", DOMAIN, &json!({"deployment": {"pool": name}})), compose("web", "conf")),
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_the_longest_names_that_the_agent_takes() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane]) {
        return Ok(());
    }
    let plane = ControlPlane::start(Options::default()).await?;
    let server = Server::new(plane.client().await?);
    let files = [("a.env", "A=b\n"), ("f.txt", "text\n")];
    for Place { name, longest, files: of } in PLACES {
        let read = |length: usize| {
            let (entry, compose) = of(&"a".repeat(length));
            ours::read_in(&entry.to_string(), &compose.to_string(), &files)
        };
        // A host may end in the middle, where no label would begin.
        let taken: Vec<usize> = (1..MOST).filter(|length| read(*length).app.is_some()).collect();
        let last = taken.last().copied().unwrap_or_default();
        ensure!(last == *longest, "the longest name of {name} has {last} characters: {:?}", read(*longest).told().1);
        let (objects, _) = read(last).told();
        let namespace = objects.iter().find(|object| object["kind"] == "Namespace").context("no Namespace")?;
        server.create(namespace).await?;
        let faults = server.faults(&objects).await;
        ensure!(faults.is_empty(), "{name} of {last} characters: {faults:#?}");
        let (_, said) = read(last + 1).told();
        ensure!(said.iter().any(|said| said.starts_with("error ")), "{name}: {said:?}");
    }
    Ok(())
}
