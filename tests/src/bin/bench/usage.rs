//! What processes use, as the kernel counts it.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The kernel tells times to programs in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
/// Between two looks at a peak.
const STEP: Duration = Duration::from_millis(5);

/// CPU time of a process so far, user and system.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    ticks(&stat(&pid.to_string())?, [11, 12])
}

/// CPU time of all children of this process that have ended.
pub(crate) fn cpu_of_children() -> Result<Duration> {
    ticks(&stat("self")?, [13, 14])
}

/// Resident memory of a process, in KiB.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    kib(pid, "VmRSS:")
}

/// Watches a child until it ends; gives the most resident memory that it had, in KiB.
pub(crate) fn watch_peak(pid: u32) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut peak = 0;
        // The kernel keeps the peak itself, and forgets it when the process ends, before its parent is told.
        while let Ok(now) = kib(pid, "VmHWM:") {
            peak = now;
            std::thread::sleep(STEP);
        }
        peak
    })
}

fn kib(pid: u32, key: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
    line.trim().trim_end_matches(" kB").parse().with_context(|| format!("{key} no number"))
}

fn stat(process: &str) -> Result<String> {
    std::fs::read_to_string(format!("/proc/{process}/stat")).context("the process has ended")
}

/// The sum of two fields, counted from the one after the program's name, which may hold anything.
fn ticks(stat: &str, fields: [usize; 2]) -> Result<Duration> {
    let (_, rest) = stat.rsplit_once(')').context("no program's name")?;
    let all: Vec<&str> = rest.split_whitespace().collect();
    let mut sum = 0;
    for field in fields {
        sum += all.get(field).context("too few fields")?.parse::<u32>().context("no number")?;
    }
    Ok(TICK * sum)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn reads_behind_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 21 4 30 1 20 0";
        assert_eq!(ticks(stat, [11, 12]).unwrap(), Duration::from_millis(250));
        assert_eq!(ticks(stat, [13, 14]).unwrap(), Duration::from_millis(310));
        assert!(ticks("7 (a) S 1", [11, 12]).is_err());
    }

    #[test]
    fn sees_this_process() {
        assert!(memory(std::process::id()).unwrap() > 100);
        cpu(std::process::id()).unwrap();
        cpu_of_children().unwrap();
    }

    #[test]
    fn sees_the_peak_of_a_child_until_it_ends() {
        // It fills 20 MB, and goes on without them.
        let script = "x=$(head -c 20000000 /dev/zero | tr '\\0' x); unset x; sleep 0.2";
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let peak = watch_peak(child.id());
        assert!(child.wait().unwrap().success());
        assert!(peak.join().unwrap() > 20_000);
    }
}
