//! Probes, metrics and a status page, read-only: nothing of a request is read but its first line and headers.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use tracing::info;

use super::listener::{Answers, Deadlines, Listener, page};
use crate::cluster::cache::Cache;
use crate::metrics::Metrics;
use crate::standby;

/// A server that ends when this is dropped.
pub(crate) struct StatusServer {
    #[cfg_attr(not(test), expect(dead_code, reason = "it is dropped with this"))]
    listener: Listener,
}

/// What is shown.
struct Pages {
    cache: Arc<Cache>,
    metrics: Arc<Metrics>,
}

impl StatusServer {
    /// Begins to serve.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn start(address: SocketAddr, cache: Arc<Cache>, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let pages = Arc::new(Pages { cache, metrics });
        let listener = Listener::start(address, "server.listen", Deadlines::default(), pages).await?;
        info!(address = %listener.address(), "serving /healthz, /readyz, /metrics and a status page");
        Ok(Self { listener })
    }
}

impl Answers for Pages {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let method = request.method();
        if method != Method::GET && method != Method::HEAD {
            return page(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD: nothing can be changed here\n");
        }
        match request.uri().path() {
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

#[cfg(test)]
mod tests;
