//! The product API on axum, behind API keys.
//!
//! ```text
//! cargo run --example axum --features axum
//! ```
//!
//! It prints the keys that it made, and requests to paste. `LISTEN` sets another address than
//! 127.0.0.1:3000; Ctrl-C stops it.

mod products;
mod support;

use std::error::Error;
use std::process::ExitCode;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, ServiceExt};
use http::{StatusCode, header};
use tower::Layer;
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
    // Around the finished router, so that it covers whatever will ever be added to it.
    let app = layer.layer(router(Products::of(Tour::OWNER)));

    let base = format!("http://{}", listener.local_addr()?);
    tour.print_keys();
    tour.print_commands(&base, "", 2);
    println!("Listening on {base}. Ctrl-C stops.");
    axum::serve(listener, ServiceExt::<Request>::into_make_service(app))
        .with_graceful_shutdown(support::stop_signal())
        .await?;
    Ok(())
}

fn router(products: Products) -> Router {
    let one = get(show).put(replace).patch(change).delete(remove);
    Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/api/v1/products", get(list).post(create))
        .route("/api/v1/products/{id}", one)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(products)
}

async fn list(identity: Identity, State(products): State<Products>) -> Json<Vec<Product>> {
    Json(products.list(identity.owner()))
}

async fn show(
    identity: Identity,
    State(products): State<Products>,
    Path(id): Path<String>,
) -> Result<Json<Product>, Problem> {
    products.get(identity.owner(), &id).map(Json)
}

async fn create(
    identity: Identity,
    State(products): State<Products>,
    body: Result<Json<NewProduct>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(new) = body?;
    let product = products.create(identity.owner(), new)?;
    let location = [(header::LOCATION, product.location())];
    Ok((StatusCode::CREATED, location, Json(product)).into_response())
}

async fn replace(
    identity: Identity,
    State(products): State<Products>,
    Path(id): Path<String>,
    body: Result<Json<NewProduct>, JsonRejection>,
) -> Result<Json<Product>, Problem> {
    let Json(new) = body?;
    products.replace(identity.owner(), &id, new).map(Json)
}

async fn change(
    identity: Identity,
    State(products): State<Products>,
    Path(id): Path<String>,
    body: Result<Json<ProductChange>, JsonRejection>,
) -> Result<Json<Product>, Problem> {
    let Json(change) = body?;
    products.change(identity.owner(), &id, change).map(Json)
}

async fn remove(
    identity: Identity,
    State(products): State<Products>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    products.delete(identity.owner(), &id)?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}
