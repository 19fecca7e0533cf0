//! A server with the API under `/api/v1`, behind a layer, and what it answers.

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_api_key::clock::ManualClock;
use tower_api_key::integration::management::{ManagementApi, OwnerAuthoriser};
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::store::{AuditPageRequest, PageRequest, Store};
use tower_api_key::{ApiKeyLayer, IssuedKey, KeyManager, MemoryStore, NewKey, Scope, ScopeSet};

pub(crate) const START: &str = "2026-01-01T00:00:00Z";
pub(crate) const MANAGE: Scope = OwnerAuthoriser::SCOPE;

pub(crate) struct Server<S = MemoryStore> {
    pub(crate) keys: KeyManager<S>,
    pub(crate) clock: ManualClock,
    pub(crate) app: Router,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A server with a memory store, at [`START`].
pub(crate) fn server() -> Server {
    server_of(MemoryStore::new(), |keys| keys)
}

pub(crate) fn server_of<S: Store + Clone + 'static>(
    store: S,
    with: impl FnOnce(KeyManager<S>) -> KeyManager<S>,
) -> Server<S> {
    let clock = ManualClock::at(START.parse().unwrap());
    let keys = with(KeyManager::new(store).with_clock(clock.clone()));
    let any_key = |_: &RequestHead<'_>| Requirement::Scopes(ScopeSet::new());
    let layer = ApiKeyLayer::from_verifier(keys.verifier()).with_policy(any_key);
    let api = ManagementApi::new(&keys, OwnerAuthoriser::new());
    let app = Router::new().nest("/api/v1", api.router()).layer(layer);
    Server { keys, clock, app }
}

impl<S: Store + Clone + 'static> Server<S> {
    /// A key of that owner with these scopes and `keys:manage`, without an end.
    pub(crate) async fn manager_of(&self, owner: &str, scopes: &[Scope]) -> IssuedKey {
        let scopes: ScopeSet = scopes.iter().cloned().chain([MANAGE]).collect();
        let new = NewKey::new(owner, "manager").with_scopes(scopes);
        self.keys.issue(new).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    /// A request by that key, with a JSON body if there is one.
    pub(crate) async fn ask(
        &self,
        by: &IssuedKey,
        method: &str,
        target: &str,
        body: Option<Value>,
    ) -> Answer {
        let secret = by.key.expose_secret();
        self.send(request(secret, method, target, body)).await
    }

    pub(crate) async fn get(&self, by: &IssuedKey, target: &str) -> Answer {
        self.ask(by, "GET", target, None).await
    }

    /// Everything that the store has of an owner: what no refused request may change.
    pub(crate) async fn stored(&self, owner: &str) -> String {
        let keys = self
            .keys
            .list(owner, &PageRequest::default())
            .await
            .unwrap();
        let trail = self
            .keys
            .audit(owner, &AuditPageRequest::default())
            .await
            .unwrap();
        format!("{:?} {:?}", keys.keys(), trail.entries())
    }
}

pub(crate) fn request(
    secret: &str,
    method: &str,
    target: &str,
    body: Option<Value>,
) -> Request<Body> {
    let builder = Request::builder()
        .method(method)
        .uri(format!("/api/v1{target}"))
        .header("x-api-key", secret);
    match body {
        Some(body) => builder
            .header("content-type", "application/json")
            .body(Body::from(body.to_string())),
        None => builder.body(Body::empty()),
    }
    .unwrap()
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self.json()
    }

    /// Problem details with that code; returns the fields that they name.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> Vec<String> {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        let body = self.json();
        assert_eq!(body["status"], json!(status));
        assert_eq!(body["code"], json!(code), "{body}");
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let fields = errors.iter().map(|error| error["field"].as_str().unwrap());
        fields.map(ToOwned::to_owned).collect()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

/// The id that an answer tells.
#[track_caller]
pub(crate) fn id_of(key: &Value) -> String {
    key["id"].as_str().unwrap().to_owned()
}
