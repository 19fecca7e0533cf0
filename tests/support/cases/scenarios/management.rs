//! The management API.

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_api_key::integration::management::{ManagementApi, OwnerAuthoriser};
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::store::PageRequest;
use tower_api_key::{ApiKeyLayer, NewKey, Scope, ScopeSet};

use super::kit::manager;

#[tokio::test]
async fn sc_gen_9_nobody_names_an_owner_or_gets_scopes_beyond_its_own() {
    let keys = manager();
    let api = ManagementApi::new(&keys, OwnerAuthoriser::new());
    let any_key = |_: &RequestHead<'_>| Requirement::Scopes(ScopeSet::new());
    let layer = ApiKeyLayer::from_verifier(keys.verifier()).with_policy(any_key);
    let behind: Router = api.router().layer(layer);
    let victim = NewKey::new("victim", "theirs").with_scopes([Scope::READ]);
    let victim = keys.issue(victim).await.unwrap().record;
    let one = format!("/keys/{}", victim.id());
    let wanted = json!({"name": "x", "owner": "victim", "userId": "victim", "scopes": ["write"]});

    // Without a key: also where the layer was forgotten.
    for app in [&behind, &api.router()] {
        for (method, target) in [("POST", "/keys"), ("PATCH", &*one)] {
            let status = send(app, None, method, target, &wanted).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method}");
        }
    }
    // With a key of another account: the owner is not for it to say.
    let scopes = [OwnerAuthoriser::SCOPE, Scope::READ];
    let mine = NewKey::new("attacker", "mine").with_scopes(scopes);
    let mine = keys.issue(mine).await.unwrap().key;
    let mine = Some(mine.expose_secret());
    let status = send(&behind, mine, "POST", "/keys", &wanted).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let status = send(&behind, mine, "PATCH", &one, &json!({"scopes": ["read"]})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let stronger = json!({"name": "x", "scopes": ["read", "write"]});
    let status = send(&behind, mine, "POST", "/keys", &stronger).await;
    assert_eq!(status, StatusCode::FORBIDDEN);

    let theirs = keys.list("victim", &PageRequest::default()).await.unwrap();
    assert_eq!(theirs.keys(), [victim]);
    assert_eq!(
        keys.list("attacker", &PageRequest::default())
            .await
            .unwrap()
            .keys()
            .len(),
        1
    );
}

async fn send(
    app: &Router,
    key: Option<&str>,
    method: &str,
    target: &str,
    body: &Value,
) -> StatusCode {
    let request = Request::builder().method(method).uri(target);
    let request = request.header("content-type", "application/json");
    let request = match key {
        Some(key) => request.header("x-api-key", key),
        None => request,
    };
    let request = request.body(Body::from(body.to_string())).unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}
