//! `docs/compose.md`, written from the tables.

use std::fmt::Write as _;
use std::{env, fs, path::Path};

use super::*;

/// Where a mapped key of a service goes, for those whose name does not say it.
const NOTES: [(&str, &str); 38] = [
    ("image", "`image` of the container"),
    ("entrypoint", "`command` of the container"),
    ("command", "`args` of the container"),
    ("environment", "`env`, sorted by name"),
    ("env_file", "the Secret `<app>-app-<service>-base`"),
    ("ports", "container ports; `ingress.rules` of the App publish them"),
    ("volumes", "mounts of the App's volumes"),
    ("profiles", "a service with profiles stays out"),
    ("build", "needs `image`; nothing is built"),
    ("scale", "must be 1"),
    ("replicas", "must be 1"),
    ("mode", "checked, or kept, by its value"),
    ("network_mode", "`host` is an error; others have no effect"),
    ("restart", "containers are always restarted; other values are reported"),
    (
        "healthcheck",
        "`readinessProbe`; `startupProbe` where others wait for it. One unhealthy service takes the whole Pod out of its Ingress",
    ),
    ("liveness", "the health check as `livenessProbe` too"),
    ("depends_on", "native sidecars and init containers, in order; a job runs at every start of the Pod"),
    ("expose", "container ports"),
    ("user", "`runAsUser`, `runAsGroup`; numbers only"),
    ("group_add", "`supplementalGroups` of the Pod; numbers only"),
    ("cap_add", "`capabilities.add`"),
    ("cap_drop", "`capabilities.drop`"),
    ("read_only", "read-only root file system, or mount"),
    ("security_opt", "`no-new-privileges`, `seccomp:unconfined`, `apparmor:…`; others are errors"),
    ("sysctls", "`sysctls` of the Pod; a warning for those that kubelets refuse by default"),
    ("tmpfs", "an `emptyDir` in memory"),
    ("shm_size", "an `emptyDir` in memory on `/dev/shm`"),
    ("cpus", "limit of `cpu`; in `reservations` a request"),
    ("mem_limit", "limit of `memory`"),
    ("mem_reservation", "request of `memory`"),
    ("stop_grace_period", "the longest is `terminationGracePeriodSeconds` of the Pod"),
    ("extra_hosts", "`hostAliases` of the Pod"),
    ("dns", "name servers of the Pod behind the cluster's own"),
    ("dns_search", "search domains of the Pod"),
    ("dns_opt", "resolver options of the Pod"),
    ("platform", "node selector `kubernetes.io/arch`"),
    ("pull_policy", "`imagePullPolicy`"),
    ("x-kompox", "requests, limits and `liveness`; holds against all others"),
];

fn reference() -> String {
    let tables: [(&str, &Table); 18] = [
        ("The Compose file", &TOP),
        ("services.*", &SERVICE),
        ("services.*.deploy", &DEPLOY),
        ("services.*.deploy.resources", &DEPLOY_RESOURCES),
        ("services.*.deploy.resources.limits", &DEPLOY_LIMITS),
        ("services.*.deploy.resources.reservations", &DEPLOY_RESERVATIONS),
        ("services.*.depends_on.*", &DEPENDENCY),
        ("services.*.healthcheck", &HEALTHCHECK),
        ("services.*.env_file[]", &ENV_FILE),
        ("services.*.ports[]", &PORT),
        ("services.*.volumes[]", &VOLUME_MOUNT),
        ("services.*.volumes[].bind", &BIND_OPTIONS),
        ("services.*.volumes[].volume", &VOLUME_OPTIONS),
        ("services.*.configs[], services.*.secrets[]", &CONFIG_MOUNT),
        ("services.*.x-kompox", &KOMPOX),
        ("configs.*", &CONFIG),
        ("secrets.*", &SECRET),
        ("volumes.*", &VOLUME),
    ];
    let mut text = "# What happens to every key of a Compose file\n\nWritten from the tables in the code; \
                    `UPDATE_DOCS=1 cargo test -p kompox-manifests` writes it anew.\n"
        .to_owned();
    for (title, table) in tables {
        write!(text, "\n## {title}\n\n| key | what happens | note |\n|-|-|-|\n").unwrap();
        for Rule { key, handling } in table.0 {
            let (what, note) = match handling {
                Handling::Mapped => {
                    let note = NOTES
                        .iter()
                        .find(|(known, _)| known == key && title.starts_with("services."))
                        .map_or("", |(_, note)| note);
                    ("mapped".to_owned(), note.to_owned())
                }
                Handling::Reported { severity, why, instead } => (severity.to_string(), format!("{why}; {instead}")),
            };
            writeln!(text, "| `{key}` | {what} | {} |", note.replace('|', "\\|")).unwrap();
        }
    }
    text
}

#[test]
fn the_reference_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compose.md");
    let expected = reference();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &expected).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "docs/compose.md is stale; write it anew with UPDATE_DOCS=1");
}

#[test]
fn every_note_belongs_to_a_mapped_key() {
    for (noted, _) in NOTES {
        let tables = [&SERVICE, &DEPLOY, &KOMPOX];
        let mapped = |rule: &&Rule| rule.key == noted && matches!(rule.handling, Handling::Mapped);
        assert!(tables.iter().any(|table| table.0.iter().any(|rule| mapped(&rule))), "{noted}");
    }
}
