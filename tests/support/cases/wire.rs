//! Sends a case to a real hyper server over a loopback socket.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tower::util::BoxCloneService;

use super::case::Case;
use super::expect::Answer;
use super::fixture::{App, CaseBody, boxed};
use super::template::latin1;

/// Serves an application over HTTP/1.1 and HTTP/2 for as long as the runtime lives.
pub(crate) async fn serve(app: App) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = TowerToHyperService::new(BoxCloneService::new(app.map_request(received)));
    tokio::spawn(async move {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http2().enable_connect_protocol();
        while let Ok((stream, _)) = listener.accept().await {
            // An error of a connection is a client that left, or one that sent what is no HTTP:
            // it got its answer.
            let connection = server.serve_connection(TokioIo::new(stream), service.clone());
            tokio::spawn(connection.into_owned());
        }
    });
    address
}

fn received(request: Request<Incoming>) -> Request<CaseBody> {
    request.map(boxed)
}

/// Sends a case over HTTP/1, octet by octet: any header name and value can be said.
pub(crate) async fn over_h1(address: SocketAddr, case: &Case) -> Result<Answer, String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer, and close, before it has read it all.
    let _ = stream.write_all(&h1_octets(case)).await;
    let mut octets = Vec::new();
    let head_len = loop {
        if let Some(at) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(&mut stream, &mut octets).await?;
    };
    let (status, headers) = h1_head(&octets[..head_len]);
    let len = head_len + h1_body_len(case, &headers);
    while octets.len() < len {
        read_more(&mut stream, &mut octets).await?;
    }
    let body = octets[head_len..len].to_vec().into();
    Ok(Answer {
        status,
        headers,
        body,
    })
}

async fn read_more(stream: &mut TcpStream, octets: &mut Vec<u8>) -> Result<(), String> {
    match stream.read_buf(octets).await {
        Ok(0) => Err(format!("expected the rest of an answer, found {octets:?}")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("expected the rest of an answer, found {error}")),
    }
}

/// Sends a case over HTTP/2.
pub(crate) async fn over_h2(address: SocketAddr, case: &Case) -> Result<Answer, String> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = h2_request(case);
    if request.extensions().get::<hyper::ext::Protocol>().is_some() {
        hear_settings(&mut sender).await;
    }
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| format!("expected an answer, found {error:?}"))?;
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| format!("expected a body, found {error:?}"))?;
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
    })
}

/// What keeps a case of the service from being said over HTTP/1.1.
pub(crate) fn obstacle_h1(case: &Case) -> Option<&'static str> {
    if case.version == Version::HTTP_2 {
        return Some("gRPC is spoken over HTTP/2");
    }
    does_not_travel(case)
}

fn does_not_travel(case: &Case) -> Option<&'static str> {
    let preset = case.setup.preset_extension.as_ref();
    preset.map(|_| "an extension of the request does not travel")
}

/// What keeps a case of the service from being said over HTTP/2.
pub(crate) fn obstacle_h2(case: &Case) -> Option<&'static str> {
    // RFC 9113, section 8.2.2.
    if ["connection", "upgrade", "transfer-encoding"]
        .iter()
        .any(|name| has_header(case, name))
    {
        return Some("HTTP/2 has no headers of the connection");
    }
    if case.has_grpc && case.version == Version::HTTP_11 {
        return Some("the case is about HTTP/1.1");
    }
    does_not_travel(case)
}

fn h1_octets(case: &Case) -> Vec<u8> {
    // The two cases about requests that have no other way to say what they are about.
    let version = if case.id == "WIRE-http10" {
        "1.0"
    } else {
        "1.1"
    };
    let has_host = !["WIRE-http10", "WIRE-nohost"].contains(&case.id.as_str());

    let request_line = format!("{} {} HTTP/{version}", case.method, case.path);
    let host = (has_host && !has_header(case, "host")).then(|| "host: localhost".to_owned());
    let headers = case
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let lines = [request_line]
        .into_iter()
        .chain(host)
        .chain(headers)
        .chain(h1_length(case));
    let head = lines.collect::<Vec<_>>().join("\r\n");
    latin1(&format!("{head}\r\n\r\n{}", h1_body(case)))
}

/// The length of a body whose framing the case leaves open.
fn h1_length(case: &Case) -> Option<String> {
    let body = case.body.as_deref()?;
    let is_framed = has_header(case, "content-length") || has_header(case, "transfer-encoding");
    (!is_framed).then(|| format!("content-length: {}", latin1(body).len()))
}

fn h1_body(case: &Case) -> String {
    let body = case.body.as_deref().unwrap_or_default();
    match body.strip_prefix("@trailer:") {
        Some(trailer) => format!("1\r\nx\r\n0\r\n{trailer}\r\n\r\n"),
        None => body.to_owned(),
    }
}

fn has_header(case: &Case, name: &str) -> bool {
    case.headers
        .iter()
        .any(|(other, _)| other.eq_ignore_ascii_case(name))
}

/// Reads status and headers, trusting hyper to write them well.
fn h1_head(octets: &[u8]) -> (StatusCode, HeaderMap) {
    let mut lines = octets
        .split(|octet| *octet == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let status_line = lines.next().expect("a status line");
    let status = status_line
        .split(|octet| *octet == b' ')
        .nth(1)
        .expect("a status");
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
        let colon = line
            .iter()
            .position(|octet| *octet == b':')
            .expect("a header");
        (
            HeaderName::from_bytes(&line[..colon]).unwrap(),
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).unwrap(),
        )
    });
    let mut map = HeaderMap::new();
    headers.for_each(|(name, value)| {
        map.append(name, value);
    });
    (StatusCode::from_bytes(status).unwrap(), map)
}

fn h1_body_len(case: &Case, headers: &HeaderMap) -> usize {
    if case.method == "HEAD" {
        return 0;
    }
    let length = headers
        .get("content-length")
        .expect("every answer here has a length");
    length.to_str().unwrap().parse().unwrap()
}

fn h2_request(case: &Case) -> Request<Full<Bytes>> {
    let body = case.body.as_deref().map(latin1).unwrap_or_default();
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = Method::from_bytes(case.method.as_bytes()).unwrap();
    *request.uri_mut() = h2_target(&case.path);
    *request.version_mut() = Version::HTTP_2;
    for (name, value) in &case.headers {
        if name == ":protocol" {
            let protocol: &'static str = value.clone().leak();
            request
                .extensions_mut()
                .insert(hyper::ext::Protocol::from_static(protocol));
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(&latin1(value)).unwrap());
    }
    request
}

fn h2_target(path: &str) -> Uri {
    let target = if path.starts_with('/') {
        format!("http://localhost{path}")
    } else {
        path.into()
    };
    target.parse().unwrap()
}

/// Makes sure that the server's settings have come, without which nothing but plain requests may
/// be sent (RFC 8441, section 3): they precede its first answer, here to a request without a key.
async fn hear_settings(sender: &mut SendRequest<Full<Bytes>>) {
    let request = Request::get("http://localhost/settings")
        .body(Full::default())
        .unwrap();
    sender.ready().await.unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
