//! `reconcile.rollback: lastHealthy`: what was healthy last is deployed again where a commit does not become healthy,
//! and stays until a commit asks for something else of the App. Only for Apps without volumes.
//!
//! Here it is decided; [`crate::engine`] takes the older commit's wish in the place of the newer one's.

use kompox_core::plan::{AppliedRecord, Refused};
use kompox_core::report::short_id;

use crate::context::Wish;
use crate::failure::{Failure, Kind};
use crate::health::{Look, RollBack};
use crate::memory::Memory;
use crate::outcome::{AppOutcome, State};

/// A wish that was rolled back before is not tried again, also by another process.
pub(super) fn given_up(wish: &Wish, applied: Option<&AppliedRecord>) -> Option<Look> {
    let applied = applied.filter(|_| wish.app.reconcile.rollback && wish.instead_of.is_none())?;
    let refused = applied.refused.clone().filter(|refused| *refused.inputs == *wish.digest)?;
    let roll_back = Some(RollBack { to: applied.commit.clone(), refused });
    let state = State::Progressing(format!("was rolled back to {}", short_id(&applied.commit)));
    Some(Look { roll_back, ..Look::last(AppOutcome::untouched(wish, state)) })
}

/// The way back from a wish that was applied and has failed; `None` where nothing was healthy before.
pub(super) fn way_back(wish: &Wish, outcome: &AppOutcome, memory: &Memory) -> Option<RollBack> {
    let State::Failed(Failure { kind: Kind::Unhealthy, text, .. }) = &outcome.state else { return None };
    if !wish.app.reconcile.rollback || wish.instead_of.is_some() {
        return None;
    }
    // What never reached the cluster (a missing image) has done no harm.
    let stored = memory.applied.iter().flatten().find(|stored| *stored.record.inputs == *wish.digest)?;
    let to = stored.history.healthy_before()?.to_owned();
    let refused = Refused { inputs: wish.digest.to_string(), commit: wish.commit.id.clone(), reason: text.clone() };
    Some(RollBack { to, refused })
}

/// How an App is told whose wish stands for a newer one: its commit has failed, however well the older one is.
pub(crate) fn told(wish: &Wish, outcome: AppOutcome) -> AppOutcome {
    let Some(refused) = &wish.instead_of else { return outcome };
    let (to, reason) = (short_id(&wish.commit.id), &refused.reason);
    let state = match outcome.state {
        State::Healthy => {
            let text = format!(
                "{reason}; rolled back to commit {to}, which is healthy; push a commit that mends it, nothing else is \
                 tried until then"
            );
            State::Failed(Failure { text, label: "rolled-back", kind: Kind::Unhealthy })
        }
        State::Progressing(text) => State::Progressing(format!("{reason}; rolling back to commit {to}: {text}")),
        State::Failed(failure) => {
            let text = format!("{reason}; rolling back to commit {to}: {failure}");
            State::Failed(Failure { text, ..failure })
        }
        other => other,
    };
    AppOutcome { state, ..outcome }
}

/// How a wish is told while the way back is being prepared.
pub(crate) fn preparing(outcome: AppOutcome, way: &RollBack) -> AppOutcome {
    let text = format!("{}; rolling back to commit {}", way.refused.reason, short_id(&way.to));
    AppOutcome { state: State::Progressing(text), ..outcome }
}

/// How a wish is told from which there is no way back.
pub(crate) fn impossible(outcome: AppOutcome, way: &RollBack, why: &str) -> AppOutcome {
    let RollBack { to, refused } = way;
    let text = format!("{}; it cannot be rolled back to commit {}: {why}", refused.reason, short_id(to));
    AppOutcome { state: State::Failed(Failure { text, label: "unhealthy", kind: Kind::Unhealthy }), ..outcome }
}
