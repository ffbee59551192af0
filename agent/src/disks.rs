//! Disks: the agent's side of the driver port. Asks the provider of an App, and waits for what takes
//! its time.

use std::sync::Arc;
use std::time::Duration;

use kompox_core::disk::{Disk, DiskScope, DiskSpec};
use kompox_core::observed::{Node, ObservedApp};
use kompox_drivers::class;
use kompox_drivers::driver::{Driver, Progress};
use kompox_drivers::error::DriverError;
use kompox_drivers::registry::{self, DriverContext};
use kompox_manifests::model::App;
use kompox_manifests::names::Names;
use kompox_manifests::object::Kind;
use kompox_manifests::slots::VolumeBinding;
use tracing::{debug, warn};

use crate::context::{Agent, Wish};
use crate::failure::Failure;

mod listings;

use listings::Listing;
pub(crate) use listings::{Listings, Serial};

/// How long the making of a disk may take inside one reconcile; the next one goes on waiting.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a provider may take for one answer: a file system or a cloud that hangs is asked again later.
const ANSWER: Duration = Duration::from_secs(60);

/// The answer of a driver, if it comes in time.
async fn in_time<T>(limit: Duration, answer: impl Future<Output = Result<T, DriverError>>) -> Result<T, DriverError> {
    let late = |_| Err(DriverError::transient(format!("no answer within {} s", limit.as_secs_f32())));
    tokio::time::timeout(limit, answer).await.unwrap_or_else(late)
}

/// The driver of an App's provider.
fn driver(app: &App, nodes: &[Node]) -> Result<Arc<dyn Driver>, Failure> {
    let hostnames: Vec<String> = nodes.iter().map(|node| node.hostname.clone()).collect();
    registry::driver_for(&app.provider, &DriverContext { nodes: hostnames })
        .map_err(|error| Failure::of_driver(&format!("{}: provider driver", app.provider.driver.at), &error))
}

/// Adds what the provider says of the App's disks to what was observed of it. An App without volumes
/// needs no provider.
pub(crate) async fn observe(agent: &Agent, wish: &Wish, observed: &mut ObservedApp) {
    let app = wish.app.as_ref();
    if app.volumes.is_empty() {
        return;
    }
    bound(app, observed);
    let driver = match driver(app, &observed.nodes) {
        Ok(driver) => driver,
        Err(failure) => {
            observed.disks = Err(failure.text.clone());
            observed.snapshots = Err(failure.text);
            return;
        }
    };
    let Listing { disks, snapshots } = match agent.listings.known(wish, &observed.objects) {
        Some(listing) => listing,
        None => {
            let listing = ask(app, driver.as_ref()).await;
            agent.listings.remember(wish, &observed.objects, &listing);
            listing
        }
    };
    (observed.disks, observed.snapshots) = (disks, snapshots);
    if let Ok(disks) = &observed.disks {
        for disk in disks {
            match driver.volume_class(disk) {
                Ok(class) => {
                    let binding = VolumeBinding { handle: disk.handle.clone(), size: Some(disk.size), class };
                    observed.bindings.insert(disk.handle.clone(), binding);
                }
                Err(error) => warn!(app = %app.id, disk = %disk.name, %error, "a disk cannot be mounted"),
            }
        }
    }
    prospects(app, observed);
}

/// Asks the provider.
async fn ask(app: &App, driver: &dyn Driver) -> Listing {
    let scope = DiskScope::of(&app.id);
    Listing {
        disks: in_time(ANSWER, driver.list_disks(&scope)).await.map_err(|error| error.to_string()),
        // Asked of drivers without snapshots too: what a later version left speaks of an earlier life.
        snapshots: in_time(ANSWER, driver.list_snapshots(&scope)).await.map_err(|error| error.to_string()),
    }
}

/// How new disks would appear; their handles are placeholders.
fn prospects(app: &App, observed: &mut ObservedApp) {
    for volume in &app.volumes {
        let handle = class::placeholder_handle(&app.provider.driver.value, &volume.name);
        match class::volume_class(&app.provider.driver.value, &app.provider.settings, &handle, None) {
            Ok(class) => {
                let binding = VolumeBinding { handle, size: None, class };
                observed.prospects.insert(volume.name.clone(), binding);
            }
            Err(error) => warn!(app = %app.id, volume = %volume.name, %error, "no disk can be made"),
        }
    }
}

/// The disks behind the PersistentVolumes that the App's claims are bound to: what is mounted stays
/// mounted while the provider is silent.
fn bound(app: &App, observed: &mut ObservedApp) {
    let names = Names::of(&app.id);
    for volume in &app.volumes {
        let claims = observed.objects.values().filter(|live| {
            live.key.kind == Kind::PersistentVolumeClaim
                && live.body.pointer("/status/phase").and_then(serde_json::Value::as_str) == Some("Bound")
        });
        for claim in claims {
            let Some(pv) = observed
                .objects
                .values()
                .find(|live| live.key.kind == Kind::PersistentVolume && live.key.name == claim.key.name)
            else {
                continue;
            };
            let handle = match class::handle_of_pv(&app.provider.driver.value, &pv.body) {
                Ok(handle) => handle,
                Err(error) => {
                    debug!(app = %app.id, %error, "a PersistentVolume of another driver");
                    continue;
                }
            };
            // The name carries the volume and the handle's hash: nothing else has to be trusted.
            if pv.key.name != names.volume(&volume.name, &handle) {
                continue;
            }
            let settings = &app.provider.settings;
            if let Ok(class) = class::volume_class(&app.provider.driver.value, settings, &handle, None) {
                let binding = VolumeBinding { handle, size: None, class };
                observed.bound.insert(volume.name.clone(), binding);
            }
        }
    }
}

/// Makes a disk, or finds the one that an interrupted run made.
///
/// # Errors
/// The driver's refusal, or that it is not ready yet.
pub(crate) async fn create(app: &App, nodes: &[Node], spec: &DiskSpec) -> Result<Disk, Failure> {
    let driver = driver(app, nodes)?;
    let scope = DiskScope::of(&app.id);
    let what = format!("volume {}: making disk {}", spec.volume, spec.name);
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        match in_time(ANSWER, driver.ensure_disk(&scope, spec))
            .await
            .map_err(|error| Failure::of_driver(&what, &error))?
        {
            Progress::Ready(disk) => return Ok(disk),
            Progress::Pending(pending) if tokio::time::Instant::now() + pending.retry_after < patience => {
                tokio::time::sleep(pending.retry_after).await;
            }
            Progress::Pending(_) => {
                return Err(Failure::retry("pending", format!("{what}: the provider is still at it")));
            }
        }
    }
}

/// Makes a disk the assigned one of its volume, and says how it is mounted.
///
/// # Errors
/// The driver's refusal.
pub(crate) async fn assign(app: &App, nodes: &[Node], disk: &Disk) -> Result<(Disk, VolumeBinding), Failure> {
    let driver = driver(app, nodes)?;
    let scope = DiskScope::of(&app.id);
    let what = format!("volume {}: assigning disk {}", disk.volume, disk.name);
    let failed = |error: DriverError| Failure::of_driver(&what, &error);
    in_time(ANSWER, driver.set_assigned(&scope, &disk.volume, &disk.name)).await.map_err(failed)?;
    let class = driver.volume_class(disk).map_err(failed)?;
    let binding = VolumeBinding { handle: disk.handle.clone(), size: Some(disk.size), class };
    Ok((Disk { assigned: true, ..disk.clone() }, binding))
}

#[cfg(test)]
mod tests {
    use kompox_core::next::Next;

    use super::*;

    #[tokio::test]
    async fn a_provider_that_hangs_is_asked_again_later() {
        let limit = Duration::from_millis(20);
        let error = in_time(limit, std::future::pending::<Result<(), DriverError>>()).await.unwrap_err();
        assert!(matches!(error.next(), Next::Retry { .. }) && error.to_string().contains("0.02 s"), "{error}");
        assert_eq!(in_time(ANSWER, async { Ok(1) }).await.unwrap(), 1);
    }
}
