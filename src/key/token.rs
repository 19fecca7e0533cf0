//! The plaintext of a key, and the part of it that may be shown.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The plaintext of a key: whoever has it can use the key.
///
/// It is zeroized when it is dropped, and there is one way to read it,
/// [`expose_secret`](Self::expose_secret). It cannot be copied, printed or serialized:
///
/// ```compile_fail,E0599
/// # let key = tower_api_key::key::ApiKey::generate(&Default::default()).unwrap();
/// let copy = key.clone();
/// ```
/// ```compile_fail,E0277
/// # let key = tower_api_key::key::ApiKey::generate(&Default::default()).unwrap();
/// println!("{key}");
/// ```
/// ```compile_fail,E0277
/// # let key = tower_api_key::key::ApiKey::generate(&Default::default()).unwrap();
/// serde_json::to_string(&key);
/// ```
/// ```compile_fail,E0369
/// # let key = tower_api_key::key::ApiKey::generate(&Default::default()).unwrap();
/// let same = key == key;
/// ```
///
/// Its [`Debug`](fmt::Debug) output shows nothing of it:
///
/// ```
/// # let key = tower_api_key::key::ApiKey::generate(&Default::default()).unwrap();
/// assert_eq!(format!("{key:?}"), "ApiKey([redacted])");
/// ```
pub struct ApiKey(Zeroizing<Box<str>>);

impl ApiKey {
    /// The plaintext.
    ///
    /// Show it to its owner once, or send it; write it nowhere else.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// The part of the key that may be shown, to tell it from others.
    pub fn prefix(&self) -> KeyPrefix {
        let digits = &self.0.as_bytes()[self.0.len() - DIGITS..];
        let mut shown = [0; KeyPrefix::LEN];
        shown.copy_from_slice(&digits[..KeyPrefix::LEN]);
        KeyPrefix(shown)
    }

    /// Takes a text that a [`KeyFormat`](super::format::KeyFormat) has accepted.
    pub(super) fn from_checked(text: &str) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

/// How many hexadecimal digits a key ends with.
pub(super) const DIGITS: usize = 64;

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

/// The first 8 digits of a key, by which people recognise it on a dashboard.
///
/// They are not secret. They are not unique either: with 9,300 keys, two share them with a
/// probability of one in a hundred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPrefix([u8; Self::LEN]);

impl KeyPrefix {
    /// How many digits are shown.
    pub const LEN: usize = 8;

    /// Stands for the prefix of a key that was imported without it: `????????`.
    pub const UNKNOWN: Self = Self([b'?'; Self::LEN]);

    /// The digits.
    pub fn as_str(&self) -> &str {
        // OK because every constructor takes ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPrefix({self})")
    }
}

/// Reads 8 lower-case hexadecimal digits, or [`UNKNOWN`](Self::UNKNOWN), as a store keeps them.
impl FromStr for KeyPrefix {
    type Err = InvalidKeyPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidKeyPrefix> {
        let digits: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| InvalidKeyPrefix)?;
        let hexadecimal = digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if hexadecimal || digits == Self::UNKNOWN.0 {
            Ok(Self(digits))
        } else {
            Err(InvalidKeyPrefix)
        }
    }
}

impl TryFrom<String> for KeyPrefix {
    type Error = InvalidKeyPrefix;

    fn try_from(text: String) -> Result<Self, InvalidKeyPrefix> {
        text.parse()
    }
}

impl From<KeyPrefix> for String {
    fn from(prefix: KeyPrefix) -> Self {
        prefix.as_str().to_owned()
    }
}

/// A text is not 8 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidKeyPrefix;

impl fmt::Display for InvalidKeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected 8 lower-case hexadecimal digits")
    }
}

impl Error for InvalidKeyPrefix {}
