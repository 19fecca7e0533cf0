//! What the inner service sees of the credentials.

use http::header::{ACCEPT, AUTHORIZATION};
use tower_api_key::ApiKeyLayer;

use super::support::stores::Yielding;
use super::support::{request, request_to, send};
use super::{fixture, probed};

#[tokio::test]
async fn credentials_are_removed() {
    let (keys, issued, layer) = fixture().await;
    let key = issued.key.expose_secret();
    let bearer = format!("bearer  {key}");
    let waiting = ApiKeyLayer::new(Yielding(keys.store().clone()));
    for layer in [layer, waiting] {
        let (mut service, seen) = probed(&layer);
        let both = [
            ("x-api-key", key),
            ("authorization", &*bearer),
            ("accept", "*/*"),
        ];
        send(&mut service, request("GET", &both))
            .await
            .assert_allowed();
        let left: Vec<_> = seen.headers().keys().cloned().collect();
        assert_eq!(left, [ACCEPT]);
        // The credentials of another scheme are someone else's.
        let other = [("x-api-key", key), ("authorization", "Basic YTpi")];
        send(&mut service, request("GET", &other))
            .await
            .assert_allowed();
        assert_eq!(seen.headers()[AUTHORIZATION], "Basic YTpi");
        assert_eq!(seen.headers().len(), 1);
        // An empty header holds no key, and goes too.
        let empty = [("x-api-key", " "), ("authorization", &*bearer)];
        send(&mut service, request("GET", &empty))
            .await
            .assert_allowed();
        assert!(seen.headers().is_empty());
    }
}

#[tokio::test]
async fn kept_credentials_are_marked_as_sensitive() {
    let (keys, issued, layer) = fixture().await;
    let key = issued.key.expose_secret();
    let bearer = format!("Bearer {key}");
    let waiting = ApiKeyLayer::new(Yielding(keys.store().clone()));
    for layer in [layer, waiting] {
        let (mut service, seen) = probed(&layer.with_insecure_credential_kept());
        let lines = [
            ("x-api-key", key),
            ("authorization", &*bearer),
            ("accept", "*/*"),
        ];
        send(&mut service, request("GET", &lines))
            .await
            .assert_allowed();
        for (name, value) in lines {
            let kept = &seen.headers()[name];
            let expected = (&value.parse().unwrap(), name != "accept");
            assert_eq!((kept, kept.is_sensitive()), expected);
        }
        assert_eq!(seen.headers().len(), 3);
    }
}

/// Only where no key is asked for can a header that comes twice reach the inner service.
#[tokio::test]
async fn of_several_lines_only_those_of_another_scheme_are_left() {
    let (_, issued, layer) = fixture().await;
    let layer = layer.with_public_path("/health").unwrap();
    let key = issued.key.expose_secret();
    let bearer = format!("Bearer {key}");
    let (basic, bearer) = (("authorization", "Basic YTpi"), ("authorization", &*bearer));
    let api_key = ("x-api-key", key);
    let (mut removing, seen) = probed(&layer);
    for (lines, left) in [
        (&[basic, bearer][..], 1),
        (&[bearer, basic], 1),
        (&[basic, bearer, basic], 2),
        (&[bearer, bearer, api_key, api_key], 0),
    ] {
        send(&mut removing, request_to("GET", "/health", lines))
            .await
            .assert_allowed();
        let headers = seen.headers();
        let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(values, vec!["Basic YTpi"; left]);
        assert_eq!(headers.len(), left);
    }
    let (mut keeping, seen) = probed(&layer.with_insecure_credential_kept());
    for lines in [[basic, bearer], [bearer, basic], [api_key, api_key]] {
        send(&mut keeping, request_to("GET", "/health", &lines))
            .await
            .assert_allowed();
        assert_eq!(seen.headers().len(), 2);
        assert!(seen.headers().values().all(http::HeaderValue::is_sensitive));
    }
}
