//! Commands for the reader to paste into a shell.

use std::fmt;

/// One curl command, and what it gives.
///
/// `tests/examples.rs` reads what this prints: a comment that starts with the status, a comment
/// with the body where it is promised, and the command.
pub(crate) struct Command {
    pub(crate) status: u16,
    pub(crate) what: &'static str,
    pub(crate) body: Option<&'static str>,
    pub(crate) arguments: String,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {} {}", self.status, self.what)?;
        if let Some(body) = self.body {
            writeln!(f, "#   {body}")?;
        }
        writeln!(f, "curl -si {}", self.arguments)
    }
}
