//! What every store must do, as a suite of named rules.
//!
//! [`check`] runs it on a store of your own, [`check_feed`] on its change feed.
//! They need no particular async runtime, and panic at the first rule that the store breaks.
//!
//! ```
//! use tower_api_key::MemoryStore;
//! use tower_api_key::testing::contract;
//!
//! # futures::executor::block_on(async {
//! contract::check(async || MemoryStore::new()).await;
//! # });
//! ```
//!
//! A store in a database empties its tables for each rule, or makes new ones:
//!
//! ```ignore
//! contract::check(async || {
//!     let store = MyStore::connect(url).await.unwrap();
//!     store.delete_everything().await.unwrap();
//!     store
//! })
//! .await;
//! ```

// First, for the macro that the others use.
#[macro_use]
mod rule;

mod auditing;
mod committing;
mod conditions;
mod counting;
mod expect;
mod feeding;
mod fixture;
mod inserting;
mod listing;
mod odd;
mod racing;
mod run;
mod trail;
mod using;

pub use feeding::check_feed;
pub use run::check;
