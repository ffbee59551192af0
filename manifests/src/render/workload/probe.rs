//! Probes from health checks.

use k8s_openapi::api::core::v1::{ExecAction, Probe};

use super::container::literals;
use crate::model::HealthCheck;

/// Compose never kills what is unhealthy, and a long migration must survive: nothing that only orders
/// starts may give up sooner, in seconds.
const PATIENCE: u32 = 24 * 3_600;

/// The probe of a container that runs: readiness, and liveness where it is asked for.
pub(super) fn steady(health: &HealthCheck) -> Probe {
    Probe {
        initial_delay_seconds: (health.start_period > 0).then(|| seconds(health.start_period)),
        period_seconds: Some(seconds(health.interval)),
        failure_threshold: Some(seconds(health.retries)),
        ..probe(health)
    }
}

/// The probe that lets the next container start.
pub(super) fn startup(health: &HealthCheck) -> Probe {
    let period = health.start_interval.max(1);
    Probe {
        period_seconds: Some(seconds(period)),
        failure_threshold: Some(seconds(PATIENCE.div_ceil(period))),
        ..probe(health)
    }
}

fn probe(health: &HealthCheck) -> Probe {
    Probe {
        exec: Some(ExecAction { command: Some(literals(&health.command)) }),
        timeout_seconds: Some(seconds(health.timeout)),
        ..Probe::default()
    }
}

/// Loading lets nothing longer than a year in.
fn seconds(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
