//! What a key is, as text and octets: its format, its plaintext, its digest.
//!
//! A key is a prefix and 64 lower-case hexadecimal digits, 256 bits from the operating system's
//! random source: `tc_` + digits by default. A server keeps only the [`KeyDigest`] that its
//! [`KeyHasher`] makes of the whole text.
//!
//! ```
//! use tower_api_key::key::{ApiKey, KeyFormat, KeyHasher};
//!
//! let format = KeyFormat::default();
//! let key = ApiKey::generate(&format)?;
//! assert!(key.expose_secret().starts_with("tc_"));
//! assert_eq!(key.expose_secret().len(), 67);
//!
//! let again = format.parse(key.expose_secret())?;
//! let hasher = KeyHasher::sha256();
//! assert_eq!(hasher.digest(&key), hasher.digest(&again));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod digest;
pub(crate) mod env;
pub(crate) mod format;
pub(crate) mod formats;
pub(crate) mod generate;
pub(crate) mod hasher;
pub(crate) mod random;
pub(crate) mod token;

pub use digest::{InvalidDigest, KeyDigest};
pub use env::{EnvKeyError, EnvKeyErrorKind};
pub use format::{InvalidKey, InvalidKeyFormat, KeyFormat};
pub use formats::InvalidKeyFormats;
pub use hasher::{KeyHasher, PepperTooShort};
pub use random::RandomnessError;
pub use token::{ApiKey, InvalidKeyPrefix, KeyPrefix};
