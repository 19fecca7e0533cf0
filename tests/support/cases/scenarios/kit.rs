//! Short words for what most scenarios do.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use tower::{Service, ServiceExt, service_fn};
use tower_api_key::key::KeyDigest;
use tower_api_key::record::KeyRecord;
use tower_api_key::store::StoreError;
use tower_api_key::{ApiKeyLayer, KeyManager, KeyStore, MemoryStore, NewKey, Scope};
use tower_layer::Layer;

/// A manager of keys in memory.
pub(crate) fn manager() -> KeyManager<MemoryStore> {
    KeyManager::new(MemoryStore::new())
}

/// A key that may do everything.
pub(crate) fn new_key() -> NewKey {
    NewKey::new("acct_42", "a scenario").with_scopes([Scope::READ, Scope::WRITE, Scope::DELETE])
}

/// A request for `/items` with a key, or without one.
pub(crate) fn get(key: Option<&str>) -> Request<Body> {
    let request = Request::get("/items");
    let request = match key {
        Some(key) => request.header("x-api-key", key),
        None => request,
    };
    request.body(Body::empty()).unwrap()
}

/// What a layer answers to a request for `/items`, where the inner service answers 200.
pub(crate) async fn answer(layer: &ApiKeyLayer, key: Option<&str>) -> Response<Body> {
    let inner = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::from("inner-ok")))
    });
    let Ok(response) = layer.layer(inner).oneshot(get(key)).await;
    response
}

/// The status of [`answer`].
pub(crate) async fn status(layer: &ApiKeyLayer, key: &str) -> StatusCode {
    answer(layer, Some(key)).await.status()
}

/// Makes a service ready and calls it.
pub(crate) async fn call<S>(service: &mut S, key: Option<&str>) -> Result<S::Response, S::Error>
where
    S: Service<Request<Body>>,
{
    service.ready().await?.call(get(key)).await
}

/// Lets every look-up of another store wait once, so that the service takes its other path.
pub(crate) struct Waiting<S>(pub(crate) S);

impl<S: KeyStore> KeyStore for Waiting<S> {
    fn find<'a, 'b, 'c>(
        &'a self,
        digest: &'b KeyDigest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Arc<KeyRecord>>, StoreError>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.find(digest).await
        })
    }
}

/// The text of a documentation comment, without its marks and line ends.
pub(crate) fn doc_text(source: &str) -> String {
    let lines = source
        .lines()
        .map(|line| line.trim().trim_start_matches(['/', '!']));
    lines
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}
