//! `Identity` as an axum extractor.
//!
//! A handler that takes an [`Identity`] is called only for a request whose key was verified. One
//! that takes `Option<Identity>` also serves requests that the layer let through without a key.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_api_key::{ApiKeyLayer, Identity, MemoryStore};
//!
//! async fn hello(identity: Identity) -> String {
//!     format!("hello, {}", identity.owner())
//! }
//!
//! let app: Router =
//!     Router::new().route("/hello", get(hello)).layer(ApiKeyLayer::new(MemoryStore::new()));
//! ```

use std::convert::Infallible;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::middleware::denied::denied;

/// A handler needs an [`Identity`], and the request has none: denied with 401.
///
/// Where an [`ApiKeyLayer`](crate::middleware::ApiKeyLayer) let the request through without a key, that
/// layer makes the response, by its own responder; its observer is told, and the request counts as
/// denied. Without that layer, the response is empty.
#[derive(Debug)]
pub struct MissingIdentity(Response);

impl IntoResponse for MissingIdentity {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = MissingIdentity;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingIdentity> {
        let identity = parts.extensions.get::<Self>();
        identity
            .cloned()
            .ok_or_else(|| MissingIdentity(denied(parts, Denial::new(DenialKind::Missing))))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
