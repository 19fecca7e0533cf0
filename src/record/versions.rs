//! The secret versions of one key.

use std::slice;

use super::secret::SecretVersion;

/// The secret versions of a key, newest first; most keys have one, which is kept in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    One(SecretVersion),
    /// None, or more than one.
    Several(Box<[SecretVersion]>),
}

impl Versions {
    pub(super) fn none() -> Self {
        Self::Several(Box::default())
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[SecretVersion] {
        match self {
            Self::One(version) => slice::from_ref(version),
            Self::Several(versions) => versions,
        }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [SecretVersion] {
        match self {
            Self::One(version) => slice::from_mut(version),
            Self::Several(versions) => versions,
        }
    }
}

impl From<Vec<SecretVersion>> for Versions {
    fn from(versions: Vec<SecretVersion>) -> Self {
        match <[SecretVersion; 1]>::try_from(versions) {
            Ok([version]) => Self::One(version),
            Err(versions) => Self::Several(versions.into()),
        }
    }
}
