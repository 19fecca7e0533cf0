//! From a key to its digest.

use std::error::Error;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::digest::KeyDigest;
use super::token::ApiKey;

/// How a key becomes its digest: SHA-256, or HMAC-SHA-256 under a secret of the server.
///
/// A key is 256 random bits, so one pass of SHA-256 cannot be undone by guessing, and a slow
/// password hash would only cost every request its time.
///
/// The manager that issues keys and the layer that verifies them must have the same hasher:
/// [`KeyManager::verifier`](crate::manage::KeyManager::verifier) sees to that.
#[derive(Clone, Default)]
pub struct KeyHasher(Function);

#[derive(Clone, Default)]
enum Function {
    #[default]
    Sha256,
    HmacSha256(Box<Hmac<Sha256>>),
}

impl KeyHasher {
    /// The shortest pepper, in octets.
    pub const MIN_PEPPER_LEN: usize = 32;

    /// SHA-256 of the key's whole text; the default.
    ///
    /// Anyone who has a key can compute its digest, to find or import it:
    /// `printf %s "$KEY" | sha256sum`.
    pub const fn sha256() -> Self {
        Self(Function::Sha256)
    }

    /// HMAC-SHA-256 (RFC 2104) of the key's whole text, under a pepper.
    ///
    /// Whoever can write to the store, but does not know the pepper, cannot add a key of their own.
    /// Keep the pepper out of the store; a lost or changed pepper invalidates every key. The hasher
    /// zeroizes its copy when it is dropped.
    ///
    /// # Errors
    ///
    /// [`PepperTooShort`] for less than 32 octets.
    pub fn hmac_sha256(pepper: &[u8]) -> Result<Self, PepperTooShort> {
        if pepper.len() < Self::MIN_PEPPER_LEN {
            return Err(PepperTooShort { len: pepper.len() });
        }
        // OK because HMAC takes a key of any length.
        let hmac =
            Hmac::new_from_slice(pepper).map_err(|_| PepperTooShort { len: pepper.len() })?;
        Ok(Self(Function::HmacSha256(Box::new(hmac))))
    }

    /// Whether anyone who has a key can compute its digest.
    pub(crate) fn is_sha256(&self) -> bool {
        matches!(self.0, Function::Sha256)
    }

    /// The digest of a key.
    pub fn digest(&self, key: &ApiKey) -> KeyDigest {
        self.digest_octets(key.expose_secret().as_bytes())
    }

    /// The digest of octets that a [`KeyFormat`](super::format::KeyFormat) has accepted.
    #[inline]
    pub(crate) fn digest_octets(&self, octets: &[u8]) -> KeyDigest {
        let output = match &self.0 {
            Function::Sha256 => Sha256::digest(octets),
            Function::HmacSha256(hmac) => hmac
                .as_ref()
                .clone()
                .chain_update(octets)
                .finalize()
                .into_bytes(),
        };
        KeyDigest::from_bytes(output.into())
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Function::Sha256 => "KeyHasher(SHA-256)",
            Function::HmacSha256(_) => "KeyHasher(HMAC-SHA-256)",
        })
    }
}

/// A pepper has less than [`KeyHasher::MIN_PEPPER_LEN`] octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PepperTooShort {
    len: usize,
}

impl fmt::Display for PepperTooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a pepper of at least {} octets, found {}",
            KeyHasher::MIN_PEPPER_LEN,
            self.len
        )
    }
}

impl Error for PepperTooShort {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        // SHA-256 of "abc": FIPS 180-4. HMAC: RFC 4231, test case 6.
        let sha256 = KeyHasher::sha256().digest_octets(b"abc");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256, KeyDigest::from_hex(expected).unwrap());

        let hmac = KeyHasher::hmac_sha256(&[0xaa; 131])
            .unwrap()
            .digest_octets(b"Test Using Larger Than Block-Size Key - Hash Key First");
        let expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        assert_eq!(hmac, KeyDigest::from_hex(expected).unwrap());
    }

    #[test]
    fn a_short_pepper_is_refused() {
        assert!(KeyHasher::hmac_sha256(&[7; 32]).is_ok());
        assert_eq!(
            KeyHasher::hmac_sha256(&[7; 31]).unwrap_err().to_string(),
            "expected a pepper of at least 32 octets, found 31"
        );
    }
}
