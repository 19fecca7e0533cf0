//! API-key authentication for any tower server.
//!
//! [`ApiKeyLayer`] reads a key from `Authorization: Bearer tc_…` or `X-API-Key: tc_…`, verifies it
//! against a [`KeyStore`], checks that its scopes cover what the request asks for, and lets the
//! request through with an [`Identity`], or answers 400, 401, 403 or 503 in the client's own
//! protocol. [`KeyManager`] issues, lists, rotates, disables and revokes keys.
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use tower_api_key::{ApiKeyLayer, Identity, KeyManager, MemoryStore, NewKey, Scope};
//!
//! # futures::executor::block_on(async {
//! let keys = KeyManager::new(MemoryStore::new());
//! let fresh = keys.issue(NewKey::new("acct_42", "CI").with_scopes([Scope::READ])).await?;
//! println!("{}", fresh.key.expose_secret()); // shown once, here
//!
//! async fn list(Extension(identity): Extension<Identity>) -> String {
//!     format!("the products of {}", identity.owner())
//! }
//!
//! let app: Router = Router::new()
//!     .route("/products", get(list))
//!     .layer(ApiKeyLayer::new(keys.store().clone()));
//! # Ok::<(), tower_api_key::manage::ManageError>(()) }).unwrap();
//! ```
//!
//! # The way of a request
//!
//! extract → parse → digest → look up → compare → authorise → inner service. Any step that says no
//! makes a [`Denial`], and the inner service is called only after an explicit yes: an error, a
//! time-out, a panic, an unknown method or an empty store refuses.
//!
//! # Where to look
//!
//! | for | see |
//! | --- | --- |
//! | what the layer can be told | [`ApiKeyLayer`] |
//! | the life of a key | [`manage`] |
//! | which store to take | [`guide::choosing_a_store`] |
//! | a store of your own | [`store`] |
//! | what a request needs | [`policy`] |
//! | keys outside of HTTP | [`Verifier`] |
//! | who was refused, and why | [`observe`] |
//! | how often keys are used | [`usage`] |
//! | expiry in tests | [`clock`] |
//!
//! # Features
//!
//! None is on by default, and the core has no async runtime. Each adds, and changes nothing else.
//!
//! | feature | adds |
//! | --- | --- |
//! | `axum` | [`Identity`] as an axum extractor |
//! | `cache` | `CachedStore`, a bounded cache before any store |
//! | `management` | `ManagementApi`, an API to manage keys, as an axum router with its OpenAPI document |
//! | `postgres` | `PostgresStore`: keys in PostgreSQL |
//! | `redis` | `RedisStore`: keys in Redis |
//! | `sqlite` | `SqliteStore`: keys in one file |
//! | `test-util` | the contract suite for stores, and a store that fails on demand |
//! | `tokio` | `TimeoutStore`, which bounds every wait for a store, and `UsageFlusher`, which writes counts of uses |
//! | `tracing` | `TracingObserver`, one event for every decision |
//! | `full` | all of them |
//!
//! # Limits
//!
//! - The buffers in which a server received a key are the server's, and are not zeroized.
//! - A key is a bearer token: whoever has it can use it. Serve over TLS only.
//! - With `panic = "abort"`, a store, policy or observer that panics ends the process; no request is
//!   allowed by it.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(all(doctest, feature = "axum", feature = "cache", feature = "management", feature = "postgres", feature = "tokio"), doc = include_str!("../README.md"))]

pub mod clock;
pub mod denial;
pub mod guide;
pub mod identity;
pub mod integration;
pub mod key;
pub mod manage;
pub mod middleware;
pub mod observe;
pub mod policy;
pub mod record;
pub mod scope;
pub mod store;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod usage;
pub mod verify;

pub use denial::Denial;
pub use identity::Identity;
pub use key::ApiKey;
pub use manage::{IssuedKey, KeyManager, NewKey};
pub use middleware::{ApiKeyLayer, RequireScope};
pub use scope::{Scope, ScopeSet};
pub use store::{KeyRegistry, KeyStore, MemoryStore};
pub use verify::Verifier;
