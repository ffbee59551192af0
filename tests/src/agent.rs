//! The product's binary, run as its users run it: arguments, environment, signals, exit code, output.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::OnceCell;

use crate::folder::Folder;
use crate::process::{Killer, Process};

/// Names the binary to test; without it, the agent is built by cargo.
pub const BINARY: &str = "KOMPOX_AGENT";

/// What the agent inherits of the test's environment; all else is set by the test.
const INHERITED: [&str; 2] = ["PATH", "TMPDIR"];

static BUILT: OnceCell<PathBuf> = OnceCell::const_new();

/// How the agent is to be started.
#[derive(Debug, Clone, Default)]
pub struct AgentCommand {
    /// Another program than the agent, for the tests of this module.
    program: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    isolated: bool,
}

/// A running agent. Dropping it kills it, and in a test prints the end of its log: where the test fails, that is shown.
#[derive(Debug)]
pub struct Agent {
    process: Process,
    /// Whoever started it has what it wrote.
    is_finished: bool,
    stdout: PathBuf,
    stderr: PathBuf,
    // Last: the process ends before its folder goes.
    folder: Folder,
}

/// What an agent that has ended left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl AgentCommand {
    /// The agent with `arguments`.
    pub fn new<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Self { arguments, ..Self::default() }
    }

    /// Sets a variable. Of the test's own environment the agent sees only `PATH` and `TMPDIR`; `HOME` is
    /// an empty folder.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working folder; by default it is an empty one.
    #[must_use]
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Runs it in a process namespace of its own, as on another machine: neither it nor others can tell from
    /// the processes that they see whether the other one lives. Ask [`isolation_missing`] first.
    #[must_use]
    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// When it cannot be built or started.
    pub async fn start(&self) -> Result<Agent> {
        let binary = match &self.program {
            Some(program) => program,
            None => binary().await?,
        };
        let folder = Folder::temporary("agent")?;
        let mut command = if self.isolated { isolating(binary) } else { Command::new(binary) };
        command.args(&self.arguments).env_clear().env("HOME", folder.subfolder("home")?);
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(match &self.folder {
            Some(folder) => folder.clone(),
            None => folder.subfolder("work")?,
        });
        let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
        let process = Process::spawn_split("kompox-agent", &mut command, &stdout, &stderr)?;
        Ok(Agent { process, is_finished: false, stdout, stderr, folder })
    }

    /// Starts the agent and waits until it ends by itself.
    ///
    /// # Errors
    /// When it cannot be started, or runs longer than `limit`; it is killed then.
    pub async fn run(&self, limit: Duration) -> Result<Finished> {
        self.start().await?.finish(limit).await
    }
}

impl Agent {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A handle that kills it from elsewhere, see [`crate::proxy::ApiProxy::kill_at_write`].
    #[must_use]
    pub fn killer(&self) -> Killer {
        self.process.killer()
    }

    /// Its standard output so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stdout(&self) -> Result<String> {
        read(&self.stdout)
    }

    /// Its standard error so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stderr(&self) -> Result<String> {
        read(&self.stderr)
    }

    /// The last lines of its standard error, or why they cannot be read.
    #[must_use]
    pub fn last_words(&self) -> String {
        crate::process::tail(&self.stderr)
    }

    /// The folder with its outputs and its `HOME`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        self.process.exited()
    }

    /// Ends it at once: SIGKILL.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Asks it to end: SIGTERM.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&self) -> Result<()> {
        self.process.terminate()
    }

    /// Waits until it ends by itself and gives what it left.
    ///
    /// # Errors
    /// When it runs longer than `limit`; it is killed then, and the end of its error output is quoted.
    pub async fn finish(mut self, limit: Duration) -> Result<Finished> {
        self.is_finished = true;
        let status = self.process.wait(limit).await?;
        Ok(Finished { status, stdout: self.stdout()?, stderr: self.stderr()? })
    }
}

impl Drop for Agent {
    #[expect(clippy::print_stdout, reason = "a test's output is kept, and shown when it fails")]
    fn drop(&mut self) {
        // A program's own thread is `main`, a test's has its name.
        let is_test = std::thread::current().name().is_some_and(|name| name != "main");
        if is_test && !self.is_finished {
            println!("the end of the agent's log:\n{}", self.last_words());
        }
    }
}

impl Finished {
    /// The exit code, or `None` if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// What keeps this machine from running an agent in a process namespace of its own, in words.
#[must_use]
pub fn isolation_missing() -> Option<String> {
    let output = isolating(Path::new("/bin/true")).output();
    let possible = output.is_ok_and(|output| output.status.success());
    (!possible).then(|| "a process namespace of its own needs root and `unshare`".to_owned())
}

/// A command in a process namespace of its own. It goes with the process that is started, which leaves SIGTERM,
/// sent to the whole process group, to it.
fn isolating(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(program);
    command
}

/// The agent's binary: the one that [`BINARY`] names, else built once by cargo, beside this program.
///
/// # Errors
/// When it is not there, or the build fails.
pub async fn binary() -> Result<&'static Path> {
    BUILT.get_or_try_init(find_or_build).await.map(PathBuf::as_path)
}

async fn find_or_build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(BINARY).filter(|path| !path.is_empty()) {
        // The agent starts in another folder.
        let path = std::path::absolute(&path).with_context(|| format!("{BINARY} names no usable path"))?;
        if !path.is_file() {
            bail!("{BINARY} names {}, which is not a file", path.display());
        }
        return Ok(path);
    }
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let (target, release) = target_folder(&program)
        .with_context(|| format!("{} is in no cargo target folder: set {BINARY}", program.display()))?;
    let target = target.to_owned();
    let build = tokio::task::spawn_blocking(move || build(&target, release)).await;
    build.context("the build was broken off")?
}

/// The target folder that a test or program of this workspace lies in, and whether in its release profile.
fn target_folder(program: &Path) -> Option<(&Path, bool)> {
    let mut profile = program.parent()?;
    if profile.ends_with("deps") || profile.ends_with("examples") {
        profile = profile.parent()?;
    }
    let release = match profile.file_name()?.to_str()? {
        "debug" => false,
        "release" => true,
        _ => return None,
    };
    Some((profile.parent()?, release))
}

/// Built as a part of the whole workspace: with the features that `cargo test --workspace` has built the
/// dependencies with, so that nothing is compiled twice.
fn build(target: &Path, release: bool) -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&workspace).args(["build", "--workspace", "--bin", "kompox-agent"]);
    command.arg("--target-dir").arg(target).args(release.then_some("--release"));
    let output = command.output().context("cannot run cargo to build kompox-agent")?;
    if !output.status.success() {
        bail!("cannot build kompox-agent:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let binary = target.join(if release { "release" } else { "debug" }).join("kompox-agent");
    if !binary.is_file() {
        bail!("cargo built kompox-agent, but not as {}", binary.display());
    }
    Ok(binary)
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> AgentCommand {
        AgentCommand { program: Some("/bin/sh".into()), ..AgentCommand::new(["-c", script]) }
    }

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn gives_both_outputs_and_the_exit_code() {
        let finished = shell("echo out; echo err >&2; exit 3").run(SOON).await.unwrap();
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.code(), Some(3));
    }

    #[tokio::test]
    async fn sees_only_the_environment_that_the_test_gives() {
        let command =
            shell("env | grep -v -E '^(PATH|TMPDIR|PWD|OLDPWD|SHLVL|_)='; ls -A . \"$HOME\"").env("GIVEN", "yes");
        let agent = command.start().await.unwrap();
        let home = agent.folder().join("home");
        let finished = agent.finish(SOON).await.unwrap();
        let mut lines: Vec<&str> = finished.stdout.lines().collect();
        lines.sort_unstable();
        let home_line = format!("HOME={}", home.display());
        let home_list = format!("{}:", home.display());
        assert_eq!(lines, ["", ".:", &home_list, "GIVEN=yes", &home_line]);
    }

    #[tokio::test]
    async fn tells_a_polite_end_from_a_kill() {
        let agent = shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done").start().await.unwrap();
        crate::wait::until("the trap", SOON, || async {
            let stdout = agent.stdout()?;
            Ok(if stdout == "up\n" { crate::wait::Look::Done(()) } else { crate::wait::Look::NotYet(stdout) })
        })
        .await
        .unwrap();
        agent.terminate().unwrap();
        assert_eq!(agent.finish(SOON).await.unwrap().code(), Some(0));

        let agent = shell("sleep 60").start().await.unwrap();
        agent.killer().kill().unwrap();
        agent.kill().unwrap();
        assert!(crate::process::was_killed(agent.finish(SOON).await.unwrap().status));
    }

    #[tokio::test]
    async fn one_that_runs_too_long_is_killed_and_quoted() {
        let agent = shell("echo still here >&2; sleep 60").start().await.unwrap();
        let pid = agent.pid();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let error = agent.finish(Duration::from_millis(300)).await.unwrap_err().to_string();
        assert!(error.contains("still runs after 0.3 s") && error.ends_with("still here"), "{error}");
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let command = AgentCommand { program: Some("/nonexistent/agent".into()), ..AgentCommand::default() };
        let error = command.start().await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/agent"), "{error}");
    }

    #[test]
    fn finds_the_target_folder_of_tests_and_programs() {
        let of = |path| target_folder(Path::new(path)).map(|(folder, release)| (folder.to_owned(), release));
        assert_eq!(of("/t/debug/deps/e2e-0123"), Some(("/t".into(), false)));
        assert_eq!(of("/t/release/cluster"), Some(("/t".into(), true)));
        assert_eq!(of("/usr/bin/cluster"), None);
    }
}
