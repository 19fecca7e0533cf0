//! What no log, no serialized text and no panic may show.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::body::Body;
use futures::executor::block_on;
use http::{Response, StatusCode};
use serde::Serialize;
use tower_api_key::key::{ApiKey, KeyDigest, KeyPrefix};
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, SecretVersion};
use tower_api_key::{ApiKeyLayer, Identity, IssuedKey, MemoryStore, Scope, ScopeSet};

use super::kit::{answer, manager, new_key};
use super::public_types::declared::{WITHOUT_CONTENT, declared, is_off};
use super::public_types::marker::Marker;
use super::public_types::printed::printed;
use crate::support::log;

#[tokio::test]
async fn sc_log_3_no_public_type_prints_a_key_or_a_digest() {
    let marker = Marker::new().await;
    let printed = printed(&marker).await;
    for (name, text) in &printed {
        let text = text.to_ascii_lowercase();
        for secret in marker.secrets() {
            assert!(!text.contains(&secret), "{name} prints {secret}: {text}");
        }
    }
    // Nothing is passed over: a new public type is to be printed here, or to be listed with the
    // reason why it cannot hold a key.
    for name in declared() {
        let is_covered = printed.iter().any(|(printed, _)| *printed == name)
            || WITHOUT_CONTENT.contains(&name.as_str())
            || is_off(&name);
        assert!(
            is_covered,
            "expected {name} in tests/support/cases/scenarios/public_types"
        );
    }
}

/// An answer to nobody shows nothing either.
#[tokio::test]
async fn sc_log_3_an_answer_shows_no_key() {
    let marker = Marker::new().await;
    let layer = ApiKeyLayer::new(MemoryStore::new());
    let response = answer(&layer, Some(marker.fresh.key.expose_secret())).await;
    let printed = format!("{response:?}").to_ascii_lowercase();
    assert!(
        marker
            .secrets()
            .iter()
            .all(|secret| !printed.contains(secret)),
        "{printed}"
    );
}

/// Whether a type is `Serialize`: an inherent constant goes before that of a trait.
struct Probe<T>(PhantomData<T>);

impl<T: Serialize> Probe<T> {
    const SERIALIZES: bool = true;
}

trait Otherwise {
    const SERIALIZES: bool = false;
}

impl<T> Otherwise for Probe<T> {}

#[tokio::test]
async fn sc_log_4_nothing_that_holds_a_key_or_a_digest_serializes() {
    for (name, serializes) in [
        ("ApiKey", Probe::<ApiKey>::SERIALIZES),
        ("KeyDigest", Probe::<KeyDigest>::SERIALIZES),
        ("SecretVersion", Probe::<SecretVersion>::SERIALIZES),
        ("KeyRecord", Probe::<KeyRecord>::SERIALIZES),
        ("KeyChange", Probe::<KeyChange>::SERIALIZES),
        ("IssuedKey", Probe::<IssuedKey>::SERIALIZES),
        ("Identity", Probe::<Identity>::SERIALIZES),
    ] {
        assert!(!serializes, "{name} serializes");
    }
    // What serializes is what may be shown.
    for (name, serializes) in [
        ("KeyId", Probe::<KeyId>::SERIALIZES),
        ("KeyPrefix", Probe::<KeyPrefix>::SERIALIZES),
        ("Scope", Probe::<Scope>::SERIALIZES),
        ("ScopeSet", Probe::<ScopeSet>::SERIALIZES),
    ] {
        assert!(serializes, "{name} does not serialize");
    }
    let fresh = manager().issue(new_key()).await.unwrap();
    let shown = serde_json::to_string(&(
        fresh.record.id(),
        fresh.key.prefix(),
        fresh.record.scopes(),
        Scope::READ,
    ));
    assert!(!shown.unwrap().contains(&fresh.key.expose_secret()[3..12]));
}

/// Runs what panics, and returns the hook's text of it.
fn message_of(panics: impl FnOnce()) -> String {
    log::install_panic_hook();
    // Most panics are contained before they reach this.
    let (_, traces) = log::captured(|| catch_unwind(AssertUnwindSafe(panics)));
    assert!(!traces.panics.is_empty(), "expected a panic");
    traces.panics.concat()
}

#[test]
fn sc_log_6_no_panic_shows_the_key_that_is_in_its_scope() {
    let keys = manager();
    let fresh = block_on(keys.issue(new_key())).unwrap();
    let key = fresh.key.expose_secret().to_owned();
    let layer = || ApiKeyLayer::from_verifier(keys.verifier());
    let send = |layer: &ApiKeyLayer| {
        let response = block_on(answer(layer, Some(&key)));
        drop(response);
    };

    let policy = |_: &RequestHead<'_>| -> Requirement { panic!("the policy panicked") };
    let observer = |decision: &tower_api_key::observe::Decision<'_>| panic!("{decision:?}");
    let messages = [
        message_of(|| send(&layer().with_policy(policy))),
        message_of(|| send(&layer().with_observer(observer))),
        message_of(|| panic!("{:?} {:#?}", fresh, fresh.record)),
        message_of(|| not_for(&fresh).unwrap()),
        message_of(|| assert_eq!(fresh.record.secret_versions(), [])),
        message_of(|| _ = block_on(keys.verifier().verify(&key)).unwrap_err()),
    ];
    let digest = hex::encode(fresh.record.secret_versions()[0].digest().as_bytes());
    for message in messages {
        assert!(!message.contains(&key[3..]), "{message}");
        assert!(!message.contains(&digest), "{message}");
    }
}

/// Gives the key back as an error, as a full channel does.
fn not_for(fresh: &IssuedKey) -> Result<(), &IssuedKey> {
    Err(fresh)
}

/// A request in whose scope a panic was is gone, and the next one is served.
#[test]
fn sc_log_6_the_service_serves_on_after_a_panic() {
    let keys = manager();
    let fresh = block_on(keys.issue(new_key())).unwrap();
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    let panics = |_: &RequestHead<'_>| -> Requirement { panic!("the policy panicked") };
    let _ = message_of(|| {
        let layer = layer.clone().with_policy(panics);
        drop(block_on(answer(&layer, Some(fresh.key.expose_secret()))));
    });
    let response: Response<Body> = block_on(answer(&layer, Some(fresh.key.expose_secret())));
    assert_eq!(response.status(), StatusCode::OK);
}
