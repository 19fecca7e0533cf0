//! What the layer can be told: the effect of each option, and what it refuses when it is built.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

#[path = "support/credentials.rs"]
mod credentials;
#[path = "support/decisions.rs"]
mod decisions;
#[path = "support/openings.rs"]
mod openings;
#[path = "support/responders.rs"]
mod responders;

use http::HeaderName;
use http::header::AUTHORIZATION;
use support::inner::{Probe, Seen};
use support::{IssuedKey, Keys, UNKNOWN, get, issue, keys, request, send, timed_keys};
use tower::Layer;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::{KeyFormat, KeyHasher};
use tower_api_key::middleware::{ApiKeyAuth, ConfigError, ConfigErrorKind, KeySource};
use tower_api_key::policy::{MethodPolicy, RequestHead, Requirement, ScopePolicy};
use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore, NewKey, Scope};

/// A manager, a key with `read`, and a layer on the same store.
async fn fixture() -> (Keys, IssuedKey, ApiKeyLayer) {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let layer = ApiKeyLayer::new(keys.store().clone());
    (keys, issued, layer)
}

fn probed<R: Clone>(layer: &ApiKeyLayer<R>) -> (ApiKeyAuth<Probe, R>, std::sync::Arc<Seen>) {
    let (probe, seen) = Probe::new();
    (layer.layer(probe), seen)
}

fn named(name: &'static str) -> KeySource {
    KeySource::header(HeaderName::from_static(name))
}

#[track_caller]
fn assert_config_error<T>(result: Result<T, ConfigError>, kind: ConfigErrorKind, message: &str) {
    let Err(error) = result else {
        panic!("expected an error: {message}");
    };
    assert_eq!((error.kind(), &*error.to_string()), (kind, message));
}

#[tokio::test]
async fn the_realm_stands_in_every_challenge() {
    let (_, issued, layer) = fixture().await;
    let longest = "r".repeat(256);
    for realm in ["TruCustom API", "a", &longest, "it's <b>, really; 100%"] {
        let (mut service, _) = probed(&layer.clone().with_realm(realm).unwrap());
        let realm = format!("Bearer realm=\"{realm}\"");
        let key = issued.key.expose_secret();
        for (request, rest) in [
            (request("GET", &[]), ""),
            (get(UNKNOWN), r#", error="invalid_token""#),
            (get("a,b"), r#", error="invalid_request""#),
            (
                request("PUT", &[("x-api-key", key)]),
                r#", error="insufficient_scope", scope="write""#,
            ),
            (
                request("BREW", &[("x-api-key", key)]),
                r#", error="insufficient_scope""#,
            ),
        ] {
            let answer = send(&mut service, request).await;
            assert_eq!(answer.header("www-authenticate"), format!("{realm}{rest}"));
        }
    }
}

#[test]
fn a_realm_that_no_challenge_can_hold_is_refused() {
    let message = r#"expected a realm of 1 to 256 octets of printable ASCII without '"' and '\'"#;
    let longer = "r".repeat(257);
    for realm in [
        "",
        " ",
        "a\rb",
        "a\nb",
        "a\r\nX: y",
        "a\"b",
        "a\\b",
        "a\0",
        "a\tb",
        "café",
        &longer,
    ] {
        let layer = ApiKeyLayer::new(MemoryStore::new()).with_realm(realm);
        assert_config_error(layer, ConfigErrorKind::Realm, message);
    }
}

#[tokio::test]
async fn keys_of_each_format_pass() {
    let (keys, old, layer) = fixture().await;
    let format = KeyFormat::new("acme_").unwrap().with_checksum();
    let new = issue(&keys.clone().with_format(format), Scope::READ).await;
    let (mut one, _) = probed(&layer);
    let both = layer.with_formats([KeyFormat::default(), format]).unwrap();
    let (mut both, _) = probed(&both);
    send(&mut one, get(old.key.expose_secret()))
        .await
        .assert_allowed();
    let answer = send(&mut one, get(new.key.expose_secret())).await;
    answer.assert_refused(DenialKind::Malformed);
    for issued in [old, new] {
        send(&mut both, get(issued.key.expose_secret()))
            .await
            .assert_allowed();
    }
}

#[test]
fn no_format_or_one_twice_is_refused() {
    let with_formats = |formats: &[KeyFormat]| {
        ApiKeyLayer::new(MemoryStore::new()).with_formats(formats.iter().copied())
    };
    let tc = KeyFormat::default();
    let message = "expected at least one key format, found none";
    assert_config_error(with_formats(&[]), ConfigErrorKind::Formats, message);
    let message = "expected each key prefix once, found \"tc_\" twice";
    let acme = KeyFormat::new("acme_").unwrap();
    for formats in [[tc, acme, tc], [tc, tc.with_checksum(), acme]] {
        assert_config_error(with_formats(&formats), ConfigErrorKind::Formats, message);
    }
    assert!(with_formats(&[tc, acme]).is_ok());
}

#[tokio::test]
async fn hasher_and_clock_are_the_layers_own() {
    let hasher = KeyHasher::hmac_sha256(&[7; 32]).unwrap();
    let (keys, clock) = timed_keys();
    let keys = keys.with_hasher(hasher.clone());
    let end = "2026-01-01T01:00:00Z".parse().unwrap();
    let new = NewKey::new("acct_42", "CI")
        .with_scopes(Scope::READ)
        .expires_at(end);
    let key = keys.issue(new).await.unwrap().key;
    let layer = ApiKeyLayer::new(keys.store().clone()).with_clock(clock.clone());
    let (mut other, _) = probed(&layer);
    let (mut own, _) = probed(&layer.with_hasher(hasher));
    let (mut taken, _) = probed(&ApiKeyLayer::from_verifier(keys.verifier()));
    let answer = send(&mut other, get(key.expose_secret())).await;
    answer.assert_refused(DenialKind::Unknown);
    for service in [&mut own, &mut taken] {
        clock.set("2026-01-01T00:00:00Z".parse().unwrap());
        send(service, get(key.expose_secret()))
            .await
            .assert_allowed();
        clock.set(end);
        let answer = send(service, get(key.expose_secret())).await;
        answer.assert_refused(DenialKind::Expired);
    }
}

#[tokio::test]
async fn keys_are_read_from_the_listed_headers_only() {
    let (_, issued, layer) = fixture().await;
    let layer = layer
        .with_sources([KeySource::BEARER, named("x-acme-key")])
        .unwrap();
    let (mut service, seen) = probed(&layer);
    let key = issued.key.expose_secret();
    let bearer = format!("Bearer {key}");

    let both = [("x-acme-key", key), ("authorization", &bearer)];
    for lines in [&both[..], &both[..1], &both[1..]] {
        let answer = send(&mut service, request("GET", lines)).await;
        answer.assert_allowed();
        assert_eq!(answer.header("vary"), "x-acme-key, Authorization");
        assert_eq!(answer.header("cache-control"), "private");
        assert!(seen.headers().is_empty(), "the credential was left");
    }
    // One that is not listed is neither read nor removed, and contradicts nothing.
    let answer = send(&mut service, get(key)).await;
    assert_eq!(
        (answer.status, answer.kind),
        (401, Some(DenialKind::Missing))
    );
    assert_eq!(answer.header("vary"), "x-acme-key, Authorization");
    let lines = [("x-acme-key", key), ("x-api-key", UNKNOWN)];
    send(&mut service, request("GET", &lines))
        .await
        .assert_allowed();
    assert_eq!(seen.headers()["x-api-key"], UNKNOWN);
    // The scheme belongs to `Authorization` alone.
    let answer = send(&mut service, request("GET", &[("x-acme-key", &bearer)])).await;
    assert_eq!(
        (answer.status, answer.kind),
        (401, Some(DenialKind::Malformed))
    );
    assert_eq!(seen.calls(), 4);
}

#[tokio::test]
async fn vary_is_written_the_same_way_for_the_default_and_for_listed_headers() {
    let (_, issued, layer) = fixture().await;
    let listed = [KeySource::X_API_KEY, KeySource::BEARER];
    for layer in [layer.clone().with_sources(listed).unwrap(), layer] {
        let (mut service, _) = probed(&layer);
        for key in [issued.key.expose_secret(), UNKNOWN] {
            let answer = send(&mut service, get(key)).await;
            assert_eq!(answer.header("vary"), "X-API-Key, Authorization");
        }
    }
}

#[tokio::test]
async fn eight_sources_are_read_and_stripped() {
    const NAMES: [&str; 8] = [
        "x-a",
        "x-b",
        "x-c",
        "x-d",
        "x-e",
        "x-f",
        "x-g",
        "authorization",
    ];
    let (_, issued, layer) = fixture().await;
    let layer = layer.with_sources(NAMES.map(named)).unwrap();
    let (mut service, seen) = probed(&layer);
    let key = issued.key.expose_secret();
    let bearer = format!("Bearer {key}");
    let lines: Vec<_> = NAMES
        .iter()
        .map(|name| {
            (
                *name,
                if *name == "authorization" {
                    &*bearer
                } else {
                    key
                },
            )
        })
        .collect();
    for at in 0..8 {
        send(&mut service, request("GET", &lines[at..=at]))
            .await
            .assert_allowed();
        assert!(seen.headers().is_empty());
    }
    send(&mut service, request("GET", &lines))
        .await
        .assert_allowed();
    assert!(seen.headers().is_empty());
    for at in 0..8 {
        let mut wrong = lines.clone();
        wrong[at].1 = if at == 7 { "Bearer x" } else { "x" };
        let answer = send(&mut service, request("GET", &wrong)).await;
        assert_eq!(
            (answer.status, answer.kind),
            (400, Some(DenialKind::Conflicting))
        );
    }
}

#[test]
fn sources_that_cannot_work_are_refused() {
    let with_sources = |names: &[&'static str]| {
        let sources: Vec<_> = names.iter().map(|name| named(name)).collect();
        ApiKeyLayer::new(MemoryStore::new()).with_sources(sources)
    };
    let kind = ConfigErrorKind::Sources;
    assert_config_error(
        with_sources(&[]),
        kind,
        "expected 1 to 8 key sources, found 0",
    );
    let nine = [
        "x-1", "x-2", "x-3", "x-4", "x-5", "x-6", "x-7", "x-8", "x-9",
    ];
    assert_config_error(
        with_sources(&nine),
        kind,
        "expected 1 to 8 key sources, found 9",
    );
    assert!(with_sources(&nine[1..]).is_ok());
    for twice in ["authorization", "x-api-key", "x-own"] {
        let message = format!("expected each key source once, found {twice} twice");
        assert_config_error(with_sources(&[twice, twice]), kind, &message);
    }
    for reserved in [
        "accept-encoding",
        "access-control-request-method",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "forwarded",
        "host",
        "origin",
        "proxy-authorization",
        "range",
        "sec-websocket-protocol",
        "set-cookie",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-forwarded-for",
        "x-http-method-override",
    ] {
        let message = format!("expected a header for keys, found {reserved}");
        assert_config_error(with_sources(&["x-api-key", reserved]), kind, &message);
    }
    assert_eq!(named("authorization"), KeySource::BEARER);
    assert_eq!(named("x-api-key"), KeySource::X_API_KEY);
    assert_eq!(KeySource::BEARER.header_name(), AUTHORIZATION);
}

#[tokio::test]
async fn the_policy_says_what_a_request_needs() {
    let (_, issued, layer) = fixture().await;
    let key = issued.key.expose_secret();
    let methods = MethodPolicy::new();
    let layer = layer.with_policy(move |head: &RequestHead<'_>| {
        // No policy sees a credential.
        assert_eq!(head.header(&AUTHORIZATION), None);
        assert!(head.headers().all(|(name, _)| name.as_str() == "x-tenant"));
        assert_eq!(head.headers().count(), 1);
        match head
            .header(&HeaderName::from_static("x-tenant"))
            .unwrap()
            .as_bytes()
        {
            b"any" => Requirement::Scopes(tower_api_key::ScopeSet::new()),
            b"none" => Requirement::NotPermitted,
            b"write" => Requirement::from([Scope::READ, Scope::WRITE]),
            _ => methods.requirement(head),
        }
    });
    let (mut service, _) = probed(&layer);
    for (tenant, method, kind) in [
        ("any", "BREW", None),
        ("none", "GET", Some(DenialKind::NotPermitted)),
        ("write", "GET", Some(DenialKind::InsufficientScope)),
        ("methods", "GET", None),
        ("methods", "POST", Some(DenialKind::InsufficientScope)),
    ] {
        let bearer = format!("Bearer {key}");
        let lines = [
            ("x-api-key", key),
            ("x-tenant", tenant),
            ("authorization", &bearer),
        ];
        let answer = send(&mut service, request(method, &lines)).await;
        match kind {
            None => answer.assert_allowed(),
            Some(kind) => answer.assert_refused(kind),
        }
    }
}

#[test]
fn debug_shows_the_options_and_no_secret() {
    let keys = KeyManager::new(MemoryStore::new())
        .with_hasher(KeyHasher::hmac_sha256(b"an example pepper of 32 octets!!").unwrap());
    let layer = ApiKeyLayer::from_verifier(keys.verifier()).with_insecure_anonymous_access();
    let shown = format!("{layer:?} {:?}", layer.layer("the inner service"));
    assert!(shown.contains("allows_anonymous: true, allows_preflight: false"));
    assert!(shown.contains("ApiKeyAuth { inner: \"the inner service\""));
    assert!(!shown.contains("pepper"));
    assert_eq!(layer.layer("inner").inner(), &"inner");
}
