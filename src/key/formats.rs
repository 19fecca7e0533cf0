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

    /// The first format, in which new keys are made.
    pub(crate) fn first(&self) -> &KeyFormat {
        // OK because both constructors take at least one.
        &self.0[0]
    }

    /// The format of that name alone; a format is named by its prefix.
    pub(crate) fn named(&self, name: &str) -> Option<Self> {
        let mut formats = self.iter();
        let named = formats.find(|format| format.prefix() == name);
        named.copied().map(Self::one)
    }

    /// Whether so much of a key stands anywhere in a string that the rest could be guessed, or that a
    /// slip of the keyboard is all that hides it: a prefix and [`TELLING`] characters, in any case.
    pub(crate) fn have_key_in(&self, text: &str) -> bool {
        self.iter().any(|format| {
            let prefix = format.prefix_octets();
            let mut windows = text.as_bytes().windows(prefix.len() + TELLING);
            windows.any(|window| {
                let (start, characters) = window.split_at(prefix.len());
                start.eq_ignore_ascii_case(prefix) && characters.iter().all(u8::is_ascii_hexdigit)
            })
        })
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeyFormat> {
        self.0.iter()
    }
}

/// How many hex characters of a key give it away: half of them.
const TELLING: usize = KeyFormat::DIGITS / 2;

/// The names of the formats, separated by commas.
impl fmt::Display for KeyFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, format) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", format.prefix())?;
        }
        Ok(())
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
