//! Clients that know what they were answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::keys::{Counts, Keys};

/// What clients were answered.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) counts: Counts,
    pub(crate) unknown: u64,
}

impl Answered {
    pub(crate) fn add(&mut self, other: Self) {
        self.unknown += other.unknown;
        for (of, (allowed, refused)) in other.counts {
            let sum = self.counts.entry(of).or_default();
            sum.0 += allowed;
            sum.1 += refused;
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        let counted = self.counts.values();
        self.unknown
            + counted
                .map(|(allowed, refused)| allowed + refused)
                .sum::<u64>()
    }
}

/// One client, with connections that stay open.
#[derive(Clone)]
pub(crate) struct Requests {
    http: Client<HttpConnector, Empty<Bytes>>,
    server: SocketAddr,
    keys: Arc<Keys>,
}

impl Requests {
    pub(crate) fn to(server: SocketAddr, keys: Arc<Keys>) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { http, server, keys }
    }

    /// Sends so many requests, one after the other: reads and writes with every key in turn, and one
    /// in 50 with a key that nobody has.
    pub(crate) async fn send(&self, first_turn: usize, count: usize) -> Answered {
        let mut answered = Answered::default();
        for turn in first_turn..first_turn + count {
            if turn % 50 == 49 {
                let unknown = format!("tc_{turn:064x}");
                assert_eq!(self.status(&Method::GET, &unknown).await, 401);
                answered.unknown += 1;
                continue;
            }
            let secret = self.keys.secret(turn);
            let method = if turn % 3 == 0 {
                Method::POST
            } else {
                Method::GET
            };
            let status = self.status(&method, &secret.text).await;
            let sum = answered.counts.entry((secret.id, secret.version));
            let sum = sum.or_default();
            if method == Method::POST && !secret.may_write {
                assert_eq!(status, 403);
                sum.1 += 1;
            } else {
                assert_eq!(status, 200);
                sum.0 += 1;
            }
        }
        answered
    }

    /// The answer; where the server says that the store is too slow, on a busy machine, the request is
    /// sent again: it counted for no key.
    async fn status(&self, method: &Method, key: &str) -> u16 {
        for _ in 0..1_500 {
            let request = Request::builder()
                .method(method)
                .uri(format!("http://{}/items", self.server))
                .header("x-api-key", key)
                .body(Empty::new())
                .unwrap();
            let response = self.http.request(request).await.unwrap();
            let status = response.status().as_u16();
            response.into_body().collect().await.unwrap();
            if status != 503 {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server has no answer but 503");
    }
}
