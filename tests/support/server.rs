//! A real hyper server on loopback, and clients for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, service_fn};
use tower_api_key::ApiKeyLayer;

use super::Sent;
use super::answer::Answer;

/// A server that speaks HTTP/1.1 and HTTP/2, behind a layer.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Server {
    /// `room` is how many octets of headers a request over HTTP/2 may have.
    pub(crate) async fn start(layer: ApiKeyLayer, room: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let service = layer.layer(service_fn(move |_: Request<Incoming>| {
            counter.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner-ok"))) }
        }));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(async move {
                    let mut builder = Builder::new(TokioExecutor::new());
                    builder.http2().max_header_list_size(room);
                    // Clients that go away are no failure of a test.
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, calls }
    }

    /// How often the inner service was called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The answer to a GET request over HTTP/1.1 with these header lines, octet for octet.
    pub(crate) async fn http1(&self, lines: &[(&str, &[u8])]) -> Answer {
        let mut octets =
            b"GET /items HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".to_vec();
        for (name, value) in lines {
            octets.extend_from_slice(name.as_bytes());
            octets.extend_from_slice(b": ");
            octets.extend_from_slice(value);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"\r\n");
        let mut stream = self.connect().await;
        // The server may answer before it has read everything.
        let _ = stream.write_all(&octets).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        parsed(&answer)
    }

    /// A connection over HTTP/2.
    pub(crate) async fn http2(&self) -> SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

/// The answer to a request over HTTP/2, if the connection bears it.
pub(crate) async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    mut request: Sent,
) -> hyper::Result<Answer> {
    sender.ready().await?;
    *request.uri_mut() = "http://localhost/items".parse().unwrap();
    Ok(Answer::of(sender.send_request(request).await?).await)
}

fn parsed(octets: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(octets);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let (first, lines) = head.split_once("\r\n").unwrap();
    let headers = lines.split("\r\n").map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    Answer {
        status: first.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: headers.collect(),
        kind: None,
        body: body.as_bytes().to_vec(),
    }
}
