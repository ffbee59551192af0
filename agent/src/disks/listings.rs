//! What providers said of the disks of Apps. It holds for some minutes, and only while the App asks for
//! the same and its volumes' objects in the cluster are the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kompox_core::disk::{Disk, Known, Snapshot};
use kompox_core::observed::LiveObject;
use kompox_manifests::id::AppId;
use kompox_manifests::object::{Kind, ObjectKey};
use tokio::time::Instant;

use crate::context::Wish;

/// How long an answer holds.
const HOLDS: Duration = Duration::from_mins(5);

/// What a provider says of an App, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) disks: Known<Vec<Disk>>,
    pub(super) snapshots: Known<Vec<Snapshot>>,
}

/// The number of an answer: another one stands for another answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(u64);

/// See the module.
#[derive(Default)]
pub(crate) struct Listings(Mutex<State>);

#[derive(Default)]
struct State {
    answers: HashMap<AppId, Answer>,
    last: u64,
}

struct Answer {
    asked: Instant,
    digest: Arc<str>,
    /// UIDs of the App's volumes and claims.
    objects: Vec<String>,
    listing: Listing,
    serial: Serial,
}

impl Answer {
    fn holds(&self, wish: &Wish) -> bool {
        self.digest == wish.digest
            && self.asked.elapsed() < HOLDS
            && self.listing.disks.is_ok()
            && self.listing.snapshots.is_ok()
    }
}

impl Listings {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that holds, if any.
    pub(super) fn known(&self, wish: &Wish, objects: &BTreeMap<ObjectKey, LiveObject>) -> Option<Listing> {
        let state = self.state();
        let answer = state.answers.get(&wish.app.id).filter(|answer| answer.holds(wish))?;
        (answer.objects == of_volumes(objects)).then(|| answer.listing.clone())
    }

    /// Remembers an answer that was just given.
    pub(super) fn remember(&self, wish: &Wish, objects: &BTreeMap<ObjectKey, LiveObject>, listing: &Listing) {
        let mut state = self.state();
        let same = state.answers.get(&wish.app.id).filter(|answer| answer.listing == *listing);
        let serial = same.map(|answer| answer.serial);
        let serial = serial.unwrap_or_else(|| {
            state.last += 1;
            Serial(state.last)
        });
        let answer = Answer {
            asked: Instant::now(),
            digest: Arc::clone(&wish.digest),
            objects: of_volumes(objects),
            listing: listing.clone(),
            serial,
        };
        state.answers.insert(wish.app.id.clone(), answer);
    }

    /// The number of the answer that holds; `None` when the provider has to be asked. An App without
    /// volumes needs no answer.
    pub(crate) fn serial(&self, wish: &Wish) -> Option<Serial> {
        if wish.app.volumes.is_empty() {
            return Some(Serial(0));
        }
        self.state().answers.get(&wish.app.id).filter(|answer| answer.holds(wish)).map(|answer| answer.serial)
    }

    /// The number of the provider's last answer about an App, whether it still holds or not.
    pub(crate) fn last(&self, app: &AppId) -> Option<Serial> {
        self.state().answers.get(app).map(|answer| answer.serial)
    }

    /// The disks that the provider named last of an App; `None` where it has not said.
    pub(crate) fn disks(&self, app: &AppId) -> Option<Vec<Disk>> {
        self.state().answers.get(app)?.listing.disks.clone().ok()
    }

    /// Asks again at the next occasion, whatever is known.
    pub(crate) fn forget(&self, app: &AppId) {
        self.state().answers.remove(app);
    }
}

fn of_volumes(objects: &BTreeMap<ObjectKey, LiveObject>) -> Vec<String> {
    let of_volume = |live: &&LiveObject| matches!(live.key.kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim);
    objects.values().filter(of_volume).map(|live| live.uid.clone()).collect()
}
