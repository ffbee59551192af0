//! The proxy's thread: accepts connections, forwards requests, plays the faults.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{Fault, Shared, Then, When};
use crate::traffic::Request;

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// The reason given to hyper for closing a connection without an answer; it goes nowhere.
#[derive(Debug, thiserror::Error)]
#[error("the connection was closed on purpose")]
struct Dropped;

/// Where a request stands in the record.
#[derive(Clone, Copy)]
struct Entry {
    epoch: usize,
    index: usize,
}

/// What is to happen to one request.
struct Orders {
    entry: Entry,
    delay: Duration,
    faults: Vec<Fault>,
}

/// The body of the proxy's thread: runs until `stopped` is told or its sender is gone.
pub(super) fn run(
    config: kube::Config,
    shared: Arc<Shared>,
    started: oneshot::Sender<Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no tokio runtime");
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever waits for the start has gone if this fails.
            let _ = started.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        match open(config).await {
            Ok((listener, address, client)) => {
                let _ = started.send(Ok(address));
                tokio::select! {
                    never = accept(listener, client, shared) => match never {},
                    _ = stopped => {}
                }
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
}

async fn open(config: kube::Config) -> Result<(TcpListener, SocketAddr, kube::Client)> {
    let client = kube::Client::try_from(config).context("no client for the API server")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port for the proxy")?;
    let address = listener.local_addr().context("no free port for the proxy")?;
    Ok((listener, address, client))
}

async fn accept(listener: TcpListener, client: kube::Client, shared: Arc<Shared>) -> Infallible {
    loop {
        match listener.accept().await {
            // While the server is "down" the connection is closed by being dropped.
            Ok((stream, _)) if !*shared.down.borrow() => {
                tokio::spawn(serve(stream, client.clone(), Arc::clone(&shared)));
            }
            Ok(_) => {}
            // Too many open files, say: others may close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(stream: TcpStream, client: kube::Client, shared: Arc<Shared>) {
    let mut down = shared.down.subscribe();
    let service = service_fn(move |request| answer(request, client.clone(), Arc::clone(&shared)));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that goes away or a reply that is dropped on purpose ends here; nobody needs to know.
        _ = connection => {}
        _ = down.wait_for(|&down| down) => {}
    }
}

async fn answer(
    request: http::Request<Incoming>,
    client: kube::Client,
    shared: Arc<Shared>,
) -> Result<Answer, Dropped> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let orders = record(&shared, &head, &body);
    let entry = orders.entry;
    if !orders.delay.is_zero() {
        tokio::time::sleep(orders.delay).await;
    }
    let mut after = Vec::new();
    for fault in orders.faults {
        match fault {
            Fault::Fail(status) => {
                note(&shared, entry, status);
                return Ok(status_answer(status, "the test asked for this failure"));
            }
            Fault::Call(When::Before, callback) => {
                if callback() == Then::Drop {
                    return Err(Dropped);
                }
            }
            Fault::Call(When::After, callback) => after.push(callback),
        }
    }
    let answer = forward(&client, head, body).await;
    note(&shared, entry, answer.status());
    if after.is_empty() {
        return Ok(answer);
    }
    // "After" means that the server is done, not that it has begun to answer.
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    for callback in after {
        if callback() == Then::Drop {
            return Err(Dropped);
        }
    }
    Ok(Response::from_parts(head, boxed(body)))
}

/// Writes the request down and takes the orders for it.
fn record(shared: &Shared, head: &http::request::Parts, body: &Bytes) -> Orders {
    let query = head.uri.query().unwrap_or_default();
    let agent = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let request = Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: query.to_owned(),
        user_agent: agent.unwrap_or_default().to_owned(),
        status: None,
        dry_run: Request::asks_dry_run(query) || (head.method == http::Method::DELETE && body_asks_dry_run(body)),
    };
    let is_refused =
        request.target().is_some_and(|target| shared.refused().as_deref() == Some(target.resource.as_str()));
    let mut state = shared.state();
    let mut faults = if request.is_write() {
        state.writes += 1;
        let n = state.writes;
        state.faults.remove(&n).unwrap_or_default()
    } else {
        Vec::new()
    };
    if is_refused {
        faults.insert(0, Fault::Fail(StatusCode::SERVICE_UNAVAILABLE));
    }
    state.requests.push(request);
    let entry = Entry { epoch: state.epoch, index: state.requests.len() - 1 };
    Orders { entry, delay: state.delay, faults }
}

/// A deletion's options come in its body.
fn body_asks_dry_run(body: &Bytes) -> bool {
    let options: Option<Value> = serde_json::from_slice(body).ok();
    options.and_then(|options| options.get("dryRun")?.as_array().map(|all| all.contains(&json!("All")))) == Some(true)
}

fn note(shared: &Shared, entry: Entry, status: StatusCode) {
    let mut state = shared.state();
    if state.epoch == entry.epoch
        && let Some(request) = state.requests.get_mut(entry.index)
    {
        request.status = Some(status.as_u16());
    }
}

async fn forward(client: &kube::Client, head: http::request::Parts, body: Bytes) -> Answer {
    let mut request = http::Request::new(Body::from(body));
    *request.method_mut() = head.method;
    *request.uri_mut() = head.uri;
    *request.headers_mut() = end_to_end(head.headers);
    match client.send(request).await {
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            head.headers.remove(CONNECTION);
            head.headers.remove(TRANSFER_ENCODING);
            Response::from_parts(head, body.boxed_unsync())
        }
        Err(error) => status_answer(StatusCode::BAD_GATEWAY, &format!("the API server does not answer: {error}")),
    }
}

/// The headers that are meant for the server: not those of this connection, and no credentials, which the
/// proxy's own replace. The length is set anew.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH, AUTHORIZATION] {
        headers.remove(name);
    }
    headers
}

/// An answer as the API server would give it.
fn status_answer(status: StatusCode, message: &str) -> Answer {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": status.canonical_reason().unwrap_or("Unknown").replace(' ', ""),
        "code": status.as_u16(),
    });
    let mut answer = Response::new(boxed(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}

fn boxed(body: Bytes) -> UnsyncBoxBody<Bytes, kube::Error> {
    Body::from(body).boxed_unsync()
}
