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
    /// [`RandomnessError`] when the operating system's random source fails, or returns 32 equal bytes,
    /// as a broken one does. There is no fallback.
    pub fn generate(format: &KeyFormat) -> Result<Self, RandomnessError> {
        Self::generate_with(format, random::fill)
    }

    fn generate_with<E: From<RandomnessError>>(
        format: &KeyFormat,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut random = Zeroizing::new([0; KeyFormat::DIGITS / 2]);
        fill(random.as_mut_slice())?;
        random::check(&random)?;

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
    use std::error::Error;

    use super::*;

    #[test]
    fn a_failing_random_source_makes_no_key() {
        let fill = |_: &mut [u8]| Err(Box::<dyn Error>::from("no entropy"));
        let failed = ApiKey::generate_with(&KeyFormat::default(), fill);
        assert_eq!(failed.unwrap_err().to_string(), "no entropy");
    }

    #[test]
    fn a_random_source_that_repeats_one_byte_makes_no_key() {
        for byte in [0x00, 0x5a, 0xff] {
            let fill = |bytes: &mut [u8]| -> Result<(), RandomnessError> {
                bytes.fill(byte);
                Ok(())
            };
            let failed = ApiKey::generate_with(&KeyFormat::default(), fill).unwrap_err();
            assert_eq!(
                failed.to_string(),
                "the operating system's random source returned 32 equal bytes"
            );
        }
    }

    #[test]
    fn the_digits_are_the_random_octets() {
        let fill = |octets: &mut [u8]| {
            octets
                .iter_mut()
                .zip(0xa0..)
                .for_each(|(octet, value)| *octet = value);
            Ok::<_, RandomnessError>(())
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
