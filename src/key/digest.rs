//! The digest of a key: what a store keeps in place of the key.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};

use subtle::ConstantTimeEq;

/// The 32 octets that stand for a key in a store.
///
/// Two digests are compared in constant time. [`Debug`](fmt::Debug) shows nothing of it, since
/// whoever can search a log for digests can tell whose requests it records.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; Self::LEN]);

impl KeyDigest {
    /// The length of a digest, in octets.
    pub const LEN: usize = 32;

    /// A digest read from a store.
    pub const fn from_bytes(octets: [u8; Self::LEN]) -> Self {
        Self(octets)
    }

    /// Reads 64 hexadecimal digits of either case, such as `sha256sum` prints.
    ///
    /// # Errors
    ///
    /// [`InvalidDigest`] when the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, InvalidDigest> {
        let mut octets = [0; Self::LEN];
        hex::decode_to_slice(text, &mut octets).map_err(|_| InvalidDigest)?;
        Ok(Self(octets))
    }

    /// The octets, for a store.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The first eight octets, which tell digests apart well enough to find a place for each.
    #[inline]
    pub(crate) fn first_word(&self) -> u64 {
        self.words()[0]
    }

    #[inline]
    fn words(&self) -> [u64; 4] {
        let word = |at: usize| {
            let mut octets = [0; 8];
            octets.copy_from_slice(&self.0[at * 8..at * 8 + 8]);
            u64::from_ne_bytes(octets)
        };
        [word(0), word(1), word(2), word(3)]
    }
}

/// In constant time: all differences are folded into one word, and only that is compared.
impl PartialEq for KeyDigest {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let difference = self
            .words()
            .iter()
            .zip(other.words())
            .fold(0, |all, (one, two)| all | (one ^ two));
        difference.ct_eq(&0).into()
    }
}

impl Eq for KeyDigest {}

/// Feeds eight octets of the digest, which are as good as all: to make two equal there costs 2³²
/// tries, and to aim them at one bucket needs the map's own random seed.
impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.words()[0]);
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest([redacted])")
    }
}

/// A text is not the 64 hexadecimal digits of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidDigest;

impl fmt::Display for InvalidDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a digest of 64 hexadecimal digits")
    }
}

impl Error for InvalidDigest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_one_bit_anywhere_is_seen() {
        let digest = KeyDigest::from_bytes([0x5a; 32]);
        assert_eq!(digest, KeyDigest::from_bytes([0x5a; 32]));
        for bit in 0..256 {
            let mut octets = [0x5a; 32];
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(digest, KeyDigest::from_bytes(octets), "bit {bit}");
        }
    }

    #[test]
    fn hexadecimal_text_has_exactly_64_digits() {
        let digest = KeyDigest::from_hex(&"aB".repeat(32)).unwrap();
        assert_eq!(digest.as_bytes(), &[0xab; 32]);
        for text in [
            "",
            "ab",
            &"ab".repeat(33),
            &"zz".repeat(32),
            &format!(" {}", "ab".repeat(31)),
        ] {
            assert_eq!(KeyDigest::from_hex(text), Err(InvalidDigest), "{text:?}");
        }
    }
}
