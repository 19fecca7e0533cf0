//! Layers, services and what they wait in.

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response};
use tower::Service;
use tower_api_key::key::KeyHasher;
use tower_api_key::middleware::{DefaultResponder, GrpcResponder, KeySource};
use tower_api_key::{ApiKeyLayer, RequireScope, Scope};
use tower_layer::Layer;

use super::marker::{Marker, PEPPER};
use super::print::{Printed, both, debug};
use crate::scenarios::kit::{Waiting, get};

#[derive(Clone, Debug)]
struct Inner;

impl Service<Request<Body>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

pub(crate) fn printed(marker: &Marker) -> Printed {
    let key = marker.fresh.key.expose_secret();
    let layer = ApiKeyLayer::new(Waiting(marker.keys.store().clone()))
        .with_hasher(KeyHasher::hmac_sha256(PEPPER.as_bytes()).unwrap());
    let scope = RequireScope::new([Scope::READ]);
    let mut service = layer.layer(Inner);
    // A future that waits for the store holds the request with its key.
    let waiting = service.call(get(Some(key)));
    let denied = scope.layer(Inner).call(get(Some(key)));
    vec![
        debug("ApiKeyLayer", &layer),
        debug("ApiKeyAuth", &service),
        debug("ResponseFuture", &waiting),
        debug("RequireScope", &scope),
        debug("ScopeGuard", &scope.layer(Inner)),
        debug("ScopeGuardFuture", &denied),
        debug("KeySource", &KeySource::BEARER),
        debug("DefaultResponder", &DefaultResponder::new()),
        debug("GrpcResponder", &GrpcResponder::new()),
        both("ConfigError", &layer.clone().with_realm("").unwrap_err()),
        #[cfg(feature = "axum")]
        missing_identity(),
    ]
}

/// Is made by the extractor only, which says in its answer what it is.
#[cfg(feature = "axum")]
fn missing_identity() -> (&'static str, String) {
    use axum::extract::FromRequestParts;
    use tower_api_key::Identity;

    let (mut parts, ()) = Request::new(()).into_parts();
    let extracted = Identity::from_request_parts(&mut parts, &());
    let missing = futures::executor::block_on(extracted).unwrap_err();
    debug("MissingIdentity", &missing)
}
