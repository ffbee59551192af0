//! A webhook of a real Gitea makes the agent fetch; one that another secret has signed does nothing.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::Agent;
use kompox_tests::gitea::OWNER;
use kompox_tests::port;
use kompox_tests::wait::{Look, until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{LONG, World, skip};

const SECRET: &str = "a-secret-of-a-webhook";

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_deployed_at_once_where_the_forge_says_so() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let before = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    let hooked = Hooked::start(&world).await?;
    // From here on the next poll is an hour away.
    world.await_status(&before, "success").await?;
    ensure!(hooked.count("kompox_fetches_total", "taken").await? == 1, "it polls");

    let hook = hooked.register("another-secret-than-the-agent's").await?;
    let version = |number: u32| move |text: &str| text.replace("gitea:1.24.6", &format!("gitea:1.24.{number}"));
    let unheard = world.push_change("compose.yml", version(7), "Update Gitea")?;
    until("the webhook with a wrong secret to come", LONG, || async {
        let refused = hooked.count("kompox_webhooks_total", "refused").await?;
        Ok(if refused > 0 { Look::Done(()) } else { Look::NotYet(hooked.agent.stderr()?) })
    })
    .await?;
    hooked.unregister(hook).await?;
    let forged = hooked.post("x-gitlab-token", "another-secret-than-the-agent's").await?;
    ensure!(forged == StatusCode::UNAUTHORIZED, "{forged}");
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    ensure!(hooked.count("kompox_fetches_total", "taken").await? == 1, "it fetches for anybody");
    ensure!(world.statuses(&unheard, "kompox/cluster1").await?.is_empty(), "it has seen the commit");

    hooked.register(SECRET).await?;
    let text = std::fs::read_to_string(world.repo.work_tree().join("compose.yml"))?;
    let next = world.repo.publish(&[("compose.yml", &text.replace("gitea:1.24.7", "gitea:1.24.8"))], "Update again")?;
    world.await_status(&next, "success").await?;
    ensure!(hooked.count("kompox_webhooks_total", "taken").await? > 0, "something else made it fetch");
    let log = hooked.agent.stderr()?;
    ensure!(log.contains("a webhook asks to fetch") && !log.contains(SECRET), "{log}");

    // GitLab sends the secret itself.
    let given = hooked.post("x-gitlab-token", SECRET).await?;
    ensure!(given == StatusCode::ACCEPTED, "{given}");
    Ok(())
}

/// An agent that polls once an hour and takes webhooks.
struct Hooked<'w> {
    world: &'w World,
    agent: Agent,
    status: u16,
    webhooks: u16,
    http: reqwest::Client,
}

impl<'w> Hooked<'w> {
    async fn start(world: &'w World) -> Result<Self> {
        let [status, webhooks] = port::free()?;
        let config = std::fs::read_to_string(world.config()?)?;
        let seldom = config.replace("interval: 1s", "interval: 1h\n    webhook: {secretFile: hook-secret}");
        ensure!(seldom != config, "the configuration has another interval");
        let server = format!("server: {{listen: \"127.0.0.1:{status}\", webhooks: \"127.0.0.1:{webhooks}\"}}\n");
        let config = world.folder.write("hooked.yml", &format!("{seldom}{server}"))?;
        world.folder.write("hook-secret", &format!("{SECRET}\n"))?;
        let agent = world.agent(["run", "--config", &config.to_string_lossy()]).start().await?;
        let http = reqwest::Client::builder().no_proxy().timeout(LONG).build().context("no HTTP client")?;
        Ok(Self { world, agent, status, webhooks, http })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/apps", self.webhooks)
    }

    /// Makes a webhook on the forge, for pushes; its number.
    async fn register(&self, secret: &str) -> Result<u64> {
        let config = json!({ "url": self.url(), "content_type": "json", "secret": secret });
        let body = json!({ "type": "gitea", "config": config, "events": ["push"], "active": true });
        let path = format!("repos/{OWNER}/apps/hooks");
        let made: Value = self.world.gitea.call(Method::POST, &path, Some(body)).await?;
        made["id"].as_u64().context("Gitea's answer has no number of the webhook")
    }

    async fn unregister(&self, hook: u64) -> Result<()> {
        let path = format!("repos/{OWNER}/apps/hooks/{hook}");
        self.world.gitea.call::<Value>(Method::DELETE, &path, None).await.map(drop)
    }

    async fn post(&self, header: &str, value: &str) -> Result<StatusCode> {
        let request = self.http.post(self.url()).header(header, value).body("{}");
        Ok(request.send().await.context("the agent does not answer")?.status())
    }

    /// A number that the agent has counted.
    async fn count(&self, metric: &str, outcome: &str) -> Result<u64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.status);
        let text = self.http.get(url).send().await.context("the agent does not answer")?.text().await?;
        let series = format!("{metric}{{source=\"apps\",outcome=\"{outcome}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or("0");
        value.parse().with_context(|| format!("{series}{value}"))
    }
}
