//! The shape of a key's text.

use std::error::Error;
use std::fmt;

use super::token::{self, ApiKey, KeyPrefix};

/// The shape of a key: a prefix, then 64 lower-case hexadecimal digits.
///
/// The prefix tells people, logs and secret scanners whose key it is. The default is `tc_`. With
/// [`with_checksum`](Self::with_checksum) the last digits guard the others, so that a typo or a
/// made-up key is refused without asking a store.
///
/// ```
/// use tower_api_key::key::KeyFormat;
///
/// let format = KeyFormat::new("acme_live_")?.with_checksum();
/// assert_eq!(format.key_len(), 74);
/// assert_eq!(format.pattern(), "acme_live_[0-9a-f]{64}");
/// # Ok::<(), tower_api_key::key::InvalidKeyFormat>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyFormat {
    prefix: [u8; Self::MAX_PREFIX_LEN],
    prefix_len: u8,
    checksum: bool,
}

impl KeyFormat {
    /// The longest prefix, in octets.
    pub const MAX_PREFIX_LEN: usize = 16;
    /// How many hexadecimal digits follow the prefix.
    pub const DIGITS: usize = token::DIGITS;

    /// How many of the last digits are the checksum, where there is one.
    pub(super) const CHECKSUM_DIGITS: usize = 8;

    /// A format with this prefix and no checksum.
    ///
    /// The prefix is the whole text in front of the digits, so it usually ends with `_`.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyFormat`] when the prefix
    /// - is empty or longer than [`MAX_PREFIX_LEN`](Self::MAX_PREFIX_LEN) octets;
    /// - does not start with `a`–`z`;
    /// - holds anything but `a`–`z`, `0`–`9` and `_`.
    pub fn new(prefix: &str) -> Result<Self, InvalidKeyFormat> {
        let octets = prefix.as_bytes();
        let accepted = matches!(octets.first(), Some(b'a'..=b'z'))
            && octets.len() <= Self::MAX_PREFIX_LEN
            && octets
                .iter()
                .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !accepted {
            // What is too long for a prefix may be a key, given in its place by mistake.
            let shown = octets.len() <= Self::MAX_PREFIX_LEN;
            let len = octets.len();
            let found = if shown {
                format!("{prefix:?}")
            } else {
                format!("{len} octets")
            };
            return Err(InvalidKeyFormat { found });
        }
        Ok(Self::from_octets(octets))
    }

    const fn from_octets(octets: &[u8]) -> Self {
        let mut prefix = [0; Self::MAX_PREFIX_LEN];
        let mut at = 0;
        while at < octets.len() {
            prefix[at] = octets[at];
            at += 1;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a prefix has at most 16 octets"
        )]
        let prefix_len = octets.len() as u8;
        Self {
            prefix,
            prefix_len,
            checksum: false,
        }
    }

    /// The same format whose last 8 digits are the CRC-32 (ISO-HDLC) of all octets before them.
    ///
    /// The shape stays the same, and 224 random bits remain. A format with a checksum refuses
    /// every key made without one.
    #[must_use]
    pub const fn with_checksum(self) -> Self {
        Self {
            checksum: true,
            ..self
        }
    }

    /// The text in front of the digits.
    pub fn prefix(&self) -> &str {
        // OK because both constructors take ASCII only.
        std::str::from_utf8(self.prefix_octets()).unwrap_or_default()
    }

    /// The length of every key of this format, in octets.
    pub fn key_len(&self) -> usize {
        usize::from(self.prefix_len) + Self::DIGITS
    }

    /// Whether the last digits are a checksum.
    pub const fn has_checksum(&self) -> bool {
        self.checksum
    }

    /// A regular expression that finds every key of this format, for secret scanners.
    ///
    /// It has the syntax that POSIX extended, PCRE, RE2 and Rust's `regex` share, and is not
    /// anchored.
    pub fn pattern(&self) -> String {
        format!("{}[0-9a-f]{{{}}}", self.prefix(), Self::DIGITS)
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] when the text is not exactly this prefix and 64 lower-case hexadecimal
    /// digits, or its checksum is wrong where the format has one. Nothing is trimmed or folded.
    pub fn parse(&self, text: &str) -> Result<ApiKey, InvalidKey> {
        self.check(text.as_bytes())?;
        Ok(ApiKey::from_checked(text))
    }

    /// Whether these octets are a key of this format; the length is compared before anything else.
    #[inline]
    pub(crate) fn check(&self, octets: &[u8]) -> Result<(), InvalidKey> {
        if octets.len() != self.key_len() {
            return Err(InvalidKey(Defect::Length {
                expected: self.key_len(),
                found: octets.len(),
            }));
        }
        if !octets.starts_with(self.prefix_octets()) {
            return Err(InvalidKey(Defect::Prefix));
        }
        if !octets.last_chunk().is_some_and(are_lower_hex) {
            return Err(InvalidKey(Defect::Digits));
        }
        if self.checksum && !checksum_matches(octets) {
            return Err(InvalidKey(Defect::Checksum));
        }
        Ok(())
    }

    /// The keys of this format that stand anywhere among these octets, whatever their checksums.
    pub(crate) fn keys_in<'a>(&self, octets: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let prefix = self.prefix_octets();
        octets.windows(self.key_len()).filter(move |text| {
            let digits = text.strip_prefix(prefix).and_then(<[u8]>::first_chunk);
            digits.is_some_and(are_lower_hex)
        })
    }

    /// What is shown of a key that starts with these characters, as far as they tell; `None` when no
    /// key of this format starts so, or when they are a whole key.
    pub(crate) fn display_prefix(&self, leading: &str) -> Option<KeyPrefix> {
        let prefix = self.prefix();
        let Some(characters) = leading.strip_prefix(prefix) else {
            let starts_so = !leading.is_empty() && prefix.starts_with(leading);
            return starts_so.then_some(KeyPrefix::UNKNOWN);
        };
        let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if characters.len() >= Self::DIGITS || !characters.bytes().all(is_hex) {
            return None;
        }
        let shown = characters.get(..KeyPrefix::LEN);
        shown.map_or(Ok(KeyPrefix::UNKNOWN), str::parse).ok()
    }

    pub(super) fn prefix_octets(&self) -> &[u8] {
        &self.prefix[..usize::from(self.prefix_len)]
    }
}

/// `tc_` and 64 digits, without a checksum.
impl Default for KeyFormat {
    fn default() -> Self {
        const { Self::from_octets(b"tc_") }
    }
}

impl fmt::Debug for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checksum = if self.checksum { " with checksum" } else { "" };
        write!(f, "KeyFormat({}{checksum})", self.pattern())
    }
}

/// The CRC-32 of `octets` as 8 lower-case hexadecimal digits.
pub(super) fn checksum_digits(octets: &[u8]) -> [u8; KeyFormat::CHECKSUM_DIGITS] {
    let mut digits = [0; KeyFormat::CHECKSUM_DIGITS];
    let encoded = hex::encode_to_slice(crc32fast::hash(octets).to_be_bytes(), &mut digits);
    debug_assert!(encoded.is_ok(), "four octets are eight digits");
    digits
}

fn checksum_matches(octets: &[u8]) -> bool {
    let (body, checksum) = octets.split_at(octets.len() - KeyFormat::CHECKSUM_DIGITS);
    checksum == checksum_digits(body)
}

/// Whether every octet is a lower-case hexadecimal digit, without a branch for each: octets that are
/// not are counted, which compiles to a few vector instructions.
fn are_lower_hex(digits: &[u8; KeyFormat::DIGITS]) -> bool {
    let strays: u8 = digits
        .iter()
        .map(|octet| {
            u8::from(octet.wrapping_sub(b'0') > 9) & u8::from(octet.wrapping_sub(b'a') > 5)
        })
        .fold(0, |any, stray| any | stray);
    strays == 0
}

/// Why a prefix cannot start a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKeyFormat {
    found: String,
}

impl fmt::Display for InvalidKeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a key prefix of 1 to {} octets of a-z, 0-9 and _ that starts with a letter, \
             found {}",
            KeyFormat::MAX_PREFIX_LEN,
            self.found
        )
    }
}

impl Error for InvalidKeyFormat {}

/// Why a text is not a key; it never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey(Defect);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    Length { expected: usize, found: usize },
    Prefix,
    Digits,
    Checksum,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Defect::Length { expected, found } => {
                write!(f, "expected a key of {expected} octets, found {found}")
            }
            Defect::Prefix => f.write_str("expected another key prefix"),
            Defect::Digits => {
                f.write_str("expected lower-case hexadecimal digits after the key prefix")
            }
            Defect::Checksum => f.write_str("the checksum of the key does not match"),
        }
    }
}

impl Error for InvalidKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_in_every_position_is_judged_by_the_grammar() {
        let format = KeyFormat::default();
        let key = format!("tc_{}", "0123456789abcdef".repeat(4)).into_bytes();
        for at in 0..key.len() {
            for octet in 0..=255 {
                let mut changed = key.clone();
                changed[at] = octet;
                let right = match at {
                    0..3 => octet == key[at],
                    _ => matches!(octet, b'0'..=b'9' | b'a'..=b'f'),
                };
                assert_eq!(
                    format.check(&changed).is_ok(),
                    right,
                    "octet {octet:#04x} at {at}"
                );
            }
        }
    }

    #[test]
    fn lengths_around_the_right_one_are_refused() {
        let format = KeyFormat::default();
        for len in (0..67).chain(68..200) {
            let text = format!("tc_{}", "a".repeat(200));
            assert!(
                format.check(&text.as_bytes()[..len]).is_err(),
                "length {len}"
            );
        }
    }

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        let format = KeyFormat::default().with_checksum();
        let key = format!("tc_{}", "0f".repeat(32));
        for text in [
            &*key,
            &format!("x{key}"),
            &format!("tc_tc_{key}"),
            &format!("{key}0"),
        ] {
            assert_eq!(format.keys_in(text.as_bytes()).count(), 1, "{text}");
        }
        for text in ["", "tc_", &key[1..], &key[..66], &key.to_uppercase()] {
            assert_eq!(format.keys_in(text.as_bytes()).count(), 0, "{text}");
        }
    }

    #[test]
    fn prefixes_follow_their_grammar() {
        for prefix in ["a", "tc_", "tc_live_", "a234567890_23456"] {
            assert_eq!(KeyFormat::new(prefix).unwrap().prefix(), prefix);
        }
        for prefix in [
            "",
            "_tc",
            "1tc_",
            "TC_",
            "tc-",
            "tc ",
            "tć_",
            "a234567890_234567",
        ] {
            assert!(KeyFormat::new(prefix).is_err(), "{prefix:?}");
        }
    }

    #[test]
    fn the_checksum_is_crc_32_of_all_before_it() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(&checksum_digits(b"123456789"), b"cbf43926");
        let format = KeyFormat::default().with_checksum();
        let body = format!("tc_{}", "5".repeat(56));
        let sum = checksum_digits(body.as_bytes());
        let key = format!("{body}{}", std::str::from_utf8(&sum).unwrap());
        assert!(format.parse(&key).is_ok());
        for at in 3..key.len() {
            let mut wrong = key.clone().into_bytes();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(
                format.check(&wrong),
                Err(InvalidKey(Defect::Checksum)),
                "digit {at}"
            );
        }
    }
}
