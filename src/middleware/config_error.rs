//! What a layer refuses when it is built.

use std::error::Error;
use std::fmt;

use crate::key::formats::InvalidKeyFormats;

/// A layer was told something that cannot work or would not be safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: String,
}

/// What cannot work in the configuration of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A realm is empty, too long, or has an octet that cannot stand in a challenge.
    Realm,
    /// There is no key format, or the same twice.
    Formats,
    /// There is no key source, too many, the same twice, or a header that means something else.
    Sources,
    /// A public path is not absolute, not canonical, or too broad.
    PublicPath,
}

impl ConfigError {
    pub(super) fn new(kind: ConfigErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What cannot work.
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl From<InvalidKeyFormats> for ConfigError {
    fn from(error: InvalidKeyFormats) -> Self {
        Self::new(ConfigErrorKind::Formats, error.to_string())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ConfigError {}
