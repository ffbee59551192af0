//! Waits for a rollout, and tells how it goes.

use std::pin::pin;
use std::time::Duration;

use kompox_core::next::Next;
use kompox_core::health::{self, Health, Limits, Reason, Rollout, Verdict};
use tokio::time::{Instant, sleep};

use super::ClusterApi;
use super::error::ClusterError;

/// Time between the first looks; it grows as long as nothing changes.
const SOON: Duration = Duration::from_millis(500);

/// The longest time between two looks.
const AT_LEAST: Duration = Duration::from_secs(5);

/// How waiting for a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is rolled out and stays up.
    Healthy,
    /// It failed.
    Failed {
        /// Why; after the deadline, what it was waiting for.
        reason: Reason,
        /// Whether the deadline ended it.
        timed_out: bool,
    },
    /// The caller does not want to know any more.
    Cancelled,
}

/// Waits until a Deployment is healthy, has failed, or `cancel` ends; the last ends the wait at once.
/// `progress` is told every change.
///
/// # Errors
/// When the cluster refuses to be looked at, or has not answered until the deadline. Passing trouble
/// before that is borne.
pub(crate) async fn await_healthy(
    api: &dyn ClusterApi,
    namespace: &str,
    deployment: &str,
    limits: Limits,
    cancel: impl Future<Output = ()>,
    progress: impl FnMut(&Health),
) -> Result<Outcome, ClusterError> {
    let watching = watch(api, namespace, deployment, limits, progress);
    let (cancel, watching) = (pin!(cancel), pin!(watching));
    tokio::select! {
        biased;
        () = cancel => Ok(Outcome::Cancelled),
        outcome = watching => outcome,
    }
}

async fn watch(
    api: &dyn ClusterApi,
    namespace: &str,
    deployment: &str,
    limits: Limits,
    mut progress: impl FnMut(&Health),
) -> Result<Outcome, ClusterError> {
    let began = Instant::now();
    let mut rollout = Rollout::new(limits);
    let mut last: Option<Health> = None;
    let mut pause = SOON;
    loop {
        match api.workload(namespace, deployment).await {
            Ok(workload) => {
                let health = health::assess(&workload);
                match rollout.observe(began.elapsed(), &health) {
                    Verdict::Wait => {}
                    Verdict::Healthy => return Ok(Outcome::Healthy),
                    Verdict::Failed { reason, timed_out } => return Ok(Outcome::Failed { reason, timed_out }),
                }
                if last.as_ref() == Some(&health) {
                    pause = (pause * 3 / 2).min(AT_LEAST);
                } else {
                    progress(&health);
                    last = Some(health);
                    pause = SOON;
                }
            }
            Err(error) if error.next() == Next::Stalled || began.elapsed() >= limits.deadline => return Err(error),
            Err(error) => tracing::debug!(%error, "rollout not readable"),
        }
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
