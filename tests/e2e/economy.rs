//! What the agent asks of the API server: nothing while nothing changes, and for a change only what
//! concerns the App that it is about.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kompox_tests::ground::{self, Ground};
use kompox_tests::kubectl;
use kompox_tests::parts::{self, Part};
use kompox_tests::traffic::Request;
use kompox_tests::wait::{Look, until};

use crate::world::LONG;

const APPS: [&str; 3] = ["blog", "shop", "wiki"];
/// What one App may cost beside two requests an object: the source's record, and room for views and Events.
const OVERHEAD: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_while_nothing_changes() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let ground = ground().await?;
    let agent = ground.agent("").await?;
    ground.settled(&agent, &ground.repo.head()?).await?;
    ground.quiet().await?;
    // Looks at everything come every second.
    ground.proxy.forget();
    tokio::time::sleep(Duration::from_secs(10)).await;
    ensure!(ground.asked().is_empty(), "{:#?}", ground.asked());
    // A commit that changes no App is written down, and that is all.
    let commit = ground.repo.publish(&[("README.md", "Three Apps.\n")], "Say what this is")?;
    ground.settled(&agent, &commit).await?;
    ground.quiet().await?;
    let others: Vec<Request> = ground.asked().into_iter().filter(|request| !request.is_of_records()).collect();
    ensure!(others.is_empty(), "{others:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_costs_the_app_that_it_is_about() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let ground = ground().await?;
    let agent = ground.agent("").await?;
    ground.settled(&agent, &ground.repo.head()?).await?;
    ground.quiet().await?;
    ground.proxy.forget();
    let commit = ground.repo.publish(&[("shop/web.env", "MODE=fancy\n")], "Another mode")?;
    ground.settled(&agent, &commit).await?;
    ground.quiet().await?;
    let asked = ground.asked();
    for request in asked.iter().filter(|request| !request.is_of_records()) {
        ensure!(request.path.contains("-shop-"), "{request:?}");
    }
    // The Secret of its environment, and the Deployment that carries the Secret's hash.
    let changed: Vec<&Request> =
        asked.iter().filter(|request| request.is_write() && !request.is_of_records()).collect();
    ensure!(changed.len() == 2, "{changed:#?}");
    ensure!(asked.len() <= 2 * changed.len() + OVERHEAD, "{} requests: {asked:#?}", asked.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_are_undone_within_moments() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let ground = ground().await?;
    let agent = ground.agent("").await?;
    ground.settled(&agent, &ground.repo.head()?).await?;
    let mut times = Vec::new();
    for app in APPS {
        let namespace = namespace(&ground, app)?;
        let service = ["-n", &namespace, "get", "service", "web", "-o"];
        let clusters = |path: &str| ground.kubectl(&[&service[..], &[path]].concat());
        ground.kubectl(&["-n", &namespace, "label", "--overwrite", "service", "web", "app.kubernetes.io/name=mine"])?;
        let edited = Instant::now();
        until("the label to come back", LONG, || async {
            let label = clusters("jsonpath={.metadata.labels.app\\.kubernetes\\.io/name}")?;
            Ok(if label == app { Look::Done(()) } else { Look::NotYet(label) })
        })
        .await?;
        times.push(edited.elapsed());
        ground.kubectl(&["-n", &namespace, "delete", "service", "web"])?;
        let deleted = Instant::now();
        until("the Service to come back", LONG, || async {
            Ok(match clusters("name") {
                Ok(_) => Look::Done(()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await?;
        times.push(deleted.elapsed());
    }
    times.sort();
    // On a busy machine one of them may take longer; kubectl itself takes its time too.
    let median = times[times.len() / 2];
    ensure!(median < Duration::from_secs(1), "{times:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_away_is_caught_up_with_and_nothing_is_lost() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let ground = ground().await?;
    let agent = ground.agent("").await?;
    ground.settled(&agent, &ground.repo.head()?).await?;
    ground.quiet().await?;
    ground.proxy.down(true);
    let namespace_of_shop = namespace(&ground, "shop")?;
    ground.kubectl(&["-n", &namespace_of_shop, "delete", "service", "web"])?;
    ground.kubectl(&["-n", &namespace(&ground, "wiki")?, "scale", "deployment/wiki-app", "--replicas=0"])?;
    let commit = ground.repo.publish(&[("blog/web.env", "MODE=fancy\n")], "While nobody sees")?;
    // Longer than a break of the watches is borne.
    tokio::time::sleep(Duration::from_secs(15)).await;
    ground::check_runs(&agent)?;
    ground.proxy.forget();
    ground.proxy.down(false);
    ground.settled(&agent, &commit).await?;
    ground.kubectl(&["-n", &namespace_of_shop, "get", "service", "web"])?;
    until("the replicas to come back", LONG, || async {
        let path = ["get", "deployment/wiki-app", "-o", "jsonpath={.spec.replicas}"];
        let found = ground.kubectl(&[&["-n", &namespace(&ground, "wiki")?], &path[..]].concat())?;
        Ok(if found == "1" { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await?;
    ground.quiet().await?;
    // The Service, the Deployment that was scaled, and the Secret and the Deployment of the commit.
    let writes: Vec<Request> =
        ground.asked().into_iter().filter(|request| request.is_write() && !request.is_of_records()).collect();
    ensure!(writes.iter().all(|write| write.method != "DELETE"), "{writes:#?}");
    ensure!(writes.len() == 4, "{writes:#?}");
    // What is shown in the cluster is looked after as before, also after a break that the Lease outlives: then watches
    // go on from where they were.
    ground.proxy.down(true);
    tokio::time::sleep(Duration::from_secs(4)).await;
    ground.proxy.down(false);
    ground.quiet().await?;
    ground.kubectl(&["delete", "kompoxapps", "-A", "--all"])?;
    let views = ["get", "kompoxapps", "-A", "--no-headers"];
    kubectl::shows(ground.plane.kubeconfig(), &views, "the views of the Apps again", LONG, |text| {
        text.lines().filter(|line| line.contains("True")).count() == APPS.len()
    })
    .await?;
    Ok(())
}

fn skip() -> bool {
    parts::skip_without(&[Part::ControlPlane, Part::Kwok])
}

/// A ground with three Apps in the repository.
async fn ground() -> Result<Ground> {
    let ground = Ground::start("economy", LONG).await?;
    let root = ground.disk_root();
    let files = APPS.iter().flat_map(|app| {
        [
            (format!("{app}/kompoxops.yml"), ground::entry(app, &root)),
            (format!("{app}/compose.yml"), COMPOSE.to_owned()),
            (format!("{app}/web.env"), "MODE=plain\n".to_owned()),
        ]
    });
    ground.publish(&files.collect::<Vec<_>>(), "Three Apps")?;
    Ok(ground)
}

fn namespace(ground: &Ground, app: &str) -> Result<String> {
    ground.namespace(app)?.with_context(|| format!("{app} has no Namespace"))
}

const COMPOSE: &str = "services:
  web:
    image: nginx:1.29
    env_file: [web.env]
    ports: [\"8080:80\"]
    volumes: [\"./data:/data\"]
";
