//! One scope name.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of one permission, such as `read`.
///
/// The grammar is that of `scope-token` in RFC 6749, section 3.3: printable ASCII without space,
/// `"` and `\`; at most [`MAX_LEN`](Self::MAX_LEN) octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Cow<'static, str>);

impl Scope {
    /// Permits GET and HEAD under the default policy.
    pub const READ: Self = Self(Cow::Borrowed("read"));
    /// Permits POST, PUT and PATCH under the default policy.
    pub const WRITE: Self = Self(Cow::Borrowed("write"));
    /// Permits DELETE under the default policy.
    pub const DELETE: Self = Self(Cow::Borrowed("delete"));

    /// The longest name, in octets.
    pub const MAX_LEN: usize = 128;

    /// A scope of that name.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] when the name
    /// - is empty or longer than [`MAX_LEN`](Self::MAX_LEN) octets;
    /// - holds anything but printable ASCII, or a space, `"` or `\`.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidScope> {
        let name = name.into();
        match defect(name.as_bytes()) {
            None => Ok(Self(Cow::Owned(name))),
            Some(defect) => Err(InvalidScope(defect)),
        }
    }

    /// A scope of that name, for constants.
    ///
    /// # Panics
    ///
    /// When the name is not a scope name (see [`new`](Self::new)); in a `const`, when it is
    /// compiled.
    pub const fn from_static(name: &'static str) -> Self {
        assert!(defect(name.as_bytes()).is_none(), "not a scope name");
        Self(Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.0)
    }
}

impl AsRef<str> for Scope {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(name: &str) -> Result<Self, InvalidScope> {
        Self::new(name)
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(name: String) -> Result<Self, InvalidScope> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Scope {
    type Error = InvalidScope;

    fn try_from(name: &str) -> Result<Self, InvalidScope> {
        Self::new(name)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0.into_owned()
    }
}

/// Why a text is not a scope name.
///
/// The text itself is not kept, since it may come from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidScope(Defect);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    Empty,
    TooLong(usize),
    Octet { octet: u8, at: usize },
}

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Defect::Empty => f.write_str("expected a scope name, found an empty text"),
            Defect::TooLong(len) => {
                write!(
                    f,
                    "expected a scope name of at most {} octets, found {len}",
                    Scope::MAX_LEN
                )
            }
            Defect::Octet { octet, at } => write!(
                f,
                "expected printable ASCII without space, '\"' and '\\' in a scope name, \
                 found octet 0x{octet:02x} at {at}"
            ),
        }
    }
}

impl Error for InvalidScope {}

const fn defect(name: &[u8]) -> Option<Defect> {
    if name.is_empty() {
        return Some(Defect::Empty);
    }
    if name.len() > Scope::MAX_LEN {
        return Some(Defect::TooLong(name.len()));
    }
    let mut at = 0;
    while at < name.len() {
        if !matches!(name[at], 0x21 | 0x23..=0x5b | 0x5d..=0x7e) {
            return Some(Defect::Octet {
                octet: name[at],
                at,
            });
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_judged_by_the_grammar() {
        for octet in 0..=255_u8 {
            let scope_token = matches!(octet, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert_eq!(
                defect(&[b'a', octet]).is_none(),
                scope_token,
                "octet {octet:#04x}"
            );
        }
    }

    #[test]
    fn messages_say_what_was_expected_and_found() {
        for (name, message) in [
            ("", "expected a scope name, found an empty text"),
            (
                "read write",
                "expected printable ASCII without space, '\"' and '\\' in a scope name, \
                 found octet 0x20 at 4",
            ),
            (
                &"a".repeat(129),
                "expected a scope name of at most 128 octets, found 129",
            ),
        ] {
            assert_eq!(Scope::new(name).unwrap_err().to_string(), message);
        }
    }
}
