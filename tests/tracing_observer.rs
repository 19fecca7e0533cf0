//! Decisions as `tracing` events.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "tracing")]

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use support::inner::Probe;
use support::stores::{Fixed, Panics, Place};
use support::{Sent, UNKNOWN, get, issue, request, request_to, send, timed_keys};
use tower::Layer;
use tower_api_key::key::KeyDigest;
use tower_api_key::observe::TracingObserver;
use tower_api_key::record::KeyRecord;
use tower_api_key::store::{StoreError, StoreErrorKind};
use tower_api_key::{ApiKeyLayer, KeyStore, Scope};
use tracing_subscriber::fmt::MakeWriter;

/// What was written to the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The lines that these requests write, at the finest level.
fn logged(layer: &ApiKeyLayer, requests: Vec<Sent>) -> Vec<String> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let layer = layer.clone().with_observer(TracingObserver::new());
        let mut service = layer.layer(Probe::new().0);
        for request in requests {
            block_on(send(&mut service, request));
        }
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let target = "tower_api_key::observe::tracing: ";
    text.lines()
        .map(|line| {
            assert!(line.contains(target), "{line}");
            line.trim_start().replacen(target, "", 1)
        })
        .collect()
}

#[test]
fn each_decision_is_one_event() {
    let (keys, clock) = timed_keys();
    let issued = block_on(issue(&keys, Scope::READ));
    let revoked = block_on(issue(&keys, Scope::READ));
    let (id, other) = (issued.record.id(), revoked.record.id());
    block_on(keys.revoke(&other, "leaked")).unwrap();
    let key = issued.key.expose_secret();
    let layer = ApiKeyLayer::from_verifier(keys.verifier().with_clock(clock))
        .with_public_path("/health")
        .unwrap()
        .with_preflight_allowed();
    let preflight = [("origin", "x"), ("access-control-request-method", "PUT")];
    let lines = logged(
        &layer,
        vec![
            get(key),
            request("GET", &[]),
            get(UNKNOWN),
            get(&format!("{key}0")),
            get(revoked.key.expose_secret()),
            request("POST", &[("x-api-key", key)]),
            // A method may be any word, a key too.
            request(key, &[("x-api-key", key)]),
            request_to("GET", &format!("/health?key={key}"), &[]),
            request("OPTIONS", &preflight),
            request_to("GET", &format!("/{key}?key={key}"), &[("x-api-key", "x")]),
        ],
    );
    let refused =
        |method: &str, rest: &str| format!("INFO request refused method={method} reason={rest}");
    assert_eq!(
        lines,
        [
            format!(
                "DEBUG request authenticated method=GET access=\"key\" key_id={id} owner=\"acct_42\""
            ),
            refused("GET", "no key was sent"),
            refused("GET", "no such key"),
            refused("GET", "what was sent has not the format of a key"),
            refused("GET", &format!("the key was revoked key_id={other}")),
            refused("POST", &format!("the key lacks a scope: write key_id={id}")),
            refused(
                "other",
                &format!("the policy permits the request to no key key_id={id}")
            ),
            "DEBUG request let through method=GET access=\"public path\"".to_owned(),
            "DEBUG request let through method=OPTIONS access=\"preflight\"".to_owned(),
            refused("GET", "what was sent has not the format of a key"),
        ]
    );
    let anonymous = layer.with_insecure_anonymous_access();
    let lines = logged(&anonymous, vec![request("GET", &[])]);
    assert_eq!(
        lines,
        ["DEBUG request let through method=GET access=\"anonymous\""]
    );
}

/// A store that always gives this error.
struct Down(StoreError);

#[async_trait::async_trait]
impl KeyStore for Down {
    async fn find(&self, _: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Err(self.0.clone())
    }

    fn try_find(&self, _: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        Some(Err(self.0.clone()))
    }
}

#[test]
fn a_fault_of_the_server_is_an_error_with_its_cause() {
    let (keys, clock) = timed_keys();
    let fault = |layer: &ApiKeyLayer| logged(layer, vec![get(UNKNOWN)]);
    let refused = "ERROR request refused method=GET reason=";
    assert_eq!(
        fault(&ApiKeyLayer::new(Fixed::FailsNow)),
        [format!(
            "{refused}the store could not answer cause=no connection"
        )]
    );
    let down = StoreError::new(StoreErrorKind::Unavailable, "no answer from db:5432")
        .with_source(io::Error::other("connection reset"));
    assert_eq!(
        fault(&ApiKeyLayer::new(Down(down))),
        [format!(
            "{refused}the store could not answer cause=no answer from db:5432: connection reset"
        )]
    );
    let panics = Panics::new(keys.store().clone(), Place::InFindNow);
    assert_eq!(
        fault(&ApiKeyLayer::new(panics)),
        [format!(
            "{refused}the store, the policy or the observer panicked"
        )]
    );

    let issued = block_on(issue(&keys, Scope::READ));
    let id = issued.record.id();
    let soon = tower_api_key::record::KeyUpdate::new()
        .with_expires_at(Some("2026-01-02T00:00:00Z".parse().unwrap()));
    block_on(keys.update(&id, soon)).unwrap();
    clock.set(jiff::Timestamp::MIN);
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    assert_eq!(
        logged(&layer, vec![get(issued.key.expose_secret())]),
        [format!("{refused}the clock reads before 1970 key_id={id}")]
    );
}
