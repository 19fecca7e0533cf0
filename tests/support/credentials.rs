//! What the inner service sees of the credentials.

use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION};
use tower_api_key::denial::DenialKind;
use tower_api_key::{ApiKeyLayer, Scope};

use super::support::stores::Yielding;
use super::support::{Sent, UNKNOWN, issue, request, request_to, send};
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
        assert!(seen.headers().values().all(HeaderValue::is_sensitive));
    }
}

/// `Authorization` with this key in it, but not as `Bearer <key>`.
fn misspelt(key: &str) -> Vec<HeaderValue> {
    let texts = [
        "{}",
        "Bearer{}",
        "Bearer:{}",
        "Bearer: {}",
        "Bearer={}",
        "Bearer,{}",
        "Bearer;{}",
        "Bearer\u{a0}{}",
        "\"Bearer {}\"",
        "Token {}",
        "ApiKey {}",
        "Digest username=\"{}\", realm=\"x\"",
    ];
    let values = texts.map(|text| {
        let octets = text.replace("{}", key).chars().map(|c| c as u8).collect();
        HeaderValue::from_maybe_shared::<bytes::Bytes>(Vec::into(octets)).unwrap()
    });
    values.into()
}

fn with_authorization(mut request: Sent, value: &HeaderValue) -> Sent {
    request.headers_mut().append(AUTHORIZATION, value.clone());
    request
}

#[tokio::test]
async fn a_key_that_is_not_sent_as_bearer_opens_nothing() {
    let (keys, issued, layer) = fixture().await;
    let (mut strict, strictly_seen) = probed(&layer);
    let (mut open, seen) = probed(&layer.with_insecure_anonymous_access());
    let revoked = issue(&keys, Scope::READ).await;
    keys.revoke(&revoked.record.id(), "leaked").await.unwrap();
    let another = issue(&keys, Scope::READ).await;
    for key in [&issued.key, &revoked.key] {
        for value in misspelt(key.expose_secret()) {
            for service in [&mut strict, &mut open] {
                let request = with_authorization(request("GET", &[]), &value);
                let answer = send(service, request).await;
                answer.assert_refused(DenialKind::NotBearer);
                // As if none was sent: the client may not have known how (RFC 6750, section 3.1).
                let challenge = answer.header("www-authenticate");
                assert_eq!(challenge, "Bearer realm=\"api\"", "{value:?}");
                // Nor does it stand beside another key: whoever reads it would let in another caller.
                for other in [another.key.expose_secret(), UNKNOWN, "x"] {
                    let request = with_authorization(super::support::get(other), &value);
                    let answer = send(service, request).await;
                    answer.assert_refused(DenialKind::Conflicting);
                }
            }
        }
    }
    assert_eq!((strictly_seen.calls(), seen.calls()), (0, 0));
}

/// As two lines would be, which an intermediary may join in one (RFC 9110, section 5.3).
#[tokio::test]
async fn bearer_joined_to_another_scheme_is_ambiguous_in_both_orders() {
    let (keys, issued, layer) = fixture().await;
    let (mut strict, _) = probed(&layer);
    let (mut open, seen) = probed(&layer.clone().with_insecure_anonymous_access());
    let (mut public, allowed) = probed(&layer.with_public_path("/health").unwrap());
    let another = issue(&keys, Scope::READ).await;
    for key in [issued.key.expose_secret(), UNKNOWN, "x"] {
        for value in [
            format!("Basic YTpi, Bearer {key}"),
            format!("Bearer {key}, Basic YTpi"),
            format!("Basic YTpi,bearer {key}"),
            format!("bearer {key},Basic YTpi"),
            format!("Digest a=\"b, c\", d=e, Bearer {key}"),
        ] {
            let value = HeaderValue::try_from(value).unwrap();
            for service in [&mut strict, &mut open] {
                let request = with_authorization(request("GET", &[]), &value);
                send(service, request)
                    .await
                    .assert_refused(DenialKind::Ambiguous);
                let request = super::support::get(another.key.expose_secret());
                let answer = send(service, with_authorization(request, &value)).await;
                assert_eq!(answer.status, 400, "{value:?}");
            }
            let request = with_authorization(request_to("GET", "/health", &[]), &value);
            send(&mut public, request).await.assert_allowed();
            assert!(allowed.headers().is_empty());
        }
    }
    assert_eq!(seen.calls(), 0);
}

/// Where a request passes for another reason, a key that was sent in whatever way goes no further.
#[tokio::test]
async fn a_key_that_is_not_sent_as_bearer_is_removed_or_marked() {
    let (_, issued, layer) = fixture().await;
    let layer = layer.with_public_path("/health").unwrap();
    let layer = layer.with_preflight_allowed();
    let (mut removing, removed) = probed(&layer);
    let (mut keeping, kept) = probed(&layer.with_insecure_credential_kept());
    let key = [("x-api-key", issued.key.expose_secret())];
    let preflight = [("origin", "x"), ("access-control-request-method", "PUT")];
    for value in misspelt(issued.key.expose_secret()) {
        for (method, lines) in [
            ("GET", &[][..]),
            ("OPTIONS", &preflight),
            ("GET", &[("authorization", "Basic YTpi")]),
            ("HEAD", &key),
        ] {
            let target = if method == "GET" { "/health" } else { "/items" };
            let request = || request_to(method, target, lines);
            let mut others = request().headers().clone();
            others.remove("x-api-key");
            let answer = send(&mut removing, with_authorization(request(), &value)).await;
            answer.assert_allowed();
            assert_eq!(removed.headers(), others);
            let answer = send(&mut keeping, with_authorization(request(), &value)).await;
            answer.assert_allowed();
            let headers = kept.headers();
            let mut kept = headers.get_all(AUTHORIZATION).iter();
            assert!(kept.all(HeaderValue::is_sensitive));
            assert_eq!(headers.len(), lines.len() + 1);
        }
    }
}

#[tokio::test]
async fn the_credentials_of_another_scheme_are_left_alone() {
    let (_, issued, layer) = fixture().await;
    let layer = layer.with_public_path("/health").unwrap();
    let (mut service, seen) = probed(&layer);
    let key = [("x-api-key", issued.key.expose_secret())];
    for value in [
        "Basic QWxhZGRpbjpPcGVuU2VzYW1l",
        "Negotiate YII=",
        "Digest username=\"a\", realm=\"x, Bearer y\"",
        "Token 0123456789",
        "AWS4-HMAC-SHA256 Credential=a/b, Signature=c",
    ] {
        let value = HeaderValue::from_static(value);
        for request in [request("GET", &key), request_to("GET", "/health", &[])] {
            let answer = send(&mut service, with_authorization(request, &value)).await;
            answer.assert_allowed();
            let kept = &seen.headers()[AUTHORIZATION];
            assert_eq!((kept, kept.is_sensitive()), (&value, false));
        }
    }
}
