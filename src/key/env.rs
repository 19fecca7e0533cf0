//! Reading a key from the environment.

use std::error::Error;
use std::ffi::OsString;
use std::{env, fmt};

use zeroize::Zeroizing;

use super::format::{InvalidKey, KeyFormat};
use super::token::ApiKey;

impl ApiKey {
    /// Reads a key of the default format from an environment variable.
    ///
    /// For another format, use [`KeyFormat::read_env`].
    ///
    /// ```no_run
    /// let key = tower_api_key::key::ApiKey::from_env("TRUCUSTOM_API_KEY")?;
    /// let header = format!("Bearer {}", key.expose_secret());
    /// # Ok::<(), tower_api_key::key::EnvKeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KeyFormat::read_env`].
    pub fn from_env(variable: &str) -> Result<Self, EnvKeyError> {
        KeyFormat::default().read_env(variable)
    }
}

impl KeyFormat {
    /// Reads a key of this format from an environment variable.
    ///
    /// White space around the key is cut, since files and shells tend to leave a line end.
    ///
    /// # Errors
    ///
    /// [`EnvKeyError`], which names the variable and never shows its value, when the variable
    /// - is not set;
    /// - is empty, or white space only;
    /// - is anything but one key of this format.
    pub fn read_env(&self, variable: &str) -> Result<ApiKey, EnvKeyError> {
        self.read_value(env::var_os(variable))
            .map_err(|kind| EnvKeyError {
                // What is too long for a name may be a key, given in its place by mistake.
                variable: if variable.len() >= DIGITS {
                    "…"
                } else {
                    variable
                }
                .to_owned(),
                kind,
            })
    }

    fn read_value(&self, value: Option<OsString>) -> Result<ApiKey, EnvKeyErrorKind> {
        let value = value.ok_or(EnvKeyErrorKind::NotSet)?;
        let octets = Zeroizing::new(value.into_encoded_bytes());
        let octets = octets.trim_ascii();
        if octets.is_empty() {
            return Err(EnvKeyErrorKind::Empty);
        }
        self.check(octets).map_err(EnvKeyErrorKind::NotAKey)?;
        // OK because a checked key is ASCII.
        Ok(ApiKey::from_checked(
            std::str::from_utf8(octets).unwrap_or_default(),
        ))
    }
}

/// The digits of a key alone are as long as this, and no secret less.
const DIGITS: usize = KeyFormat::DIGITS;

/// No key could be read from an environment variable; the value is not part of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvKeyError {
    variable: String,
    kind: EnvKeyErrorKind,
}

impl EnvKeyError {
    /// The name of the variable; "…" for one of 64 octets or more, which may be a key.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// What was wrong.
    pub fn kind(&self) -> EnvKeyErrorKind {
        self.kind
    }
}

/// What was wrong with an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvKeyErrorKind {
    /// The variable is not set.
    NotSet,
    /// The variable is empty, or holds white space only.
    Empty,
    /// The variable holds something else than a key.
    NotAKey(InvalidKey),
}

impl fmt::Display for EnvKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected an API key in the environment variable {:?}, ",
            self.variable
        )?;
        match self.kind {
            EnvKeyErrorKind::NotSet => f.write_str("which is not set"),
            EnvKeyErrorKind::Empty => f.write_str("which is empty"),
            EnvKeyErrorKind::NotAKey(_) => f.write_str("which holds something else"),
        }
    }
}

impl Error for EnvKeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            EnvKeyErrorKind::NotAKey(reason) => Some(reason),
            EnvKeyErrorKind::NotSet | EnvKeyErrorKind::Empty => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_key_is_read() {
        let read = |value: Option<&str>| KeyFormat::default().read_value(value.map(OsString::from));
        let key = format!("tc_{}", "0f".repeat(32));
        assert_eq!(
            read(Some(&format!(" {key}\n"))).unwrap().expose_secret(),
            key
        );
        assert_eq!(read(None).unwrap_err(), EnvKeyErrorKind::NotSet);
        assert_eq!(read(Some("")).unwrap_err(), EnvKeyErrorKind::Empty);
        assert_eq!(read(Some(" \t\n")).unwrap_err(), EnvKeyErrorKind::Empty);
        for value in [
            "changeme",
            "$env://API_KEY",
            "tc_",
            &format!("{key} {key}"),
            "tc_\u{e9}",
        ] {
            let kind = read(Some(value)).unwrap_err();
            assert!(
                matches!(kind, EnvKeyErrorKind::NotAKey(_)),
                "{value:?}: {kind:?}"
            );
        }
    }
}
