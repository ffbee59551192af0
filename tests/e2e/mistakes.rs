//! Commits that look like mistakes, and repositories that come over half: nothing is deleted because of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use kompox_tests::git::Repo;
use kompox_tests::record;
use kompox_tests::wait::{Look, until};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::world::{LONG, World, skip};

/// The Apps of the repository, each in the folder of its name.
const APPS: [&str; 2] = ["blog", "shop"];

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_look_like_mistakes_delete_nothing_and_say_what_is_wrong() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let agent = world.start_agent().await?;
    let good = good(&world)?;
    let first = world.push(&good, "Two Apps")?;
    world.await_status(&first, "success").await?;
    let before = deployments(&world)?;
    ensure!(before.lines().count() == 2 && world.disks()?.len() == 2, "{before}");

    let (shop, copy) = ("shop/kompoxapp.yml", "copy/kompoxapp.yml");
    let mistakes = [
        ("Rename", shop, entry(&world, "store", "cluster1"), "`shop` left Git and `store` comes with its host"),
        ("Name another cluster", shop, entry(&world, "shop", "cluster2"), "is for the Cluster /ws/"),
        ("Forget the App", shop, without_app(&world), "its entry shop/kompoxapp.yml is still there, but holds no App"),
        ("Break the file", shop, ": [".to_owned(), "shop/kompoxapp.yml:1:"),
        ("Say it twice", copy, entry(&world, "shop", "cluster1"), "is in another entry too, at shop/kompoxapp.yml:"),
    ];
    for (message, file, text, words) in mistakes {
        world.forget_when_told().await?;
        let commit = world.repo.publish(&[(file, &text)], message)?;
        world.await_status(&commit, "failure").await?;
        let problems = until(&format!("the problem of {message:?}"), LONG, || async {
            let status = world.agent(["status", "-o", "json"]).run(LONG).await?;
            let status: Value = serde_json::from_str(&status.stdout).context(status.stderr)?;
            let problems = status["sources"][0]["problems"].to_string();
            Ok(if problems.contains(words) { Look::Done(problems) } else { Look::NotYet(problems) })
        })
        .await?;
        ensure!(file == shop || problems.contains(copy), "only one of both is named: {problems}");
        ensure!(world.writes().is_empty(), "{message}: {:?}", world.writes());
        ensure!(deployments(&world)? == before, "{message}: {}", deployments(&world)?);
        let back = if file == copy {
            let back = world.repo.commit_removal(&[copy], "Say it once")?;
            world.repo.push("main")?;
            back
        } else {
            world.push(&good, "Put it back")?
        };
        world.await_status(&back, "success").await?;
        ensure!(world.writes().is_empty(), "after {message}: {:?}", world.writes());
    }
    ensure!(deployments(&world)? == before && world.disks()?.len() == 2);
    ensure!(agent.exited()?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_comes_over_half_removes_nothing() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let line = Line::to(world.gitea.url()).await?;
    let own = world.gitea.url().trim_end_matches('/').to_owned();
    let config = std::fs::read_to_string(world.config()?)?.replace(&own, &format!("http://{}", line.address));
    let without_forge = config.lines().filter(|line| !line.trim_start().starts_with("forge:"));
    let config = world.folder.write("line.yml", &without_forge.map(|line| format!("{line}\n")).collect::<String>())?;
    let agent = world.agent(["run", "--config", &config.to_string_lossy()]).start().await?;
    let first = world.push(&good(&world)?, "Two Apps")?;
    until("the first commit", LONG, || async { record::success(world.plane.kubeconfig(), "apps", &first) }).await?;
    let before = deployments(&world)?;
    world.proxy.forget();

    // One App leaves, and what says so is long: it breaks off in the list of branches, and later and later in the pack.
    line.cut_after(100);
    world.repo.commit_removal(&["blog/kompoxapp.yml"], "Remove the blog")?;
    let noise: String = (0_u32..40_000).map(|number| format!("{:08x}\n", number.wrapping_mul(2_654_435_761))).collect();
    let second = world.repo.publish(&[("noise", &noise)], "Add what is long")?;
    for bytes in [100, 700, 2_000, 20_000, 100_000] {
        line.cut_after(bytes);
        let failed = failures(&agent)?;
        // Without it, each try waits longer than the one before.
        let asked = world.agent(["sync", "apps"]).run(LONG).await?;
        ensure!(asked.status.success(), "{}", asked.stderr);
        until(&format!("a fetch that ends after {bytes} bytes"), LONG, || async {
            let now = failures(&agent)?;
            Ok(if now > failed { Look::Done(()) } else { Look::NotYet(format!("{now} failures")) })
        })
        .await?;
        ensure!(world.writes().is_empty(), "after {bytes} bytes: {:?}", world.writes());
        ensure!(deployments(&world)? == before, "after {bytes} bytes");
    }
    line.cut_after(usize::MAX);
    world.agent(["sync", "apps"]).run(LONG).await?;
    let held = until("the removal to be seen", LONG, || async {
        let holds = world.agent(["hold", "list"]).run(LONG).await?.stdout;
        Ok(if holds.contains("the App left Git and has disks") { Look::Done(holds) } else { Look::NotYet(holds) })
    })
    .await?;
    ensure!(held.contains("/blog"), "of {second}: {held}");
    ensure!(deployments(&world)? == before && world.disks()?.len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_two_sources_list_stays_with_the_first_and_the_other_one_is_told() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    world.gitea.create_repository("other").await?;
    let other = Repo::for_remote(&world.gitea.push_url("other"))?;
    let config = std::fs::read_to_string(world.config()?)?;
    let (_, first_source) = config.split_once("sources:\n").context("the configuration has no sources")?;
    let (name, url) = ("name: apps", format!("{}.git", world.gitea.repository_url("apps").trim_end_matches(".git")));
    let other_url = format!("{}.git", world.gitea.repository_url("other").trim_end_matches(".git"));
    let second_source = first_source.replace(name, "name: other").replace(&url, &other_url);
    ensure!(second_source.contains("name: other") && second_source.contains(&other_url), "{second_source}");
    let config = world.folder.write("two.yml", &format!("{config}{second_source}"))?;
    let agent = world.agent(["run", "--config", &config.to_string_lossy()]).start().await?;
    let good = good(&world)?;
    let first = world.push(&good, "Two Apps")?;
    until("the first source", LONG, || async { record::success(world.plane.kubeconfig(), "apps", &first) }).await?;
    let before = deployments(&world)?;

    world.forget_when_told().await?;
    let changed = good[1].1.replace("nginx:1.27", "nginx:1.28");
    other.publish(&[(good[1].0.as_str(), &changed)], "The same App")?;
    until("the other source to be told", LONG, || async {
        let status = world.agent(["status", "-o", "json"]).run(LONG).await?;
        let status: Value = serde_json::from_str(&status.stdout).context(status.stderr)?;
        let sources = status["sources"].as_array().context("no sources")?;
        let told = sources.iter().find(|source| source["name"] == "other");
        let problems = told.map(|source| source["problems"].to_string()).unwrap_or_default();
        let both = ["belongs to the source `apps`", "`other` lists it too", "shop/kompoxapp.yml:"];
        Ok(if both.iter().all(|words| problems.contains(words)) {
            Look::Done(())
        } else {
            Look::NotYet(status.to_string())
        })
    })
    .await?;
    ensure!(world.writes().is_empty(), "{:?}", world.writes());
    ensure!(deployments(&world)? == before, "{}", deployments(&world)?);
    ensure!(agent.exited()?.is_none());
    Ok(())
}

/// How often a fetch has failed.
fn failures(agent: &kompox_tests::agent::Agent) -> Result<usize> {
    Ok(agent.stderr()?.matches("cannot fetch; the last good commit is kept").count())
}

/// Names and UIDs of the Deployments.
fn deployments(world: &World) -> Result<String> {
    let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.generation}{\"\\n\"}{end}";
    world.kubectl(&["get", "deployments", "-A", "-l", "app.kubernetes.io/managed-by=kompox", "-o", path])
}

/// The files of both Apps.
fn good(world: &World) -> Result<Vec<(String, String)>> {
    Ok(APPS.iter().map(|app| (format!("{app}/kompoxapp.yml"), entry(world, app, "cluster1"))).collect())
}

/// An entry with an App in a Cluster. Its host is the same whatever it is called.
fn entry(world: &World, app: &str, cluster: &str) -> String {
    let host = if app == "blog" { "blog.example.com" } else { "shop.example.com" };
    let (workspace, provider) = ("/ws/aks-e2e-gitea-20250925-060355", "prv/aks1");
    format!(
        "{base}---\napiVersion: ops.kompox.dev/v1alpha1\nkind: App\nmetadata: {{name: {app}, annotations: \
         {{ops.kompox.dev/id: {workspace}/{provider}/cls/{cluster}/app/{app}}}}}\nspec:\n  compose: |\n    services:\n      \
         web:\n        image: nginx:1.27\n        ports: [\"80:80\"]\n        volumes: [\"data:/srv\"]\n    volumes: \
         {{data: {{}}}}\n  volumes: [{{name: data, size: 1Gi}}]\n  ingress: {{rules: [{{name: main, port: 80, hosts: \
         [{host}]}}]}}\n",
        base = documents(world, cluster),
    )
}

/// An entry whose App was forgotten.
fn without_app(world: &World) -> String {
    documents(world, "cluster1")
}

fn documents(world: &World, cluster: &str) -> String {
    let (workspace, root) = ("aks-e2e-gitea-20250925-060355", world.disk_root());
    let document = |kind: &str, name: &str, id: &str, spec: &str| {
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, annotations: \
             {{ops.kompox.dev/id: /ws/{workspace}{id}}}}}\nspec: {spec}\n"
        )
    };
    let provider = format!("{{driver: local, settings: {{LOCAL_ROOT: {}}}}}", root.display());
    let all = [
        document("Workspace", workspace, "", "{}"),
        document("Provider", "aks1", "/prv/aks1", &provider),
        document("Cluster", cluster, &format!("/prv/aks1/cls/{cluster}"), "{existing: true}"),
    ];
    all.join("---\n")
}

/// A line to a server that breaks off.
struct Line {
    address: SocketAddr,
    /// So many bytes of a connection come over.
    limit: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Line {
    /// A line that holds, to the server of a URL.
    async fn to(url: &str) -> Result<Self> {
        let server = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let limit = Arc::new(AtomicUsize::new(usize::MAX));
        let of_task = Arc::clone(&limit);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, limit) = (server.clone(), Arc::clone(&of_task));
                // A connection that breaks is what this is for.
                tokio::spawn(async move { carry(client, &server, &limit).await.ok() });
            }
        });
        Ok(Self { address, limit, task })
    }

    /// Lets so many bytes of each connection come over from now on, also of those that are open.
    fn cut_after(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: &str, limit: &AtomicUsize) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let asking =
        async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop).map_err(anyhow::Error::new) };
    let answering = async {
        let (mut buffer, mut carried) = (vec![0; 4096], 0);
        loop {
            let read = from_server.read(&mut buffer).await?;
            let room = limit.load(Ordering::SeqCst).saturating_sub(carried);
            to_client.write_all(&buffer[..read.min(room)]).await?;
            carried += read;
            if read == 0 || read >= room {
                return Ok::<_, anyhow::Error>(());
            }
        }
    };
    tokio::select! {
        done = answering => done,
        // The client has said everything; the answer may still come.
        asked = asking => { asked?; std::future::pending().await }
    }
}
