//! `sync`: the running agent looks now, instead of when its time comes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kompox_manifests::labels;
use kompox_manifests::object::Kind;
use serde_json::json;

use super::app::is_meant;
use super::{Exit, answer, run, talk};
use crate::args::{Output, SyncArgs};
use crate::asked::{self, Word};
use crate::cluster::lease::LeaseApi;
use crate::cluster::{ClusterApi, KubeCluster, state};

/// What is asked of each source: single Apps (`W/P/C/A`), or all of it where there are none.
type Wanted = BTreeMap<String, BTreeSet<String>>;

/// `sync`.
///
/// # Errors
/// There is no such App or source, or the cluster cannot be written to.
pub(crate) async fn sync(args: SyncArgs) -> anyhow::Result<Exit> {
    let cluster = run::connected(&args.kube).await?;
    let wanted = wanted(&cluster, args.name.as_deref()).await?;
    warn_without_agent(&cluster).await;
    let word = word(&cluster).await?;
    for (source, apps) in &wanted {
        let more = |asked: &mut asked::Asked| match apps.is_empty() {
            true => asked.look(None, word.clone()),
            false => apps.iter().for_each(|app| asked.look(Some(app), word.clone())),
        };
        asked::ask(&cluster, source, word.at, more).await?;
    }
    answer(&match args.output {
        Output::Text => wanted.iter().map(|(source, apps)| line(source, apps)).collect(),
        Output::Json => format!("{:#}\n", json!({"asked": wanted, "at": word.at, "by": word.by})),
    })?;
    Ok(Exit::Success)
}

/// Who asks now.
///
/// # Errors
/// The API server does not say who we are.
pub(super) async fn word(cluster: &KubeCluster) -> anyhow::Result<Word> {
    Ok(Word { at: Timestamp::now(), by: cluster.user().await? })
}

/// Says so where nobody is there to hear.
pub(super) async fn warn_without_agent(cluster: &KubeCluster) {
    // Who may not read the Lease is not told.
    let Ok(lease) = LeaseApi::read(cluster).await else { return };
    if lease.and_then(|lease| lease.holder).is_none() {
        talk("warning: no agent holds the Lease now; the next one that starts hears of it");
    }
}

fn line(source: &str, apps: &BTreeSet<String>) -> String {
    let what = if apps.is_empty() {
        "everything".to_owned()
    } else {
        apps.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    format!("asked the agent to fetch source {source} and to look at {what} now; `kompox-agent status -w` shows it\n")
}

/// What a name stands for: an App, a source, or both; no name is everything.
async fn wanted(cluster: &dyn ClusterApi, name: Option<&str>) -> anyhow::Result<Wanted> {
    let sources = state::sources(cluster).await?;
    let whole = |source: String| (source, BTreeSet::new());
    let Some(name) = name else {
        anyhow::ensure!(
            !sources.is_empty(),
            "no agent has seen a source in this cluster yet: there is nothing to look at"
        );
        return Ok(sources.into_iter().map(whole).collect());
    };
    if sources.contains(name) {
        return Ok([whole(name.to_owned())].into());
    }
    let mut apps = Vec::new();
    for namespace in cluster.list_owned(Kind::Namespace).await? {
        let (id, source) = (namespace.annotation(labels::APP), namespace.annotation(labels::SOURCE));
        if let Some(id) = id.filter(|id| is_meant(name, id)) {
            apps.push((id.to_owned(), source.map(str::to_owned)));
        }
    }
    match apps.as_slice() {
        [] => anyhow::bail!("there is no App and no source {name} in this cluster; `kompox-agent status` lists them"),
        [(id, Some(source))] if sources.contains(source) => Ok([(source.clone(), [id.clone()].into())].into()),
        [(id, _)] => anyhow::bail!(
            "{id} is of no source that an agent has seen: it was deployed by hand; `kompox-agent apply` brings it to a \
             working tree"
        ),
        many => {
            let ids: Vec<&str> = many.iter().map(|(id, _)| id.as_str()).collect();
            anyhow::bail!("{name} can be several Apps; name one of {}", ids.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use kompox_manifests::object::ObjectKey;

    use super::*;
    use crate::cluster::memory::Memory;

    fn deploy(cluster: &Memory, name: &str, app: &str, source: &str) {
        let key = ObjectKey { kind: Kind::Namespace, namespace: None, name: name.into() };
        let annotations = json!({labels::APP: app, labels::SOURCE: source});
        let labels = json!({labels::MANAGED_BY: labels::KOMPOX});
        cluster.store(&key, &json!({"metadata": {"labels": labels, "annotations": annotations}}));
    }

    #[tokio::test]
    async fn a_name_is_an_app_or_a_source_and_nothing_else() {
        let cluster = Memory::default();
        assert!(wanted(&cluster, None).await.is_err(), "nothing is there");
        state::save(&cluster, "apps", &json!({}), None).await.unwrap();
        deploy(&cluster, "k4x-1", "w/p/c/shop", "apps");
        deploy(&cluster, "k4x-2", "w/p/c/blog", "by-hand");
        deploy(&cluster, "k4x-3", "w/p/c/wiki", "apps");
        deploy(&cluster, "k4x-4", "w2/p/c/wiki", "apps");
        let of = |apps: &[&str]| Wanted::from([("apps".into(), apps.iter().map(|app| (*app).into()).collect())]);
        assert_eq!(wanted(&cluster, None).await.unwrap(), of(&[]));
        assert_eq!(wanted(&cluster, Some("apps")).await.unwrap(), of(&[]));
        assert_eq!(wanted(&cluster, Some("shop")).await.unwrap(), of(&["w/p/c/shop"]));
        assert_eq!(wanted(&cluster, Some("w2/p/c/wiki")).await.unwrap(), of(&["w2/p/c/wiki"]));
        for (name, why) in [("blog", "by hand"), ("wiki", "several"), ("none", "no App and no source")] {
            let error = wanted(&cluster, Some(name)).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
