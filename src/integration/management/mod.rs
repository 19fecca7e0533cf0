//! An API to manage keys over HTTP, as an axum router.
//!
//! ```
//! use axum::Router;
//! use tower_api_key::integration::management::{ManagementApi, OwnerAuthoriser};
//! use tower_api_key::policy::{RequestHead, Requirement};
//! use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore, ScopeSet};
//!
//! let keys = KeyManager::new(MemoryStore::new());
//! let api = ManagementApi::new(&keys, OwnerAuthoriser::new());
//!
//! // The authoriser asks for `keys:manage`; the layer needs only a valid key.
//! let any_key = |_: &RequestHead<'_>| Requirement::Scopes(ScopeSet::new());
//! let layer = ApiKeyLayer::from_verifier(keys.verifier()).with_policy(any_key);
//! let app: Router = Router::new().nest("/api/v1", api.router().layer(layer));
//! ```
//!
//! | request | does |
//! | --- | --- |
//! | `POST /keys` | makes a key, and shows its plaintext once |
//! | `GET /keys` | lists the owner's keys, in pages |
//! | `GET /keys/{id}` | shows a key |
//! | `PATCH /keys/{id}` | changes name, scopes, expiration date and metadata, disables and enables |
//! | `POST /keys/{id}/rotate` | gives a key a new secret, and shows it once |
//! | `POST /keys/{id}/revoke` | refuses a key for ever |
//! | `GET /keys/{id}/usage` | tells how often a key was used, by hour |
//! | `GET /keys/{id}/advice` | tells what to look at |
//! | `GET /audit` | tells who did what to the owner's keys, newest first |
//! | `GET /openapi.json` | describes all of this in OpenAPI 3.1 |
//!
//! # Whose keys
//!
//! The owner never comes from a request, but from the [authoriser](Authorise). A key of another owner
//! is answered as one that does not exist, octet for octet. A key that makes or changes keys gives
//! none more than it has: see [`KeyManager::on_behalf_of`](crate::KeyManager::on_behalf_of).
//!
//! # Changes
//!
//! Every answer with one key carries an `ETag` (RFC 9110, section 8.8.3) of the key's
//! [revision](crate::record::KeyRecord::revision); `If-Match` makes a change of that revision only,
//! or else it is 412. Uses leave the tag as it is. With an `Idempotency-Key`, creating is done once: a
//! repetition is 409 with the `key_id` of the key, which can be rotated when its plaintext was lost.
//!
//! # Bad input
//!
//! Answered with problem details (RFC 9457), whose `code` is stable, and which name every field that
//! is wrong at once. Nothing of the request is repeated in an answer.

pub(crate) mod api;
pub(crate) mod authorise;
mod call;
mod conditions;
mod fields;
mod handlers;
mod input;
mod json;
mod openapi;
mod operations;
pub(crate) mod problem;
mod query;
mod reading;
mod refused;
mod resource;
mod respond;
mod schema;
pub(crate) mod security;

pub use api::ManagementApi;
pub use authorise::{Authorise, OwnerAuthoriser, Principal};
pub use problem::ProblemCode;
pub use security::ApiKeySecurity;
