//! Frameworks.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "management")]
pub mod management;
