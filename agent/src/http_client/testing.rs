//! A real HTTP server on a free loopback port, whose answers a test scripts.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a client sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path without query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// A whole answer.
    Whole { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// The first bytes of an answer that announces more, then the end of the connection.
    Cut { headers: Vec<(String, String)>, body: Vec<u8> },
    /// The first bytes of an answer that announces more, then silence.
    Stall { headers: Vec<(String, String)>, body: Vec<u8> },
    /// Never a byte.
    Hang,
    /// A body without end.
    Endless,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Whole { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn json(status: u16, body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self::Whole { status, headers, body: body.as_bytes().to_vec() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// The server; it ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let ended: Arc<AtomicBool> = Arc::default();
        let handler: Arc<Handler> = Arc::new(handler);
        let (seen, end) = (Arc::clone(&requests), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let stream = stream.unwrap();
                // Held open here, so that a connection without an answer stays open until the server ends.
                held.push(stream.try_clone().unwrap());
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, handler.as_ref(), &seen));
            }
        });
        Self { address, requests, ended, thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        url::Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Method and path of the requests so far; they are forgotten.
    pub(crate) fn take(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves one request a connection.
fn serve(mut stream: TcpStream, handler: &Handler, seen: &Mutex<Vec<Request>>) {
    let Some(request) = read_request(&mut stream) else { return };
    seen.lock().unwrap().push(request.clone());
    let head = |status: u16, headers: &[(String, String)], length: usize| {
        let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        (head + "\r\n").into_bytes()
    };
    // The client may be gone by now; that is what some tests are about.
    match handler(&request) {
        Reply::Whole { status, headers, body } => {
            let _ = stream.write_all(&[head(status, &headers, body.len()), body].concat());
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        Reply::Cut { headers, body } => {
            let _ = stream.write_all(&[head(200, &headers, body.len() + 1_000_000), body].concat());
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        Reply::Stall { headers, body } => {
            let _ = stream.write_all(&[head(200, &headers, body.len() + 1_000_000), body].concat());
        }
        Reply::Hang => {}
        Reply::Endless => {
            let _ = stream.write_all(&head(200, &[], usize::MAX >> 1));
            while stream.write_all(&[b' '; 65_536]).is_ok() {}
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}
