//! What every driver does alike. Each case runs at a fresh, empty provider.
//!
//! A driver's own tests say how its provider is set up and changed behind its back ([`Env`],
//! [`Backend`]) and assert that [`run`] finds nothing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use kompox_core::disk::{Disk, DiskScope, DiskSource, DiskSpec, OpKey};
use kompox_manifests::id::AppId;
use kompox_manifests::model::VolumeKind;

use crate::driver::{Driver, Progress, Result};

mod assignment;
mod deletion;
mod disks;
mod snapshots;

/// Where the suite runs.
pub trait Env: Send + Sync {
    /// A new, empty provider.
    fn fresh(&self) -> Box<dyn Backend>;
}

/// An empty provider and what tests may do to it behind the driver's back.
pub trait Backend: Send + Sync {
    /// A driver for it. Each call is another process.
    fn driver(&self) -> Arc<dyn Driver>;
    /// How many disks there really are, whoever owns them.
    fn disk_count(&self) -> usize;
    /// Makes the provider, or what it keeps, unreachable, and reachable again.
    fn set_reachable(&self, reachable: bool);
    /// Lets a node use a disk.
    fn attach(&self, disk: &Disk);
    /// Marks a disk as one that must not be deleted.
    fn protect(&self, disk: &Disk);
    /// Writes or removes the claim on a disk.
    fn set_claim(&self, disk: &Disk, cluster_hash: Option<&str>);
}

/// A case that a driver does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case.
    pub case: &'static str,
    /// What was wrong.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.case, self.reason)
    }
}

/// The result of one case: nothing, or what was wrong.
type Outcome = std::result::Result<(), String>;
type Case = for<'a> fn(&'a Lab) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Fails the case unless the condition holds.
macro_rules! check {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}
pub(crate) use check;

macro_rules! cases {
    ($($module:ident::$name:ident),+ $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), |lab| Box::pin($module::$name(lab)))),+]
    };
}

const CASES: &[(&str, Case)] = cases![
    disks::an_empty_provider_lists_nothing,
    disks::a_disk_is_made_as_asked_for,
    disks::the_same_operation_makes_one_disk,
    disks::a_taken_name_is_refused,
    disks::what_makes_no_sense_is_refused,
    disks::lists_are_newest_first,
    disks::apps_do_not_see_each_other,
    disks::many_at_once_make_one_disk,
    disks::absent_is_proved_and_unknown_is_said,
    disks::disks_only_grow,
    disks::handles_have_one_form,
    assignment::exactly_one_is_assigned,
    assignment::an_unknown_disk_changes_nothing,
    assignment::many_at_once_leave_one_assigned,
    assignment::volumes_are_apart,
    assignment::only_claimed_disks_are_acted_on,
    assignment::unclaimed_disks_can_be_claimed,
    assignment::foreign_disks_are_taken_only_on_purpose,
    deletion::an_unassigned_disk_is_deleted_once_and_again,
    deletion::what_is_needed_is_not_deleted,
    deletion::a_deleted_name_can_be_used_again,
    snapshots::they_work_or_say_that_they_do_not,
];

/// Runs every case; the answer is what went wrong.
pub async fn run(env: &dyn Env) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (case, test) in CASES {
        let lab = Lab::new(env.fresh());
        if let Err(reason) = test(&lab).await {
            failures.push(Failure { case, reason });
        }
    }
    failures
}

/// A provider, a driver for it, and two Apps in one cluster, the first also in another cluster.
pub(crate) struct Lab {
    backend: Box<dyn Backend>,
    driver: Arc<dyn Driver>,
    scope: DiskScope,
    other_app: DiskScope,
    other_cluster: DiskScope,
}

const MANY: usize = 8;
const GIB: u64 = 1 << 30;

impl Lab {
    fn new(backend: Box<dyn Backend>) -> Self {
        let scope = |cluster: &str, app: &str| {
            let (workspace, provider) = ("ws".to_owned(), "prv".to_owned());
            let cluster = kompox_manifests::id::ClusterId { workspace, provider, cluster: cluster.to_owned() };
            DiskScope::of(&AppId::new(cluster, app))
        };
        Self {
            driver: backend.driver(),
            backend,
            scope: scope("cls1", "shop"),
            other_app: scope("cls1", "shop-2"),
            other_cluster: scope("cls2", "shop"),
        }
    }

    /// Makes a disk by an operation of its own and waits until it is there.
    async fn make(&self, volume: &str, name: &str) -> std::result::Result<Disk, String> {
        self.make_in(&self.scope, &spec(volume, name, name)).await
    }

    async fn make_in(&self, scope: &DiskScope, spec: &DiskSpec) -> std::result::Result<Disk, String> {
        settle(|| self.driver.ensure_disk(scope, spec)).await.map_err(|error| format!("ensure_disk: {error}"))
    }

    async fn list(&self) -> std::result::Result<Vec<Disk>, String> {
        self.driver.list_disks(&self.scope).await.map_err(|error| format!("list_disks: {error}"))
    }

    async fn assign(&self, volume: &str, name: &str) -> Outcome {
        self.driver
            .set_assigned(&self.scope, volume, name)
            .await
            .map_err(|error| format!("set_assigned({volume}, {name}): {error}"))
    }

    /// The names of the assigned disks of a volume.
    async fn assigned(&self, volume: &str) -> std::result::Result<Vec<String>, String> {
        let disks = self.list().await?;
        Ok(disks.into_iter().filter(|disk| disk.volume == volume && disk.assigned).map(|disk| disk.name).collect())
    }
}

/// An empty disk of 1 GiB, made by the operation `op` on the volume.
fn spec(volume: &str, name: &str, op: &str) -> DiskSpec {
    DiskSpec {
        volume: volume.to_owned(),
        name: name.to_owned(),
        kind: VolumeKind::Disk,
        size: GIB,
        zone: None,
        options: std::collections::BTreeMap::new(),
        source: DiskSource::Empty,
        op_key: OpKey::new(&format!("shop/{volume}"), 1, op),
    }
}

/// Asks until the answer is not "pending".
async fn settle<T, F>(ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Progress<T>>>,
{
    const PATIENCE: usize = 100;
    for _ in 0..PATIENCE {
        match ask().await? {
            Progress::Ready(done) => return Ok(done),
            Progress::Pending(pending) => tokio::time::sleep(pending.retry_after).await,
        }
    }
    Err(crate::error::DriverError::transient(format!("still pending after {PATIENCE} questions")))
}

/// Fails the case unless the call failed with an error of this label.
fn fails<T>(what: &str, label: &str, result: Result<T>) -> Outcome {
    match result {
        Err(error) if error.label() == label => Ok(()),
        Err(error) => Err(format!("{what}: must fail with `{label}`, but failed with `{}`: {error}", error.label())),
        Ok(_) => Err(format!("{what}: must fail with `{label}`, but succeeded")),
    }
}
