//! A key that was just made.

use std::sync::Arc;

use crate::key::token::ApiKey;
use crate::record::key::KeyRecord;

/// A key that was just issued or rotated: the only value that ever holds its plaintext.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedKey {
    /// The plaintext. Show it once; it cannot be had again.
    pub key: ApiKey,
    /// What the store keeps.
    pub record: Arc<KeyRecord>,
}
