//! For the tests of what uses this crate, and of stores of one's own.
//!
//! [`contract`] is the suite that every store of this crate passes. [`FaultyStore`] puts faults
//! before another store: errors, delays, hangs, panics, wrong rows and lost answers.

pub(crate) mod apply;
pub mod contract;
pub(crate) mod fault;
pub(crate) mod faulty;
mod plan;

pub use apply::apply;
pub use fault::Fault;
pub use faulty::FaultyStore;
