//! Answers of one's own, and what the layer adds to them and to those of the inner service.

use std::convert::Infallible;

use http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_api_key::Scope;
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::Refusal;

use super::support::stores::Fixed;
use super::support::{Answered, Sent, UNKNOWN, get, request, send, told};
use super::{ApiKeyLayer, fixture, probed};

#[tokio::test]
async fn a_closure_answers_with_all_that_a_client_may_know() {
    let respond = |refusal: &Refusal<'_>| {
        // No responder sees a credential.
        assert_eq!(refusal.head().header(&AUTHORIZATION), None);
        let names: Vec<_> = refusal
            .head()
            .headers()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["accept"]);
        let lines = format!(
            "{} {} {:?} {:?} {}",
            refusal.status().as_u16(),
            refusal.error(),
            refusal.challenge(),
            refusal.retry_after(),
            refusal.message(),
        );
        let mut response = Response::new(Full::from(lines));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    };
    let (_, issued, layer) = fixture().await;
    let (mut service, _) = probed(&layer.with_responder(respond));
    let (mut failing, _) = probed(&ApiKeyLayer::new(Fixed::FailsNow).with_responder(respond));
    let key = issued.key.expose_secret();
    for (method, key, kind, challenge) in [
        (
            "GET",
            UNKNOWN,
            DenialKind::Unknown,
            r#", error="invalid_token""#,
        ),
        ("GET", "", DenialKind::Missing, ""),
        (
            "GET",
            "a,b",
            DenialKind::Ambiguous,
            r#", error="invalid_request""#,
        ),
        (
            "PUT",
            key,
            DenialKind::InsufficientScope,
            r#", error="insufficient_scope", scope="write""#,
        ),
    ] {
        let lines = [
            ("x-api-key", key),
            ("accept", "*/*"),
            ("authorization", "Basic YTpi"),
        ];
        let answer = send(&mut service, request(method, &lines)).await;
        let (status, error, message) = told(kind);
        let challenge = HeaderValue::try_from(format!(r#"Bearer realm="api"{challenge}"#)).unwrap();
        let expected = format!("{status} {error} {:?} None {message}", Some(challenge));
        assert_eq!((answer.status, answer.text()), (418, &*expected));
        assert_eq!(answer.kind, Some(kind));
    }
    let lines = [("x-api-key", key), ("accept", "*/*")];
    let answer = send(&mut failing, request("GET", &lines)).await;
    let (status, error, message) = told(DenialKind::StoreFailed);
    assert_eq!(
        answer.text(),
        format!("{status} {error} None Some(1) {message}")
    );
}

#[tokio::test]
async fn the_layer_adds_to_a_refusal_only_what_its_responder_left_out() {
    let bare = |_: &Refusal<'_>| Response::new(Full::from("no"));
    let own = |_: &Refusal<'_>| {
        let mut response = Response::new(Full::from("no"));
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=5"));
        response
    };
    let (_, _, layer) = fixture().await;
    let (mut bare, _) = probed(&layer.clone().with_responder(bare));
    let (mut own, _) = probed(&layer.with_responder(own));
    for (answer, caching, vary) in [
        (
            send(&mut bare, get(UNKNOWN)).await,
            "no-store",
            "X-API-Key, Authorization",
        ),
        (
            send(&mut own, get(UNKNOWN)).await,
            "max-age=5",
            "Accept, X-API-Key, Authorization",
        ),
    ] {
        let expected = [("cache-control", caching), ("vary", vary)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(answer.all_headers(), expected);
        assert_eq!((answer.status, answer.text()), (200, "no"));
        assert_eq!(answer.kind, Some(DenialKind::Unknown));
    }
}

/// RFC 9110 asks for a challenge with 401 (section 15.5.2), which is easily forgotten.
#[tokio::test]
async fn the_layer_adds_the_challenge_and_the_time_to_retry_where_they_are_absent() {
    let plain = |refusal: &Refusal<'_>| {
        let mut response = Response::new(Full::from("no"));
        *response.status_mut() = match refusal.status().as_u16() {
            503 if refusal.head().method() == "PUT" => StatusCode::TOO_MANY_REQUESTS,
            _ => refusal.status(),
        };
        response
    };
    let own = move |refusal: &Refusal<'_>| {
        let mut response = plain(refusal);
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Own"));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("9"));
        response
    };
    let (_, issued, layer) = fixture().await;
    let layer = layer.with_realm("shop").unwrap();
    let failing = ApiKeyLayer::new(Fixed::FailsNow);
    let key = issued.key.expose_secret();
    let lacking = r#"Bearer realm="shop", error="insufficient_scope", scope="write""#;
    let invalid = r#"Bearer realm="shop", error="invalid_token""#;
    for (layer, method, key, status, challenge, retry) in [
        (&layer, "GET", "", 401, r#"Bearer realm="shop""#, ""),
        (&layer, "GET", UNKNOWN, 401, invalid, ""),
        (&layer, "PUT", key, 403, lacking, ""),
        (&layer, "GET", "a,b", 400, "", ""),
        (&failing, "GET", key, 503, "", "1"),
        (&failing, "PUT", key, 429, "", "1"),
    ] {
        let lines = [("x-api-key", key)];
        let (mut service, _) = probed(&layer.clone().with_responder(plain));
        let answer = send(&mut service, request(method, &lines)).await;
        let told = ["www-authenticate", "retry-after"].map(|name| answer.header(name));
        assert_eq!(
            (answer.status, told),
            (status, [challenge, retry].map(str::to_owned))
        );
        let (mut service, _) = probed(&layer.clone().with_responder(own));
        let answer = send(&mut service, request(method, &lines)).await;
        let told = ["www-authenticate", "retry-after"].map(|name| answer.header(name));
        assert_eq!(told, ["Own", "9"]);
    }
}

#[tokio::test]
async fn the_layer_adds_to_an_allowed_answer_only_what_the_inner_service_left_out() {
    let (_, issued, layer) = fixture().await;
    for (own, expected) in [
        (&[][..], ["private", "X-API-Key, Authorization"]),
        (
            &[
                ("cache-control", "public, max-age=9"),
                ("vary", "Accept"),
                ("vary", "Origin"),
            ],
            [
                "public, max-age=9",
                "Accept, Origin, X-API-Key, Authorization",
            ],
        ),
        (&[("vary", "*")], ["private", "*, X-API-Key, Authorization"]),
    ] {
        let inner = service_fn(move |_: Sent| async move {
            let response = own
                .iter()
                .fold(Response::builder(), |response, (name, value)| {
                    response.header(*name, *value)
                });
            Ok::<Answered, Infallible>(response.body(Full::from("inner-ok")).unwrap())
        });
        let mut service = layer.layer(inner);
        let answer = send(&mut service, get(issued.key.expose_secret())).await;
        answer.assert_allowed();
        assert_eq!(
            [answer.header("cache-control"), answer.header("vary")],
            expected
        );
        assert_eq!(answer.headers.keys().count(), 2);
    }
}

#[tokio::test]
async fn the_denial_is_left_in_the_response() {
    let (keys, issued, layer) = fixture().await;
    let (service, _) = probed(&layer);
    let lines = [("x-api-key", issued.key.expose_secret())];
    let response = tower::ServiceExt::oneshot(service, request("DELETE", &lines))
        .await
        .unwrap();
    let denial = response
        .extensions()
        .get::<tower_api_key::Denial>()
        .unwrap();
    assert_eq!(denial.kind(), DenialKind::InsufficientScope);
    assert_eq!(denial.key_id(), Some(issued.record.id()));
    assert_eq!(denial.missing_scopes(), &Scope::DELETE.into());
    assert_eq!(denial.to_string(), "the key lacks a scope: delete");
    assert_eq!(keys.store().len(), 1);
}
