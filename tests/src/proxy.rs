//! The API server behind a recorder: plain HTTP on loopback in front of the real server, every request
//! written down, and faults on command at any write.
//!
//! The proxy adds the credentials of the kubeconfig that it was started with, streams answers (watches
//! work), and runs on a thread of its own, so that a test that blocks does not stop it. It does not carry
//! connections that switch protocols (`exec`, `port-forward`).

mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use http::StatusCode;
use tokio::sync::{oneshot, watch};

use crate::folder::Folder;
use crate::kubeconfig::{self, User};
use crate::process::Killer;
use crate::traffic::Request;

/// A running proxy. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct ApiProxy {
    shared: Arc<Shared>,
    url: String,
    kubeconfig: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: Folder,
}

/// When a callback runs, seen from its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The proxy has the request, the server does not.
    Before,
    /// The server has done it and answered; the client does not know yet.
    After,
}

/// What happens to the write after a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It takes its course.
    Continue,
    /// The client's connection is closed without an answer. Before the forwarding, the server never sees
    /// the write.
    Drop,
}

type Callback = Box<dyn FnOnce() -> Then + Send>;

/// What happens at a write.
enum Fault {
    Fail(StatusCode),
    Call(When, Callback),
}

/// What the server's tasks and the test both see.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    down: watch::Sender<bool>,
    /// Every request about this resource is refused.
    refused: Mutex<Option<String>>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// Raised by `forget`, so that a late answer is not noted at another request.
    epoch: usize,
    writes: usize,
    faults: BTreeMap<usize, Vec<Fault>>,
    delay: Duration,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("requests", &self.requests.len()).field("writes", &self.writes).finish()
    }
}

impl ApiProxy {
    /// Starts a proxy in front of the cluster that `kubeconfig` names; it speaks to it as the user that
    /// the kubeconfig names.
    ///
    /// # Errors
    /// When the kubeconfig is unusable or no port is free.
    pub async fn start(kubeconfig: &Path) -> Result<Self> {
        let config = kubeconfig::config(kubeconfig).await?;
        let folder = Folder::temporary("proxy")?;
        let shared =
            Arc::new(Shared { state: Mutex::default(), down: watch::Sender::new(false), refused: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let task = Arc::clone(&shared);
        let run = move || server::run(config, task, started, stopped);
        let thread = std::thread::Builder::new().name("api-proxy".to_owned()).spawn(run).context("no thread")?;
        let address: SocketAddr = start.await.map_err(|_| anyhow!("the proxy ended while starting"))??;
        let url = format!("http://{address}");
        let kubeconfig = kubeconfig::write(&folder.path().join("kubeconfig"), &url, None, &User::Nobody)?;
        Ok(Self { shared, url, kubeconfig, stop: Some(stop), thread: Some(thread), _folder: folder })
    }

    /// A kubeconfig that leads to the proxy.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The proxy's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every request since the start or the last [`forget`](Self::forget), in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// The requests that are writes, see [`Request::is_write`].
    #[must_use]
    pub fn writes(&self) -> Vec<Request> {
        self.shared.state().requests.iter().filter(|request| request.is_write()).cloned().collect()
    }

    /// How many requests since the start or the last [`forget`](Self::forget) are as `wanted` says. Unlike
    /// [`requests`](Self::requests) it copies nothing, so that looking often does not slow what is looked at.
    #[must_use]
    pub fn count(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.shared.state().requests.iter().filter(|request| wanted(request)).count()
    }

    /// Empties the record, counts writes from 1 again and calls off all faults that have not happened.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        *state = State { epoch: state.epoch + 1, ..State::default() };
    }

    /// Answers the `n`th write (the next one is 1 after a start or [`forget`](Self::forget)) with `status`
    /// instead of forwarding it.
    ///
    /// # Errors
    /// When `status` is no HTTP status.
    pub fn fail_nth_write(&self, n: usize, status: u16) -> Result<()> {
        let status = StatusCode::from_u16(status).with_context(|| format!("{status} is no HTTP status"))?;
        self.shared.state().faults.entry(n).or_default().push(Fault::Fail(status));
        Ok(())
    }

    /// Forwards the `n`th write and closes the connection instead of passing the answer on.
    pub fn drop_reply_after(&self, n: usize) {
        self.on_nth_write(n, When::After, || Then::Drop);
    }

    /// Runs `callback` at the `n`th write. It runs on the proxy's thread, which answers nobody meanwhile.
    pub fn on_nth_write(&self, n: usize, when: When, callback: impl FnOnce() -> Then + Send + 'static) {
        self.shared.state().faults.entry(n).or_default().push(Fault::Call(when, Box::new(callback)));
    }

    /// Kills the process at the `n`th write: before it, so that the server never sees it, or after it, so
    /// that the process never learns that it was done.
    pub fn kill_at_write(&self, n: usize, when: When, process: Killer) {
        self.on_nth_write(n, when, move || {
            // It can only be dead already.
            let _ = process.kill();
            Then::Drop
        });
    }

    /// Holds every request back for `delay` before it is forwarded.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Takes the API server away: closes every connection, watches included, and every new one until
    /// `down(false)`.
    pub fn down(&self, down: bool) {
        self.shared.down.send_replace(down);
    }

    /// Answers every request about one resource (`leases`) with 503, until another one or none is named.
    pub fn refuse(&self, resource: Option<&str>) {
        *self.shared.refused() = resource.map(str::to_owned);
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, Option<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
