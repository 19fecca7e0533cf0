//! What few keys have.

use super::metadata::Metadata;
use super::revocation::Revocation;

/// What few keys have, kept apart, so that the others pay one word for all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) disabled: bool,
    pub(super) revocation: Option<Revocation>,
    pub(super) metadata: Metadata,
}
