//! Octets from the operating system's random source.

use std::error::Error;
use std::fmt;

use rand::TryRng;
use rand::rngs::{SysError, SysRng};

/// Fills `bytes` from the operating system, which is asked every time: nothing is kept between calls
/// that a fork or a copied virtual machine could repeat.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), RandomnessError> {
    let filled = SysRng.try_fill_bytes(bytes);
    filled.map_err(|error| RandomnessError(Defect::Failed(error)))
}

/// Rejects bytes of a source that only pretends to be random. Of 32 random bytes, all are equal once
/// in 2²⁴⁸ times.
pub(super) fn check(bytes: &[u8; 32]) -> Result<(), RandomnessError> {
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Err(RandomnessError(Defect::EqualBytes));
    }
    Ok(())
}

/// The operating system's random source failed, or returned 32 equal bytes, so nothing was made.
#[derive(Debug)]
pub struct RandomnessError(Defect);

#[derive(Debug)]
enum Defect {
    Failed(SysError),
    EqualBytes,
}

impl fmt::Display for RandomnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Defect::Failed(_) => "the operating system's random source failed",
            Defect::EqualBytes => "the operating system's random source returned 32 equal bytes",
        })
    }
}

impl Error for RandomnessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Defect::Failed(error) => Some(error),
            Defect::EqualBytes => None,
        }
    }
}
