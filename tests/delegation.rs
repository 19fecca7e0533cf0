//! What a key can do to other keys, through `KeyManager`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::executor::block_on;
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tower_api_key::clock::ManualClock;
use tower_api_key::key::KeyDigest;
use tower_api_key::manage::{ManageError, ManageErrorKind};
use tower_api_key::record::{
    ChangeContext, KeyChange, KeyId, KeyRecord, KeyUpdate, Recipient, SecretVersion, Transition,
};
use tower_api_key::store::{
    Commit, Insert, Inserted, KeyPage, KeyStore, PageRequest, StoreError, StoreErrorKind,
};
use tower_api_key::{
    Identity, IssuedKey, KeyManager, KeyRegistry, MemoryStore, NewKey, Scope, ScopeSet,
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MANAGE: Scope = Scope::from_static("keys:manage");

type Keys = KeyManager<MemoryStore>;

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn keys() -> (Keys, ManualClock) {
    let clock = ManualClock::at(start());
    let keys = KeyManager::new(MemoryStore::new()).with_clock(clock.clone());
    (keys, clock)
}

async fn identity(keys: &Keys, issued: &IssuedKey) -> Identity {
    let verifier = keys.verifier();
    verifier.verify(issued.key.expose_secret()).await.unwrap()
}

fn new(scopes: impl Into<ScopeSet>) -> NewKey {
    NewKey::new("acct_42", "CI").with_scopes(scopes)
}

#[track_caller]
fn assert_exceeds<T: std::fmt::Debug>(result: Result<T, ManageError>) {
    assert_eq!(result.unwrap_err().kind(), ManageErrorKind::Exceeds);
}

#[test]
fn a_secret_expires_when_its_key_becomes_stronger_than_its_recipient_was() {
    block_on(async {
        let (keys, _) = keys();
        let weak = keys.issue(new([Scope::READ, MANAGE]).expires_in(30 * DAY));
        let weak = weak.await.unwrap();
        let strong = [Scope::READ, Scope::WRITE, MANAGE];
        let victim = keys.issue(new(strong.clone())).await.unwrap();
        let id = victim.record.id();

        // The weak key cannot narrow the strong one; the owner does.
        let acting = keys.on_behalf_of(&identity(&keys, &weak).await);
        let narrow = KeyUpdate::new()
            .with_scopes([Scope::READ, MANAGE])
            .with_expires_at(Some(start() + 30 * DAY));
        assert_exceeds(acting.update(&id, narrow.clone()).await);
        keys.update(&id, narrow).await.unwrap();
        let handed_out = acting.rotate(&id, DAY).await.unwrap();
        let recipient = handed_out.record.secret_versions()[0].recipient().unwrap();
        assert_eq!(recipient.scopes(), weak.record.scopes());
        assert_eq!(recipient.expires_at(), weak.record.expires_at());

        let restored = keys
            .update(&id, KeyUpdate::new().with_scopes(strong))
            .await
            .unwrap();
        assert_eq!(restored.secret_versions()[0].retires_at(), Some(start()));
        let verifier = keys.verifier();
        let denied = verifier.verify(handed_out.key.expose_secret()).await;
        denied.unwrap_err();
        // The owner's own secret is within its grace period.
        verifier.verify(victim.key.expose_secret()).await.unwrap();
    });
}

#[test]
fn a_later_expiration_lets_a_secret_expire_with_its_recipient() {
    block_on(async {
        let (keys, clock) = keys();
        let weak = keys.issue(new([Scope::READ, MANAGE]).expires_in(30 * DAY));
        let weak = weak.await.unwrap();
        let acting = keys.on_behalf_of(&identity(&keys, &weak).await);
        let issued = acting
            .issue(new(Scope::READ).expires_in(DAY))
            .await
            .unwrap();
        let longer = KeyUpdate::new().with_expires_at(None);
        let longer = keys.update(&issued.record.id(), longer).await.unwrap();
        let expires_at = start() + 30 * DAY;
        assert_eq!(longer.secret_versions()[0].retires_at(), Some(expires_at));
        clock.advance(2 * DAY);
        let verifier = keys.verifier();
        verifier.verify(issued.key.expose_secret()).await.unwrap();
        clock.advance(28 * DAY);
        let denied = verifier.verify(issued.key.expose_secret()).await;
        denied.unwrap_err();
    });
}

#[test]
fn a_key_changes_no_stronger_key() {
    block_on(async {
        let (keys, _) = keys();
        let weak = keys.issue(new([Scope::READ, MANAGE]).expires_in(30 * DAY));
        let acting = keys.on_behalf_of(&identity(&keys, &weak.await.unwrap()).await);
        for strong in [
            new([Scope::READ, Scope::WRITE]).expires_in(DAY),
            new(Scope::READ).expires_in(31 * DAY),
            new(Scope::READ),
        ] {
            let id = keys.issue(strong).await.unwrap().record.id();
            assert_exceeds(acting.update(&id, KeyUpdate::new().with_name("x")).await);
            assert_exceeds(acting.rotate(&id, DAY).await);
            assert_exceeds(acting.disable(&id).await);
            assert_exceeds(acting.enable(&id).await);
            assert_exceeds(acting.revoke(&id, "").await);
            assert_exceeds(acting.delete(&id).await);
        }
        let other = keys.issue(NewKey::new("acct_7", "CI")).await.unwrap();
        let denied = acting.revoke(&other.record.id(), "").await;
        assert_eq!(denied.unwrap_err().kind(), ManageErrorKind::NotFound);
    });
}

/// What happens to a key just before something is written.
#[derive(Clone)]
enum Event {
    Revoked,
    /// Without a grace period, a second later.
    Rotated(ManualClock),
}

/// A store in which something happens to a key before the first write.
#[derive(Clone)]
struct Racing {
    inner: MemoryStore,
    key: KeyId,
    event: Event,
    has_happened: Arc<AtomicBool>,
}

impl Racing {
    fn new(inner: &MemoryStore, key: KeyId, event: Event) -> Self {
        Self {
            inner: inner.clone(),
            key,
            event,
            has_happened: Arc::default(),
        }
    }

    async fn race(&self) {
        if self.has_happened.swap(true, Ordering::Relaxed) {
            return;
        }
        let keys = KeyManager::new(self.inner.clone());
        match &self.event {
            Event::Revoked => drop(keys.revoke(&self.key, "leaked").await.unwrap()),
            Event::Rotated(clock) => {
                clock.advance(Duration::from_secs(1));
                let keys = keys.with_clock(clock.clone());
                drop(keys.rotate(&self.key, Duration::ZERO).await.unwrap());
            }
        }
    }
}

#[async_trait]
impl KeyStore for Racing {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.find(digest).await
    }
}

#[async_trait]
impl KeyRegistry for Racing {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        self.race().await;
        self.inner.insert(insert).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.inner.list(owner, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.race().await;
        self.inner.commit(commit).await
    }
}

#[test]
fn a_key_that_loses_its_secret_in_between_changes_nothing() {
    block_on(async {
        for change in ["issue", "rotate", "disable", "delete"] {
            for is_rotated in [false, true] {
                let (owner, clock) = keys();
                let store = owner.store().clone();
                let maker = owner.issue(new([Scope::READ, MANAGE])).await.unwrap();
                let other = owner.issue(new(Scope::READ)).await.unwrap().record;
                let identity = identity(&owner, &maker).await;
                let event = if is_rotated {
                    Event::Rotated(clock.clone())
                } else {
                    Event::Revoked
                };
                let racing = Racing::new(&store, maker.record.id(), event);
                let racing = KeyManager::new(racing).with_clock(clock);
                let acting = racing.on_behalf_of(&identity);
                let id = other.id();
                match change {
                    "issue" => assert_exceeds(acting.issue(new(Scope::READ)).await),
                    "rotate" => assert_exceeds(acting.rotate(&id, HOUR).await),
                    "disable" => assert_exceeds(acting.disable(&id).await),
                    _ => assert_exceeds(acting.delete(&id).await),
                }
                assert_eq!(owner.get(&id).await.unwrap(), Some(other), "{change}");
                assert_eq!(store.len(), 2, "{change}");
            }
        }
    });
}

/// Each write comes too late.
#[derive(Clone)]
struct Contended(MemoryStore);

#[async_trait]
impl KeyStore for Contended {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.0.find(digest).await
    }
}

#[async_trait]
impl KeyRegistry for Contended {
    async fn insert(&self, _: Insert) -> Result<Inserted, StoreError> {
        Err(StoreError::conflict())
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.0.get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.0.list(owner, page).await
    }

    async fn commit(&self, _: Commit) -> Result<(), StoreError> {
        Err(StoreError::conflict())
    }
}

#[test]
fn a_change_that_always_comes_too_late_is_no_revision_mismatch() {
    block_on(async {
        let (owner, _) = keys();
        let id = owner.issue(new(Scope::READ)).await.unwrap().record.id();
        let keys = KeyManager::new(Contended(owner.store().clone()));
        for error in [
            keys.revoke(&id, "leaked").await.unwrap_err(),
            keys.issue(new(Scope::READ)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ManageErrorKind::Store);
            let source = error.source().unwrap().downcast_ref::<StoreError>();
            assert_eq!(source.unwrap().kind(), StoreErrorKind::Overloaded);
        }
    });
}

#[test]
fn a_change_that_changes_nothing_moves_no_expiration() {
    let at = |second| start() + Duration::from_secs(second);
    let prefix = "01234567".parse().unwrap();
    let secret = SecretVersion::new(1, KeyDigest::from_bytes([1; 32]), prefix, start())
        .with_recipient(Some(Recipient::new(Scope::READ, None)))
        .with_retires_at(Some(at(10)));
    let record = KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", start())
        .with_scopes([Scope::READ, Scope::WRITE])
        .with_secret_versions([secret]);
    // By a clock that is behind.
    let context = ChangeContext::new(at(5));
    let same = KeyChange::Update(KeyUpdate::new().with_name("CI"));
    assert!(Transition::of(&same, &record, &context).unwrap().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Issue { scopes: u8, days: Option<u8> },
    Rename,
    Scopes(u8),
    Expiration(Option<u8>),
    Rotate { grace_hours: u8 },
    Disable,
    Enable,
    Revoke,
    Delete,
    Wait { hours: u8 },
}

/// Who acts, on which key, and how. Every third actor is the owner's application.
type Deed = (usize, usize, Step);

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let days = || proptest::option::weighted(0.7, 1..60_u8);
    let step = prop_oneof![
        4 => (0..16_u8, days()).prop_map(|(scopes, days)| Step::Issue { scopes, days }),
        1 => Just(Step::Rename),
        6 => (0..16_u8).prop_map(Step::Scopes),
        4 => days().prop_map(Step::Expiration),
        6 => (0..48_u8).prop_map(|grace_hours| Step::Rotate { grace_hours }),
        1 => Just(Step::Disable),
        2 => Just(Step::Enable),
        1 => Just(Step::Revoke),
        1 => Just(Step::Delete),
        2 => (1..48_u8).prop_map(|hours| Step::Wait { hours }),
    ];
    vec((any::<usize>(), any::<usize>(), step), 1..60)
}

fn scopes(bits: u8) -> ScopeSet {
    let all = [Scope::READ, Scope::WRITE, Scope::DELETE, MANAGE];
    let held = all.into_iter().enumerate();
    held.filter(|(bit, _)| bits >> bit & 1 == 1)
        .map(|(_, scope)| scope)
        .collect()
}

/// A plaintext, and what the key of whoever received it was allowed; nothing for the application.
struct HandedOut {
    plaintext: String,
    bound: Option<(ScopeSet, Option<Timestamp>)>,
}

#[test]
fn no_sequence_of_calls_leaves_a_key_holder_with_a_stronger_secret() {
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let changes = Cell::new(0);
    let result = TestRunner::new_with_rng(config, rng).run(&deeds(), |deeds| {
        changes.set(changes.get() + block_on(live(&deeds)));
        Ok(())
    });
    result.unwrap();
    // The sequences do things, and are not denied altogether.
    assert!(changes.get() > 1_000, "{}", changes.get());
}

/// Runs the steps and checks each; returns how many were made by keys.
async fn live(deeds: &[Deed]) -> usize {
    let (keys, clock) = keys();
    let mut secrets = Vec::new();
    for (bits, days) in [(0b1111, None), (0b1001, Some(30)), (0b1011, Some(90))] {
        let mut first = new(scopes(bits));
        if let Some(days) = days {
            first = first.expires_in(days * DAY);
        }
        secrets.push(HandedOut {
            plaintext: keys.issue(first).await.unwrap().key.expose_secret().into(),
            bound: None,
        });
    }
    let mut changes = 0;
    for (by, to, step) in deeds {
        if let Step::Wait { hours } = step {
            clock.advance(u32::from(*hours) * HOUR);
            check(&keys, &secrets).await;
            continue;
        }
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let targets = keys.list("acct_42", &page).await.unwrap();
        let Some(target) = targets.keys().get(to % targets.keys().len().max(1)) else {
            return changes;
        };
        let (actor, bound) = if by.is_multiple_of(3) {
            (keys.clone(), None)
        } else {
            let secret = &secrets[by / 3 % secrets.len()];
            let verified = keys.verifier().verify(&secret.plaintext).await;
            let Ok(identity) = verified else { continue };
            let bound = power(&keys, &identity).await;
            (keys.on_behalf_of(&identity), Some(bound))
        };
        let Ok(handed_out) = act(&actor, target, step, clock.clone()).await else {
            continue;
        };
        if let Some((scopes, _)) = &bound {
            changes += 1;
            if !matches!(step, Step::Issue { .. }) {
                assert!(
                    scopes.contains_all(target.scopes()),
                    "{step:?} of {target:?}"
                );
            }
        }
        if let Some(issued) = handed_out {
            secrets.push(HandedOut {
                plaintext: issued.key.expose_secret().into(),
                bound,
            });
        }
        check(&keys, &secrets).await;
    }
    changes
}

async fn act(
    actor: &Keys,
    target: &KeyRecord,
    step: &Step,
    clock: ManualClock,
) -> Result<Option<IssuedKey>, ManageError> {
    use tower_api_key::clock::Clock;
    let id = target.id();
    let after = |days: u8| clock.now() + u32::from(days) * DAY;
    match step {
        Step::Issue { scopes: bits, days } => {
            let mut key = new(scopes(*bits));
            if let Some(days) = days {
                key = key.expires_at(after(*days));
            }
            return actor.issue(key).await.map(Some);
        }
        Step::Rotate { grace_hours } => {
            let grace = u32::from(*grace_hours) * HOUR;
            return actor.rotate(&id, grace).await.map(Some);
        }
        Step::Rename => actor
            .update(&id, KeyUpdate::new().with_name("x"))
            .await
            .map(drop),
        Step::Scopes(bits) => {
            let update = KeyUpdate::new().with_scopes(scopes(*bits));
            actor.update(&id, update).await.map(drop)
        }
        Step::Expiration(days) => {
            let update = KeyUpdate::new().with_expires_at(days.map(after));
            actor.update(&id, update).await.map(drop)
        }
        Step::Disable => actor.disable(&id).await.map(drop),
        Step::Enable => actor.enable(&id).await.map(drop),
        Step::Revoke => actor.revoke(&id, "").await.map(drop),
        Step::Delete => actor.delete(&id).await,
        Step::Wait { .. } => Ok(()),
    }?;
    Ok(None)
}

/// What a verified secret allows, and until when.
async fn power(keys: &Keys, identity: &Identity) -> (ScopeSet, Option<Timestamp>) {
    let record = keys.get(&identity.key_id()).await.unwrap().unwrap();
    let mut secrets = record.secret_versions().iter();
    let secret = secrets.find(|secret| secret.number() == identity.secret_version());
    let expirations = [record.expires_at(), secret.unwrap().retires_at()];
    let expires_at = expirations.into_iter().flatten().min();
    (record.scopes().clone(), expires_at)
}

async fn check(keys: &Keys, secrets: &[HandedOut]) {
    for secret in secrets {
        let Some((scopes, expires_at)) = &secret.bound else {
            continue;
        };
        let Ok(identity) = keys.verifier().verify(&secret.plaintext).await else {
            continue;
        };
        let (found, until) = power(keys, &identity).await;
        assert!(scopes.contains_all(&found), "{found} exceeds {scopes}");
        let is_within = expires_at.is_none_or(|end| until.is_some_and(|until| until <= end));
        assert!(is_within, "{until:?} exceeds {expires_at:?}");
    }
}
