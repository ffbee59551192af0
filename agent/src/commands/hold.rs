//! `hold list` and `hold accept`: what waits for a person's word, and the word.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kompox_core::plan::HoldDigest;
use serde_json::{Value, json};

use super::{Exit, answer, run, sync};
use crate::args::{HoldAcceptArgs, HoldCommand, HoldListArgs, Output};
use crate::asked::{self, Asked, Word};
use crate::cluster::{ClusterApi, state};
use crate::record::{CommitRecord, Record};

/// Something that waits for a person's word.
#[derive(Debug, Default, PartialEq)]
struct Waiting {
    /// Sources that it is seen in, with who accepted it there.
    sources: BTreeMap<String, Option<Word>>,
    /// The Apps (`W/P/C/A`) that the word lets go; none where it is a commit that is held.
    apps: BTreeSet<String>,
    /// What would happen, and why it is held.
    reasons: BTreeSet<String>,
}

impl Waiting {
    fn apps(&self) -> Vec<&str> {
        self.apps.iter().map(String::as_str).collect()
    }

    /// What the word lets go, for people.
    fn subject(&self) -> String {
        if self.apps.is_empty() { "a commit".to_owned() } else { self.apps().join(", ") }
    }
}

/// Everything that waits, by what lets it go.
type Holds = BTreeMap<HoldDigest, Waiting>;

/// `hold`.
///
/// # Errors
/// The cluster cannot be used, or nothing is held by the digest.
pub(crate) async fn hold(command: HoldCommand) -> anyhow::Result<Exit> {
    match command {
        HoldCommand::List(args) => list(args).await,
        HoldCommand::Accept(args) => accept(args).await,
    }
}

async fn list(args: HoldListArgs) -> anyhow::Result<Exit> {
    let cluster = run::connected(&args.kube).await?;
    let holds = holds(&cluster).await?;
    answer(&match args.output {
        Output::Text => as_text(&holds),
        Output::Json => format!("{:#}\n", as_json(&holds)),
    })?;
    Ok(Exit::Success)
}

async fn accept(args: HoldAcceptArgs) -> anyhow::Result<Exit> {
    let digest: HoldDigest = args.digest.parse()?;
    let cluster = run::connected(&args.kube).await?;
    let Some(waiting) = holds(&cluster).await?.remove(&digest) else {
        anyhow::bail!(
            "nothing is held by the digest {digest}: it was let go, or what would happen is something else by now; \
             `kompox-agent hold list` shows what is held"
        );
    };
    sync::warn_without_agent(&cluster).await;
    let mut word = sync::word(&cluster).await?;
    for source in waiting.sources.keys() {
        let accept = |asked: &mut Asked| asked.accept(digest.clone(), word.clone());
        let asked = asked::ask(&cluster, source, word.at, accept).await?;
        // Somebody else may have said it before.
        word = asked.accepted(&digest).cloned().unwrap_or(word);
    }
    let apps = waiting.apps();
    answer(&match args.output {
        Output::Text => format!(
            "{digest} is accepted for {}: the agent does exactly that, and nothing else\n{}",
            waiting.subject(),
            waiting.reasons.iter().map(|reason| format!("  {reason}\n")).collect::<String>()
        ),
        Output::Json => {
            format!("{:#}\n", json!({"digest": digest.to_string(), "apps": apps, "at": word.at, "by": word.by}))
        }
    })?;
    Ok(Exit::Success)
}

/// Everything that the agent has written down as held.
async fn holds(cluster: &dyn ClusterApi) -> anyhow::Result<Holds> {
    let mut holds = Holds::new();
    for source in state::sources(cluster).await? {
        let stored = state::load(cluster, &source).await?;
        let record: Record = stored.and_then(|stored| serde_json::from_value(stored.value).ok()).unwrap_or_default();
        let Some(CommitRecord { held, held_commit, .. }) = record.commit else { continue };
        let of_apps = held.into_iter().map(|held| (held.digest, Some(held.app), held.reason));
        let of_source = held_commit.into_iter().map(|held| (held.digest, None, held.reason));
        let held: Vec<_> = of_source.chain(of_apps).collect();
        if held.is_empty() {
            continue;
        }
        let asked = asked::load(cluster, &source).await?;
        for (digest, app, reason) in held {
            let waiting: &mut Waiting = holds.entry(digest.clone()).or_default();
            waiting.sources.insert(source.clone(), asked.accepted(&digest).cloned());
            waiting.apps.extend(app);
            waiting.reasons.insert(reason);
        }
    }
    Ok(holds)
}

fn as_text(holds: &Holds) -> String {
    let mut shown = String::new();
    for (digest, waiting) in holds {
        let sources: Vec<&str> = waiting.sources.keys().map(String::as_str).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "{digest}  {}  (source {})", waiting.subject(), sources.join(", "));
        for reason in &waiting.reasons {
            let _ = writeln!(shown, "  {reason}");
        }
        for Word { at, by } in waiting.sources.values().flatten() {
            let _ = writeln!(shown, "  accepted by {by} at {at:.0}; the agent has not done it yet");
        }
    }
    if shown.is_empty() {
        return "nothing is held\n".to_owned();
    }
    shown.push_str(
        "`kompox-agent hold accept DIGEST`, or a commit with the line `Kompox-Accept: DIGEST`, lets one go\n",
    );
    shown
}

fn as_json(holds: &Holds) -> Value {
    let hold = |(digest, waiting): (&HoldDigest, &Waiting)| {
        json!({
            "digest": digest.to_string(),
            "sources": waiting.sources.keys().collect::<Vec<_>>(),
            "apps": waiting.apps,
            "reasons": waiting.reasons,
            "accepted": waiting.sources.values().flatten().next(),
        })
    };
    json!({"holds": holds.iter().map(hold).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::memory::Memory;

    #[tokio::test]
    async fn holds_of_all_sources_are_shown_with_who_accepted_them() {
        let cluster = Memory::default();
        assert_eq!(as_text(&holds(&cluster).await.unwrap()), "nothing is held\n");
        let held = |app: &str| json!({"app": app, "digest": "0123456789abcdef", "reason": "two Apps left Git"});
        let commit = json!({"id": "1", "state": "failure", "description": "", "done": {}, "apps": {}, "problems": [],
            "held": [held("w/p/c/shop"), held("w/p/c/blog")]});
        state::save(&cluster, "apps", &json!({"commit": commit}), None).await.unwrap();
        state::save(&cluster, "other", &json!({}), None).await.unwrap();
        let digest: HoldDigest = "0123456789abcdef".parse().unwrap();
        let word = Word { at: "2026-01-02T03:04:05Z".parse().unwrap(), by: "ada".into() };
        asked::ask(&cluster, "apps", word.at, |asked| asked.accept(digest.clone(), word.clone())).await.unwrap();
        let found = holds(&cluster).await.unwrap();
        assert_eq!(
            as_text(&found),
            "0123456789abcdef  w/p/c/blog, w/p/c/shop  (source apps)\n  two Apps left Git\n  accepted by ada at \
             2026-01-02T03:04:05Z; the agent has not done it yet\n`kompox-agent hold accept DIGEST`, or a commit with \
             the line `Kompox-Accept: DIGEST`, lets one go\n"
        );
        assert_eq!(
            as_json(&found),
            json!({"holds": [{"digest": "0123456789abcdef", "sources": ["apps"], "apps": ["w/p/c/blog", "w/p/c/shop"],
                "reasons": ["two Apps left Git"], "accepted": {"at": "2026-01-02T03:04:05Z", "by": "ada"}}]})
        );
    }
}
