//! What the agent asks of the API server: nothing while nothing changes, and for a change only what
//! concerns the App that it is about.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kompox_tests::agent::{Agent, AgentCommand};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::git::Repo;
use kompox_tests::kwok::FakeNode;
use kompox_tests::parts::{self, Part};
use kompox_tests::proxy::ApiProxy;
use kompox_tests::record;
use kompox_tests::traffic::Request;
use kompox_tests::wait::{Look, until};

use crate::world::LONG;
use kompox_tests::kubectl::kubectl;

const APPS: [&str; 3] = ["blog", "shop", "wiki"];
const NODE: &str = "node-1";
/// What one App may cost beside two requests an object: the source's record, and room for views and Events.
const OVERHEAD: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_while_nothing_changes() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let ground = Ground::start().await?;
    let _agent = ground.agent().await?;
    ground.settled(&ground.repo.head()?).await?;
    ground.quiet().await?;
    // Looks at everything come every second.
    ground.proxy.forget();
    tokio::time::sleep(Duration::from_secs(10)).await;
    ensure!(ground.asked().is_empty(), "{:#?}", ground.asked());
    // A commit that changes no App is written down, and that is all.
    let commit = ground.repo.publish(&[("README.md", "Three Apps.\n")], "Say what this is")?;
    ground.settled(&commit).await?;
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
    let ground = Ground::start().await?;
    let _agent = ground.agent().await?;
    ground.settled(&ground.repo.head()?).await?;
    ground.quiet().await?;
    ground.proxy.forget();
    let commit = ground.repo.publish(&[("shop/web.env", "MODE=fancy\n")], "Another mode")?;
    ground.settled(&commit).await?;
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
    let ground = Ground::start().await?;
    let _agent = ground.agent().await?;
    ground.settled(&ground.repo.head()?).await?;
    let mut times = Vec::new();
    for app in APPS {
        let namespace = ground.namespace(app)?;
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
    let ground = Ground::start().await?;
    let agent = ground.agent().await?;
    ground.settled(&ground.repo.head()?).await?;
    ground.quiet().await?;
    ground.proxy.down(true);
    let namespace = ground.namespace("shop")?;
    ground.kubectl(&["-n", &namespace, "delete", "service", "web"])?;
    ground.kubectl(&["-n", &ground.namespace("wiki")?, "scale", "deployment/wiki-app", "--replicas=0"])?;
    let commit = ground.repo.publish(&[("blog/web.env", "MODE=fancy\n")], "While nobody sees")?;
    // Longer than a break of the watches is borne.
    tokio::time::sleep(Duration::from_secs(15)).await;
    ensure!(agent.exited()?.is_none(), "the agent has ended: {}", agent.stderr()?);
    ground.proxy.forget();
    ground.proxy.down(false);
    ground.settled(&commit).await?;
    ground.kubectl(&["-n", &namespace, "get", "service", "web"])?;
    until("the replicas to come back", LONG, || async {
        let path = ["get", "deployment/wiki-app", "-o", "jsonpath={.spec.replicas}"];
        let found = ground.kubectl(&[&["-n", &ground.namespace("wiki")?], &path[..]].concat())?;
        Ok(if found == "1" { Look::Done(()) } else { Look::NotYet(found) })
    })
    .await?;
    ground.quiet().await?;
    // The Service, the Deployment that was scaled, and the Secret and the Deployment of the commit.
    let writes: Vec<Request> =
        ground.asked().into_iter().filter(|request| request.is_write() && !request.is_of_records()).collect();
    ensure!(writes.iter().all(|write| write.method != "DELETE"), "{writes:#?}");
    ensure!(writes.len() == 4, "{writes:#?}");
    Ok(())
}

fn skip() -> bool {
    parts::skip_without(&[Part::ControlPlane, Part::Kwok])
}

/// What the views of the agent are defined by.
const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/manifests/05-crds.yaml");

/// A cluster behind a proxy, and a repository with three Apps.
struct Ground {
    plane: ControlPlane,
    proxy: ApiProxy,
    folder: Folder,
    repo: Repo,
}

impl Ground {
    async fn start() -> Result<Self> {
        let plane = ControlPlane::start(Options { folder: None, nodes: vec![FakeNode::user(NODE)] }).await?;
        let proxy = ApiProxy::start(plane.kubeconfig()).await?;
        let folder = Folder::temporary("economy")?;
        let repo = Repo::init_bare(&folder.path().join("apps.git"))?;
        let ground = Self { plane, proxy, folder, repo };
        // What is shown costs requests too.
        ground.kubectl(&["apply", "-f", DEFINITIONS])?;
        let root = ground.disk_root();
        let made = ground.command(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).run(LONG).await?;
        ensure!(made.status.success(), "disk init-root: {}", made.stderr);
        let mut files = Vec::new();
        for app in APPS {
            files.push((format!("{app}/kompoxops.yml"), entry(app, &root.to_string_lossy())));
            files.push((format!("{app}/compose.yml"), COMPOSE.to_owned()));
            files.push((format!("{app}/web.env"), "MODE=plain\n".to_owned()));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        ground.repo.publish(&files, "Three Apps")?;
        Ok(ground)
    }

    fn disk_root(&self) -> PathBuf {
        self.folder.path().join("disks")
    }

    fn command(&self, arguments: &[&str]) -> AgentCommand {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", self.proxy.kubeconfig())
            .env("KOMPOX_CACHE_DIR", self.folder.path().join("cache"))
    }

    /// Starts the agent, polling every second.
    async fn agent(&self) -> Result<Agent> {
        let text = format!(
            "cluster: /ws/acme/prv/home/cls/one\nsources:\n  - name: apps\n    url: {}\n    ref: {{branch: main}}\n    \
             interval: 1s\n",
            self.repo.remote()
        );
        let config = self.folder.write("agent.yml", &text)?;
        self.command(&["run", "--config", &config.to_string_lossy()]).start().await
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(self.plane.kubeconfig(), arguments)
    }

    fn namespace(&self, app: &str) -> Result<String> {
        let label = format!("app.kubernetes.io/name={app}");
        self.kubectl(&["get", "namespaces", "-l", &label, "-o", "jsonpath={.items[*].metadata.name}"])
    }

    /// Waits until the agent has written down that a commit is a success.
    async fn settled(&self, commit: &str) -> Result<()> {
        until(&format!("commit {commit} to be a success"), LONG, || async {
            record::success(self.plane.kubeconfig(), "apps", commit)
        })
        .await
    }

    /// Waits until nothing was asked for three seconds.
    async fn quiet(&self) -> Result<()> {
        let (mut seen, mut since) = (usize::MAX, Instant::now());
        until("the agent to be quiet", LONG, || {
            let asked = self.asked();
            if asked.len() != seen {
                (seen, since) = (asked.len(), Instant::now());
            }
            let is_quiet = since.elapsed() > Duration::from_secs(3);
            async move { Ok(if is_quiet { Look::Done(()) } else { Look::NotYet(format!("{:?}", asked.last())) }) }
        })
        .await
    }

    /// Every request but for watches and the Lease.
    fn asked(&self) -> Vec<Request> {
        self.proxy.requests().into_iter().filter(|request| !request.is_upkeep()).collect()
    }
}

fn entry(app: &str, root: &str) -> String {
    format!(
        "version: v1
workspace: {{name: acme}}
provider: {{name: home, driver: local, settings: {{LOCAL_ROOT: {root}}}}}
cluster: {{name: one, existing: true}}
app:
  name: {app}
  compose: file:compose.yml
  ingress:
    rules:
      - {{name: main, port: 8080, hosts: [{app}.example.com]}}
  volumes:
    - {{name: default, size: 1Gi}}
"
    )
}

const COMPOSE: &str = "services:
  web:
    image: nginx:1.29
    env_file: [web.env]
    ports: [\"8080:80\"]
    volumes: [\"./data:/data\"]
";
