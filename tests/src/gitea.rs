//! A real Gitea on loopback: pushes, pull requests, comments and commit statuses, on SQLite, with one
//! administrator and a token.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rand::Rng as _;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::folder::Folder;
use crate::git::BRANCH;
use crate::parts::Part;
use crate::process::Process;
use crate::wait::{Look, until};
use crate::{kubeconfig, port};

/// The administrator, who owns all repositories.
pub const OWNER: &str = "kompox";

/// How long the server may take to answer; it takes some 2 s.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long each of the two set-up commands may take.
const SETUP_LIMIT: Duration = Duration::from_secs(60);
/// How long after a push its branch may still be unknown.
const BRANCH_LIMIT: Duration = Duration::from_secs(10);
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// A page that holds all statuses of a commit in any test.
const PAGE: usize = 50;

/// A running (or stopped) Gitea. Dropping it ends it.
#[derive(Debug)]
pub struct Gitea {
    process: Option<Process>,
    program: Program,
    url: String,
    token: Token,
    password: Token,
    http: reqwest::Client,
}

/// A secret that is not shown by `Debug`.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The program with its data.
#[derive(Debug)]
struct Program {
    binary: PathBuf,
    configuration: PathBuf,
    folder: Folder,
}

/// One status of a commit, as Gitea keeps it: every change is a row of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommitStatus {
    /// The row's number; later ones are higher.
    pub id: u64,
    /// What was checked.
    pub context: String,
    /// `pending`, `success`, `error`, `failure` or `warning`.
    #[serde(rename = "status")]
    pub state: String,
    /// What happened, in a sentence.
    pub description: String,
    /// Where to read more; empty if nowhere.
    pub target_url: String,
}

/// The latest status of every context, and what they come to together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombinedStatus {
    /// The worst of the states; empty when there is none.
    pub state: String,
    /// The latest status of each context.
    pub statuses: Vec<CommitStatus>,
}

/// What Gitea answers for the combined status; `statuses` is null when there are none.
#[derive(Deserialize)]
struct CombinedAnswer {
    state: String,
    statuses: Option<Vec<CommitStatus>>,
}

static SHARED: OnceCell<Gitea> = OnceCell::const_new();

impl Gitea {
    /// Starts a server with fresh data in a temporary folder, and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be built or started; the message quotes its log.
    pub async fn start() -> Result<Self> {
        Self::start_in(None).await
    }

    /// [`start`](Self::start) with its data in `folder`, if one is named; see [`Folder::named`].
    ///
    /// # Errors
    /// As [`start`](Self::start), and when the folder is not usable.
    pub async fn start_in(folder: Option<&Path>) -> Result<Self> {
        let part = Part::Gitea.folder().await?;
        let folder = Folder::named_or_temporary(folder, "gitea")?;
        let [port] = port::free()?;
        let url = format!("http://127.0.0.1:{port}");
        let text = configuration(&folder, &part.join("static"), port, &current_user()?);
        let configuration = folder.write("app.ini", &text)?;
        let program = Program { binary: part.join("gitea"), configuration, folder };
        let password = Token(random_password());
        program.set_up(&password).await?;
        kubeconfig::install_tls();
        let http = reqwest::Client::builder().no_proxy().timeout(REQUEST_LIMIT).build().context("no HTTP client")?;
        let mut gitea = Self { process: None, program, url, token: Token(String::new()), password, http };
        gitea.restart().await?;
        gitea.token = Token(gitea.make_token().await?);
        Ok(gitea)
    }

    /// The server that all tests of this process share, started by whoever asks first. Tests that use it
    /// choose repository names of their own and leave it running.
    ///
    /// # Errors
    /// As [`start`](Self::start); the next caller tries again.
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts the server again after [`stop`](Self::stop), on the same port with the same data; does
    /// nothing while it runs.
    ///
    /// # Errors
    /// When it does not answer in time; the message quotes its log.
    pub async fn restart(&mut self) -> Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let process = Process::spawn("gitea", self.program.command().arg("web"), &self.program.log())?;
        let process = self.process.insert(process);
        let health = format!("{}/api/healthz", self.url);
        until("Gitea to be ready", READY_LIMIT, || async {
            process.check_running()?;
            Ok(match self.http.get(&health).send().await.and_then(reqwest::Response::error_for_status) {
                Ok(_) => Look::Done(()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await
    }

    /// Stops the server; its port refuses connections until [`restart`](Self::restart).
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// The server's address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's token, which may do everything.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token.0
    }

    /// The administrator's password, for the web pages.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password.0
    }

    /// The folder with its data and log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.program.folder.path()
    }

    /// The server's process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Fails with the tail of its log if the server has ended by itself.
    ///
    /// # Errors
    /// When it has.
    pub fn check_running(&self) -> Result<()> {
        self.process.as_ref().map_or(Ok(()), Process::check_running)
    }

    /// Creates the empty repository [`OWNER`]`/<name>`.
    ///
    /// # Errors
    /// When Gitea refuses, for example because it is there already.
    pub async fn create_repository(&self, name: &str) -> Result<()> {
        let body = json!({ "name": name, "default_branch": BRANCH, "auto_init": false });
        self.call::<Value>(Method::POST, "user/repos", Some(body)).await.map(drop)
    }

    /// The repository's address without credentials, as users write it into `kompoxops.yml`.
    #[must_use]
    pub fn repository_url(&self, name: &str) -> String {
        format!("{}/{OWNER}/{name}.git", self.url)
    }

    /// The repository's address with the administrator's token, to push to.
    #[must_use]
    pub fn push_url(&self, name: &str) -> String {
        let host = self.url.trim_start_matches("http://");
        format!("http://{OWNER}:{}@{host}/{OWNER}/{name}.git", self.token.0)
    }

    /// Every status that was ever set on the commit, oldest first.
    ///
    /// # Errors
    /// When Gitea does not answer or does not know the commit.
    pub async fn statuses(&self, repository: &str, commit: &str) -> Result<Vec<CommitStatus>> {
        let path = format!("repos/{OWNER}/{repository}/commits/{commit}/statuses?sort=oldest&limit={PAGE}");
        let mut statuses: Vec<CommitStatus> = self.call(Method::GET, &path, None).await?;
        statuses.sort_by_key(|status| status.id);
        Ok(statuses)
    }

    /// The latest status of each context, and the state that Gitea shows beside the commit.
    ///
    /// # Errors
    /// When Gitea does not answer or does not know the commit.
    pub async fn combined_status(&self, repository: &str, commit: &str) -> Result<CombinedStatus> {
        let path = format!("repos/{OWNER}/{repository}/commits/{commit}/status?limit={PAGE}");
        let CombinedAnswer { state, statuses } = self.call(Method::GET, &path, None).await?;
        Ok(CombinedStatus { state, statuses: statuses.unwrap_or_default() })
    }

    /// Opens a pull request that would merge the branch `head` into `base`, and gives its number.
    ///
    /// # Errors
    /// When Gitea refuses, for example because the branches are equal or one is not there.
    pub async fn open_pull_request(&self, repository: &str, head: &str, base: &str, title: &str) -> Result<u64> {
        let path = format!("repos/{OWNER}/{repository}/pulls");
        let body = json!({ "head": head, "base": base, "title": title });
        // A pushed branch is known to Gitea's database only a moment after the push.
        let answer = until("Gitea to know the branches", BRANCH_LIMIT, || async {
            let answer = self.exchange(self.request(Method::POST, &path).json(&body), &path).await?;
            Ok(if answer.status == StatusCode::NOT_FOUND { Look::NotYet(answer.text) } else { Look::Done(answer) })
        });
        let answer: Value = answer.await?.success(&path)?;
        answer["number"].as_u64().context("Gitea's answer has no pull request number")
    }

    /// Any other request to Gitea's API: `path` is what follows `/api/v1/`. An empty answer is `null`.
    ///
    /// # Errors
    /// When Gitea does not answer with success, or the answer is not what was expected.
    pub async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> Result<T> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.exchange(request, path).await?.success(path)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1/{path}", self.url));
        request.header("authorization", format!("token {}", self.token.0))
    }

    async fn exchange(&self, request: RequestBuilder, path: &str) -> Result<Answer> {
        let response = request.send().await.with_context(|| format!("Gitea does not answer to {path}"))?;
        let status = response.status();
        let text = response.text().await.with_context(|| format!("Gitea breaks off its answer to {path}"))?;
        Ok(Answer { status, text })
    }

    async fn make_token(&self) -> Result<String> {
        let path = format!("users/{OWNER}/tokens");
        let request = self.http.post(format!("{}/api/v1/{path}", self.url)).basic_auth(OWNER, Some(&self.password.0));
        let request = request.json(&json!({ "name": "tests", "scopes": ["all"] }));
        let body: Value = self.exchange(request, &path).await?.success(&path)?;
        Ok(body["sha1"].as_str().context("Gitea's answer has no token")?.to_owned())
    }
}

/// What Gitea answered.
struct Answer {
    status: StatusCode,
    text: String,
}

impl Answer {
    fn success<T: DeserializeOwned>(self, path: &str) -> Result<T> {
        let Self { status, text } = self;
        if !status.is_success() {
            bail!("Gitea answers {status} to {path}: {text}");
        }
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).with_context(|| format!("Gitea answers something else than expected to {path}"))
    }
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--work-path").arg(self.folder.path()).arg("--config").arg(&self.configuration);
        // Test machines often have no other user, and the server hears only loopback.
        command.env("GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT", "true");
        command.env_remove("GITEA_WORK_DIR").env_remove("GITEA_CUSTOM");
        command.current_dir(self.folder.path());
        command
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("gitea.log")
    }

    /// Makes the database and the administrator.
    async fn set_up(&self, password: &Token) -> Result<()> {
        self.run("gitea migrate", self.command().arg("migrate")).await?;
        let mut create = self.command();
        create.args(["admin", "user", "create", "--admin", "--must-change-password=false"]);
        create.args(["--username", OWNER, "--email", "kompox@example.com", "--password", &password.0]);
        self.run("gitea admin user create", &mut create).await
    }

    async fn run(&self, name: &str, command: &mut Command) -> Result<()> {
        let process = Process::spawn(name, command, &self.log())?;
        let status = process.wait(SETUP_LIMIT).await?;
        if !status.success() {
            bail!("{name} failed ({status}):\n{}", crate::process::tail(&self.log()));
        }
        Ok(())
    }
}

fn configuration(folder: &Folder, static_root: &Path, port: u16, user: &str) -> String {
    let (data, static_root) = (folder.path().display(), static_root.display());
    format!(
        "\
APP_NAME = Kompox test forge
RUN_USER = {user}
RUN_MODE = prod

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static_root}
APP_DATA_PATH = {data}/data
OFFLINE_MODE = true
DISABLE_SSH = true

[database]
DB_TYPE = sqlite3
PATH = {data}/gitea.db
; Without these, whoever reads while somebody writes is refused as unknown where the disk is slow.
SQLITE_JOURNAL_MODE = WAL
SQLITE_TIMEOUT = 20000

[repository]
ROOT = {data}/repositories
DEFAULT_BRANCH = {BRANCH}

[security]
INSTALL_LOCK = true

[service]
DISABLE_REGISTRATION = true

[indexer]
ISSUE_INDEXER_TYPE = db

[actions]
ENABLED = false

[webhook]
ALLOWED_HOST_LIST = loopback

[log]
MODE = console
LEVEL = Warn
"
    )
}

/// Gitea refuses to run as anybody but the user that its configuration names.
fn current_user() -> Result<String> {
    let output = Command::new("id").arg("-un").output().context("cannot run `id`")?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if name.is_empty() { bail!("`id -un` does not know this user's name") } else { Ok(name) }
}

fn random_password() -> String {
    let mut random = rand::rng();
    (0..24).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect()
}
