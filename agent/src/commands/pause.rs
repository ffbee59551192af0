//! `pause` and `resume`: an App is taken out of the agent's hands for a while, and given back.

use jiff::{SignedDuration, Timestamp};
use kompox_core::observed::LiveObject;
use kompox_core::pause::{self, Pause};
use kompox_manifests::kom::duration;
use serde_json::{Value, json};

use super::{Exit, answer, app, run};
use crate::args::{AppArgs, Output, PauseArgs};
use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError};

/// How long a pause is where nothing is said, in seconds: long enough to mend something, short enough not to be
/// forgotten.
const USUAL: u64 = 4 * 3_600;
/// Longest pause, in seconds.
const LONGEST: u64 = 30 * 86_400;
/// How often the annotation is written against others who write to the Namespace at the same moment.
const ATTEMPTS: usize = 5;

/// `pause`.
///
/// # Errors
/// There is no such App, or the cluster cannot be written to.
pub(crate) async fn pause(args: PauseArgs) -> anyhow::Result<Exit> {
    let seconds = match &args.length {
        None => USUAL,
        Some(text) => match duration::seconds(text) {
            Some(seconds) if (1..=LONGEST).contains(&seconds) => seconds,
            Some(_) => anyhow::bail!("--for: a pause is between 1s and 30d; `reconcile.suspend` in Git has no end"),
            None => anyhow::bail!("--for: `{text}` is no duration; write it like `90m`, `4h` or `2d`"),
        },
    };
    let cluster = run::connected(&args.kube).await?;
    let found = app::find(&cluster, &args.app).await?;
    let now = Timestamp::now();
    let until = now.checked_add(SignedDuration::from_secs(i64::try_from(seconds)?))?;
    let annotations = json!({pause::UNTIL: format!("{until:.0}"), pause::REASON: args.reason});
    let namespace = annotate(&cluster, found.namespace, &annotations).await?;
    let held = Pause::of(&namespace, now)?;
    let text = held.as_ref().map(ToString::to_string).unwrap_or_default();
    answer(&match args.output {
        Output::Text => format!(
            "{} is {text}. Until then the agent writes nothing to it: commits wait, and changes made by hand stay. Then \
             it is brought to what Git asks for; `kompox-agent resume {}` does that at once.\n",
            found.id, args.app
        ),
        Output::Json => {
            let until = held.map(|held| format!("{:.0}", held.until));
            format!("{:#}\n", json!({"app": found.id, "pausedUntil": until, "reason": args.reason}))
        }
    })?;
    Ok(Exit::Success)
}

/// `resume`.
///
/// # Errors
/// There is no such App, or the cluster cannot be written to.
pub(crate) async fn resume(args: AppArgs) -> anyhow::Result<Exit> {
    let cluster = run::connected(&args.kube).await?;
    let found = app::find(&cluster, &args.app).await?;
    // One that cannot be read ends too.
    let was_paused = !matches!(Pause::of(&found.namespace, Timestamp::now()), Ok(None));
    let marked = [pause::UNTIL, pause::REASON].iter().any(|name| found.namespace.annotation(name).is_some());
    if marked {
        annotate(&cluster, found.namespace, &json!({pause::UNTIL: null, pause::REASON: null})).await?;
    }
    answer(&match args.output {
        Output::Text if was_paused => format!(
            "{} is no longer paused: a running agent brings it to what Git asks for now, and reverts changes made by \
             hand.\n",
            found.id
        ),
        Output::Text => format!("{} was not paused\n", found.id),
        Output::Json => format!("{:#}\n", json!({"app": found.id, "wasPaused": was_paused})),
    })?;
    Ok(Exit::Success)
}

/// Sets annotations of a Namespace, or takes them away.
async fn annotate(
    cluster: &dyn ClusterApi,
    mut namespace: LiveObject,
    annotations: &Value,
) -> Result<LiveObject, ClusterError> {
    let patch = json!({"metadata": {"annotations": annotations}});
    for _ in 1..ATTEMPTS {
        match cluster.patch(&namespace.key, &namespace.resource_version, &patch).await {
            Err(ClusterError { cause: Cause::Changed, .. }) => {}
            patched => return patched,
        }
        let missing =
            || ClusterError::new(format!("patch {}", namespace.key), Cause::NotFound(namespace.key.to_string()));
        namespace = cluster.get(&namespace.key).await?.ok_or_else(missing)?;
    }
    cluster.patch(&namespace.key, &namespace.resource_version, &patch).await
}

#[cfg(test)]
mod tests {
    use kompox_manifests::object::{Kind, ObjectKey};

    use super::*;
    use crate::cluster::faulty::{Fault, Faulty};
    use crate::cluster::memory::Memory;

    fn key() -> ObjectKey {
        ObjectKey { kind: Kind::Namespace, namespace: None, name: "k4x-1-shop-2".into() }
    }

    #[tokio::test]
    async fn others_who_write_at_the_same_moment_are_no_trouble() {
        let cluster = Faulty::new(Memory::default()).fault("patch", 0, Fault::Refuse(Cause::Changed));
        let namespace = cluster.inner.store(&key(), &json!({"metadata": {"annotations": {"other": "stays"}}}));
        let set = annotate(&cluster, namespace, &json!({pause::UNTIL: "2030-01-01T00:00:00Z"})).await.unwrap();
        assert_eq!(set.annotation(pause::UNTIL), Some("2030-01-01T00:00:00Z"));
        let taken = annotate(&cluster, set, &json!({pause::UNTIL: null})).await.unwrap();
        assert_eq!((taken.annotation(pause::UNTIL), taken.annotation("other")), (None, Some("stays")));
    }

    #[tokio::test]
    async fn a_namespace_that_never_rests_is_an_error_in_the_end() {
        let mut cluster = Faulty::new(Memory::default());
        for _ in 0..ATTEMPTS {
            cluster = cluster.fault("patch", 0, Fault::Refuse(Cause::Changed));
        }
        let namespace = cluster.inner.store(&key(), &json!({"metadata": {}}));
        assert_eq!(annotate(&cluster, namespace, &json!({})).await.unwrap_err().cause, Cause::Changed);
    }
}
