use super::*;
use crate::model::{HealthCheck, Port, Protocol, Starter, Until};

fn health(lines: &str) -> Option<HealthCheck> {
    case().load(&web(lines)).service().runtime.health
}

#[test]
fn health_checks() {
    let full = health(
        "healthcheck: {test: [CMD, pg_isready, -q], interval: 1m30s, timeout: 5s, retries: 7, start_period: 20s, \
         start_interval: 2s}",
    );
    let expected = HealthCheck {
        command: strings(&["pg_isready", "-q"]),
        interval: 90,
        timeout: 5,
        retries: 7,
        start_period: 20,
        start_interval: 2,
    };
    assert_eq!(full, Some(expected));
    let defaults = health("healthcheck: {test: curl -f localhost | grep ok}").unwrap();
    assert_eq!(defaults.command, strings(&["sh", "-c", "curl -f localhost | grep ok"]));
    let HealthCheck { interval, timeout, retries, start_period, start_interval, .. } = defaults;
    assert_eq!((interval, timeout, retries, start_period, start_interval), (30, 30, 3, 0, 5));
    assert_eq!(health("healthcheck: {test: [CMD-SHELL, a && b]}").unwrap().command, strings(&["sh", "-c", "a && b"]));
    assert_eq!(health("healthcheck: {test: [CMD, a], interval: 2s}").unwrap().start_interval, 2);
    let zero = health(
        "healthcheck: {test: [CMD, a], interval: 0s, timeout: 0s, start_interval: 0ms, start_period: 0s, retries: 0}",
    );
    assert_eq!(zero, health("healthcheck: {test: [CMD, a]}"));
}

#[test]
fn health_checks_that_check_nothing() {
    for lines in ["healthcheck: {test: [NONE]}", "healthcheck: {test: NONE}", "healthcheck: {disable: true}"] {
        let outcome = case().load(&web(lines));
        outcome.finds("info compose.yml:4:");
        assert_eq!(outcome.loaded.unwrap().project.services[0].runtime.health, None);
    }
    case().load(&web("healthcheck: {interval: 5s}")).finds("warning compose.yml:4:");
}

#[test]
fn a_start_period_that_makes_the_pod_late_is_told_unless_the_check_may_kill() {
    let told = |period: &str, more: &str| {
        let check = format!("healthcheck: {{test: [CMD, a], start_period: {period}}}{more}");
        case().load(&web(&check)).found()
    };
    let late = told("2m", "");
    assert_eq!(late.len(), 1, "{late:?}");
    assert!(late[0].starts_with("info compose.yml:4:49: service `web` is not ready before 120 s"), "{late:?}");
    assert!(told("30s", "").is_empty());
    assert!(told("2m", "\nx-kompox: {liveness: true}").is_empty());
}

#[test]
fn bad_health_checks_are_named() {
    for (check, expected) in [
        ("{test: [curl, -f]}", "error compose.yml:4:25: `test` does not begin with `CMD`"),
        ("{test: [CMD]}", "error compose.yml:4:25: `test` does not begin"),
        ("{test: [CMD-SHELL, a, b]}", "error compose.yml:4:25: `test` does not begin"),
        ("{test: []}", "error compose.yml:4:25: `test` does not begin"),
        ("{test: \"\"}", "error compose.yml:4:25: `test` is empty"),
        ("{test: 5}", "error compose.yml:4:25: `test` must be"),
        ("{test: [CMD, a], interval: soon}", "error compose.yml:4:45: `soon` is no duration for `interval`"),
        ("{test: [CMD, a], retries: many}", "error compose.yml:4:44: `retries` must be a whole number"),
        ("{test: [CMD, a], timeout: 500ms}", "info compose.yml:4:44: `timeout` becomes 1s"),
        ("{tset: [CMD, a]}", "error compose.yml:4:19: `healthcheck` of service `web` has no key `tset`"),
        ("5", "error compose.yml:4:18: `healthcheck` must be a mapping"),
    ] {
        let found = case().load(&web(&format!("healthcheck: {check}"))).found();
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn liveness_needs_a_health_check() {
    let service = case().load(&web("healthcheck: {test: [CMD, a]}\nx-kompox: {liveness: true}")).service();
    assert!(service.runtime.liveness);
    case().load(&web("x-kompox: {liveness: true}")).finds("error compose.yml:4:26: `liveness` needs a health check");
    assert!(!case().load(&web("x-kompox: {liveness: false}")).service().runtime.liveness);
}

/// A file of services, each with its further lines in flow style.
fn services(bodies: &[(&str, &str)]) -> String {
    let service = |(name, body): &(&str, &str)| format!("  {name}: {{image: a, {body}}}\n");
    format!("services:\n{}", bodies.iter().map(service).collect::<String>())
}

const HEALTHY: &str = "healthcheck: {test: [CMD, a]}";

#[test]
fn what_is_waited_for_starts_first() {
    let compose = services(&[
        (
            "app",
            "depends_on: {zdb: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}",
        ),
        ("worker", "depends_on: [cache, zdb]"),
        ("migrate", "depends_on: {zdb: {condition: service_started}}"),
        ("cache", ""),
        ("zdb", HEALTHY),
    ]);
    let outcome = case().load(&compose);
    outcome.finds("info compose.yml:2:67: `migrate` runs to its end at every start");
    let first: Vec<(String, Until)> = outcome
        .loaded
        .unwrap()
        .project
        .pod
        .first
        .into_iter()
        .map(|Starter { service, until }| (service, until))
        .collect();
    let expected = [("cache", Until::Started), ("zdb", Until::Healthy), ("migrate", Until::Completed)];
    assert_eq!(first, expected.map(|(name, until)| (name.to_owned(), until)));
}

#[test]
fn a_job_is_told_of_restarts_that_it_does_not_get() {
    let told = |restart: &str| {
        let compose = services(&[
            ("app", "depends_on: {job: {condition: service_completed_successfully}}"),
            ("job", &format!("restart: {restart}")),
        ]);
        let found = case().load(&compose).found();
        found.into_iter().filter(|line| line.contains("restart")).collect::<Vec<_>>()
    };
    for policy in ["on-failure", "on-failure:3"] {
        assert_eq!(told(policy), [""; 0], "{policy}");
    }
    for policy in ["\"no\"", "no"] {
        assert_eq!(
            told(policy),
            [
                "info compose.yml:3:28: `restart: no` of service `job` cannot be kept: it is run again when it fails, as others wait for it"
            ],
            "{policy}"
        );
    }
    for policy in ["always", "unless-stopped"] {
        let expected =
            format!("warning compose.yml:3:28: `restart: {policy}` of service `job` has no effect: others wait");
        let found = told(policy);
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
    }
    assert!(told("maybe")[0].starts_with("error compose.yml:3:28: `restart` of service `job` must be"));
}

#[test]
fn circles_are_named() {
    let compose = services(&[
        ("d", "depends_on: [a]"),
        ("b", "depends_on: [c]"),
        ("c", "depends_on: [a]"),
        ("a", "depends_on: [b]"),
    ]);
    case()
        .load(&compose)
        .finds("error compose.yml:5:30: services wait for each other in a circle: `a` → `b` → `c` → `a`");
    let several = services(&[
        ("f", "depends_on: [e]"),
        ("e", "depends_on: [f, a]"),
        ("b", "depends_on: [b, a]"),
        ("a", "depends_on: [b]"),
        ("c", "depends_on: [a]"),
    ]);
    let circle = "services wait for each other in a circle: ";
    let mut found = case().load(&several).found();
    found.sort();
    assert_eq!(
        found,
        [
            format!("error compose.yml:3:30: {circle}`e` → `f` → `e`"),
            format!("error compose.yml:4:30: {circle}`b` → `b`"),
            format!("error compose.yml:5:30: {circle}`a` → `b` → `a`"),
        ]
    );
    let own = services(&[("a", "depends_on: [a]"), ("b", "")]);
    case().load(&own).finds("error compose.yml:2:30: services wait for each other in a circle: `a` → `a`");
}

#[test]
fn what_cannot_be_waited_for() {
    for (depends, other, expected) in [
        ("[dbb]", "", "error compose.yml:2:30: there is no service `dbb` to wait for"),
        ("[db]", "profiles: [x]", "error compose.yml:2:30: `db` is waited for, but belongs to a profile"),
        (
            "{db: {condition: service_started, required: false}}",
            "profiles: [x]",
            "info compose.yml:2:30: nothing waits for `db`",
        ),
        ("{db: {condition: service_healthy}}", "", "error compose.yml:2:30: nothing says when `db` is healthy"),
        ("{db: {condition: healthy}}", "", "error compose.yml:2:46: `condition` cannot be `healthy`"),
        (
            "{db: {condition: service_started, restart: true}}",
            "",
            "info compose.yml:2:63: `depends_on.db.restart` of service `a`",
        ),
        ("{db: 5}", "", "error compose.yml:2:34: `db` must be a mapping"),
        ("db", "", "error compose.yml:2:29: `depends_on` must be a list"),
    ] {
        let found = case().load(&services(&[("a", &format!("depends_on: {depends}")), ("db", other)])).found();
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
    let both = services(&[
        ("a", "depends_on: {db: {condition: service_healthy}}"),
        ("b", "depends_on: {db: {condition: service_completed_successfully}}"),
        ("db", HEALTHY),
    ]);
    let found = case().load(&both).found();
    assert!(found.iter().any(|line| line.starts_with("error compose.yml:3:30: `db` cannot both end")), "{found:#?}");
}

#[test]
fn exposed_ports_meet_published_ones() {
    let service = case().load(&web("ports: [\"80:80\"]\nexpose: [80, \"53/udp\", 8000-8001]")).service();
    let port = |number, protocol| Port { number, protocol };
    let expected =
        [port(80, Protocol::Tcp), port(53, Protocol::Udp), port(8000, Protocol::Tcp), port(8001, Protocol::Tcp)];
    assert_eq!(service.runtime.exposed, expected);
    case().load(&web("expose: [http]")).finds("error compose.yml:4:14: `http` is no port");
    for (one, other) in [("expose: [80]", "expose: [80]"), ("ports: [\"8080:80\"]", "expose: [\"80/tcp\"]")] {
        let found = case().load(&services(&[("a", one), ("b", other)])).found();
        assert!(found.len() == 1 && found[0].contains("`b` and `a`, at compose.yml:2:"), "{found:#?}");
    }
    assert_eq!(case().load(&services(&[("a", "expose: [53]"), ("b", "expose: [53/udp]")])).found(), [""; 0]);
}
