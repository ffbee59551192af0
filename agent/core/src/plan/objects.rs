//! What happens to each object: created, changed, deleted, or left alone.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kompox_manifests::model::{App, DriftPolicy};
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, Object, ObjectKey};
use kompox_manifests::render::render;
use kompox_manifests::slots::Slots;

use super::applied::Rendered;
use super::diff::{self, FieldChange};
use super::{Action, Settings, Subject, What, digest, immutable, released, restart, unsupported};
use crate::observed::{LiveObject, ObservedApp};
use crate::ownership::{self, FIELD_MANAGER, LEGACY_MANAGERS, Managers, Takeover};

/// Adds the actions for every object of the App, and gives the digests of what is rendered.
///
/// Where a volume has no disk yet and gets none (blocked or held), nothing is said about objects:
/// what they would look like is not known.
pub(super) fn decide(
    app: &App,
    slots: &Slots,
    unsettled: &BTreeSet<String>,
    observed: &ObservedApp,
    settings: &Settings,
    actions: &mut Vec<Action>,
) -> Rendered {
    if app.volumes.iter().any(|volume| !slots.volumes.contains_key(&volume.name)) {
        return Rendered::default();
    }
    let rendered = render(app, slots);
    let deployment = rendered.iter().find(|object| restart::runs_the_pod(&object.key));
    let digests = Rendered {
        pod: deployment.map(|deployment| digest::of_pod(&deployment.body)),
        objects: rendered
            .iter()
            .map(|object| (Rendered::name(&object.key), digest::of_rendered(&object.body)))
            .collect(),
    };
    let applied = settings.applied.as_ref();
    let pod_is_as_applied = restart::is_as_applied(digests.pod.as_deref(), applied);
    let names = Names::of(&app.id);
    let wanted: BTreeSet<ObjectKey> = rendered.iter().map(|object| object.key.clone()).collect();
    for object in rendered {
        let (key, origin) = (object.key.clone(), Some(object.origin.clone()));
        let decided = match observed.objects.get(&object.key) {
            None => Some(create(object, unsettled)),
            Some(live) if live.is_terminating() => Some(going(live, settings)),
            Some(live) => {
                let as_applied = AsApplied {
                    whole: digests.is_as_applied(&key, applied),
                    pod: pod_is_as_applied.filter(|_| restart::runs_the_pod(&key)),
                };
                change(object, live, observed.dropped.get(&key), app.reconcile.drift, as_applied, &settings.people)
            }
        };
        // A candidate for a change may be refuted yet; a real one and this meet at the volume's version.
        let is_free = matches!(decided, None | Some((What::Keep(_) | What::Change { .. }, _)));
        let released = observed.objects.get(&key).filter(|live| is_free && !live.is_terminating());
        let released = released.and_then(|live| released::give_back(&names, live, observed));
        let decided = decided.into_iter().chain(released);
        actions.extend(decided.map(|(what, reason)| Action { what, reason, origin: origin.clone() }));
    }
    for (key, live) in &observed.objects {
        if !wanted.contains(key)
            && let Some((what, reason)) = leftover(app, live, settings)
        {
            // The App's own line: it is there that it is asked for no longer.
            actions.push(Action { what, reason, origin: Some(app.at.clone()) });
        }
    }
    digests
}

fn create(object: Object, unsettled: &BTreeSet<String>) -> (What, String) {
    let needs_disk = matches!(object.key.kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim | Kind::Deployment);
    let assumed = needs_disk && !unsettled.is_empty();
    (What::Create { object, assumed }, "the cluster has none".to_owned())
}

/// An object that is wanted but is being deleted: it can be made anew once it is gone.
fn going(live: &LiveObject, settings: &Settings) -> (What, String) {
    let subject = Subject::Object(live.key.clone());
    match stuck(live, settings.now) {
        Some(reason) => (What::Blocked { subject, remedy: STUCK.to_owned() }, reason),
        None => {
            let remedy = "it is made anew once it is gone".to_owned();
            (What::Awaited { subject, remedy }, "it is being deleted".to_owned())
        }
    }
}

/// What a person can do about a finalizer.
pub(super) const STUCK: &str =
    "make whatever the finalizer is of do its work, or remove the finalizer by hand: kubectl edit";

/// Why a deletion does not end; `None` while it may still end by itself.
pub(super) fn stuck(live: &LiveObject, now: Timestamp) -> Option<String> {
    let since = live.deleted_since()?;
    let minutes = now.duration_since(since).as_secs() / 60;
    if minutes < STUCK_AFTER_MINUTES {
        return None;
    }
    let finalizers = live.finalizers();
    let keeper = match finalizers.as_slice() {
        [] => "nothing says what keeps it".to_owned(),
        names => format!("the finalizer {} keeps it", names.join(", ")),
    };
    Some(format!("it has been being deleted for {minutes} minutes; {keeper}"))
}

/// After so many minutes a deletion is said to be stuck. Pods stop within their grace period, and what
/// hangs on them follows.
const STUCK_AFTER_MINUTES: i64 = 10;

fn change(
    object: Object,
    live: &LiveObject,
    dropped: Option<&BTreeSet<String>>,
    drift: DriftPolicy,
    as_applied: AsApplied,
    people: &Managers,
) -> Option<(What, String)> {
    let takeover = ownership::takeover(live, &object.body, people);
    let managed = match &takeover {
        Some(takeover) => takeover.managed_fields.as_slice(),
        None => live.managed_fields(),
    };
    let compared = unsupported::without(&object, live, dropped);
    let fields = diff::compare(&compared, live, managed);
    if fields.is_empty() {
        return None;
    }
    let told = |fields: &[FieldChange]| match &takeover {
        Some(takeover) => format!("edited by {}; {}", editors(takeover), in_words(fields)),
        None => in_words(fields),
    };
    let reason = told(&fields);
    // An object that the commit changes is applied whole: without their values it would be neither
    // what people made of it nor what the commit asks for.
    let of_nobody = || diff::held_by_nobody(&compared, live, managed);
    let is_drift = || takeover.as_ref().is_none_or(by_people) && is_edited(&fields, of_nobody, as_applied);
    match drift {
        DriftPolicy::Off if is_drift() => return None,
        DriftPolicy::Report if is_drift() => {
            // What people have put back by hand is as it should be, whoever holds it.
            let fields = diff::of_value(&compared, live, managed);
            if fields.is_empty() {
                return None;
            }
            let reason = format!("{}; `reconcile.drift: report` leaves it", told(&fields));
            let key = object.key.clone();
            // What people hold they have changed; else the server may only have another form for the same.
            let candidate = takeover.is_none().then(|| {
                let (live, fields, restarts) = (live.clone(), fields.clone(), restart::restarts(&object, &fields));
                Box::new(What::Change { object, live, fields, takeover: None, restarts, assumed: false })
            });
            return Some((What::Drifted { key, fields, candidate }, reason));
        }
        DriftPolicy::Correct | DriftPolicy::Report | DriftPolicy::Off => {}
    }
    if let Some(fixed) = immutable::among(live, &fields) {
        let reason = format!("{reason}; {} never changes in place", fixed.path);
        return Some(if immutable::is_replaceable(live.key.kind) {
            (What::Replace { object, live: live.clone(), fields, assumed: false }, reason)
        } else {
            let remedy = immutable::remedy(live.key.kind).to_owned();
            (What::Blocked { subject: Subject::Object(object.key), remedy }, reason)
        });
    }
    let restarts = restart::restarts(&object, &fields);
    let takeover = takeover.map(|takeover| takeover.managed_fields);
    Some((What::Change { object, live: live.clone(), fields, takeover, restarts, assumed: false }, reason))
}

/// Whether something is rendered as it was when it was applied; `None` where nothing tells that.
#[derive(Clone, Copy)]
struct AsApplied {
    /// The object.
    whole: Option<bool>,
    /// Of a Deployment, its Pod.
    pod: Option<bool>,
}

/// Whether all that differs is somebody's edit: of an object that is rendered as it was applied, everything; of another
/// one, what people hold. A Pod that is rendered otherwise differs by itself, whoever holds its fields.
fn is_edited(fields: &[FieldChange], of_nobody: impl FnOnce() -> Vec<FieldChange>, as_applied: AsApplied) -> bool {
    if as_applied.whole == Some(true) {
        return true;
    }
    let is_another_pod = as_applied.pod == Some(false) && fields.iter().any(restart::is_of_the_pod);
    !is_another_pod && of_nobody().is_empty()
}

/// Whether all fields that change hands were people's, none an older deployment's or our own.
fn by_people(takeover: &Takeover) -> bool {
    let is_ours = |manager: &str| manager == FIELD_MANAGER || LEGACY_MANAGERS.contains(&manager);
    !takeover.taken.iter().any(|field| is_ours(&field.manager))
}

/// The managers whose fields change hands, each once.
fn editors(takeover: &Takeover) -> String {
    let names: BTreeSet<&str> = takeover.taken.iter().map(|field| field.manager.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// What differs, in a few words.
pub(super) fn in_words(fields: &[FieldChange]) -> String {
    match fields {
        [] => String::new(),
        [only] => format!("{} differs", only.path),
        [first, rest @ ..] => format!("{} and {} more differ", first.path, rest.len()),
    }
}

/// What happens to an object of ours that the commit does not list (any more).
fn leftover(app: &App, live: &LiveObject, settings: &Settings) -> Option<(What, String)> {
    match live.key.kind {
        // Namespaces are never pruned; a foreign one cannot be here.
        Kind::Namespace => None,
        Kind::PersistentVolume | Kind::PersistentVolumeClaim => {
            let subject = Subject::Object(live.key.clone());
            Some((What::Keep(subject), "it holds data that the commit no longer mounts".to_owned()))
        }
        _ if live.key.namespace.as_ref() != Some(&Names::of(&app.id).namespace) => None,
        _ if !ownership::is_applied_by_agent(live) => {
            let reason = "unmanaged: the agent has not written it, and leaves it alone".to_owned();
            Some((What::Keep(Subject::Object(live.key.clone())), reason))
        }
        _ if live.is_terminating() => {
            let subject = Subject::Object(live.key.clone());
            stuck(live, settings.now).map(|reason| (What::Left { subject, remedy: STUCK.to_owned() }, reason))
        }
        _ => Some((What::Delete(live.clone()), "the commit no longer asks for it".to_owned())),
    }
}
