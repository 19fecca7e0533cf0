//! Clients of the second node.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Sends requests with a key, over connections that stay open.
#[derive(Clone)]
pub(crate) struct Clients {
    http: Client<HttpConnector, Empty<Bytes>>,
    node: SocketAddr,
}

/// What a client saw of a key's end.
pub(crate) struct Refusal {
    /// The last request that was allowed was sent then.
    pub(crate) last_allowed: Option<Instant>,
    /// The first refusal came then.
    pub(crate) refused_at: Instant,
}

impl Clients {
    pub(crate) fn of(node: SocketAddr) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { http, node }
    }

    /// What the node answers to this key: 200 or 401. Where it says that the store is too slow, on
    /// a busy machine, the request is sent again.
    pub(crate) async fn status(&self, key: &str) -> u16 {
        loop {
            match self.once(key).await {
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                status => return status,
            }
        }
    }

    async fn once(&self, key: &str) -> u16 {
        let request = Request::get(format!("http://{}/items", self.node))
            .header("x-api-key", key)
            .body(Empty::new())
            .unwrap();
        self.http.request(request).await.unwrap().status().as_u16()
    }

    /// Sends requests, one after the other, until one is refused, and some more, which must be
    /// refused too.
    pub(crate) async fn until_refused(&self, key: &str, at_most: Duration) -> Refusal {
        let begun = Instant::now();
        let mut last_allowed = None;
        loop {
            let sent = Instant::now();
            match self.status(key).await {
                200 => last_allowed = Some(sent),
                401 => break,
                other => panic!("expected 200 or 401, found {other}"),
            }
            assert!(begun.elapsed() < at_most, "still allowed after {at_most:?}");
        }
        let refused_at = Instant::now();
        for _ in 0..3 {
            assert_eq!(self.status(key).await, 401, "allowed after a refusal");
        }
        Refusal {
            last_allowed,
            refused_at,
        }
    }

    /// Sends requests with this key, one after the other, for ever.
    pub(crate) async fn load(self, key: String) {
        loop {
            assert_eq!(self.status(&key).await, 200, "a valid key was refused");
        }
    }
}
