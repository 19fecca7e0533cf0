//! From a key to an [`Identity`](crate::identity::Identity), without any HTTP.

pub(crate) mod check;
pub(crate) mod verifier;

pub use verifier::Verifier;
