//! Whatever is sent: the layer decides as an oracle does that is written another way.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use futures::executor::block_on;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tower::{ServiceExt, service_fn};
use tower_api_key::record::{KeyId, KeyRecord, Revocation};
use tower_api_key::{ApiKeyLayer, Scope, ScopeSet};
use tower_layer::Layer;

use super::oracle::{self, Line, Sent};
use crate::heavy;
use crate::support::keys;
use crate::support::log;
use crate::support::store::{CaseStore, Fault, Pace};

/// Pieces from which credentials are put together, whole and broken ones.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let key = keys::key("all").into_bytes();
    let other = keys::key("unknown").into_bytes();
    let fixed = [
        key.clone(),
        key[..66].to_vec(),
        key.to_ascii_uppercase(),
        other,
        b"Bearer ".to_vec(),
        b"bEARER".to_vec(),
        b"Basic ".to_vec(),
        b" ".to_vec(),
        b"\t".to_vec(),
        b",".to_vec(),
        b"tc_".to_vec(),
    ];
    let octet = prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8];
    let changed = (0..67_usize, octet.clone()).prop_map(move |(at, octet)| {
        let mut key = key.clone();
        key[at] = octet;
        key
    });
    prop_oneof![
        6 => prop::sample::select(fixed.to_vec()),
        2 => changed,
        1 => prop::collection::vec(octet, 0..80),
    ]
}

/// A value as it may come in a header: mostly a credential, often with something wrong.
fn credential() -> impl Strategy<Value = Vec<u8>> {
    let key = keys::key("all");
    prop_oneof![
        1 => Just(format!("Bearer {key}").into_bytes()),
        1 => Just(key.into_bytes()),
        4 => prop::collection::vec(piece(), 0..5).prop_map(|pieces| pieces.concat()),
    ]
}

/// What the store says of the key `all`.
#[derive(Clone, Debug)]
struct Stored {
    fault: Fault,
    scopes: Vec<&'static str>,
    is_disabled: bool,
    is_revoked: bool,
    has_expired: bool,
}

impl Stored {
    fn works(&self) -> bool {
        !(self.is_disabled || self.is_revoked || self.has_expired)
    }

    fn record(&self) -> KeyRecord {
        let now = keys::now();
        let scopes: ScopeSet = self
            .scopes
            .iter()
            .map(|name| Scope::from_static(name))
            .collect();
        KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "all", now)
            .with_scopes(scopes)
            .with_disabled(self.is_disabled)
            .with_revocation(self.is_revoked.then(|| Revocation::new(now, "")))
            .with_expires_at(self.has_expired.then_some(Timestamp::UNIX_EPOCH))
            .with_secret_versions([keys::version(&keys::key("all"), now)])
    }

    fn store(&self, pace: Pace) -> CaseStore {
        let other = keys::version(&keys::key("read"), keys::now());
        let other = self.record().with_secret_versions([other]);
        CaseStore::new(vec![self.record()], other, self.fault, pace)
    }
}

fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(
        vec!["read", "write", "delete", "reader", "READ", "*"],
        0..=6,
    )
}

fn stored() -> impl Strategy<Value = Stored> {
    let fault = prop_oneof![
        8 => Just(Fault::None),
        1 => prop::sample::select(vec![
            Fault::Error,
            Fault::Panics,
            Fault::PanicsOnConstruct,
            Fault::OtherRecord,
            Fault::NoDigest,
        ]),
    ];
    let rarely = || prop::bool::weighted(0.1);
    (fault, scopes(), rarely(), rarely(), rarely()).prop_map(
        |(fault, scopes, is_disabled, is_revoked, has_expired)| Stored {
            fault,
            scopes,
            is_disabled,
            is_revoked,
            has_expired,
        },
    )
}

/// A request, and how the layer is set up.
#[derive(Clone, Debug)]
struct Trial {
    method: Method,
    path: &'static str,
    lines: Vec<Line>,
    stored: Stored,
    pace: Pace,
    allows_preflight: bool,
    allows_anonymous: bool,
    has_grpc: bool,
    version: Version,
}

fn method() -> impl Strategy<Value = Method> {
    let known = [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "QUERY",
    ];
    prop_oneof![
        6 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "[A-Za-z!#$%&'*+.^_`|~-]{1,12}",
    ]
    .prop_map(|name| Method::from_bytes(name.as_bytes()).unwrap())
}

fn line() -> impl Strategy<Value = Line> {
    let text = |texts: &'static [&'static str]| {
        prop::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec())
    };
    let overridden = || text(&["DELETE", " put ", "get", "FROB", "", "GET, PUT"]);
    prop_oneof![
        4 => credential().prop_map(|value| ("authorization", value)),
        4 => credential().prop_map(|value| ("x-api-key", value)),
        1 => credential().prop_map(|value| ("cookie", value)),
        1 => credential().prop_map(|value| ("proxy-authorization", value)),
        1 => overridden().prop_map(|value| ("x-http-method-override", value)),
        1 => overridden().prop_map(|value| ("x-method-override", value)),
        1 => text(&["https://app.example"]).prop_map(|value| ("origin", value)),
        1 => text(&["POST"]).prop_map(|value| ("access-control-request-method", value)),
        1 => text(&["Application/gRPC", "application/grpc+proto", "application/grpcx", "text/plain"])
            .prop_map(|value| ("content-type", value)),
    ]
}

fn trial() -> impl Strategy<Value = Trial> {
    let path = prop::sample::select(vec!["/", "/items", "/health", "/health/", "/%68ealth", "*"]);
    let pace = prop_oneof![Just(Pace::AtOnce), Just(Pace::AfterYield)];
    let lines = prop::collection::vec(line(), 0..4);
    let rarely = || prop::bool::weighted(0.2);
    let openings = (rarely(), rarely());
    let version = prop::sample::select(vec![Version::HTTP_11, Version::HTTP_2]);
    let grpc = (any::<bool>(), version);
    (method(), path, lines, stored(), pace, openings, grpc).prop_map(
        |(method, path, lines, stored, pace, openings, (has_grpc, version))| Trial {
            method,
            path,
            lines,
            stored,
            pace,
            allows_preflight: openings.0,
            allows_anonymous: openings.1,
            has_grpc,
            version,
        },
    )
}

/// What the layer must answer; 200 is the inner service's.
fn expected(trial: &Trial) -> StatusCode {
    let has = |wanted: &str| trial.lines.iter().any(|(name, _)| *name == wanted);
    // No opening for one method is one for a method that a header puts in its place.
    let is_preflight = trial.method == Method::OPTIONS
        && has("origin")
        && has("access-control-request-method")
        && !trial
            .lines
            .iter()
            .any(|(name, _)| name.ends_with("-override"));
    if trial.path == "/health" || trial.allows_preflight && is_preflight {
        return StatusCode::OK;
    }
    let stored = &trial.stored;
    match oracle::sent(&trial.lines) {
        Sent::Ambiguous => StatusCode::BAD_REQUEST,
        Sent::Nothing if trial.allows_anonymous => StatusCode::OK,
        Sent::Nothing | Sent::Misspelt | Sent::Malformed => StatusCode::UNAUTHORIZED,
        Sent::Key(_) if stored.fault == Fault::Error || stored.fault.panics() => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Sent::Key(key) if key != keys::key("all") => StatusCode::UNAUTHORIZED,
        Sent::Key(_) if stored.fault != Fault::None || !stored.works() => StatusCode::UNAUTHORIZED,
        Sent::Key(_) if oracle::permits(&stored.scopes, &trial.method, &trial.lines) => {
            StatusCode::OK
        }
        Sent::Key(_) => StatusCode::FORBIDDEN,
    }
}

fn layer(trial: &Trial, store: CaseStore) -> ApiKeyLayer {
    let layer = ApiKeyLayer::new(store).with_public_path("/health").unwrap();
    let layer = if trial.has_grpc {
        layer.with_grpc()
    } else {
        layer
    };
    let layer = if trial.allows_preflight {
        layer.with_preflight_allowed()
    } else {
        layer
    };
    if trial.allows_anonymous {
        layer.with_insecure_anonymous_access()
    } else {
        layer
    }
}

/// The answer, and how often the inner service was called.
fn answer(trial: &Trial, store: CaseStore) -> (Response<Body>, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let inner = service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(Body::from("inner-ok"))) }
    });
    let mut request = Request::new(Body::empty());
    *request.method_mut() = trial.method.clone();
    *request.uri_mut() = trial.path.parse().unwrap();
    *request.version_mut() = trial.version;
    for (name, value) in &trial.lines {
        let value = HeaderValue::from_bytes(value).unwrap();
        request
            .headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    let Ok(response) = block_on(layer(trial, store).layer(inner).oneshot(request));
    (response, calls.load(Ordering::SeqCst))
}

/// Runs a property; the panics of stores are kept off the screen.
fn check<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    log::install_panic_hook();
    let config = Config {
        cases: heavy::size(500, 8_000),
        failure_persistence: None,
        ..Config::default()
    };
    let (result, _) = log::captured(|| TestRunner::new(config).run(&strategy, property));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn sc_fz_1_the_reader_of_credentials_agrees_with_a_reference() {
    let lines = prop::collection::vec(
        (
            prop::sample::select(vec!["authorization", "x-api-key"]),
            credential(),
        ),
        0..3,
    );
    let stored = Stored {
        fault: Fault::None,
        scopes: vec!["read"],
        is_disabled: false,
        is_revoked: false,
        has_expired: false,
    };
    check(lines, |lines| {
        let trial = Trial {
            method: Method::GET,
            path: "/items",
            lines,
            stored: stored.clone(),
            pace: Pace::AtOnce,
            allows_preflight: false,
            allows_anonymous: false,
            has_grpc: false,
            version: Version::HTTP_11,
        };
        let store = stored.store(Pace::AtOnce);
        let (response, _) = answer(&trial, store.clone());
        prop_assert_eq!(response.status(), expected(&trial));
        // Only what has the form of a key is looked up, and that once.
        let is_key = matches!(oracle::sent(&trial.lines), Sent::Key(_));
        prop_assert_eq!(store.look_ups(), u64::from(is_key));
        Ok(())
    });
}

#[test]
fn sc_fz_2_the_layer_decides_as_the_oracle_and_calls_the_inner_service_accordingly() {
    check(trial(), |trial| {
        let (response, calls) = answer(&trial, trial.stored.store(trial.pace));
        let expected = expected(&trial);
        prop_assert_eq!(calls, usize::from(expected == StatusCode::OK));
        let in_grpc = trial.has_grpc
            && trial.version == Version::HTTP_2
            && oracle::is_grpc(&trial.method, &trial.lines);
        is_well_formed(response, expected, in_grpc)
    });
}

/// Checks the form of an answer: the inner service's, JSON, or gRPC.
fn is_well_formed(
    response: Response<Body>,
    expected: StatusCode,
    in_grpc: bool,
) -> Result<(), TestCaseError> {
    let (parts, body) = response.into_parts();
    let body = block_on(axum::body::to_bytes(body, 65_536)).unwrap();
    let header = |name: &str| parts.headers.get(name).map(HeaderValue::as_bytes);
    if expected == StatusCode::OK {
        prop_assert_eq!(parts.status, StatusCode::OK);
        prop_assert_eq!(body, "inner-ok");
        return Ok(());
    }
    let grpc_status = in_grpc.then(|| oracle::of_grpc(expected).as_bytes());
    prop_assert_eq!(header("grpc-status"), grpc_status);
    if in_grpc {
        prop_assert_eq!(parts.status, StatusCode::OK);
        prop_assert!(body.is_empty());
        return Ok(());
    }
    prop_assert_eq!(parts.status, expected);
    prop_assert_eq!(header("content-type"), Some(&b"application/json"[..]));
    prop_assert_eq!(header("cache-control"), Some(&b"no-store"[..]));
    let challenged = expected != StatusCode::SERVICE_UNAVAILABLE;
    prop_assert_eq!(header("www-authenticate").is_some(), challenged);
    prop_assert_eq!(header("retry-after").is_some(), !challenged);
    // An answer to HEAD has no content.
    if !body.is_empty() {
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(json["error"].as_str(), expected.canonical_reason());
        prop_assert!(json["message"].is_string());
    }
    Ok(())
}

#[test]
fn sc_fz_6_a_scope_less_never_lets_more_in() {
    check(
        (
            trial(),
            prop::sample::select(vec!["read", "write", "delete"]),
        ),
        |(trial, scope)| {
            let mut lesser = trial.clone();
            lesser.stored.scopes.retain(|name| *name != scope);
            let lets_in = |trial: &Trial| answer(trial, trial.stored.store(trial.pace)).1 == 1;
            prop_assert!(!lets_in(&lesser) || lets_in(&trial));
            Ok(())
        },
    );
}
