use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Times short enough for a test.
const QUICK: LeaseTiming = LeaseTiming {
    duration: Duration::from_millis(400),
    renew_deadline: Duration::from_millis(250),
    retry: Duration::from_millis(40),
};

/// A Lease in memory, with the versions of a real one.
#[derive(Default)]
pub(crate) struct MemoryLease {
    record: Mutex<Option<LeaseRecord>>,
    version: Mutex<u64>,
    /// Whether calls hang, as on a dead network.
    cut: AtomicBool,
    /// Whether writes fail at once.
    refusing: AtomicBool,
}

impl MemoryLease {
    pub(crate) fn holder(&self) -> Option<String> {
        self.record.lock().unwrap().clone().and_then(|record| record.holder)
    }

    /// Writes as another process would.
    fn force(&self, mut record: LeaseRecord) {
        let mut version = self.version.lock().unwrap();
        *version += 1;
        record.resource_version = Some(version.to_string());
        *self.record.lock().unwrap() = Some(record);
    }
}

#[async_trait]
impl LeaseApi for MemoryLease {
    async fn read(&self) -> Result<Option<LeaseRecord>, ClusterError> {
        if self.cut.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(self.record.lock().unwrap().clone())
    }

    async fn write(&self, record: &LeaseRecord) -> Result<LeaseRecord, ClusterError> {
        if self.cut.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.refusing.load(Ordering::SeqCst) {
            return Err(ClusterError::new("update Lease", Cause::Unreachable("down".into())));
        }
        let present = self.record.lock().unwrap().as_ref().and_then(|record| record.resource_version.clone());
        if present != record.resource_version {
            return Err(ClusterError::new("update Lease", Cause::Changed));
        }
        self.force(record.clone());
        Ok(self.record.lock().unwrap().clone().unwrap())
    }
}

fn foreign() -> LeaseRecord {
    LeaseRecord {
        holder: Some("other-host/7/other-boot-1/abcd".into()),
        duration: QUICK.duration,
        acquired: Some("2026-11-21T05:00:00.25Z".parse().unwrap()),
        // A clock that is years ahead must not matter.
        renewed: Some("2099-01-01T00:00:00Z".parse().unwrap()),
        transitions: 3,
        resource_version: Some("9".into()),
    }
}

pub(crate) async fn take(lease: &Arc<MemoryLease>, patience: Patience) -> Result<Leadership, NotAcquired> {
    acquire(lease.clone(), Holder::this_process(), QUICK, patience, |_| {}).await
}

#[tokio::test]
async fn a_free_lease_is_taken_renewed_and_given_back() {
    let lease = Arc::new(MemoryLease::default());
    let held = take(&lease, Patience::UntilHolderIsAlive).await.unwrap();
    let first = lease.record.lock().unwrap().clone().unwrap();
    assert!(!held.signal().is_lost());
    sleep(QUICK.duration * 2).await;
    assert!(!held.signal().is_lost(), "renewed well beyond its duration");
    let later = lease.record.lock().unwrap().clone().unwrap();
    assert!(later.renewed > first.renewed);
    assert_eq!((&later.holder, later.acquired, later.transitions), (&first.holder, first.acquired, 0));
    let signal = held.signal();
    held.release().await;
    assert!(signal.is_lost(), "nothing may be written after the release");
    assert_eq!(lease.holder(), None);
    let next = take(&lease, Patience::UntilHolderIsAlive).await.unwrap();
    assert_eq!(lease.record.lock().unwrap().as_ref().unwrap().transitions, 1);
    next.release().await;
}

#[tokio::test]
async fn a_living_holder_is_named_in_the_refusal() {
    let lease = Arc::new(MemoryLease::default());
    let first = take(&lease, Patience::Forever).await.unwrap();
    let began = Instant::now();
    let refused = take(&lease, Patience::UntilHolderIsAlive).await.err().unwrap();
    assert!(began.elapsed() < QUICK.duration, "its first renewal is proof enough");
    let message = refused.to_string();
    assert!(message.contains(&format!("process {} on ", std::process::id())), "{message}");
    assert!(!first.signal().is_lost());
    first.release().await;
}

#[tokio::test]
async fn a_holder_that_stopped_renewing_is_replaced_after_its_duration() {
    let lease = Arc::new(MemoryLease::default());
    lease.force(foreign());
    let began = Instant::now();
    let held = Mutex::new(Vec::new());
    let leadership = acquire(lease.clone(), Holder::this_process(), QUICK, Patience::UntilHolderIsAlive, |record| {
        held.lock().unwrap().push(record.to_string());
    })
    .await
    .unwrap();
    assert!(began.elapsed() >= QUICK.duration);
    assert_eq!(*held.lock().unwrap(), ["process 7 on other-host since 2026-11-21T05:00:00Z"], "told once");
    assert_eq!(lease.record.lock().unwrap().as_ref().unwrap().transitions, 4);
    leadership.release().await;
}

#[tokio::test]
async fn a_holder_that_died_on_this_machine_is_not_waited_for() {
    let lease = Arc::new(MemoryLease::default());
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let me = Holder::this_process().to_string();
    let dead = me.replace(&format!("/{}/", std::process::id()), &format!("/{}/", child.id()));
    child.wait().unwrap();
    lease.force(LeaseRecord { holder: Some(dead), duration: Duration::from_secs(3600), ..foreign() });
    take(&lease, Patience::UntilHolderIsAlive).await.unwrap().release().await;
}

#[tokio::test]
async fn a_dead_network_ends_the_lease_before_others_may_take_it() {
    let lease = Arc::new(MemoryLease::default());
    let held = take(&lease, Patience::Forever).await.unwrap();
    let began = Instant::now();
    lease.cut.store(true, Ordering::SeqCst);
    held.signal().lost().await;
    assert!(held.signal().is_lost());
    assert!(began.elapsed() < QUICK.duration, "{:?}", began.elapsed());
}

#[tokio::test]
async fn short_trouble_does_not_end_the_lease() {
    let lease = Arc::new(MemoryLease::default());
    let held = take(&lease, Patience::Forever).await.unwrap();
    lease.refusing.store(true, Ordering::SeqCst);
    sleep(QUICK.renew_deadline / 2).await;
    lease.refusing.store(false, Ordering::SeqCst);
    sleep(QUICK.duration).await;
    assert!(!held.signal().is_lost());
    lease.refusing.store(true, Ordering::SeqCst);
    sleep(QUICK.duration).await;
    assert!(held.signal().is_lost(), "long trouble does");
}

#[tokio::test]
async fn another_holder_ends_the_lease_at_once_and_is_left_alone() {
    let lease = Arc::new(MemoryLease::default());
    let held = take(&lease, Patience::Forever).await.unwrap();
    lease.force(foreign());
    held.signal().lost().await;
    held.release().await;
    assert_eq!(lease.holder(), foreign().holder);
}

#[tokio::test]
async fn a_lease_that_was_touched_or_deleted_by_hand_is_kept() {
    let lease = Arc::new(MemoryLease::default());
    let held = take(&lease, Patience::Forever).await.unwrap();
    let touched = lease.record.lock().unwrap().clone().unwrap();
    lease.force(touched);
    sleep(QUICK.renew_deadline).await;
    assert!(!held.signal().is_lost());
    *lease.record.lock().unwrap() = None;
    sleep(QUICK.renew_deadline).await;
    assert!(!held.signal().is_lost());
    assert!(lease.holder().is_some(), "written anew");
    held.release().await;
}

#[tokio::test]
async fn dropping_the_leadership_ends_it() {
    let lease = Arc::new(MemoryLease::default());
    let held = take(&lease, Patience::Forever).await.unwrap();
    let signal = held.signal();
    drop(held);
    signal.clone().lost().await;
    assert!(signal.is_lost());
    assert!(lease.holder().is_some(), "it runs out by itself");
}

#[tokio::test]
async fn of_two_candidates_one_wins() {
    let lease = Arc::new(MemoryLease::default());
    let (one, two) = tokio::join!(
        tokio::time::timeout(QUICK.duration * 2, take(&lease, Patience::Forever)),
        tokio::time::timeout(QUICK.duration * 2, take(&lease, Patience::Forever)),
    );
    let winners: Vec<Leadership> = [one, two].into_iter().flatten().map(Result::unwrap).collect();
    assert_eq!(winners.len(), 1);
    assert!(!winners[0].signal().is_lost());
}

#[test]
fn time_is_taken_from_the_own_clock_and_from_changes() {
    let mut candidate = Candidate::new(Holder::this_process(), QUICK);
    let (start, wall) = (Instant::now(), Timestamp::UNIX_EPOCH);
    let held = |decision: Decision| matches!(decision, Decision::Held { .. });
    assert!(held(candidate.decide(Some(foreign()), start, wall)));
    assert!(held(candidate.decide(Some(foreign()), start + QUICK.duration, wall)));
    // Any change counts as a sign of life, whatever its clock says.
    let renewed = LeaseRecord { renewed: Some(Timestamp::UNIX_EPOCH), ..foreign() };
    let later = start + QUICK.duration * 2;
    assert!(held(candidate.decide(Some(renewed.clone()), later, wall)));
    assert!(candidate.saw_renewal);
    assert!(held(candidate.decide(Some(renewed.clone()), later + QUICK.duration, wall)));
    let Decision::Write(taken) = candidate.decide(Some(renewed), later + QUICK.duration * 2, wall) else { panic!() };
    assert_eq!((taken.resource_version.as_deref(), taken.transitions), (Some("9"), 4));
}
