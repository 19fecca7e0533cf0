//! The router.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use utoipa::openapi::OpenApi;

use super::authorise::Authorise;
use super::call::{Inner, Shared};
use super::problem::ProblemCode;
use super::refused::Refused;
use super::{handlers, openapi};
use crate::manage::manager::KeyManager;
use crate::store::contain::contain_future;
use crate::store::contract::store::Store;

/// An API to manage keys, to be mounted under any path; see the [module](super).
#[derive(Clone)]
pub struct ManagementApi(Shared);

impl ManagementApi {
    /// Manages the keys of this manager, for whom the authoriser lets in.
    ///
    /// What may be issued is the manager's part:
    /// [`with_issue_policy`](KeyManager::with_issue_policy).
    pub fn new<S: Store + Clone + 'static>(
        keys: &KeyManager<S>,
        authoriser: impl Authorise,
    ) -> Self {
        Self(Arc::new(Inner {
            keys: keys.erased(),
            authoriser: Box::new(authoriser),
            document: openapi::document(keys.format()),
        }))
    }

    /// The description of the API in OpenAPI 3.1, with paths relative to where it is mounted.
    pub fn openapi(&self) -> OpenApi {
        self.0.document.clone()
    }

    /// The routes. `Router::nest` mounts them under a path.
    ///
    /// Put the layer that verifies keys around it, inside of the nest or outside.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/keys", get(handlers::list).post(handlers::create))
            .route("/keys/{id}", get(handlers::show).patch(handlers::change))
            .route("/keys/{id}/rotate", post(handlers::rotate))
            .route("/keys/{id}/revoke", post(handlers::revoke))
            .route("/keys/{id}/usage", get(handlers::usage))
            .route("/keys/{id}/advice", get(handlers::advice))
            .route("/audit", get(handlers::audit))
            .route("/openapi.json", get(handlers::document))
            .fallback(handlers::not_found)
            .method_not_allowed_fallback(handlers::method_not_allowed)
            .with_state(self.0.clone())
            .layer(from_fn(contained))
    }
}

/// Answers where a store or an authoriser panics.
async fn contained(request: Request, next: Next) -> Response {
    let answer = contain_future(Box::pin(next.run(request))).await;
    let refused = |_| Refused::from(ProblemCode::Unavailable).into_response();
    answer.unwrap_or_else(refused)
}

impl fmt::Debug for ManagementApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagementApi").finish_non_exhaustive()
    }
}
