//! Which scopes keys exercise: noted by a layer and by others, written to a store, and told as
//! advice.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tower::Layer;
use tower_api_key::clock::ManualClock;
use tower_api_key::manage::{Advice, AdvicePolicy};
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::record::KeyId;
use tower_api_key::store::{KeyUse, Store};
use tower_api_key::usage::{UsageFlusher, UsageFlusherOptions, UsageMonitor};
use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore, NewKey, RequireScope, Scope, ScopeSet};

use crate::kit::in_uses;
use crate::support::inner::Probe;
use crate::support::{get, issue, keys, request, request_to, send};

const AT: Timestamp = Timestamp::UNIX_EPOCH;
const REPORTS: Scope = Scope::from_static("reports");

fn scopes(names: &str) -> ScopeSet {
    names.parse().unwrap()
}

/// What each key has exercised, and how many uses were counted.
fn drained(monitor: &UsageMonitor) -> (BTreeMap<KeyId, String>, (u64, u64)) {
    let uses = monitor.drain(AT);
    let mut exercised = BTreeMap::<_, ScopeSet>::new();
    for one in &uses {
        let known = exercised.entry(one.key()).or_default();
        *known = known.union(one.exercised());
    }
    let names = exercised.into_iter().map(|(id, set)| (id, set.to_string()));
    (names.collect(), in_uses(&uses))
}

#[tokio::test]
async fn a_request_exercises_what_the_policy_asked_for_if_it_is_let_in() {
    let keys = keys();
    let issued = issue(&keys, [Scope::READ, Scope::WRITE, REPORTS]).await;
    let (id, key) = (issued.record.id(), issued.key.expose_secret());
    let monitor = UsageMonitor::new();
    let layer = ApiKeyLayer::new(keys.store().clone()).with_usage(monitor.clone());
    let mut service = layer.layer(Probe::new().0);
    let lines = [("x-api-key", key)];
    for (method, status, names, counts) in [
        ("GET", 200, "read", (1, 0)),
        ("DELETE", 403, "", (0, 1)),
        ("POST", 200, "write", (1, 0)),
        ("BREW", 403, "", (0, 1)),
        ("HEAD", 200, "read", (1, 0)),
    ] {
        let answer = send(&mut service, request(method, &lines)).await;
        assert_eq!(answer.status, status, "{method}");
        let expected = BTreeMap::from([(id, names.to_owned())]);
        assert_eq!(drained(&monitor), (expected, counts), "{method}");
    }
    for method in ["GET", "PUT", "GET"] {
        send(&mut service, request(method, &lines)).await;
    }
    let expected = BTreeMap::from([(id, "read write".to_owned())]);
    assert_eq!(drained(&monitor), (expected, (3, 0)));
    // Once more after a collection.
    send(&mut service, request("GET", &lines)).await;
    let expected = KeyUse::new(id, 1, AT).with_allowed(1);
    assert_eq!(monitor.drain(AT), [expected.with_exercised(Scope::READ)]);
}

/// More scopes than a monitor has bits for.
#[tokio::test]
async fn every_scope_is_noted_however_many_there_are() {
    let keys = keys();
    let monitor = UsageMonitor::new();
    let by_path = |head: &RequestHead<'_>| -> Requirement {
        let name = head.uri().path().trim_start_matches('/').to_owned();
        Scope::new(name).unwrap().into()
    };
    let layer = ApiKeyLayer::new(keys.store().clone())
        .with_usage(monitor.clone())
        .with_policy(by_path);
    let mut service = layer.layer(Probe::new().0);
    let mut expected = BTreeMap::new();
    for part in 0..4 {
        let held: ScopeSet = (0..25)
            .map(|number| Scope::new(format!("s{}", 20 * part + number)).unwrap())
            .collect();
        let issued = issue(&keys, held.clone()).await;
        let lines = [("x-api-key", issued.key.expose_secret())];
        for scope in held.iter() {
            let sent = request_to("GET", &format!("/{scope}"), &lines);
            send(&mut service, sent).await.assert_allowed();
        }
        expected.insert(issued.record.id(), held.to_string());
    }
    assert_eq!(drained(&monitor), (expected, (100, 0)));
    assert_eq!(drained(&monitor), (BTreeMap::new(), (0, 0)));
}

#[tokio::test]
async fn what_is_asked_for_behind_the_layer_is_noted_where_the_monitor_is_told() {
    let keys = keys();
    let issued = issue(&keys, [Scope::READ, REPORTS]).await;
    let (id, key) = (issued.record.id(), issued.key.expose_secret());
    let monitor = UsageMonitor::new();
    let layer = ApiKeyLayer::new(keys.store().clone()).with_usage(monitor.clone());
    let told = |scope| RequireScope::new(scope).with_usage(monitor.clone());
    for (route, status, names, counts) in [
        (RequireScope::new(REPORTS), 200, "read", (1, 0)),
        (told(REPORTS), 200, "read reports", (1, 0)),
        (told(Scope::DELETE), 403, "", (0, 1)),
    ] {
        let mut service = layer.layer(route.layer(Probe::new().0));
        assert_eq!(send(&mut service, get(key)).await.status, status);
        let expected = BTreeMap::from([(id, names.to_owned())]);
        assert_eq!(drained(&monitor), (expected, counts));
    }

    let identity = keys.verifier().verify(key).await.unwrap();
    monitor.count(Ok(&identity));
    let none = BTreeMap::from([(id, String::new())]);
    assert_eq!(drained(&monitor), (none, (1, 0)));
    monitor.exercise(&identity, &scopes("reports"));
    let noted = BTreeMap::from([(id, "reports".to_owned())]);
    assert_eq!(drained(&monitor), (noted, (0, 0)));
}

/// From requests through a layer to advice, a month later.
async fn advises_on_a_scope_that_no_request_needed(store: impl Store + Clone + 'static) {
    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const MONTH: SignedDuration = SignedDuration::from_hours(24 * 30);
    let start: Timestamp = "2026-01-01T10:30:00Z".parse().unwrap();
    let clock = ManualClock::at(start);
    let keys = KeyManager::new(store.clone()).with_clock(clock.clone());
    let policy = AdvicePolicy::new()
        .with_unused_after(Duration::MAX)
        .with_idle_after(Duration::MAX);
    let keys = keys.with_advice_policy(policy);
    let end = start + MONTH * 24;
    let new = NewKey::new("acct_42", "CI").expires_at(end);
    let new = new.with_scopes([Scope::READ, Scope::WRITE, Scope::DELETE, REPORTS]);
    let issued = keys.issue(new).await.unwrap();
    let (id, lines) = (
        issued.record.id(),
        [("x-api-key", issued.key.expose_secret())],
    );

    let monitor = UsageMonitor::new();
    let options = UsageFlusherOptions::new().with_clock(clock.clone());
    let flusher = UsageFlusher::spawn(monitor.clone(), store.clone(), options).unwrap();
    let layer = ApiKeyLayer::new(store.clone()).with_usage(monitor);
    let mut service = layer.with_clock(clock.clone()).layer(Probe::new().0);
    let mut serve = async |method, at| {
        clock.set(at);
        let answer = send(&mut service, request(method, &lines)).await;
        answer.assert_allowed();
        flusher.flush().await.unwrap();
    };

    serve("GET", start + HOUR).await;
    serve("POST", start + HOUR * 5).await;
    serve("GET", start + HOUR * 9).await;
    let hour = |number| start - HOUR / 2 + HOUR * number;
    let usage = keys.usage(&id, start..hour(100)).await.unwrap();
    let found: Vec<_> = usage
        .iter()
        .map(|bucket| (bucket.hour(), bucket.scopes().clone()))
        .collect();
    let expected = [
        (hour(1), Scope::READ.into()),
        (hour(5), Scope::WRITE.into()),
        (hour(9), Scope::READ.into()),
    ];
    assert_eq!(found, expected);
    let micro = SignedDuration::from_micros(1);
    clock.set(hour(1) + MONTH - micro);
    assert_eq!(keys.advice(&id).await.unwrap(), []);
    clock.set(hour(1) + MONTH);
    // `reports` is not watched.
    let advice = Advice::UnusedScopes {
        scopes: Scope::DELETE.into(),
        since: hour(1),
    };
    assert_eq!(keys.advice(&id).await.unwrap(), [advice]);
    serve("DELETE", hour(2) + MONTH).await;
    assert_eq!(keys.advice(&id).await.unwrap(), []);
}

#[tokio::test]
async fn a_scope_that_no_request_needed_is_advised_on_with_a_memory_store() {
    advises_on_a_scope_that_no_request_needed(MemoryStore::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_scope_that_no_request_needed_is_advised_on_with_a_file() {
    use tower_api_key::store::SqliteStore;

    let name = format!("exercised-{}.db", std::process::id());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let url = format!("sqlite://{}", path.display());
    let store = SqliteStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    advises_on_a_scope_that_no_request_needed(store).await;
    std::fs::remove_file(path).unwrap();
}
