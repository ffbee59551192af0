//! What entries say about the same things.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Draft, EntryApp};
use crate::diagnostic::{Diagnostic, Span};
use crate::id::{AppId, ClusterId};
use crate::kom::Parent;
use crate::kom::resource::ResourceId;
use crate::model::App;

/// Checks all entries against each other; what is wrong rejects every entry that has part in it. `agreed` tells whether
/// those that are not new had nothing against each other. Gives whether all agree.
pub(super) fn check(drafts: &[Draft], agreed: bool) -> bool {
    let all: Vec<&Draft> = drafts.iter().collect();
    let sound = sound(&all);
    if !agreed || !new_ones_agree(drafts) {
        compare(&all, &sound);
    }
    dependency_cycles(&sound);
    !drafts.iter().any(|draft| draft.across.has_errors())
}

/// Entries that are rejected for their own mistakes take no others with them, but for their claims.
fn sound<'a>(drafts: &[&'a Draft]) -> Vec<&'a Draft> {
    drafts.iter().copied().filter(|draft| !draft.is_rejected()).collect()
}

fn compare(drafts: &[&Draft], sound: &[&Draft]) {
    same_app(drafts);
    differing_parents(sound);
    same_hash(sound);
}

/// Whether new entries agree with each other and with the rest, which agrees: most commits change few of many entries.
fn new_ones_agree(drafts: &[Draft]) -> bool {
    let touched: Vec<Draft> = touched(drafts).map(|draft| Draft::new(&draft.own, draft.is_new)).collect();
    let all: Vec<&Draft> = touched.iter().collect();
    compare(&all, &sound(&all));
    !touched.iter().any(|draft| draft.across.has_errors())
}

/// The new entries, and of the others those that may disagree with one: that claim the same Apps or have the same
/// hashes, and one for each of the same parents, of which the rest says what that one says.
fn touched(drafts: &[Draft]) -> impl Iterator<Item = &Draft> {
    let new = || drafts.iter().filter(|draft| draft.is_new);
    let claims: HashSet<&AppId> = new().flat_map(|draft| draft.own.claims()).collect();
    let hashes: HashSet<&str> = new().flat_map(|draft| draft.own.hashes()).collect();
    let mut parents: HashSet<&ResourceId> = new().flat_map(|draft| draft.own.parents()).collect();
    drafts.iter().filter(move |draft| {
        draft.is_new
            || draft.own.claims().any(|app| claims.contains(app))
            || draft.own.hashes().any(|hash| hashes.contains(hash))
            || (!draft.is_rejected() && draft.own.parents().filter(|parent| parents.remove(parent)).count() > 0)
    })
}

/// An App in two entries is in none.
fn same_app(drafts: &[&Draft]) {
    let mut places: HashMap<&AppId, Vec<(&Draft, &Span)>> = HashMap::new();
    for draft in drafts.iter().copied() {
        for claim in &draft.own.loaded.claims {
            let places = places.entry(&claim.value).or_default();
            // Twice in one entry is that entry's own mistake, and reported there.
            if !places.iter().any(|(other, _)| std::ptr::eq(*other, draft)) {
                places.push((draft, &claim.at));
            }
        }
    }
    for (id, places) in places {
        for (draft, at) in &places {
            let Some((_, other)) = places.iter().find(|(other, _)| !std::ptr::eq(*other, *draft)) else { continue };
            let message = format!("App `{id}` is in another entry too, at {other}; neither is deployed");
            let help = "rename one of the two, or remove it; what runs stays as it is until then";
            draft.across.push(Diagnostic::error("app-twice", (*at).clone(), message).help(help));
        }
    }
}

/// A Workspace, Provider or Cluster may stand in many entries, but says the same in all of them.
fn differing_parents(drafts: &[&Draft]) {
    let mut places: HashMap<&ResourceId, Vec<(&Draft, &Parent)>> = HashMap::new();
    for draft in drafts {
        for parent in &draft.own.loaded.parents {
            places.entry(&parent.id).or_default().push((draft, parent));
        }
    }
    for (id, places) in places {
        let Some((_, first)) = places.first() else { continue };
        // All that agree with the first agree with each other; any of the others is what they differ from.
        let Some((_, odd)) = places.iter().find(|(_, parent)| parent.difference(first).is_some()) else { continue };
        for (draft, parent) in &places {
            let (other, difference) = match parent.difference(first) {
                Some(difference) => (first, difference),
                None => (odd, parent.difference(odd).unwrap_or_default()),
            };
            let message = format!("{} `{id}` says something else at {}: {difference} differs", id.kind(), other.at);
            let help = "make them the same in every entry";
            draft.across.push(Diagnostic::error("kom-conflict", parent.at.clone(), message).help(help));
        }
    }
}

/// Names of namespaces and disks tell Apps apart by a short hash.
fn same_hash(drafts: &[&Draft]) {
    let mut places: HashMap<(&str, &ClusterId), Vec<(&Draft, &App)>> = HashMap::new();
    for draft in drafts {
        for EntryApp { app, names, record: _ } in &draft.own.entry.apps {
            places.entry((&names.hashes.app, &app.id.cluster)).or_default().push((draft, app));
        }
    }
    for ((hash, _), places) in places {
        for (draft, app) in &places {
            let Some((_, other)) = places.iter().find(|(_, other)| other.id != app.id) else { continue };
            let message = format!("`{}` has the hash {hash}, as has `{}` at {}", app.id, other.id, other.at);
            let help = "rename one of the two: their disks could not be told apart";
            draft.across.push(Diagnostic::error("app-hash", app.at.clone(), message).help(help));
        }
    }
}

/// Apps that wait for each other would wait for ever.
fn dependency_cycles(drafts: &[&Draft]) {
    let all = || drafts.iter().flat_map(|draft| draft.own.entry.apps.iter().map(|made| (*draft, made.app.as_ref())));
    if all().all(|(_, app)| app.reconcile.depends_on.is_empty()) {
        return;
    }
    let apps: BTreeMap<&AppId, (&Draft, &App)> = all().map(|(draft, app)| (&app.id, (draft, app))).collect();
    let mut done: BTreeSet<&AppId> = BTreeSet::new();
    for start in apps.keys() {
        let Some(cycle) = find_cycle(start, &apps, &mut done) else { continue };
        let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|id| id.app.as_str()).collect();
        let message = format!("`dependsOn` goes in a circle: {}", names.join(" → "));
        for id in &cycle {
            let Some((draft, app)) = apps.get(id) else { continue };
            let next = app.reconcile.depends_on.iter().find(|next| cycle.contains(&&next.value));
            let at = next.map_or_else(|| app.at.clone(), |next| next.at.clone());
            draft.across.push(Diagnostic::error("depends-on", at, message.clone()).help("take one of them out"));
        }
    }
}

/// A cycle that can be reached from `start`, through Apps that no earlier search has seen.
fn find_cycle<'a>(
    start: &'a AppId,
    apps: &BTreeMap<&'a AppId, (&'a Draft, &'a App)>,
    done: &mut BTreeSet<&'a AppId>,
) -> Option<Vec<&'a AppId>> {
    // The path from the start, each App with the number of its dependencies that were followed.
    let mut path: Vec<(&AppId, usize)> = vec![(start, 0)];
    while let Some((id, followed)) = path.last_mut() {
        let id: &'a AppId = id;
        let depends_on = apps.get(id).map_or(&[][..], |(_, app)| &app.reconcile.depends_on);
        let next = if done.contains(id) { None } else { depends_on.get(*followed) };
        *followed += 1;
        let Some(next) = next else {
            done.insert(id);
            path.pop();
            continue;
        };
        if let Some(begin) = path.iter().position(|(earlier, _)| **earlier == next.value) {
            let cycle: Vec<&AppId> = path[begin..].iter().map(|(id, _)| *id).collect();
            done.extend(path.iter().map(|(id, _)| *id));
            return Some(cycle);
        }
        path.push((&next.value, 0));
    }
    None
}
