//! Octets from the operating system's random source.

use std::error::Error;
use std::fmt;

use rand::TryRng;
use rand::rngs::{SysError, SysRng};

/// Fills `octets` from the operating system, which is asked every time: nothing is kept between
/// calls that a fork or a copied virtual machine could repeat.
pub(crate) fn fill(octets: &mut [u8]) -> Result<(), RandomnessError> {
    SysRng.try_fill_bytes(octets).map_err(RandomnessError)
}

/// The operating system's random source failed, so nothing was made.
#[derive(Debug)]
pub struct RandomnessError(SysError);

impl fmt::Display for RandomnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system's random source failed")
    }
}

impl Error for RandomnessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
