//! The management API, through its router.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "management", feature = "test-util"))]

#[path = "management/bad_input.rs"]
mod bad_input;
#[path = "management/bounds.rs"]
mod bounds;
#[path = "management/conditions.rs"]
mod conditions;
#[path = "management/escalation.rs"]
mod escalation;
#[path = "management/faults.rs"]
mod faults;
#[path = "support/heavy.rs"]
mod heavy;
#[path = "management/kit.rs"]
mod kit;
#[path = "management/life.rs"]
mod life;
#[path = "management/listing.rs"]
mod listing;
#[path = "management/openapi.rs"]
mod openapi;
#[path = "management/owners.rs"]
mod owners;
#[path = "management/plaintext.rs"]
mod plaintext;
#[path = "management/race.rs"]
mod race;
