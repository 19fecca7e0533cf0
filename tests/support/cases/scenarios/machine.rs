//! Keys through random lives, beside a model that is nothing but the rules.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use futures::executor::block_on;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tower::{ServiceExt, service_fn};
use tower_api_key::clock::ManualClock;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyId, KeyRecord, KeyUpdate};
use tower_api_key::store::{StoreError, StoreErrorKind};
use tower_api_key::{ApiKeyLayer, KeyManager, KeyStore, MemoryStore, NewKey, Scope, ScopeSet};
use tower_layer::Layer;

use super::kit::Waiting;
use super::oracle;
use crate::heavy;

/// One step; an index is taken modulo the number of keys, or of a key's secrets.
#[derive(Clone, Debug)]
enum Step {
    Issue {
        scopes: BTreeSet<&'static str>,
        lifetime: Option<u64>,
    },
    Use {
        key: usize,
        secret: usize,
        method: &'static str,
    },
    Rescope {
        key: usize,
        scopes: BTreeSet<&'static str>,
    },
    Rotate {
        key: usize,
        grace: u64,
    },
    Disable {
        key: usize,
    },
    Enable {
        key: usize,
    },
    Revoke {
        key: usize,
    },
    Delete {
        key: usize,
    },
    Outage(bool),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let scopes = || {
        prop::sample::subsequence(vec!["read", "write", "delete"], 0..=3)
            .prop_map(|scopes| scopes.into_iter().collect())
    };
    let methods = vec!["GET", "POST", "DELETE", "TRACE"];
    let key = || 0..4_usize;
    prop_oneof![
        3 => (scopes(), prop::option::of(1..40_u64))
            .prop_map(|(scopes, lifetime)| Step::Issue { scopes, lifetime }),
        12 => (key(), 0..10_usize, prop::sample::select(methods))
            .prop_map(|(key, secret, method)| Step::Use { key, secret, method }),
        1 => (key(), scopes()).prop_map(|(key, scopes)| Step::Rescope { key, scopes }),
        4 => (key(), prop_oneof![Just(0), 1..30_u64])
            .prop_map(|(key, grace)| Step::Rotate { key, grace }),
        1 => key().prop_map(|key| Step::Disable { key }),
        1 => key().prop_map(|key| Step::Enable { key }),
        1 => key().prop_map(|key| Step::Revoke { key }),
        1 => key().prop_map(|key| Step::Delete { key }),
        1 => any::<bool>().prop_map(Step::Outage),
        4 => (0..15_u64).prop_map(Step::Advance),
    ]
}

/// The rules, with a second as the unit of time.
#[derive(Default)]
struct Model {
    now: u64,
    is_down: bool,
    keys: Vec<ModelKey>,
}

struct ModelKey {
    scopes: BTreeSet<&'static str>,
    expires_at: Option<u64>,
    is_disabled: bool,
    is_revoked: bool,
    is_deleted: bool,
    /// When each secret retires, oldest first.
    secrets: Vec<Option<u64>>,
}

impl Model {
    fn expects(&self, key: &ModelKey, secret: usize, method: &str) -> StatusCode {
        let has_come = |end: Option<u64>| end.is_some_and(|end| self.now >= end);
        if self.is_down {
            StatusCode::SERVICE_UNAVAILABLE
        } else if key.is_deleted
            || key.is_revoked
            || key.is_disabled
            || has_come(key.expires_at)
            || has_come(key.secrets[secret])
        {
            StatusCode::UNAUTHORIZED
        } else if oracle::needed(method).is_some_and(|scope| key.scopes.contains(scope)) {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        }
    }
}

impl ModelKey {
    fn may_change(&self) -> bool {
        !self.is_deleted && !self.is_revoked
    }

    /// Gives the key a new secret, if the rules let it have one.
    fn rotate(&mut self, now: u64, grace: u64) -> bool {
        let has_expired = self.expires_at.is_some_and(|end| now >= end);
        let ends: Vec<_> = self
            .secrets
            .iter()
            .map(|end| end.map_or(now + grace, |end| end.min(now + grace)))
            .collect();
        // Eight secrets may work at a time, the new one among them.
        let working = ends.iter().filter(|end| now < **end).count();
        if !self.may_change() || has_expired || working >= 8 {
            return false;
        }
        self.secrets = ends.into_iter().map(Some).chain([None]).collect();
        true
    }
}

/// A store that can be down.
struct Breakable {
    records: MemoryStore,
    is_down: Arc<AtomicBool>,
}

#[async_trait]
impl KeyStore for Breakable {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.try_find(digest).expect("memory never waits")
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        if self.is_down.load(Ordering::SeqCst) {
            return Some(Err(StoreError::new(StoreErrorKind::Unavailable, "down")));
        }
        self.records.try_find(digest)
    }
}

/// The real thing: a manager, and a layer for each of the service's two paths.
struct Real {
    manager: KeyManager<MemoryStore>,
    layers: [ApiKeyLayer; 2],
    clock: ManualClock,
    is_down: Arc<AtomicBool>,
    /// Of each key its id and the plaintexts of its secrets, oldest first.
    keys: Vec<(KeyId, Vec<String>)>,
}

impl Real {
    fn new() -> Self {
        let clock = ManualClock::at("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
        let manager = KeyManager::new(MemoryStore::new()).with_clock(clock.clone());
        let is_down = Arc::new(AtomicBool::new(false));
        let store = || Breakable {
            records: manager.store().clone(),
            is_down: is_down.clone(),
        };
        let layers = [
            ApiKeyLayer::new(store()),
            ApiKeyLayer::new(Waiting(store())),
        ];
        let layers = layers.map(|layer| layer.with_clock(clock.clone()));
        Self {
            manager,
            layers,
            clock,
            is_down,
            keys: Vec::new(),
        }
    }

    fn issue(&mut self, scopes: &BTreeSet<&'static str>, lifetime: Option<u64>) {
        let new = NewKey::new("acct_42", "a life").with_scopes(scope_set(scopes));
        let new = match lifetime {
            Some(seconds) => new.expires_in(Duration::from_secs(seconds)),
            None => new,
        };
        let fresh = block_on(self.manager.issue(new)).unwrap();
        self.keys.push((
            fresh.record.id(),
            vec![fresh.key.expose_secret().to_owned()],
        ));
    }

    fn statuses(&self, key: &str, method: &str) -> [StatusCode; 2] {
        self.layers.each_ref().map(|layer| {
            let inner = service_fn(|_: Request<Body>| async {
                Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
            });
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = Request::builder()
                .method(method)
                .uri("/items")
                .header("x-api-key", key);
            let request = request.body(Body::empty()).unwrap();
            let Ok(response) = block_on(layer.layer(inner).oneshot(request));
            response.status()
        })
    }

    fn rotate(&mut self, index: usize, grace: u64) -> bool {
        let (id, secrets) = &mut self.keys[index];
        match block_on(self.manager.rotate(id, Duration::from_secs(grace))) {
            Ok(fresh) => {
                secrets.push(fresh.key.expose_secret().to_owned());
                true
            }
            Err(_) => false,
        }
    }
}

fn scope_set(scopes: &BTreeSet<&'static str>) -> ScopeSet {
    scopes.iter().map(|name| Scope::from_static(name)).collect()
}

/// Takes one step in both, and compares what they say of it.
fn take(step: &Step, model: &mut Model, real: &mut Real) -> Result<(), TestCaseError> {
    let count = model.keys.len();
    let index = |key: &usize| key % count.max(1);
    match step {
        Step::Issue { scopes, lifetime } => {
            real.issue(scopes, *lifetime);
            model.keys.push(ModelKey {
                scopes: scopes.clone(),
                expires_at: lifetime.map(|seconds| model.now + seconds),
                is_disabled: false,
                is_revoked: false,
                is_deleted: false,
                secrets: vec![None],
            });
        }
        Step::Outage(is_down) => {
            real.is_down.store(*is_down, Ordering::SeqCst);
            model.is_down = *is_down;
        }
        Step::Advance(seconds) => {
            real.clock.advance(Duration::from_secs(*seconds));
            model.now += seconds;
        }
        // Every other step is about a key.
        _ if count == 0 => {}
        Step::Use {
            key,
            secret,
            method,
        } => {
            let key = index(key);
            let secret = secret % model.keys[key].secrets.len();
            let expected = model.expects(&model.keys[key], secret, method);
            prop_assert_eq!(
                real.statuses(&real.keys[key].1[secret], method),
                [expected; 2]
            );
        }
        Step::Rotate { key, grace } => {
            let now = model.now;
            let expected = model.keys[index(key)].rotate(now, *grace);
            prop_assert_eq!(real.rotate(index(key), *grace), expected);
        }
        Step::Rescope { key, .. }
        | Step::Disable { key }
        | Step::Enable { key }
        | Step::Revoke { key }
        | Step::Delete { key } => {
            let id = real.keys[index(key)].0;
            let was_done = change(step, &mut model.keys[index(key)]);
            prop_assert_eq!(change_really(step, &real.manager, &id), was_done);
        }
    }
    Ok(())
}

fn change(step: &Step, key: &mut ModelKey) -> bool {
    match step {
        Step::Revoke { .. } if !key.is_deleted => key.is_revoked = true,
        Step::Delete { .. } if !key.is_deleted => key.is_deleted = true,
        Step::Rescope { scopes, .. } if key.may_change() => key.scopes.clone_from(scopes),
        Step::Disable { .. } if key.may_change() => key.is_disabled = true,
        Step::Enable { .. } if key.may_change() => key.is_disabled = false,
        _ => return false,
    }
    true
}

fn change_really(step: &Step, manager: &KeyManager<MemoryStore>, id: &KeyId) -> bool {
    match step {
        Step::Revoke { .. } => block_on(manager.revoke(id, "a life")).is_ok(),
        Step::Delete { .. } => block_on(manager.delete(id)).is_ok(),
        Step::Disable { .. } => block_on(manager.disable(id)).is_ok(),
        Step::Enable { .. } => block_on(manager.enable(id)).is_ok(),
        Step::Rescope { scopes, .. } => {
            let update = KeyUpdate::new().with_scopes(scope_set(scopes));
            block_on(manager.update(id, update)).is_ok()
        }
        _ => unreachable!("not a change of a key"),
    }
}

#[test]
fn sc_fz_5_every_life_of_keys_agrees_with_the_model() {
    let config = Config {
        cases: heavy::size(100, 1_000),
        failure_persistence: None,
        ..Config::default()
    };
    let lives = prop::collection::vec(step(), 1..80);
    let result = TestRunner::new(config).run(&lives, |steps| {
        let (mut model, mut real) = (Model::default(), Real::new());
        steps
            .iter()
            .try_for_each(|step| take(step, &mut model, &mut real))
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
