//! Clients over real connections, and what they were answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinHandle;

/// A key, and what may be answered to it.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) key: String,
    /// 200 for a valid key, 401 for any other; and 503 for all of them.
    pub(crate) answer: u16,
}

/// 64 clients, each with one request under way at any time.
pub(crate) struct Clients {
    tasks: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

/// What was answered so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) answered: AtomicUsize,
    pub(crate) unavailable: AtomicUsize,
}

const CLIENTS: usize = 64;

impl Clients {
    pub(crate) fn start(server: SocketAddr, sent: &[Sent]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let http = Client::builder(TokioExecutor::new()).build_http();
        let tasks = (0..CLIENTS)
            .map(|number| {
                let sent = sent[number % sent.len()].clone();
                let (http, stop, counts) = (http.clone(), stop.clone(), counts.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let status = ask(&http, server, &sent.key).await;
                        counts.note(status, &sent);
                    }
                })
            })
            .collect();
        Self {
            tasks,
            stop,
            counts,
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends the clients, and fails if one of them saw a wrong answer.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

impl Counts {
    fn note(&self, status: u16, sent: &Sent) {
        if status == 503 {
            self.unavailable.fetch_add(1, Ordering::Relaxed);
        } else {
            assert_eq!(status, sent.answer, "a wrong answer");
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The status that is answered to this key. A 503 must say when to try again.
pub(crate) async fn ask(
    http: &Client<HttpConnector, Empty<Bytes>>,
    server: SocketAddr,
    key: &str,
) -> u16 {
    let request = Request::get(format!("http://{server}/items"))
        .header("x-api-key", key)
        .body(Empty::new())
        .unwrap();
    let answer = http.request(request).await.unwrap();
    let status = answer.status().as_u16();
    if status == 503 {
        assert!(answer.headers().contains_key("retry-after"));
    }
    status
}
