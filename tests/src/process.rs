//! Child processes that are always ended: each in its own process group, its output in a log file, in the
//! care of the [`guardian`] from its first moment.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::guardian;

/// Between two looks at a process that should end.
const STEP: Duration = Duration::from_millis(10);
/// How long a process may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long a killed process's children are waited for; they are not this process's to reap.
const LINGER: Duration = Duration::from_secs(2);
/// How much of a log an error message quotes.
const TAIL_LINES: usize = 25;

/// A running program. Dropping it ends the whole process group with SIGKILL.
#[derive(Debug)]
pub struct Process {
    shared: Arc<Shared>,
}

/// Kills a [`Process`] from elsewhere, such as a proxy's callback between two writes.
#[derive(Debug, Clone)]
pub struct Killer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    pid: u32,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Process {
    /// Starts `command` with both outputs appended to the file `log`. `name` is for messages.
    ///
    /// # Errors
    /// When the program or the log file cannot be opened.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = open_log(log)?;
        let errors = output.try_clone().context("cannot share the log file")?;
        Self::spawn_with(name, command.stdout(output).stderr(errors), log)
    }

    /// Starts `command` with its outputs apart: `stdout` and `stderr` name the files.
    ///
    /// # Errors
    /// When the program or one of the files cannot be opened.
    pub fn spawn_split(name: &str, command: &mut Command, stdout: &Path, stderr: &Path) -> Result<Self> {
        Self::spawn_with(name, command.stdout(open_log(stdout)?).stderr(open_log(stderr)?), stderr)
    }

    fn spawn_with(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let program = command.get_program().to_os_string();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        let pid = child.id();
        let shared = Shared { name: name.to_owned(), pid, log: log.to_owned(), child: Mutex::new(child) };
        let process = Self { shared: Arc::new(shared) };
        // On failure the value is dropped here, and the process with it.
        guardian::watch(pid)?;
        Ok(process)
    }

    /// The process id, which is the id of its process group too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shared.pid
    }

    /// The file that receives the output (of a split process: the error output).
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.shared.log
    }

    /// A handle that can kill this process from another place or thread.
    #[must_use]
    pub fn killer(&self) -> Killer {
        Killer { shared: Arc::clone(&self.shared) }
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        self.shared.exited(&mut self.shared.child())
    }

    /// Fails with the tail of the log when the process has ended, for use while waiting for its service.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check_running(&self) -> Result<()> {
        match self.exited()? {
            None => Ok(()),
            Some(status) => {
                let Shared { name, log, .. } = &*self.shared;
                bail!("{name} has ended ({status}); the end of {}:\n{}", log.display(), tail(log))
            }
        }
    }

    /// Asks it to end (SIGTERM to the process group) without waiting.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&self) -> Result<()> {
        self.shared.signal(Signal::TERM)
    }

    /// Ends it at once (SIGKILL to the process group) and waits until it is gone.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(&self) -> Result<()> {
        self.shared.kill()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it still runs after `limit`; it is left running and the log's tail is quoted.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if start.elapsed() >= limit {
                let Shared { name, log, .. } = &*self.shared;
                let seconds = limit.as_secs_f32();
                bail!("{name} still runs after {seconds} s; the end of {}:\n{}", log.display(), tail(log));
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// Ends it politely: SIGTERM, five seconds of grace, SIGKILL.
    ///
    /// # Errors
    /// When a signal cannot be sent.
    pub async fn stop(&self) -> Result<()> {
        self.terminate()?;
        if self.wait(GRACE).await.is_err() {
            self.kill()?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Failing here means that it is gone or that the guardian must do it.
        let _ = self.shared.kill();
    }
}

impl Killer {
    /// Ends the process at once (SIGKILL to its group) and waits until it is gone.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(&self) -> Result<()> {
        self.shared.kill()
    }
}

impl Shared {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reaps the child if it has ended. Whoever signals holds the same lock, so that the id cannot
    /// have been given to another process meanwhile.
    fn exited(&self, child: &mut Child) -> Result<Option<ExitStatus>> {
        let status = child.try_wait().with_context(|| format!("cannot ask for the state of {}", self.name))?;
        if status.is_some() {
            guardian::forget(self.pid);
        }
        Ok(status)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child();
        if self.exited(&mut child)?.is_some() {
            return Ok(());
        }
        signal_group(self.pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Comes back when the process is reaped and its children are gone too, if they go in time.
    fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        let mut child = self.child();
        child.wait().with_context(|| format!("cannot await the end of {}", self.name))?;
        self.exited(&mut child)?;
        let start = Instant::now();
        while group_id(self.pid).is_ok_and(|id| test_kill_process_group(id).is_ok()) && start.elapsed() < LINGER {
            std::thread::sleep(STEP);
        }
        Ok(())
    }
}

/// Signals a process group that this process started and has not reaped.
pub(crate) fn signal_group(group: u32, signal: Signal) -> Result<()> {
    kill_process_group(group_id(group)?, signal).with_context(|| format!("cannot signal the process group {group}"))
}

fn group_id(group: u32) -> Result<Pid> {
    let id = i32::try_from(group).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| anyhow!("{group} is no process id"))
}

/// Whether the process was ended by SIGKILL.
#[must_use]
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// Whether a process with this id runs. One that has ended and was not reaped yet does not.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The ids of everything that descends from the process `pid`, itself excluded.
#[must_use]
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        // A process that has ended meanwhile has no threads.
        for thread in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children: Vec<u32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
            found.extend(&children);
            parents.extend(children);
        }
    }
    found
}

/// The last lines of a log file, or why it cannot be read.
#[must_use]
pub fn tail(log: &Path) -> String {
    match std::fs::read(log) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        }
        Err(error) => format!("(the log cannot be read: {error})"),
    }
}

/// Where a program is, looked for in the folders that `path` lists as the variable `PATH` does.
#[must_use]
pub fn find_program_in(name: &str, path: &OsStr) -> Option<PathBuf> {
    if Path::new(name).is_absolute() {
        return Some(PathBuf::from(name)).filter(|program| program.is_file());
    }
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn open_log(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("cannot open the log {}", path.display()))
}
