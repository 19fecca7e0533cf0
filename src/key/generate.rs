//! Making a key.

use zeroize::Zeroizing;

use super::format::{KeyFormat, checksum_digits};
use super::random::{self, RandomnessError};
use super::token::ApiKey;

impl ApiKey {
    /// Makes a key from the operating system's random source: 256 random bits, or 224 and a
    /// checksum.
    ///
    /// # Errors
    ///
    /// [`RandomnessError`] when the operating system gives no random octets; there is no fallback.
    pub fn generate(format: &KeyFormat) -> Result<Self, RandomnessError> {
        Self::generate_with(format, random::fill)
    }

    fn generate_with<E>(
        format: &KeyFormat,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut random = Zeroizing::new([0; KeyFormat::DIGITS / 2]);
        fill(random.as_mut_slice())?;

        // Octets of their own, of the final size: nothing is left behind by a growing string.
        let mut octets = Zeroizing::new(vec![0; format.key_len()]);
        let (prefix, digits) = octets.split_at_mut(format.prefix_octets().len());
        prefix.copy_from_slice(format.prefix_octets());
        let encoded = hex::encode_to_slice(random.as_slice(), digits);
        debug_assert!(encoded.is_ok(), "32 octets are 64 digits");

        if format.has_checksum() {
            let body = octets.len() - KeyFormat::CHECKSUM_DIGITS;
            let checksum = checksum_digits(&octets[..body]);
            octets[body..].copy_from_slice(&checksum);
        }
        // OK because the prefix and the digits are ASCII.
        Ok(Self::from_checked(
            std::str::from_utf8(&octets).unwrap_or_default(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_random_source_makes_no_key() {
        let failed = ApiKey::generate_with(&KeyFormat::default(), |_| Err("no entropy"));
        assert_eq!(failed.unwrap_err(), "no entropy");
    }

    #[test]
    fn the_digits_are_the_random_octets() {
        let fill = |octets: &mut [u8]| {
            octets
                .iter_mut()
                .zip(0xa0..)
                .for_each(|(octet, value)| *octet = value);
            Ok::<_, ()>(())
        };
        let key = ApiKey::generate_with(&KeyFormat::default(), fill).unwrap();
        assert_eq!(
            key.expose_secret(),
            "tc_a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
        );
        assert_eq!(key.prefix().as_str(), "a0a1a2a3");
    }

    #[test]
    fn keys_parse_under_the_format_that_made_them() {
        for format in [
            KeyFormat::default(),
            KeyFormat::default().with_checksum(),
            KeyFormat::new("a").unwrap(),
            KeyFormat::new("sixteen_octets__").unwrap().with_checksum(),
        ] {
            let key = ApiKey::generate(&format).unwrap();
            assert!(format.parse(key.expose_secret()).is_ok(), "{format:?}");
        }
    }
}
