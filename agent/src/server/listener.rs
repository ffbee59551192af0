//! Listens, and serves one request a connection.
//!
//! It must not be a way to hurt the agent: connections are counted, each ends after a while, and heads have a cap.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{debug, warn};

/// Connections at a time; more wait until one ends.
const MOST_CONNECTIONS: usize = 32;
/// Longest first line and headers, in bytes.
pub(super) const HEAD: usize = 16 * 1024;
/// The wait after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// How long things may take.
#[derive(Clone, Copy)]
pub(super) struct Deadlines {
    /// From the connection's begin until a request's headers are there.
    pub(super) headers: Duration,
    /// A whole connection.
    pub(super) connection: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { headers: Duration::from_secs(5), connection: Duration::from_secs(15) }
    }
}

/// Answers requests.
pub(super) trait Answers: Send + Sync + 'static {
    /// The answer to a request. Whoever reads its body puts a cap on it; the deadline of the connection holds anyway.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// A listener, which ends when this is dropped.
pub(super) struct Listener {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Begins to listen and to serve. `key` is what names the address in agent.yml.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(super) async fn start<A: Answers>(
        address: SocketAddr,
        key: &str,
        deadlines: Deadlines,
        answers: Arc<A>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (`{key}` in agent.yml)"))?;
        let address = listener.local_addr().context("the address that is listened on is not known")?;
        let task = tokio::spawn(accept(listener, deadlines, answers)).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept<A: Answers>(listener: TcpListener, deadlines: Deadlines, answers: Arc<A>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    serve(stream, deadlines, answers.as_ref()).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "a connection is not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve<A: Answers>(stream: TcpStream, deadlines: Deadlines, answers: &A) {
    let service = service_fn(|request: Request<Incoming>| async { Ok::<_, Infallible>(answers.answer(request).await) });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(deadlines.headers).max_buf_size(HEAD).keep_alive(false);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(deadlines.connection, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a connection broke"),
        Err(_) => debug!("a connection took too long"),
    }
}

/// A page of plain text.
pub(super) fn page(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    // The version is the one of Prometheus' text format; browsers show it as the plain text that it is.
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
