//! The one writer of what is told about a source: it keeps the record in the cluster and delivers
//! statuses to the forge, in order, however long the forge is away. Reconciles never wait for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kompox_core::next::Next;
use kompox_core::report::{State, Status, source_context};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::cluster::lease::LostSignal;
use crate::cluster::state::{self, Stored};
use crate::cluster::{ClusterApi, ClusterError};
use crate::engine::observer::{Came, Observer};
use crate::forge::Forge;
use crate::forge::outbox::{Courier, Errand};
use crate::outcome::Outcome;
use crate::pace::{Backoff, dice};
use crate::record::{CommitRecord, Record};
use crate::report;

use self::backlog::Backlog;
use self::mailbox::{Mail, Mailbox, Slot, mailbox};

pub(crate) mod backlog;
mod mailbox;

/// News about one commit that come within this time are saved together.
const GATHER: Duration = Duration::from_secs(1);
/// How a commit is on its way is saved when it has lasted this long: most end sooner.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where reconciles leave their news.
#[derive(Clone)]
pub(crate) struct Reporter {
    slot: Slot,
    status_name: String,
}

/// What was written down about a source, as it was loaded.
pub(crate) struct Loaded {
    record: Record,
    stored: Option<Stored>,
}

impl Loaded {
    /// The newest commit that was seen.
    pub(crate) fn commit(&self) -> Option<CommitRecord> {
        self.record.commit.clone()
    }
}

/// Loads what was written down about a source.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn load(cluster: &dyn ClusterApi, source: &str) -> Result<Loaded, ClusterError> {
    let stored = state::load(cluster, source).await?;
    let value = stored.as_ref().map(|stored| stored.value.clone()).unwrap_or_default();
    let record = match value {
        Value::Null => Record::default(),
        value => serde_json::from_value(value).unwrap_or_else(|error| {
            // Losing it costs a status that is sent twice, not more.
            warn!(source, %error, "the record of the source cannot be read and is begun anew");
            Record::default()
        }),
    };
    Ok(Loaded { record, stored })
}

impl Reporter {
    /// Starts the writer. Without a forge only the record is kept. It ends with the last handle, and tells nothing
    /// any more once the Lease is `lost`.
    pub(crate) fn start(
        cluster: Arc<dyn ClusterApi>,
        source: &str,
        status_name: &str,
        forge: Option<Box<dyn Forge>>,
        loaded: Loaded,
        backlog: Backlog,
        lost: Option<LostSignal>,
    ) -> Self {
        let (slot, mailbox) = mailbox();
        let Loaded { record, stored } = loaded;
        let writer = Writer {
            cluster,
            source: source.to_owned(),
            forge,
            saved: stored.as_ref().map(|stored| stored.value.clone()),
            version: stored.map(|stored| stored.resource_version),
            record,
            courier: Courier::default(),
            backlog,
            lost,
            saving: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            save_at: None,
            refused: false,
            flushes: Vec::new(),
        };
        tokio::spawn(writer.run(mailbox));
        Self { slot, status_name: status_name.to_owned() }
    }

    /// Wants the forge to show these statuses of a commit.
    pub(crate) fn say(&self, commit: &str, statuses: Vec<Status>) {
        self.slot.leave(|mail| mail.say(commit, statuses));
    }

    /// Writes down how a commit goes.
    pub(crate) fn record(&self, record: &CommitRecord) {
        self.slot.leave(|mail| mail.record = Some(record.clone()));
    }

    /// Ends when everything is delivered, and saved unless the cluster refuses that for good; also when the Lease is
    /// lost.
    pub(crate) async fn flush(&self) {
        let (done, end) = oneshot::channel();
        self.slot.leave(|mail| mail.flushes.push(done));
        tokio::select! {
            // An error says what the other branch does.
            _ = end => {}
            () = self.slot.abandoned() => {}
        }
    }
}

impl Observer for Reporter {
    fn commit(&self, _source: &str, record: &CommitRecord, before: Option<&CommitRecord>) {
        // All at once: nothing of the new commit may be told before it is written down.
        self.slot.leave(|mail| {
            if let Some(before) = before {
                mail.say(&before.id, report::superseded(&self.status_name, before, &record.id));
            }
            mail.say(&record.id, vec![report::seen(&self.status_name)]);
            mail.record = Some(record.clone());
        });
    }

    fn fetched(&self, _source: &str, came: Came<'_>) {
        let Came::Held { commit, reason } = came else { return };
        let description = kompox_core::report::description(&format!("held: {reason}"));
        let context = source_context(&self.status_name);
        self.say(commit, vec![Status { context, state: State::Failure, description, target_url: None }]);
    }

    fn source(&self, _source: &str, record: &CommitRecord, _outcome: &Outcome) {
        self.record(record);
        self.say(&record.id, report::statuses(&self.status_name, record));
    }
}

struct Writer {
    cluster: Arc<dyn ClusterApi>,
    source: String,
    forge: Option<Box<dyn Forge>>,
    record: Record,
    /// The document in the cluster and its version.
    saved: Option<Value>,
    version: Option<String>,
    courier: Courier,
    backlog: Backlog,
    /// Tells when another process may be telling the forge; `None` where that is not looked at.
    lost: Option<LostSignal>,
    saving: Backoff,
    /// When it is saved next, if there is something to save.
    save_at: Option<Instant>,
    /// The last attempt to save was refused until a person does something.
    refused: bool,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Writer {
    async fn run(mut self, mut mailbox: Mailbox) {
        loop {
            self.take(mailbox.take());
            self.save().await;
            if self.lost.as_ref().is_some_and(LostSignal::is_lost) {
                return;
            }
            let rest = if self.must_save_first() { Rest::Done } else { self.deliver().await };
            let waiting = self.waiting();
            self.backlog.see(&self.source, waiting, Instant::now());
            let next = match rest {
                Rest::Busy => continue,
                Rest::Until(time) => Some(self.save_at.map_or(time, |save_at| save_at.min(time))),
                Rest::Done => {
                    if self.save_at.is_none() || self.refused {
                        if !self.flushes.is_empty() {
                            self.backlog.tell(&self.source, waiting);
                        }
                        for flush in self.flushes.drain(..) {
                            // Whoever asked may have stopped waiting.
                            let _ = flush.send(());
                        }
                    }
                    self.save_at
                }
            };
            let wake = next.into_iter().chain(self.backlog.due()).min();
            let woken = async {
                match wake {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                is_open = mailbox.arrival() => if !is_open { return },
                () = woken => {}
            }
        }
    }

    fn take(&mut self, Mail { statuses, record, flushes }: Mail) {
        if self.forge.is_some() {
            self.record.outbox.absorb(statuses);
        }
        if record.is_some() {
            self.record.commit = record;
        }
        self.flushes.extend(flushes);
    }

    /// Saves the record when it has changed and it is time.
    async fn save(&mut self) {
        let Ok(value) = serde_json::to_value(&self.record) else { return };
        if self.saved.as_ref() == Some(&value) {
            self.save_at = None;
            return;
        }
        let now = Instant::now();
        let is_passing = self.record.commit.as_ref().is_some_and(|commit| !commit.state.is_final());
        let at = now + if is_passing { PATIENCE } else { GATHER };
        // After a failure its own time holds.
        let is_trying = self.saving.failures() > 0;
        let save_at = self.save_at.map_or(at, |before| if is_trying { before } else { before.min(at) });
        self.save_at = Some(save_at);
        // What the forge is to be told may wait for it. After a failure even that waits.
        let urgent = !is_trying && (self.must_save_first() || !self.flushes.is_empty());
        if now < save_at && !urgent {
            return;
        }
        match state::save(self.cluster.as_ref(), &self.source, &value, self.version.as_deref()).await {
            Ok(Stored { value, resource_version }) => {
                self.saved = Some(value);
                self.version = Some(resource_version);
                self.saving.reset();
                self.refused = false;
                self.save_at = None;
            }
            Err(error) => {
                warn!(source = self.source, %error, "the record is not saved; trying again");
                // Somebody may have touched or deleted it: its version is read again.
                if let Ok(stored) = state::load(self.cluster.as_ref(), &self.source).await {
                    self.version = stored.map(|stored| stored.resource_version);
                }
                self.refused = error.next() == Next::Stalled;
                self.save_at = Some(Instant::now() + self.saving.wait(None, dice()));
            }
        }
    }

    /// Whether the forge is told nothing before the record is saved: a commit that it was told of and that is not in the
    /// record would never get its last word. Where the cluster refuses to save it for good, no word at all is worse.
    fn must_save_first(&self) -> bool {
        let saved = self.saved.as_ref().and_then(|record| record.pointer("/commit/id")).and_then(Value::as_str);
        let is_of_another_commit = saved != self.record.commit.as_ref().map(|commit| commit.id.as_str());
        self.forge.is_some() && is_of_another_commit && !self.refused
    }

    /// How many statuses the forge has not taken yet.
    fn waiting(&self) -> usize {
        if self.forge.is_some() { self.record.outbox.waiting() } else { 0 }
    }

    /// One step of delivering.
    async fn deliver(&mut self) -> Rest {
        let Some(forge) = &self.forge else { return Rest::Done };
        match self.courier.next(&self.record.outbox, Timestamp::now()) {
            Errand::Rest => Rest::Done,
            Errand::Wait(time) => {
                let wait = Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default();
                Rest::Until(Instant::now() + wait)
            }
            Errand::Ask(request) => {
                let answer = request.send(forge.as_ref()).await;
                let now = Timestamp::now();
                if let Err(error) = self.courier.settle(&mut self.record.outbox, &request, answer, now, dice()) {
                    warn!(source = self.source, %error, "a status is not delivered");
                }
                Rest::Busy
            }
        }
    }
}

/// What delivering waits for.
enum Rest {
    /// Nothing: there is more to do.
    Busy,
    /// A time.
    Until(Instant),
    /// News.
    Done,
}

#[cfg(test)]
mod tests;
