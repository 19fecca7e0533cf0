//! Frameworks.

#[cfg(feature = "axum")]
pub mod axum;
