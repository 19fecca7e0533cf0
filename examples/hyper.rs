//! The product API on plain hyper, behind API keys, over HTTP/1.1 and HTTP/2.
//!
//! ```text
//! cargo run --example hyper
//! ```
//!
//! It prints the keys that it made, and requests to paste. `LISTEN` sets another address than
//! 127.0.0.1:3000; Ctrl-C stops it.

#[path = "support/connections.rs"]
mod connections;
mod products;
mod support;

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::{Layer, service_fn};
use tower_api_key::{ApiKeyLayer, Identity, KeyManager, MemoryStore};

use products::{NewProduct, Problem, Product, ProductChange, Products, Tour};

#[tokio::main]
async fn main() -> ExitCode {
    support::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = support::listen().await?;
    let keys = KeyManager::new(MemoryStore::new());
    let tour = Tour::prepare(&keys).await?;
    let layer = ApiKeyLayer::from_verifier(keys.verifier())
        .with_realm("TruCustom API")?
        .with_public_path("/health")?;

    let base = format!("http://{}", listener.local_addr()?);
    tour.print_keys();
    tour.print_commands(&base, "--http1.1 ", 2);
    tour.print_commands(&base, "--http2-prior-knowledge ", 3);
    println!("Listening on {base}. Ctrl-C stops.");
    let products = Products::of(Tour::OWNER);
    let app = layer.layer(service_fn(move |request| answer(products.clone(), request)));
    let mut server = auto::Builder::new(TokioExecutor::new());
    // With a timer, hyper gives up on a client that never ends its headers.
    server.http1().timer(TokioTimer::new());
    let (stop, give_up) = (support::stop_signal(), support::stop_signal());
    connections::serve(listener, server, app, stop, give_up).await;
    Ok(())
}

async fn answer(
    products: Products,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = route(&products, request).await;
    Ok(response.unwrap_or_else(|problem| json(problem.status, &problem.body())))
}

async fn route(
    products: &Products,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Problem> {
    let path = request.uri().path().to_owned();
    if path == "/health" {
        return Ok(Response::new(Full::from("ok")));
    }
    // Every path but the public one has an identity, since the layer let the request through.
    let identity = request.extensions().get::<Identity>().cloned();
    let identity = identity.ok_or_else(Problem::not_found)?;
    let owner = identity.owner();
    let Some(rest) = path.strip_prefix("/api/v1/products") else {
        return Err(Problem::not_found());
    };
    match (request.method().clone(), rest.strip_prefix('/')) {
        (Method::GET, None) if rest.is_empty() => Ok(json(StatusCode::OK, &products.list(owner))),
        (Method::POST, None) if rest.is_empty() => {
            let new: NewProduct = read_json(request).await?;
            Ok(created(&products.create(owner, new)?))
        }
        (Method::GET, Some(id)) => Ok(json(StatusCode::OK, &products.get(owner, id)?)),
        (Method::PUT, Some(id)) => {
            let new: NewProduct = read_json(request).await?;
            Ok(json(StatusCode::OK, &products.replace(owner, id, new)?))
        }
        (Method::PATCH, Some(id)) => {
            let change: ProductChange = read_json(request).await?;
            Ok(json(StatusCode::OK, &products.change(owner, id, change)?))
        }
        (Method::DELETE, Some(id)) => {
            products.delete(owner, id)?;
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        (_, None) if !rest.is_empty() => Err(Problem::not_found()),
        _ => Err(Problem::method_not_allowed()),
    }
}

async fn read_json<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_json =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if !is_json {
        let message = "Expected a body with the content type application/json.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|_| {
        let message = format!("Expected a whole body of at most {MAX_BODY} octets.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        let status = if error.is_data() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        Problem::new(status, format!("Expected a product in JSON: {error}."))
    })
}

fn created(product: &Product) -> Response<Full<Bytes>> {
    let mut response = json(StatusCode::CREATED, product);
    if let Ok(location) = HeaderValue::try_from(product.location()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    // OK because these values always serialize.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The largest body, in octets.
const MAX_BODY: usize = 64 * 1024;
