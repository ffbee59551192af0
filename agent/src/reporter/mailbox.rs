//! What waits for the writer, merged as it comes: it never becomes much, and nothing is lost however long the writer
//! waits for a forge. Much is said only once.

use std::sync::{Arc, Mutex, PoisonError};

use kompox_core::report::Status;
use tokio::sync::{mpsc, oneshot};

use crate::forge::outbox::Outbox;
use crate::record::CommitRecord;

/// What was left since the writer looked last.
#[derive(Default)]
pub(super) struct Mail {
    /// What the forge should show.
    pub(super) statuses: Outbox,
    /// How the newest commit goes.
    pub(super) record: Option<CommitRecord>,
    /// Who waits for everything being told and saved.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
}

/// Where mail is left.
#[derive(Clone)]
pub(super) struct Slot {
    mail: Arc<Mutex<Mail>>,
    /// Wakes the writer. It also shows each side whether the other one is still there.
    wake: mpsc::Sender<()>,
}

/// Where mail is taken.
pub(super) struct Mailbox {
    mail: Arc<Mutex<Mail>>,
    wake: mpsc::Receiver<()>,
}

/// An empty mailbox and its slot.
pub(super) fn mailbox() -> (Slot, Mailbox) {
    let mail = Arc::<Mutex<Mail>>::default();
    // One wake-up is enough for all that was left before it is heard.
    let (wake, woken) = mpsc::channel(1);
    (Slot { mail: Arc::clone(&mail), wake }, Mailbox { mail, wake: woken })
}

impl Mail {
    /// Wants the forge to show these statuses of a commit.
    pub(super) fn say(&mut self, commit: &str, statuses: Vec<Status>) {
        statuses.into_iter().for_each(|status| self.statuses.put(commit, status));
    }
}

impl Slot {
    /// Leaves mail. What is left in one go is also taken in one go.
    pub(super) fn leave(&self, leave: impl FnOnce(&mut Mail)) {
        leave(&mut self.mail.lock().unwrap_or_else(PoisonError::into_inner));
        // It fails when the writer is to wake up anyway, or has ended.
        let _ = self.wake.try_send(());
    }

    /// Ends when nobody takes mail any more.
    pub(super) async fn abandoned(&self) {
        self.wake.closed().await;
    }
}

impl Mailbox {
    /// Takes everything.
    pub(super) fn take(&self) -> Mail {
        std::mem::take(&mut self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends when there may be mail; whether there may ever be more. Dropping the future loses nothing.
    pub(super) async fn arrival(&mut self) -> bool {
        self.wake.recv().await.is_some()
    }
}
