//! Which agent may write: a Lease in the cluster.
//!
//! A holder renews it every few seconds. Another agent takes it only after it has watched the Lease
//! stay unchanged for its whole duration *by its own clock*, so clocks that differ do no harm; and a
//! holder that cannot renew stops writing well before that time is over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use kompox_core::next::Next;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::error::{Cause, ClusterError};

mod holder;
mod kube_lease;

pub(crate) use holder::Holder;

/// Name of the Lease.
pub(crate) const LEASE: &str = "kompox-agent";

/// Reads and writes the Lease.
#[async_trait]
pub(crate) trait LeaseApi: Send + Sync {
    /// The Lease; `None` when there is none.
    async fn read(&self) -> Result<Option<LeaseRecord>, ClusterError>;

    /// Creates the Lease, or replaces exactly the version that the record was read as.
    async fn write(&self, record: &LeaseRecord) -> Result<LeaseRecord, ClusterError>;
}

/// What the Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseRecord {
    /// Who holds it; `None` when it was released.
    pub(crate) holder: Option<String>,
    /// How long it counts after a renewal.
    pub(crate) duration: Duration,
    /// Since when its holder has it, by the holder's clock.
    pub(crate) acquired: Option<Timestamp>,
    /// When it was last renewed, by the holder's clock.
    pub(crate) renewed: Option<Timestamp>,
    /// How often it changed hands.
    pub(crate) transitions: i32,
    /// The version that was read; `None` when there was none.
    pub(crate) resource_version: Option<String>,
}

/// Who holds the Lease and since when, for the message of a refusal.
impl fmt::Display for LeaseRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(holder) = &self.holder else { return out.write_str("nobody") };
        write!(out, "{}", Holder::describe(holder))?;
        if let Some(acquired) = self.acquired {
            write!(out, " since {acquired:.0}")?;
        }
        Ok(())
    }
}

/// The times of a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseTiming {
    /// How long it counts after a renewal.
    pub(crate) duration: Duration,
    /// How long its holder goes on writing when it cannot renew; shorter than `duration`.
    pub(crate) renew_deadline: Duration,
    /// How often it is renewed, or looked at.
    pub(crate) retry: Duration,
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// What to do when another agent holds the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Wait until it is free.
    Forever,
    /// Give up as soon as the holder is known to be alive.
    UntilHolderIsAlive,
}

/// The Lease was not acquired.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAcquired {
    /// Another agent holds it and is alive.
    #[error("another agent writes to this cluster: {0}; stop it, or let it do the work")]
    Held(LeaseRecord),
    /// It cannot be read or written.
    #[error(transparent)]
    Failed(#[from] ClusterError),
}

/// Acquires the Lease. `held` is told each time that another holder is seen for the first time.
///
/// # Errors
/// With [`Patience::UntilHolderIsAlive`]: when another agent holds it, or it cannot be read or
/// written. With [`Patience::Forever`] only when a person must act.
pub(crate) async fn acquire(
    api: Arc<dyn LeaseApi>,
    me: Holder,
    timing: LeaseTiming,
    patience: Patience,
    mut held: impl FnMut(&LeaseRecord) + Send,
) -> Result<Leadership, NotAcquired> {
    let mut candidate = Candidate::new(me, timing);
    loop {
        let began = Instant::now();
        match attempt(api.as_ref(), &mut candidate).await {
            Ok(Attempt::Acquired(record)) => {
                tracing::info!(holder = %candidate.me, "lease acquired");
                return Ok(Leadership::start(api, candidate, record, began + timing.renew_deadline));
            }
            Ok(Attempt::Held { by, new }) => {
                let proven = candidate.saw_renewal;
                if proven && patience == Patience::UntilHolderIsAlive {
                    return Err(NotAcquired::Held(by));
                }
                if new {
                    held(&by);
                }
            }
            Err(error) if patience == Patience::UntilHolderIsAlive || error.next() == Next::Stalled => {
                return Err(error.into());
            }
            Err(error) => tracing::warn!(%error, "lease not readable"),
        }
        sleep(timing.retry).await;
    }
}

/// What became of an attempt.
enum Attempt {
    Acquired(LeaseRecord),
    /// `new` when this holder was not seen before.
    Held {
        by: LeaseRecord,
        new: bool,
    },
}

async fn attempt(api: &dyn LeaseApi, candidate: &mut Candidate) -> Result<Attempt, ClusterError> {
    let record = api.read().await?;
    match candidate.decide(record, Instant::now(), Timestamp::now()) {
        Decision::Write(record) => match api.write(&record).await {
            Ok(record) => Ok(Attempt::Acquired(record)),
            // Another candidate was faster: it is the holder now.
            Err(error) if is_race(&error) => Ok(Attempt::Held { by: api.read().await?.unwrap_or(record), new: true }),
            Err(error) => Err(error),
        },
        Decision::Held { by, new } => Ok(Attempt::Held { by, new }),
    }
}

fn is_race(error: &ClusterError) -> bool {
    matches!(error.cause, Cause::Changed | Cause::AlreadyExists)
}

/// Decides, from what the Lease says, whether this agent may take it. Pure: times are given.
struct Candidate {
    me: Holder,
    timing: LeaseTiming,
    /// The foreign record that was seen last, and when it was first seen in this form.
    seen: Option<(LeaseRecord, Instant)>,
    /// Whether a foreign holder was seen to renew.
    saw_renewal: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Write(LeaseRecord),
    Held { by: LeaseRecord, new: bool },
}

impl Candidate {
    fn new(me: Holder, timing: LeaseTiming) -> Self {
        Self { me, timing, seen: None, saw_renewal: false }
    }

    fn decide(&mut self, record: Option<LeaseRecord>, now: Instant, wall: Timestamp) -> Decision {
        let Some(record) = record else { return Decision::Write(self.taken(&LeaseRecord::default(), wall)) };
        match &record.holder {
            None => Decision::Write(self.taken(&record, wall)),
            Some(holder) if holder.is_empty() || Holder::is_dead_here(holder) => {
                Decision::Write(self.taken(&record, wall))
            }
            Some(holder) if *holder == self.me.to_string() => Decision::Write(self.renewed(&record, wall)),
            Some(_) => self.decide_foreign(record, now, wall),
        }
    }

    fn decide_foreign(&mut self, record: LeaseRecord, now: Instant, wall: Timestamp) -> Decision {
        match &self.seen {
            Some((seen, since)) if *seen == record => {
                if now.saturating_duration_since(*since) > record.duration {
                    return Decision::Write(self.taken(&record, wall));
                }
                Decision::Held { by: record, new: false }
            }
            before => {
                let same_holder = before.as_ref().is_some_and(|(seen, _)| seen.holder == record.holder);
                self.saw_renewal = same_holder;
                self.seen = Some((record.clone(), now));
                Decision::Held { by: record, new: !same_holder }
            }
        }
    }

    fn taken(&self, from: &LeaseRecord, wall: Timestamp) -> LeaseRecord {
        LeaseRecord {
            holder: Some(self.me.to_string()),
            duration: self.timing.duration,
            acquired: Some(wall),
            renewed: Some(wall),
            transitions: from.transitions.saturating_add(i32::from(from.resource_version.is_some())),
            resource_version: from.resource_version.clone(),
        }
    }

    fn renewed(&self, from: &LeaseRecord, wall: Timestamp) -> LeaseRecord {
        LeaseRecord { duration: self.timing.duration, renewed: Some(wall), ..from.clone() }
    }
}

/// The Lease is held, and renewed in the background, until this is released or dropped.
pub(crate) struct Leadership {
    signal: LostSignal,
    stop: oneshot::Sender<()>,
    renewing: JoinHandle<()>,
}

impl Leadership {
    fn start(api: Arc<dyn LeaseApi>, candidate: Candidate, record: LeaseRecord, until: Instant) -> Self {
        let (valid, valid_until) = watch::channel(Some(until));
        let (stop, stopped) = oneshot::channel();
        let renewing = tokio::spawn(Renewal { api, candidate, record, valid }.run(stopped));
        Self { signal: LostSignal(valid_until), stop, renewing }
    }

    /// Tells when the Lease is lost.
    pub(crate) fn signal(&self) -> LostSignal {
        self.signal.clone()
    }

    /// Stops writing, then gives the Lease back so that the next agent need not wait.
    pub(crate) async fn release(self) {
        let Self { signal: _, stop, renewing } = self;
        // An error only says that the task has ended, which is what is wanted.
        let _ = stop.send(());
        let _ = renewing.await;
    }
}

/// Tells when the Lease is lost, or released. Whoever writes asks it first.
#[derive(Clone)]
pub(crate) struct LostSignal(watch::Receiver<Option<Instant>>);

impl LostSignal {
    /// Whether writing must stop. Also true when no renewal came through in time, whatever the
    /// renewing task is doing.
    pub(crate) fn is_lost(&self) -> bool {
        let until = *self.0.borrow();
        until.is_none_or(|until| Instant::now() >= until) || self.0.has_changed().is_err()
    }

    /// Ends when the Lease is lost.
    pub(crate) async fn lost(mut self) {
        loop {
            let until = *self.0.borrow_and_update();
            let Some(until) = until else { return };
            tokio::select! {
                changed = self.0.changed() => if changed.is_err() { return },
                () = sleep_until(until) => if self.is_lost() { return },
            }
        }
    }
}

/// A signal that a test drives, valid for this long.
#[cfg(test)]
pub(crate) fn lost_signal(valid: Duration) -> (watch::Sender<Option<Instant>>, LostSignal) {
    let (sender, receiver) = watch::channel(Some(Instant::now() + valid));
    (sender, LostSignal(receiver))
}

/// The background task of a holder.
struct Renewal {
    api: Arc<dyn LeaseApi>,
    candidate: Candidate,
    record: LeaseRecord,
    /// Until when the Lease may be relied on; `None` when it is lost.
    valid: watch::Sender<Option<Instant>>,
}

impl Renewal {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                // Dropping the Leadership stops too: then nobody waits, and the Lease runs out.
                asked = &mut stopped => {
                    self.valid.send_replace(None);
                    if asked.is_ok() {
                        self.release().await;
                    }
                    return;
                }
                () = sleep(self.candidate.timing.retry) => {}
            }
            let Some(until) = *self.valid.borrow() else { return };
            let began = Instant::now();
            match timeout_at(until, self.renew()).await {
                Ok(Ok(true)) => {
                    self.valid.send_replace(Some(began + self.candidate.timing.renew_deadline));
                }
                Ok(Ok(false)) => {
                    self.valid.send_replace(None);
                    tracing::error!(holder = %self.record, "lease lost to another agent");
                    return;
                }
                Ok(Err(error)) => tracing::warn!(%error, "lease not renewed"),
                Err(_) => {
                    self.valid.send_replace(None);
                    tracing::error!("lease lost: it could not be renewed in time");
                    return;
                }
            }
        }
    }

    /// Renews once; `false` when another agent holds the Lease.
    async fn renew(&mut self) -> Result<bool, ClusterError> {
        let renewed = self.candidate.renewed(&self.record, Timestamp::now());
        match self.api.write(&renewed).await {
            Ok(record) => {
                self.record = record;
                Ok(true)
            }
            // Somebody touched it. A person's label does no harm, another holder does.
            Err(error) if is_race(&error) => self.look_again().await,
            Err(error) => Err(error),
        }
    }

    async fn look_again(&mut self) -> Result<bool, ClusterError> {
        let Some(record) = self.api.read().await? else {
            // Deleted by hand: nobody else holds it, so it is written anew.
            self.record.resource_version = None;
            self.record = self.api.write(&self.candidate.renewed(&self.record, Timestamp::now())).await?;
            return Ok(true);
        };
        let ours = record.holder.as_deref() == Some(self.candidate.me.to_string().as_str());
        self.record = record;
        if ours {
            self.record = self.api.write(&self.candidate.renewed(&self.record, Timestamp::now())).await?;
        }
        Ok(ours)
    }

    async fn release(&mut self) {
        let record = LeaseRecord { holder: None, renewed: Some(Timestamp::now()), ..self.record.clone() };
        if let Err(error) = self.api.write(&record).await {
            tracing::warn!(%error, "lease not released; it runs out by itself");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
