//! The identity of a process that wants to hold the Lease.

use std::fmt;
use std::path::Path;

/// A process, told apart from every other one, also from itself after a restart.
///
/// Written as `<host>/<process id>/<boot>-<process namespace>/<random>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    host: String,
    process: u32,
    place: String,
    random: String,
}

impl Holder {
    /// This process.
    pub(crate) fn this_process() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().replace('/', "-");
        Self {
            host: if host.is_empty() { "unknown-host".to_owned() } else { host },
            process: std::process::id(),
            place: place().unwrap_or_else(|| "unknown".to_owned()),
            random: format!("{:08x}", rand::random::<u32>()),
        }
    }

    /// A holder for people. One that another program wrote is told as it is.
    pub(crate) fn describe(holder: &str) -> String {
        match holder.split('/').collect::<Vec<_>>().as_slice() {
            [host, process, _, _] => format!("process {process} on {host}"),
            _ => holder.to_owned(),
        }
    }

    /// Whether a holder was a process of this very system (same boot, same process namespace) that
    /// does not exist any more. It need not be waited for.
    pub(super) fn is_dead_here(holder: &str) -> bool {
        let [_, process, holders_place, _] = holder.split('/').collect::<Vec<_>>()[..] else { return false };
        let Ok(process) = process.parse::<u32>() else { return false };
        place().is_some_and(|place| place == holders_place) && !Path::new("/proc").join(process.to_string()).exists()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}/{}", self.host, self.process, self.place, self.random)
    }
}

/// Where process ids mean the same: this boot, this process namespace. `None` where the system does
/// not say.
fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    // `pid:[4026531836]`
    let namespace: String = namespace.to_str()?.chars().filter(char::is_ascii_digit).collect();
    let own = Path::new("/proc").join(std::process::id().to_string());
    // A /proc of another namespace would tell the wrong processes.
    own.exists().then(|| format!("{}-{namespace}", boot.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_unique_and_readable() {
        let (one, other) = (Holder::this_process(), Holder::this_process());
        assert_ne!(one.to_string(), other.to_string());
        let text = Holder::describe(&one.to_string());
        assert_eq!(text, format!("process {} on {}", std::process::id(), one.host));
        assert_eq!(Holder::describe("agent-7c9_uuid"), "agent-7c9_uuid");
    }

    #[test]
    fn only_a_process_that_ended_here_is_dead() {
        let alive = Holder::this_process();
        assert!(!Holder::is_dead_here(&alive.to_string()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = Holder { process: child.id(), ..alive.clone() };
        child.wait().unwrap();
        assert!(Holder::is_dead_here(&ended.to_string()));
        let elsewhere = Holder { place: "other-boot-1".into(), ..ended };
        assert!(!Holder::is_dead_here(&elsewhere.to_string()));
        for odd in ["", "a/b/c/d", "agent", "a/1/2/3/4"] {
            assert!(!Holder::is_dead_here(odd), "{odd}");
        }
    }
}
