//! Trigger: when a source is looked at, fetched and reconciled again. A poll with jitter, a changed
//! file, or something that was not finished the last time; errors slow it down.

use std::sync::Arc;
use std::time::Duration;

use kompox_core::next::Next;
use kompox_manifests::diagnostic::{Colour, Severity};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use crate::config::SourceConfig;
use crate::context::{Agent, Commit};
use crate::fault::Fault;
use crate::memory::Memory;
use crate::outcome::Outcome;
use crate::pace::{Backoff, dice, jittered};
use crate::reconcile::reconcile;
use crate::record::CommitRecord;
use crate::report;
use crate::reporter::Reporter;
use crate::source::{RevisionId, Snapshot, Source};

/// Time between two looks at something that is on its way.
const SOON: Duration = Duration::from_secs(1);
/// How often `--once` tries again what may pass by itself.
const TRIES: u32 = 8;

/// One source, from poll to report.
pub(crate) struct Trigger {
    agent: Arc<Agent>,
    config: SourceConfig,
    status_name: String,
    source: Box<dyn Source>,
    reporter: Reporter,
    memory: Memory,
    record: Option<CommitRecord>,
    snapshot: Option<Snapshot>,
    fetching: Backoff,
    reconciling: Backoff,
    /// When the cluster is looked at next.
    look_at: Instant,
    /// The commit whose diagnostics were logged.
    announced: Option<String>,
}

/// How one turn ended.
enum Turn {
    /// Nothing more to do until something changes.
    Settled(Option<Outcome>),
    /// Something is on its way.
    Progressing,
    /// Something failed that may pass by itself.
    Failed(Option<Outcome>),
    /// The cluster cannot be read until a person does something (a missing right, say).
    Stuck,
}

impl Trigger {
    /// A source that goes on from what was written down about it.
    pub(crate) fn new(
        agent: Arc<Agent>,
        config: SourceConfig,
        status_name: String,
        source: Box<dyn Source>,
        reporter: Reporter,
        record: Option<CommitRecord>,
    ) -> Self {
        let backoff = || Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        Self {
            agent,
            config,
            status_name,
            source,
            reporter,
            memory: Memory::default(),
            record,
            snapshot: None,
            fetching: backoff(),
            reconciling: backoff(),
            look_at: Instant::now(),
            announced: None,
        }
    }

    /// Goes on for ever. Fetching and looking at the cluster have clocks of their own: trouble with
    /// one does not slow the other.
    pub(crate) async fn run(&mut self) {
        let mut fetch_at = Instant::now();
        loop {
            if Instant::now() >= fetch_at {
                let pause = match self.fetch().await {
                    Ok(()) => self.interval(),
                    Err(pause) => pause,
                };
                fetch_at = Instant::now() + pause;
            }
            if Instant::now() >= self.look_at {
                let pause = match self.turn().await {
                    Turn::Settled(_) => self.interval(),
                    Turn::Progressing => SOON,
                    Turn::Failed(_) | Turn::Stuck => self.reconciling.wait(None, dice()),
                };
                self.look_at = Instant::now() + pause;
            }
            let wake_at = fetch_at.min(self.look_at);
            tokio::select! {
                () = sleep_until(wake_at) => {}
                // A folder that cannot be read changes all the time; its back-off holds.
                () = self.source.changed(), if self.fetching.failures() == 0 => fetch_at = Instant::now(),
            }
        }
    }

    /// Time to the next look at what should be at rest.
    fn interval(&self) -> Duration {
        jittered(self.config.interval, dice())
    }

    /// Fetches once and reconciles until everything ended well or badly. `None`: nothing could be
    /// fetched, or the cluster could not be read.
    pub(crate) async fn once(&mut self) -> Option<Outcome> {
        self.fetch().await.ok()?;
        loop {
            match self.turn().await {
                Turn::Settled(outcome) => return outcome,
                Turn::Progressing => sleep(SOON).await,
                Turn::Stuck => return None,
                Turn::Failed(outcome) if self.reconciling.failures() >= TRIES || self.agent.may_write().is_err() => {
                    return outcome;
                }
                Turn::Failed(_) => sleep(self.reconciling.wait(None, dice())).await,
            }
        }
    }

    /// Hands everything that is still to be told to the forge.
    pub(crate) async fn flush(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.reporter.flush()).await.is_err() {
            warn!(source = self.config.name, "not all statuses could be delivered; the next run goes on");
        }
    }

    /// Asks for the newest revision; how long to wait before asking again after a failure.
    async fn fetch(&mut self) -> Result<(), Duration> {
        // Another branch or repository in the configuration is a person's word, not a rewritten history.
        let place = self.place();
        let accepted = self.record.as_ref().filter(|record| record.place == place);
        let accepted = accepted.and_then(|record| record.id.parse::<RevisionId>().ok());
        match self.source.fetch(accepted.as_ref()).await {
            Ok(fetched) => {
                self.fetching.reset();
                if let Some(held) = &fetched.held {
                    warn!(source = self.config.name, commit = %held.revision.id, reason = held.reason, "held");
                    self.reporter.held(held.revision.id.as_str(), &held.reason);
                }
                self.take(fetched.snapshot);
                Ok(())
            }
            Err(fault) => {
                warn!(source = self.config.name, error = %told(&fault), "cannot fetch; the last good commit is kept");
                self.recall(accepted.as_ref()).await;
                let asked = match fault.next {
                    Next::Retry { after } => after,
                    Next::Wait | Next::Stalled => None,
                };
                Err(self.fetching.wait(asked, dice()))
            }
        }
    }

    /// Where commits come from, as the configuration says.
    fn place(&self) -> String {
        format!("{} of {}", self.config.reference, self.config.location)
    }

    /// The last good commit from the cache, where nothing was fetched since the start.
    async fn recall(&mut self, accepted: Option<&RevisionId>) {
        let (None, Some(accepted)) = (&self.snapshot, accepted) else { return };
        match self.source.open(accepted).await {
            Ok(Some(snapshot)) => self.take(snapshot),
            Ok(None) => {}
            Err(fault) => warn!(source = self.config.name, error = %told(&fault), "the cache cannot be read"),
        }
    }

    /// Makes a revision the one that is reconciled. Every commit that was seen before it ends.
    fn take(&mut self, snapshot: Snapshot) {
        let id = snapshot.revision.id.as_str();
        let known = self.record.as_ref().is_some_and(|record| record.id == id);
        if !known {
            info!(source = self.config.name, commit = id, subject = snapshot.revision.subject, "new commit");
            if let Some(before) = self.record.take() {
                self.reporter.say(&before.id, report::superseded(&self.status_name, &before, id));
            }
            let record = CommitRecord::new(id, &self.place());
            self.reporter.say(id, vec![report::seen(&self.status_name)]);
            self.reporter.record(&record);
            self.record = Some(record);
            self.reconciling.reset();
        }
        if !known || self.snapshot.is_none() {
            self.look_at = Instant::now();
        }
        self.snapshot = Some(snapshot);
    }

    /// One reconcile and its report.
    async fn turn(&mut self) -> Turn {
        let Some(snapshot) = self.snapshot.clone() else { return Turn::Settled(None) };
        let commit = Commit {
            source: Some(self.config.name.clone()),
            id: snapshot.revision.id.to_string(),
            time: snapshot.revision.time,
            tree: snapshot.tree,
            path: self.config.path.clone(),
        };
        let result = reconcile(&self.agent, &commit, &mut self.memory).await;
        let failures = self.reconciling.failures();
        let mut record = self.record.clone().unwrap_or_else(|| CommitRecord::new(&commit.id, &self.place()));
        let turn = match result {
            Ok(outcome) => {
                self.tell(&commit.id, &outcome);
                report::enter(&mut record, &outcome, failures);
                if outcome.failures().any(crate::failure::Failure::passes) {
                    Turn::Failed(Some(outcome))
                } else if outcome.progressing() {
                    self.reconciling.reset();
                    Turn::Progressing
                } else {
                    self.reconciling.reset();
                    Turn::Settled(Some(outcome))
                }
            }
            Err(failure) => {
                warn!(source = self.config.name, cause = failure.label, error = %failure, "cannot reconcile");
                report::enter_fault(&mut record, &failure, failures);
                if failure.passes() { Turn::Failed(None) } else { Turn::Stuck }
            }
        };
        self.reporter.say(&record.id, report::statuses(&self.status_name, &record));
        self.reporter.record(&record);
        self.record = Some(record);
        turn
    }

    /// Logs what is new about an outcome.
    fn tell(&mut self, commit: &str, outcome: &Outcome) {
        let before = self.record.as_ref();
        if self.announced.as_deref() != Some(commit) {
            self.announced = Some(commit.to_owned());
            for diagnostic in &outcome.diagnostics {
                let text = diagnostic.render(Colour::Never);
                match diagnostic.severity {
                    Severity::Error => error!(source = self.config.name, "{text}"),
                    Severity::Warning => warn!(source = self.config.name, "{text}"),
                    Severity::Info => info!(source = self.config.name, "{text}"),
                }
            }
            for app in &outcome.left_over {
                warn!(
                    source = self.config.name,
                    app, "no longer in the commit; this version removes no whole apps: kept"
                );
            }
        }
        for failure in outcome.failures() {
            if before.is_none_or(|record| !record.problems.contains(&failure.text)) {
                error!(source = self.config.name, cause = failure.label, "{failure}");
            }
        }
    }
}

/// A fault with what to do about it.
fn told(fault: &Fault) -> String {
    match &fault.help {
        Some(help) => format!("{fault}; {help}"),
        None => fault.to_string(),
    }
}

#[cfg(test)]
mod tests;
