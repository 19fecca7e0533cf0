//! The OpenAPI document says which routes there are, and what they need.

use serde_json::{Value, json};
use tower_api_key::integration::management::{ApiKeySecurity, ManagementApi, OwnerAuthoriser};
use tower_api_key::key::KeyFormat;
use utoipa::openapi::path::{OperationBuilder, PathItem};
use utoipa::openapi::{HttpMethod, OpenApi};

use crate::kit::server;

#[tokio::test]
async fn the_document_is_served_and_tells_every_route() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let mut document = server.get(&maker, "/openapi.json").await.expect(200);
    // Where it is mounted is known to the router alone.
    let servers = document.as_object_mut().unwrap().remove("servers");
    assert_eq!(servers, Some(json!([{"url": "/api/v1"}])));
    let api = ManagementApi::new(&server.keys, OwnerAuthoriser::new());
    assert_eq!(document, serde_json::to_value(api.openapi()).unwrap());
    assert_eq!(document["openapi"], "3.1.0");

    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(format!("{method} {path}"));
            let scopes = json!([{"bearer": ["keys:manage"]}, {"api_key": ["keys:manage"]}]);
            assert_eq!(operation["security"], scopes, "{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            for status in ["400", "401", "403", "503"] {
                assert!(responses.contains_key(status), "{method} {path} {status}");
            }
        }
    }
    operations.sort();
    let expected = [
        "get /audit",
        "get /keys",
        "get /keys/{id}",
        "get /keys/{id}/advice",
        "get /keys/{id}/usage",
        "get /openapi.json",
        "patch /keys/{id}",
        "post /keys",
        "post /keys/{id}/revoke",
        "post /keys/{id}/rotate",
    ];
    assert_eq!(operations, expected);
}

#[tokio::test]
async fn bodies_of_requests_have_no_other_members() {
    let server = server();
    let api = ManagementApi::new(&server.keys, OwnerAuthoriser::new());
    let document = serde_json::to_value(api.openapi()).unwrap();
    for name in ["CreateKey", "PatchKey", "RotateKey", "RevokeKey"] {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{name}");
    }
}

#[test]
fn the_document_says_how_long_the_old_secrets_work_by_default() {
    let server = server();
    let api = ManagementApi::new(&server.keys, OwnerAuthoriser::new());
    let document = serde_json::to_value(api.openapi()).unwrap();
    let grace = &document["components"]["schemas"]["RotateKey"]["properties"]["grace_seconds"];
    assert_eq!(grace["default"], 86_400);
}

#[test]
fn operations_ask_for_what_the_method_policy_asks_for() {
    let mut document = OpenApi::default();
    for (path, method) in [
        ("options", HttpMethod::Options),
        ("put", HttpMethod::Put),
        ("trace", HttpMethod::Trace),
    ] {
        let item = PathItem::new(method, OperationBuilder::new().build());
        document.paths.paths.insert(path.to_owned(), item);
    }
    ApiKeySecurity::new(&KeyFormat::default()).add_to(&mut document);
    let document = serde_json::to_value(&document).unwrap();
    for (method, scopes, denied) in [
        ("options", json!(["read"]), "The API key lacks a scope"),
        ("put", json!(["write"]), "The API key lacks a scope"),
        // The policy denies it to every key.
        ("trace", json!([]), "No API key may use this method"),
    ] {
        let operation = &document["paths"][method][method];
        let expected = json!([{"bearer": scopes}, {"api_key": scopes}]);
        assert_eq!(operation["security"], expected, "{method}");
        assert_eq!(
            operation["responses"]["403"]["description"], denied,
            "{method}"
        );
    }
}
