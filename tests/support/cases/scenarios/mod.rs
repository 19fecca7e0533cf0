//! The scenarios of `cases/scenarios.jsonl`, by what they are about.

#[cfg(feature = "cache")]
pub(crate) mod cache;
pub(crate) mod config;
pub(crate) mod fuzz;
pub(crate) mod generation;
pub(crate) mod kit;
pub(crate) mod ledger;
pub(crate) mod logging;
pub(crate) mod machine;
#[cfg(feature = "management")]
pub(crate) mod management;
pub(crate) mod matrix;
pub(crate) mod oracle;
pub(crate) mod public_types;
pub(crate) mod revocation;
pub(crate) mod service;
