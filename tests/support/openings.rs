//! Requests that need no key: anonymous access, public paths, preflights.

use http::{Extensions, Method};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::ConfigErrorKind;
use tower_api_key::{ApiKeyLayer, Identity, MemoryStore, Scope};

use super::support::{Sent, UNKNOWN, get, issue, request, request_to, send};
use super::{assert_config_error, fixture, probed};

/// The identity that this key proves.
async fn identity() -> Identity {
    let (keys, issued, _) = fixture().await;
    let verifier = keys.verifier();
    verifier.verify(issued.key.expose_secret()).await.unwrap()
}

/// A request in which another layer has left an identity.
fn with_identity(mut request: Sent, identity: &Identity) -> Sent {
    let mut extensions = Extensions::new();
    extensions.insert(identity.clone());
    *request.extensions_mut() = extensions;
    request
}

#[tokio::test]
async fn anonymous_access_is_for_requests_without_a_key() {
    let (_, issued, layer) = fixture().await;
    let key = issued.key.expose_secret();
    let (mut service, seen) = probed(&layer.with_insecure_anonymous_access());
    for lines in [&[][..], &[("authorization", "Basic YTpi")]] {
        for method in ["GET", "DELETE", "BREW"] {
            let request = with_identity(request(method, lines), &identity().await);
            let answer = send(&mut service, request).await;
            answer.assert_allowed();
            assert_eq!(answer.header("vary"), "X-API-Key, Authorization");
            assert_eq!(answer.header("cache-control"), "");
            assert!(seen.identity().is_none(), "an identity that proves nothing");
            assert!(!seen.headers().contains_key("x-api-key"));
        }
    }
    send(&mut service, get(key)).await.assert_allowed();
    assert_eq!(seen.identity().unwrap().key_id(), issued.record.id());
    let calls = seen.calls();
    for (lines, kind) in [
        (&[("x-api-key", UNKNOWN)][..], DenialKind::Unknown),
        (&[("authorization", "Bearer")], DenialKind::Malformed),
        (&[("authorization", "Bearer ")], DenialKind::Malformed),
        // Empty, or not Bearer: meant to be a key.
        (&[("x-api-key", "")], DenialKind::Missing),
        (&[("x-api-key", " ")], DenialKind::Missing),
        (&[("authorization", "")], DenialKind::Missing),
        (&[("authorization", key)], DenialKind::NotBearer),
        (&[("authorization", "Bea")], DenialKind::NotBearer),
        (
            &[("x-api-key", ","), ("accept", "*/*")],
            DenialKind::Ambiguous,
        ),
        (
            &[("x-api-key", ""), ("x-api-key", "")],
            DenialKind::Ambiguous,
        ),
        (
            &[("x-api-key", key), ("authorization", "Bearer x")],
            DenialKind::Conflicting,
        ),
    ] {
        send(&mut service, request("GET", lines))
            .await
            .assert_refused(kind);
    }
    assert_eq!(seen.calls(), calls);
}

#[tokio::test]
async fn a_public_path_is_open_octet_for_octet() {
    let (_, issued, layer) = fixture().await;
    let layer = layer.with_public_path("/health").unwrap();
    let layer = layer.with_public_path("/v1/docs.json").unwrap();
    let (mut service, seen) = probed(&layer);
    for target in [
        "/health",
        "/health?full=1",
        "http://example.org/health",
        "/v1/docs.json",
    ] {
        for method in ["GET", "POST", "BREW"] {
            let lines = [("x-api-key", UNKNOWN), ("authorization", "Bearer x")];
            let request = with_identity(request_to(method, target, &lines), &identity().await);
            let answer = send(&mut service, request).await;
            answer.assert_allowed();
            assert_eq!(answer.all_headers(), []);
            assert!(seen.identity().is_none() && seen.headers().is_empty());
        }
    }
    // Nor is a valid key looked at.
    let lines = [("x-api-key", issued.key.expose_secret())];
    send(&mut service, request_to("GET", "/health", &lines))
        .await
        .assert_allowed();
    assert!(seen.identity().is_none());
    let calls = seen.calls();
    for target in [
        "/",
        "/Health",
        "/health/",
        "//health",
        "/health/x",
        "/healthz",
        "/%68ealth",
        "/health%2f",
        "/health;x",
        "/./health",
        "/x/../health",
        "/v1",
        "/v1/docs",
        "*",
        "/?/health",
    ] {
        let answer = send(&mut service, request_to("GET", target, &[])).await;
        answer.assert_refused(DenialKind::Missing);
    }
    assert_eq!(seen.calls(), calls);
}

#[tokio::test]
async fn a_slash_at_the_end_and_a_colon_within_are_exact() {
    let (_, _, layer) = fixture().await;
    let layer = layer.with_public_path("/docs/").unwrap();
    let layer = layer.with_public_path("/v1/items:batch").unwrap();
    let (mut service, _) = probed(&layer);
    for (target, open) in [
        ("/docs/", true),
        ("/v1/items:batch", true),
        ("/docs", false),
        ("/docs//", false),
        ("/docs/x", false),
        ("/v1/items", false),
        ("/v1/itemsxbatch", false),
    ] {
        let answer = send(&mut service, request_to("GET", target, &[])).await;
        if open {
            answer.assert_allowed();
        } else {
            answer.assert_refused(DenialKind::Missing);
        }
    }
}

#[tokio::test]
async fn a_public_path_can_be_open_for_one_method() {
    let (_, _, layer) = fixture().await;
    let layer = layer
        .with_public_path_for(Method::POST, "/webhooks")
        .unwrap();
    let layer = layer
        .with_public_path_for(Method::PUT, "/webhooks")
        .unwrap();
    let (mut service, _) = probed(&layer);
    for (method, open) in [
        ("POST", true),
        ("PUT", true),
        ("GET", false),
        ("post", false),
        ("DELETE", false),
    ] {
        let answer = send(&mut service, request_to(method, "/webhooks", &[])).await;
        if open {
            answer.assert_allowed();
        } else {
            answer.assert_refused(DenialKind::Missing);
        }
    }
}

#[test]
fn public_paths_that_are_not_exact_are_refused() {
    const RELATIVE: &str = "found one that does not start with '/'";
    const SEGMENT: &str = "found one with an empty or dot segment";
    const OCTET: &str = "found one with an octet other than printable ASCII";
    const PATTERN: &str =
        "found one with a pattern, an escape, a parameter or a query: paths are exact";
    for (path, defect) in [
        ("", RELATIVE),
        ("health", RELATIVE),
        ("*", RELATIVE),
        ("http://example.org/health", RELATIVE),
        (
            "/",
            "found \"/\", which stands for the whole of a nested router too",
        ),
        ("//", SEGMENT),
        ("/health//", SEGMENT),
        ("/a//b", SEGMENT),
        ("/./", SEGMENT),
        ("/.", SEGMENT),
        ("/a/../b", SEGMENT),
        ("/hea lth", OCTET),
        ("/health\r\n", OCTET),
        ("/café", OCTET),
        ("/health*", PATTERN),
        ("/{path}", PATTERN),
        ("/:path", PATTERN),
        ("/a/:path/", PATTERN),
        ("/%2e%2e", PATTERN),
        ("/a;b", PATTERN),
        ("/a\\b", PATTERN),
        ("/a?b", PATTERN),
        ("/a#b", PATTERN),
    ] {
        let message = format!("expected a public path such as \"/health\", {defect}");
        let layer = || ApiKeyLayer::new(MemoryStore::new());
        let kind = ConfigErrorKind::PublicPath;
        assert_config_error(layer().with_public_path(path), kind, &message);
        assert_config_error(
            layer().with_public_path_for(Method::GET, path),
            kind,
            &message,
        );
    }
}

const PREFLIGHT: [(&str, &str); 2] = [
    ("origin", "https://example.org"),
    ("access-control-request-method", "DELETE"),
];

#[tokio::test]
async fn preflights_pass_where_they_are_allowed() {
    let (_, _, layer) = fixture().await;
    let (mut closed, _) = probed(&layer);
    let answer = send(&mut closed, request("OPTIONS", &PREFLIGHT)).await;
    answer.assert_refused(DenialKind::Missing);
    let (mut open, seen) = probed(&layer.with_preflight_allowed());
    for (method, lines, passes) in [
        ("OPTIONS", &PREFLIGHT[..], true),
        ("OPTIONS", &PREFLIGHT[..1], false),
        ("OPTIONS", &PREFLIGHT[1..], false),
        ("OPTIONS", &[], false),
        ("DELETE", &PREFLIGHT, false),
        ("options", &PREFLIGHT, false),
    ] {
        let answer = send(&mut open, request(method, lines)).await;
        if passes {
            answer.assert_allowed();
            assert_eq!(answer.all_headers(), []);
            assert!(seen.identity().is_none());
        } else {
            answer.assert_refused(DenialKind::Missing);
        }
    }
}

/// Some frameworks let such a header replace the method behind this layer; see `MethodPolicy`.
#[tokio::test]
async fn an_opening_for_one_method_is_none_for_the_method_that_overrides_it() {
    let (_, _, layer) = fixture().await;
    let layer = layer.with_preflight_allowed();
    let layer = layer.with_public_path_for(Method::POST, "/items").unwrap();
    let (mut service, seen) = probed(&layer);
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ] {
        let lines = [PREFLIGHT[0], PREFLIGHT[1], (name, "DELETE")];
        for method in ["OPTIONS", "POST"] {
            let answer = send(&mut service, request(method, &lines)).await;
            answer.assert_refused(DenialKind::Missing);
        }
    }
    assert_eq!(seen.calls(), 0);
}

/// A layer outside may mark any header as sensitive, which hides it from policies.
async fn assert_refused_with_sensitive_override(other: &[(&str, &str)]) {
    let (keys, _, layer) = fixture().await;
    let key = issue(&keys, [Scope::READ, Scope::WRITE]).await.key;
    let (mut service, seen) = probed(&layer);
    let lines = [("x-api-key", key.expose_secret()), (OVERRIDE, "DELETE")];
    let mut request = request("POST", &[&lines, other].concat());
    let value = request.headers_mut().get_mut(OVERRIDE).unwrap();
    value.set_sensitive(true);
    let answer = send(&mut service, request).await;
    assert_eq!((answer.status, seen.calls()), (403, 0));
}

const OVERRIDE: &str = "x-http-method-override";

#[tokio::test]
async fn a_sensitive_method_override_is_still_one() {
    assert_refused_with_sensitive_override(&[]).await;
}

#[tokio::test]
async fn a_sensitive_method_override_is_still_one_beside_another() {
    assert_refused_with_sensitive_override(&[("x-http-method", "POST")]).await;
}
