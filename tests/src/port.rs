//! Free ports on the loopback address.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use rand::Rng as _;

/// Below Linux's range for outgoing connections (from 32768) and Kubernetes' node ports (from 30000), so
/// that neither takes a port between its choice and its use.
const RANGE: Range<u16> = 18_000..30_000;
/// How many ports are tried before giving up.
const ATTEMPTS: usize = 1_000;

/// What this process has dealt out: a second caller must not get a port whose program is still starting.
static DEALT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// `N` different ports of 127.0.0.1 on which nobody listens, never the same twice in one process.
///
/// # Errors
/// When no free port is found.
pub fn free<const N: usize>() -> Result<[u16; N]> {
    let mut dealt = DEALT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = Vec::with_capacity(N);
    for _ in 0..ATTEMPTS {
        let port = rand::rng().random_range(RANGE);
        if !dealt.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            dealt.insert(port);
            found.push(port);
        }
        if let Ok(ports) = <[u16; N]>::try_from(found.as_slice()) {
            return Ok(ports);
        }
    }
    bail!("no {N} free ports on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}
