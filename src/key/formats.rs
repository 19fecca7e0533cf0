//! The formats that a verifier accepts.

use std::error::Error;
use std::fmt;

use super::format::KeyFormat;

/// One or more formats, each with a prefix of its own.
#[derive(Clone)]
pub(crate) struct KeyFormats(Box<[KeyFormat]>);

impl KeyFormats {
    pub(crate) fn new(
        formats: impl IntoIterator<Item = KeyFormat>,
    ) -> Result<Self, InvalidKeyFormats> {
        let formats: Box<[_]> = formats.into_iter().collect();
        if formats.is_empty() {
            return Err(InvalidKeyFormats { twice: None });
        }
        for (index, format) in formats.iter().enumerate() {
            let mut earlier = formats[..index].iter();
            if earlier.any(|other| other.prefix() == format.prefix()) {
                let twice = Some(*format);
                return Err(InvalidKeyFormats { twice });
            }
        }
        Ok(Self(formats))
    }

    pub(crate) fn one(format: KeyFormat) -> Self {
        Self(Box::new([format]))
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeyFormat> {
        self.0.iter()
    }
}

impl fmt::Debug for KeyFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// There is no key format in a list, or two have the same prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKeyFormats {
    /// One whose prefix another has too; `None` when the list is empty.
    twice: Option<KeyFormat>,
}

impl fmt::Display for InvalidKeyFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.twice {
            None => f.write_str("expected at least one key format, found none"),
            Some(format) => {
                let prefix = format.prefix();
                write!(f, "expected each key prefix once, found {prefix:?} twice")
            }
        }
    }
}

impl Error for InvalidKeyFormats {}
