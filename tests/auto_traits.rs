//! What users need of the public types, proved when this is compiled: `Send`, `Sync`, `Clone`,
//! `'static`, and traits that can be objects.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::error::Error;
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use support::inner::Probe;
use support::{Notes, START, UNKNOWN, get, request, send};
use tower::Layer;
use tower_api_key::clock::{Clock, ManualClock, SystemClock};
use tower_api_key::denial::{Denial, DenialKind};
use tower_api_key::identity::Identity;
use tower_api_key::key::{
    ApiKey, EnvKeyError, InvalidDigest, InvalidKey, InvalidKeyFormat, InvalidKeyFormats,
    InvalidKeyPrefix, KeyDigest, KeyFormat, KeyHasher, KeyPrefix, PepperTooShort, RandomnessError,
};
use tower_api_key::manage::{
    Advice, AdvicePolicy, ImportRefusal, ImportReport, IssuedKey, KeyManager, LegacyKey,
    ManageError, NewKey,
};
use tower_api_key::middleware::{
    ApiKeyAuth, ApiKeyLayer, ConfigError, DefaultResponder, GrpcResponder, KeySource, Refusal,
    RequireScope, Respond, ResponseFuture, ScopeGuard,
};
use tower_api_key::observe::{Access, Decision, Observer};
use tower_api_key::policy::{MethodPolicy, RequestHead, Requirement, ScopePolicy};
use tower_api_key::record::{
    AuditAction, AuditEntry, ChangeContext, ChangeRefused, InvalidAuditAction, InvalidKeyId,
    KeyChange, KeyId, KeyRecord, KeyStatus, KeyUpdate, Metadata, Recipient, Revocation,
    SecretVersion, Transition,
};
use tower_api_key::scope::{InvalidScope, Scope, ScopeSet};
use tower_api_key::store::{
    ActingKey, AuditPage, AuditPageRequest, Commit, Insert, Inserted, KeyPage, KeyRegistry,
    KeyStore, KeyUse, MemoryStore, PageRequest, StoreError, UsageBatch, UsageBucket,
};
use tower_api_key::usage::{UsageMonitor, UsageStats};
use tower_api_key::verify::Verifier;

type Manager = KeyManager<Arc<dyn KeyRegistry>>;
type Boxed = axum::body::Body;

fn shared<T: Send + Sync + Debug + 'static>() {}
fn value<T: Send + Sync + Clone + Debug + 'static>() {}
fn view<T: Send + Sync + Copy + Debug>() {}
fn error<T: Error + Send + Sync + 'static>() {}
fn future<T: Send + 'static>() {}
fn unpin<T: Unpin>() {}
fn survives_a_panic<T: UnwindSafe + RefUnwindSafe>() {}
fn object<T: ?Sized + Send + Sync + 'static>() {}

/// Each of these lines compiles, or the crate has broken a promise to its users.
#[test]
fn users_can_move_share_and_clone_what_they_need() {
    value::<ApiKeyLayer>();
    value::<ApiKeyLayer<GrpcResponder>>();
    value::<ApiKeyAuth<Probe>>();
    value::<RequireScope>();
    value::<ScopeGuard<Probe>>();
    value::<DefaultResponder>();
    value::<KeySource>();
    value::<MemoryStore>();
    value::<KeyManager<MemoryStore>>();
    value::<Verifier>();
    value::<Identity>();
    value::<Denial>();
    value::<UsageMonitor>();
    value::<(UsageStats, Advice, AdvicePolicy)>();
    value::<ScopeSet>();
    value::<Scope>();
    value::<Requirement>();
    value::<MethodPolicy>();
    value::<KeyFormat>();
    value::<KeyHasher>();
    value::<KeyDigest>();
    value::<KeyPrefix>();
    value::<(KeyId, KeyRecord, SecretVersion, Revocation)>();
    value::<(KeyChange, KeyUpdate, KeyStatus, KeyUse)>();
    value::<(ChangeContext, Metadata, AuditEntry, AuditAction, Recipient)>();
    value::<(
        AuditPage,
        AuditPageRequest,
        Transition,
        UsageBatch,
        UsageBucket,
        (Insert, Inserted, Commit, ActingKey),
    )>();
    value::<(PageRequest, KeyPage)>();
    value::<(NewKey, LegacyKey, ManualClock, SystemClock)>();

    // A plaintext and what holds one are moved, not cloned: see the doctests of `ApiKey`.
    shared::<ApiKey>();
    shared::<IssuedKey>();
    shared::<ImportReport>();

    view::<Decision<'static>>();
    view::<Access<'static>>();
    view::<RequestHead<'static>>();
    shared::<Refusal<'static>>();

    error::<Denial>();
    error::<ConfigError>();
    error::<ManageError>();
    error::<ImportRefusal>();
    error::<StoreError>();
    error::<ChangeRefused>();
    error::<EnvKeyError>();
    error::<RandomnessError>();
    error::<PepperTooShort>();
    error::<InvalidKey>();
    error::<InvalidKeyFormat>();
    error::<InvalidKeyFormats>();
    error::<InvalidKeyPrefix>();
    error::<InvalidKeyId>();
    error::<InvalidAuditAction>();
    error::<InvalidDigest>();
    error::<InvalidScope>();

    future::<ResponseFuture<Probe, DefaultResponder, Full<Bytes>>>();
    future::<ResponseFuture<axum::Router, DefaultResponder, Boxed>>();
    unpin::<ApiKeyAuth<Probe>>();

    survives_a_panic::<ApiKey>();
    survives_a_panic::<KeyDigest>();
    survives_a_panic::<ScopeSet>();

    object::<dyn KeyStore>();
    object::<dyn KeyRegistry>();
    object::<dyn ScopePolicy>();
    object::<dyn Observer>();
    object::<dyn Clock>();
    object::<dyn Respond<Boxed> + Send + Sync>();
}

#[cfg(feature = "full")]
#[test]
fn so_they_can_with_what_features_add() {
    use tower_api_key::integration::management::{
        ApiKeySecurity, Authorise, ManagementApi, OwnerAuthoriser, Principal,
    };
    use tower_api_key::manage::IssuePolicy;
    use tower_api_key::observe::TracingObserver;
    use tower_api_key::store::{
        CacheOptions, CachedStore, ChangeFeed, FeedEvent, PostgresOptions, PostgresStore,
        RedisOptions, RedisStore, SqliteOptions, SqliteStore, TimeoutStore,
    };
    use tower_api_key::testing::FaultyStore;
    use tower_api_key::usage::{
        FlusherStats, UsageEvent, UsageFlusher, UsageFlusherError, UsageFlusherOptions,
        UsageNotWritten, UsageObserver,
    };

    value::<(PostgresStore, RedisStore, SqliteStore)>();
    value::<CachedStore<PostgresStore>>();
    value::<(CacheOptions, PostgresOptions, RedisOptions, SqliteOptions)>();
    value::<(UsageFlusherOptions, FlusherStats)>();
    value::<(IssuePolicy, OwnerAuthoriser, Principal)>();
    shared::<TimeoutStore<MemoryStore>>();
    shared::<FaultyStore<MemoryStore>>();
    shared::<UsageFlusher>();
    shared::<(UsageEvent, FeedEvent, TracingObserver)>();
    shared::<ManagementApi>();
    shared::<ApiKeySecurity>();
    error::<UsageFlusherError>();
    error::<UsageNotWritten>();
    object::<dyn Authorise>();
    object::<dyn ChangeFeed>();
    object::<dyn UsageObserver>();
}

/// Every seam as an object, from the request to the record.
#[tokio::test]
async fn objects_serve_from_end_to_end() {
    let clock = ManualClock::at(START.parse().unwrap());
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let registry: Arc<dyn KeyRegistry> = Arc::new(MemoryStore::new());
    let keys: Manager = KeyManager::new(registry.clone()).with_clock(clock.clone());
    let new = NewKey::new("acct_42", "CI").with_scopes(Scope::READ);
    let key = keys.issue(new).await.unwrap().key;

    let store: Arc<dyn KeyStore> = registry;
    let policy: Arc<dyn ScopePolicy> = Arc::new(MethodPolicy::new());
    let notes = Notes::default();
    let observer: Arc<dyn Observer> = Arc::new(notes.clone());
    let layer = ApiKeyLayer::new(store)
        .with_clock(clock)
        .with_policy(policy)
        .with_observer(observer);
    let mut service = layer.layer(Probe::new().0);
    send(&mut service, get(key.expose_secret()))
        .await
        .assert_allowed();
    let lines = [("x-api-key", key.expose_secret())];
    for (request, kind) in [
        (request("POST", &lines), DenialKind::InsufficientScope),
        (get(UNKNOWN), DenialKind::Unknown),
    ] {
        send(&mut service, request).await.assert_refused(kind);
    }
    assert_eq!(
        notes.take(),
        ["key of acct_42", "InsufficientScope", "Unknown"]
    );
}

/// A shared seam is one whatever its type, and so is a boxed store or registry.
#[tokio::test]
async fn pointers_to_seams_are_seams() {
    let (clock, notes) = (Arc::new(SystemClock::new()), Arc::new(Notes::default()));
    let registry: Box<dyn KeyRegistry> = Box::new(MemoryStore::new());
    let keys = KeyManager::new(Arc::new(registry)).with_clock(clock.clone());
    let new = NewKey::new("acct_42", "CI").with_scopes(Scope::READ);
    let key = keys.issue(new).await.unwrap().key;

    let store: Box<dyn KeyStore> = Box::new(keys.store().clone());
    let responder: Arc<dyn Respond<Full<Bytes>>> = Arc::new(DefaultResponder::new());
    let layer = ApiKeyLayer::new(store)
        .with_clock(clock)
        .with_policy(Arc::new(MethodPolicy::new()))
        .with_observer(notes.clone())
        .with_responder(Arc::new(responder));
    let mut service = layer.layer(Probe::new().0);
    send(&mut service, get(key.expose_secret()))
        .await
        .assert_allowed();
    let answer = send(&mut service, get(UNKNOWN)).await;
    answer.assert_refused(DenialKind::Unknown);
    assert_eq!(notes.take(), ["key of acct_42", "Unknown"]);
}

/// A closure tells the time.
#[tokio::test]
async fn a_closure_is_a_clock() {
    let keys = KeyManager::new(MemoryStore::new()).with_clock(|| START.parse().unwrap());
    let issued = keys.issue(NewKey::new("acct_42", "CI")).await.unwrap();
    assert_eq!(issued.record.created_at(), START.parse().unwrap());
}

/// The do-nothing observer is one.
#[tokio::test]
async fn nobody_may_observe() {
    let layer = ApiKeyLayer::new(MemoryStore::new()).with_observer(());
    let answer = send(&mut layer.layer(Probe::new().0), get(UNKNOWN)).await;
    answer.assert_refused(DenialKind::Unknown);
}
