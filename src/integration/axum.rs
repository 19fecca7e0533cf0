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
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::middleware::deferred::Deferred;
use crate::middleware::grpc::GrpcResponder;
use crate::middleware::json::DefaultResponder;
use crate::middleware::require_scope::RequireScope;
use crate::middleware::respond::Respond;
use crate::scope::set::ScopeSet;

/// A handler needs an [`Identity`], and the request has none: answered with 401.
///
/// Where [`ApiKeyLayer`](crate::middleware::ApiKeyLayer) let the request through without a key, it
/// is that layer's own answer: it has the layer's realm, the layer's observer is told, and the
/// layer's responder is asked if it is a [`DefaultResponder`], a [`GrpcResponder`] or an
/// `Arc<dyn Respond<axum::body::Body>>`. In the place of any other, a [`DefaultResponder`] answers.
///
/// ```
/// use std::sync::Arc;
/// use axum::body::Body;
/// use axum::response::Response;
/// use tower_api_key::middleware::{Refusal, Respond};
/// use tower_api_key::{ApiKeyLayer, MemoryStore};
///
/// let plain = |refusal: &Refusal<'_>| {
///     let mut response = Response::new(Body::from(refusal.message().into_owned()));
///     *response.status_mut() = refusal.status();
///     response
/// };
/// let plain: Arc<dyn Respond<Body>> = Arc::new(plain);
/// let layer = ApiKeyLayer::new(MemoryStore::new()).with_responder(plain);
/// ```
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
        identity.cloned().ok_or_else(|| missing(parts))
    }
}

#[cold]
fn missing(parts: &Parts) -> MissingIdentity {
    let denial = Denial::new(DenialKind::Missing);
    if let Some(layer) = parts.extensions.get::<Deferred>() {
        return MissingIdentity(layer.refuse(responder(layer), parts, denial));
    }
    // No layer let this request through.
    let any_key = RequireScope::new(ScopeSet::new());
    MissingIdentity(any_key.refuse(&parts.method, &parts.uri, &parts.headers, denial))
}

/// The layer's responder, as far as it can be known to answer with axum's body.
fn responder(layer: &Deferred) -> &dyn Respond<Body> {
    if let Some(own) = layer.responder::<Arc<dyn Respond<Body>>>() {
        own
    } else if let Some(grpc) = layer.responder::<GrpcResponder>() {
        grpc
    } else {
        const { &DefaultResponder::new() }
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
