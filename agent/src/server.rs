//! Probes, metrics and a status page over plain HTTP, read-only. A standby serves them too.
//!
//! It must not be a way to hurt the agent: connections are counted, each ends after a while, and nothing of a
//! request is read but its first line and headers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use crate::cluster::cache::Cache;
use crate::metrics::Metrics;
use crate::standby;

/// Connections at a time; more wait until one ends.
const MOST_CONNECTIONS: usize = 32;
/// How long a request's headers may take to come.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a connection may last.
const CONNECTION: Duration = Duration::from_secs(15);
/// Longest first line and headers, in bytes.
const HEAD: usize = 16 * 1024;
/// The wait after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that ends when this is dropped.
pub(crate) struct Server {
    #[cfg(test)]
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is shown.
struct Pages {
    cache: Arc<Cache>,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Begins to serve.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn start(address: SocketAddr, cache: Arc<Cache>, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (`server.listen` in agent.yml)"))?;
        let address = listener.local_addr().context("the address that is listened on is not known")?;
        info!(%address, "serving /healthz, /readyz, /metrics and a status page");
        let task = tokio::spawn(accept(listener, Arc::new(Pages { cache, metrics }))).abort_handle();
        Ok(Self {
            #[cfg(test)]
            address,
            task,
        })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, pages: Arc<Pages>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    serve(stream, &pages).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "a connection to the status server is not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, pages: &Pages) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = pages.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEAD).keep_alive(false);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a connection to the status server broke"),
        Err(_) => debug!("a connection to the status server took too long"),
    }
}

impl Pages {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            return page(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD: nothing can be changed here\n");
        }
        match path {
            "/healthz" => page(StatusCode::OK, "ok\n"),
            "/readyz" => match self.cache.check() {
                Ok(()) => page(StatusCode::OK, "ok\n"),
                Err(failure) => page(StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")),
            },
            "/metrics" => page(StatusCode::OK, self.metrics.text()),
            "/" => page(StatusCode::OK, self.metrics.page().unwrap_or_else(|| standby::page(&self.cache))),
            _ => page(StatusCode::NOT_FOUND, "there are /, /healthz, /readyz and /metrics\n"),
        }
    }
}

fn page(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    // The version is the one of Prometheus' text format; browsers show it as the plain text that it is.
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
