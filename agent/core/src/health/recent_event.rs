//! The newest Event about an object.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// The newest of the Events about the object with this UID.
pub(super) fn newest<'a>(events: &'a [Event], uid: Option<&str>) -> Option<&'a Event> {
    let uid = uid?;
    events.iter().filter(|event| event.involved_object.uid.as_deref() == Some(uid)).max_by_key(|event| seen_at(event))
}

/// Whether an Event reports trouble.
pub(super) fn is_warning(event: &Event) -> bool {
    event.type_.as_deref() == Some("Warning")
}

/// When an Event was last seen, whichever of its three forms it has.
fn seen_at(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let single = event.event_time.as_ref().map(|time| time.0);
    series.max(last).max(single)
}
