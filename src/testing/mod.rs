//! For the tests of what uses this crate, and of stores of one's own.
//!
//! [`contract`] is the suite that every store of this crate passes.

pub mod contract;
