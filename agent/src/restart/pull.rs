//! The throw-away Pod that pulls images: made, looked at, and taken away whatever comes of it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod, PodSpec};
use kompox_core::health::{Limits, Rollout, Verdict};
use kompox_core::prepull::{self, Need, PREPULL};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::cluster::error::Cause;
use crate::cluster::{ClusterError, PodName};
use crate::context::Agent;
use crate::failure::Failure;
use crate::pace::{Backoff, dice};

/// Time between two looks at a Pod that has just begun.
pub(super) const SOON: Duration = Duration::from_millis(250);
/// Time between two looks at one that takes its time.
const LATER: Duration = Duration::from_secs(1);
/// How long a Pod has just begun.
const BEGINNING: Duration = Duration::from_secs(5);
/// Events say why it takes long; they are not asked for more often than this.
const EVENTS: Duration = Duration::from_secs(10);

/// How long trouble is borne.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// How long something that seldom passes is waited for: a registry that does not answer, a tag that was
    /// not pushed yet. The old Pod runs meanwhile, and it is tried again by and by.
    pub(crate) patience: Duration,
    /// The first wait before another try, and the longest.
    pub(crate) waits: (Duration, Duration),
}

impl Default for Timing {
    fn default() -> Self {
        Self { patience: Duration::from_secs(30), waits: (Duration::from_secs(60), Duration::from_secs(600)) }
    }
}

/// Images that are being pulled.
#[derive(Debug)]
pub(super) struct Pull {
    /// The Pod as it was asked for.
    wanted: Pod,
    limits: Limits,
    stage: Stage,
    backoff: Backoff,
}

#[derive(Debug)]
enum Stage {
    /// The Pod was made.
    Looking {
        uid: String,
        began: Instant,
        rollout: Rollout,
        /// What Events said of it, and when they were read.
        events: (Instant, Vec<Event>),
    },
    /// It did not work; the Pod is gone, and another is made later.
    Failed { reason: String, label: &'static str, until: Instant },
}

/// How the pulling goes.
pub(super) enum Sight {
    /// Every image is there; the Pod is gone.
    Pulled,
    /// It goes on.
    Waiting {
        /// What is waited for.
        reason: String,
        /// When to look again.
        again: Duration,
    },
    /// It did not work; it is tried again.
    Failed {
        /// Why.
        reason: String,
        /// Its stable name.
        label: &'static str,
        /// When it is tried again.
        again: Duration,
    },
}

/// What is left of a need once the node was asked what it has.
pub(super) async fn still_needed(agent: &Agent, need: Need, next: &PodSpec) -> Result<Option<Need>, Failure> {
    let Some(node) = &need.node else { return Ok(Some(need)) };
    let state = agent.cluster.node_state(node).await;
    let state = state.map_err(|error| Failure::of_cluster("the node's images cannot be read", &error))?;
    Ok(need.given(state.as_ref(), next))
}

impl Pull {
    /// Makes the Pod.
    pub(super) async fn begin(agent: &Agent, wanted: Pod, limits: Limits) -> Result<Self, Failure> {
        let Timing { patience, waits } = agent.pulling;
        let limits = Limits { patience, settle: Duration::ZERO, ..limits };
        let stage = make(agent, &wanted, limits).await?;
        Ok(Self { wanted, limits, stage, backoff: Backoff::new(waits.0, waits.1) })
    }

    /// Looks at the Pod.
    pub(super) async fn look(&mut self, agent: &Agent) -> Result<Sight, Failure> {
        match &self.stage {
            Stage::Looking { .. } => self.look_at_pod(agent).await,
            Stage::Failed { reason, label, until } => {
                let again = until.saturating_duration_since(Instant::now());
                if again.is_zero() {
                    return self.again(agent).await;
                }
                Ok(Sight::Failed { reason: reason.clone(), label, again })
            }
        }
    }

    async fn look_at_pod(&mut self, agent: &Agent) -> Result<Sight, Failure> {
        let Stage::Looking { uid, began, rollout, events } = &mut self.stage else { return self.again(agent).await };
        let (name, elapsed) = (PodName::of(&self.wanted), began.elapsed());
        let pod = agent.cluster.pod(&name).await.map_err(cannot_look)?;
        let Some(pod) = pod.filter(|pod| pod.metadata.uid.as_deref() == Some(uid.as_str())) else {
            // Somebody has deleted it.
            return self.again(agent).await;
        };
        if events.0.elapsed() >= EVENTS {
            *events = (Instant::now(), read_events(agent, &name, uid).await);
        }
        let health = prepull::judge(&pod, &events.1);
        let (reason, timed_out) = match rollout.observe(elapsed, &health) {
            Verdict::Healthy => {
                throw_away(agent, &name, uid).await?;
                return Ok(Sight::Pulled);
            }
            Verdict::Wait => {
                let reason = health.reason().map(|reason| reason.text.clone()).unwrap_or_default();
                return Ok(Sight::Waiting { reason, again: if elapsed < BEGINNING { SOON } else { LATER } });
            }
            Verdict::Failed { reason, timed_out } => (reason, timed_out),
        };
        throw_away(agent, &name, uid).await?;
        let again = self.backoff.wait(None, dice());
        let late = if timed_out { " (the progress deadline is over)" } else { "" };
        let (text, label) = (format!("{}{late}", reason.text), reason.label);
        self.stage = Stage::Failed { reason: text.clone(), label, until: Instant::now() + again };
        Ok(Sight::Failed { reason: text, label, again })
    }

    async fn again(&mut self, agent: &Agent) -> Result<Sight, Failure> {
        self.stage = make(agent, &self.wanted, self.limits).await?;
        Ok(Sight::Waiting { reason: "pulling images once more".to_owned(), again: SOON })
    }

    /// Takes the Pod away.
    pub(super) async fn end(&self, agent: &Agent) -> Result<(), Failure> {
        match &self.stage {
            Stage::Looking { uid, .. } => throw_away(agent, &PodName::of(&self.wanted), uid).await,
            Stage::Failed { .. } => Ok(()),
        }
    }
}

async fn make(agent: &Agent, wanted: &Pod, limits: Limits) -> Result<Stage, Failure> {
    let failed = |error: ClusterError| {
        let what = "the Pod that pulls images ahead cannot be made (`reconcile.prepull: false` goes without)";
        Failure::of_cluster(what, &error)
    };
    let pod = match agent.cluster.create_pod(wanted).await {
        Ok(pod) => pod,
        // Of a process that was killed, or whose answer was lost: it pulls the same.
        Err(ClusterError { cause: Cause::AlreadyExists, .. }) => {
            let found = agent.cluster.pod(&PodName::of(wanted)).await.map_err(failed)?;
            found.ok_or_else(|| Failure::retry("changed", "the Pod that pulls images ahead has just gone"))?
        }
        Err(error) => return Err(failed(error)),
    };
    let uid = pod.metadata.uid.unwrap_or_default();
    let now = Instant::now();
    Ok(Stage::Looking { uid, began: now, rollout: Rollout::new(limits), events: (now, Vec::new()) })
}

fn cannot_look(error: ClusterError) -> Failure {
    Failure::of_cluster("the Pod that pulls images ahead cannot be read", &error)
}

async fn read_events(agent: &Agent, name: &PodName, uid: &str) -> Vec<Event> {
    let events = agent.cluster.events(&name.namespace, &[uid.to_owned()]).await;
    events.unwrap_or_else(|error| {
        // They would only have said more.
        debug!(%error, "Events cannot be read");
        Vec::new()
    })
}

/// Deletes a Pod.
async fn throw_away(agent: &Agent, name: &PodName, uid: &str) -> Result<(), Failure> {
    let deleted = agent.cluster.delete_pod(name, uid).await;
    deleted.map_err(|error| Failure::of_cluster("the Pod that pulled images ahead cannot be taken away", &error))
}

/// Takes away what processes before this one have left. Called once the Lease is held, when no other process
/// can be using them. What stays was ended by its own deadline, and is tried again at the next start.
pub(crate) async fn sweep(agent: &Agent) {
    let left = match agent.cluster.pods_for(PREPULL).await {
        Ok(left) => left,
        Err(error) => {
            warn!(%error, "Pods that pulled images cannot be listed");
            return;
        }
    };
    for pod in left {
        let name = PodName::of(&pod);
        info!(pod = %name, "taking away a Pod that pulled images");
        if let Err(failure) = throw_away(agent, &name, &pod.metadata.uid.unwrap_or_default()).await {
            warn!(pod = %name, %failure, "it is left over");
        }
    }
}
