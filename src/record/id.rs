//! The public name of a key.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::key::random::{self, RandomnessError};

/// The stable public name of a key: `key_` and 32 lower-case hexadecimal digits.
///
/// It is no secret and may stand in URLs and logs. It stays the same through every rotation. The
/// first 12 digits are the milliseconds of the key's creation, so ids sort by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    /// The length of an id, in octets.
    pub const LEN: usize = 16;

    const PREFIX: &'static str = "key_";

    /// An id read from a store.
    pub const fn from_bytes(octets: [u8; Self::LEN]) -> Self {
        Self(octets)
    }

    /// The octets, for a store.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// A new id: 48 bits of time, so that ids sort by age, and 80 random bits.
    pub(crate) fn generate(now: Timestamp) -> Result<Self, RandomnessError> {
        let mut octets = [0; Self::LEN];
        random::fill(&mut octets[6..])?;
        // A clock before 1970 counts as 1970: only the order suffers.
        let millisecond = now.as_millisecond().max(0).to_be_bytes();
        octets[..6].copy_from_slice(&millisecond[2..]);
        Ok(Self(octets))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(InvalidKeyId)?;
        if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return Err(InvalidKeyId);
        }
        let mut octets = [0; Self::LEN];
        hex::decode_to_slice(digits, &mut octets).map_err(|_| InvalidKeyId)?;
        Ok(Self(octets))
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, InvalidKeyId> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// A text is not a [`KeyId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidKeyId;

impl fmt::Display for InvalidKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a key id: key_ and 32 lower-case hexadecimal digits")
    }
}

impl Error for InvalidKeyId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age_and_read_back() {
        let id = |millisecond| {
            KeyId::generate(Timestamp::from_millisecond(millisecond).unwrap()).unwrap()
        };
        let (older, newer) = (id(1_767_225_600_000), id(1_767_225_600_001));
        assert!(older < newer);
        assert!(older.to_string() < newer.to_string());
        assert_eq!(older.to_string().parse(), Ok(older));
        assert!(id(-5).to_string().starts_with("key_000000000000"));
    }

    #[test]
    fn other_texts_are_refused() {
        let id = KeyId::from_bytes([0xab; 16]).to_string();
        for text in [
            "",
            "key_",
            &id[4..],
            &id.to_uppercase(),
            &id[..35],
            &format!("{id}0"),
        ] {
            assert_eq!(text.parse::<KeyId>(), Err(InvalidKeyId), "{text:?}");
        }
        assert_eq!(id.replace("ab", "AB").parse::<KeyId>(), Err(InvalidKeyId));
    }
}
