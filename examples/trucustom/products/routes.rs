//! The requests for products, of the account that the key belongs to.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tower_api_key::Identity;

use super::problem::Problem;
use super::product::{NewProduct, Page, Product, ProductChange};
use super::stock::Products;

/// The routes, to be nested at `/api/v1/products`.
pub(crate) fn router(products: Products) -> Router {
    let one = get(show).put(replace).patch(change).delete(remove);
    Router::new()
        .route("/", get(list).post(create))
        .route("/{id}", one)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(products)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The `next` of the page before.
    #[serde(default)]
    after: i64,
}

async fn list(
    identity: Identity,
    State(products): State<Products>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(wanted) = wanted?;
    products
        .list(identity.owner(), wanted.after)
        .await
        .map(Json)
}

async fn show(
    identity: Identity,
    State(products): State<Products>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Product>, Problem> {
    products.get(identity.owner(), number(id)?).await.map(Json)
}

async fn create(
    identity: Identity,
    State(products): State<Products>,
    body: Result<Json<NewProduct>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(new) = body?;
    let product = products.create(identity.owner(), new).await?;
    let location = [(header::LOCATION, format!("/api/v1/products/{}", product.id))];
    Ok((StatusCode::CREATED, location, Json(product)).into_response())
}

async fn replace(
    identity: Identity,
    State(products): State<Products>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewProduct>, JsonRejection>,
) -> Result<Json<Product>, Problem> {
    let Json(new) = body?;
    let changed = products.change(identity.owner(), number(id)?, new.into());
    changed.await.map(Json)
}

async fn change(
    identity: Identity,
    State(products): State<Products>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<ProductChange>, JsonRejection>,
) -> Result<Json<Product>, Problem> {
    let Json(change) = body?;
    let changed = products.change(identity.owner(), number(id)?, change);
    changed.await.map(Json)
}

async fn remove(
    identity: Identity,
    State(products): State<Products>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    products.delete(identity.owner(), number(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is no number is the id of no product.
fn number(id: Result<Path<String>, PathRejection>) -> Result<i64, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.ok_or_else(Problem::not_found)
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(
            rejection.status(),
            "Expected no parameter but after, a number.",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, 5.into());
        }
        response
    }
}
