//! One small shell process per test process that outlives it by a moment: when the test process ends,
//! also by SIGKILL, the guardian kills the process groups and removes the folders that were left.
//!
//! `PR_SET_PDEATHSIG` would need unsafe code, fires when the *thread* that spawned ends, does not
//! reach grandchildren and removes no folders. A pipe whose only writer is the test process closes
//! exactly when that process is gone.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result};

const SCRIPT: &str = include_str!("guardian.sh");

/// Held for the life of the process: dropping it would close the pipe and end everything.
static GUARDIAN: Mutex<Option<Guardian>> = Mutex::new(None);

struct Guardian {
    orders: ChildStdin,
    /// Kept, so that the shell stays this process's child until the end.
    _shell: Child,
}

/// Puts the process group `group` into the guardian's care.
///
/// # Errors
/// When `/bin/sh` cannot be started, or the guardian was killed.
pub fn watch(group: u32) -> Result<()> {
    order(&format!("watch {group}\n"))
}

/// Takes the process group `group` out of the guardian's care: it has ended and was reaped.
pub fn forget(group: u32) {
    // A guardian that is gone has nothing to forget.
    let _ = order(&format!("forget {group}\n"));
}

/// Has `folder` removed when this process ends. The path must be absolute and without line breaks.
///
/// # Errors
/// When the path is unusable, `/bin/sh` cannot be started, or the guardian was killed.
pub fn keep(folder: &Path) -> Result<()> {
    let text = folder.to_str().filter(|text| text.starts_with('/') && !text.contains('\n'));
    let text = text.with_context(|| format!("{} is no absolute UTF-8 path of one line", folder.display()))?;
    order(&format!("keep {text}\n"))
}

/// Takes `folder` out of the guardian's care: it was removed, or is to stay.
pub fn drop_folder(folder: &Path) {
    if let Some(text) = folder.to_str() {
        let _ = order(&format!("drop {text}\n"));
    }
}

/// Has a node's bridge and control groups, all called `name`, removed when this process ends.
///
/// # Errors
/// When `/bin/sh` cannot be started, or the guardian was killed.
pub(crate) fn watch_node(name: &str) -> Result<()> {
    order(&format!("node {name}\n"))
}

/// Takes a node's bridge and control groups out of the guardian's care: they were removed.
pub(crate) fn forget_node(name: &str) {
    let _ = order(&format!("left {name}\n"));
}

fn order(line: &str) -> Result<()> {
    let mut slot = GUARDIAN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let guardian = match slot.as_mut() {
        Some(guardian) => guardian,
        None => slot.insert(start()?),
    };
    guardian.orders.write_all(line.as_bytes()).context("the guardian process has ended: was it killed?")
}

fn start() -> Result<Guardian> {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "kompox-guardian"])
        .stdin(Stdio::piped())
        // Held open, an inherited output would keep `cargo test | tee` waiting.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C on the terminal must end the tests, not who cleans up after them.
        .process_group(0)
        .current_dir("/")
        .spawn()
        .context("cannot start /bin/sh, which cleans up after the tests")?;
    let orders = shell.stdin.take().context("the guardian has no standard input")?;
    Ok(Guardian { orders, _shell: shell })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::is_running;

    /// A process group of two: what a part with children looks like. Prints both ids.
    fn spawn_family() -> (Child, Vec<u32>) {
        use std::io::BufRead as _;
        let mut parent = Command::new("/bin/sh")
            .args(["-c", "sleep 60 & echo $! $$; wait"])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (parent, line.split_whitespace().map(|id| id.parse().unwrap()).collect())
    }

    #[test]
    fn ends_what_is_watched_and_removes_what_is_kept_when_its_pipe_closes() {
        let base = tempfile::tempdir().unwrap();
        let [left, removed_before] = ["left behind", "dropped"].map(|name| base.path().join(name));
        std::fs::create_dir_all(left.join("inner")).unwrap();
        std::fs::create_dir_all(&removed_before).unwrap();
        let (mut watched, watched_ids) = spawn_family();
        let (mut forgotten, forgotten_ids) = spawn_family();

        let mut guardian = start().unwrap();
        let orders = format!(
            "watch {}\nwatch {}\nforget {}\nkeep {}\nkeep {}\ndrop {}\n",
            watched.id(),
            forgotten.id(),
            forgotten.id(),
            removed_before.display(),
            left.display(),
            removed_before.display(),
        );
        guardian.orders.write_all(orders.as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(watched_ids.iter().all(|&id| is_running(id)), "nothing happens while the pipe is open");
        assert!(left.exists());

        drop(guardian.orders);
        guardian._shell.wait().unwrap();
        watched.wait().unwrap();
        assert!(!watched_ids.iter().any(|&id| is_running(id)), "the group has ended, children included");
        assert!(!left.exists());
        assert!(forgotten_ids.iter().all(|&id| is_running(id)), "what was forgotten lives on");
        assert!(removed_before.exists());
        crate::process::signal_group(forgotten.id(), rustix::process::Signal::KILL).unwrap();
        forgotten.wait().unwrap();
    }

    #[test]
    fn a_folder_that_could_be_misread_is_refused() {
        assert!(keep(Path::new("relative")).is_err());
        assert!(keep(Path::new("/tmp/two\nlines")).is_err());
    }
}
