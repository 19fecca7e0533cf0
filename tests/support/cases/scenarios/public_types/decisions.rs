//! What is decided of a request that has a key everywhere.

use std::convert::Infallible;

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use jiff::Timestamp;
use tower::{Service, service_fn};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::Refusal;
use tower_api_key::observe::{Access, Decision};
use tower_api_key::policy::{MethodPolicy, RequestHead, Requirement};
use tower_api_key::record::{KeyRecord, Revocation};
use tower_api_key::{ApiKeyLayer, Denial, MemoryStore};
use tower_layer::Layer;

use super::marker::Marker;
use super::print::{Printed, both, debug};
use crate::scenarios::kit::get;

pub(crate) async fn printed(marker: &Marker) -> Printed {
    let Marker { keys, fresh } = marker;
    let key = fresh.key.expose_secret();
    let identity = keys.verifier().verify(key).await.unwrap();
    // A key everywhere in the request, the query too.
    let uri: Uri = format!("/items?key={key}").parse().unwrap();
    let names = [http::header::AUTHORIZATION];
    let headers = HeaderMap::from_iter([(names[0].clone(), key.parse().unwrap())]);
    let head = RequestHead::new(&Method::GET, &uri, Version::HTTP_11, &headers, &names);
    let denial = Denial::new(DenialKind::Unknown);
    let refused = format!("{:?}", refusal(marker).await);
    vec![
        debug("Identity", &identity),
        debug("RequestHead", &head),
        debug("Decision", &Decision::new(head, Ok(Access::Key(&identity)))),
        debug("Access", &Access::Key(&identity)),
        both("Denial", &denial),
        ("Refusal", refused),
        debug("Requirement", &Requirement::NotPermitted),
        debug("MethodPolicy", &MethodPolicy::new()),
    ]
}

/// What a responder sees, of a request with a key that was revoked.
async fn refusal(marker: &Marker) -> String {
    let responder = |refusal: &Refusal<'_>| Response::new(Body::from(format!("{refusal:#?}")));
    let revoked = marker.fresh.record.clone();
    let revoked = KeyRecord::clone(&revoked)
        .with_revocation(Some(Revocation::new(Timestamp::UNIX_EPOCH, "leaked")));
    let store = MemoryStore::from_records([revoked]).unwrap();
    let layer = ApiKeyLayer::new(store).with_responder(responder);
    let inner =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let request = get(Some(marker.fresh.key.expose_secret()));
    let Ok(response) = layer.layer(inner).call(request).await;
    let body = axum::body::to_bytes(response.into_body(), 65_536)
        .await
        .unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}
