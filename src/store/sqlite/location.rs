//! Which file a URL means.

use std::path::PathBuf;

use crate::store::error::{StoreError, StoreErrorKind};

/// A file, and whether it may be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) path: PathBuf,
    pub(crate) create: bool,
}

impl Location {
    /// Reads `sqlite:///absolute/path`, `sqlite://relative/path` or a plain path. A URL may end in
    /// `?mode=rw`, for a file that must exist, or `?mode=rwc`.
    ///
    /// Nothing of another kind of URL is told but its scheme: there may be a password in it.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return match scheme(url) {
                Some(scheme) => Err(refused(format!(
                    "expected sqlite://path or a path, found a URL of the scheme {scheme}"
                ))),
                None => Self::of(url, true),
            };
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        match rest.split_once('?') {
            None | Some((_, "mode=rwc")) => Self::of(rest.split('?').next().unwrap_or(rest), true),
            Some((path, "mode=rw")) => Self::of(path, false),
            Some(_) => Err(refused(
                "expected no parameter in an sqlite URL but mode=rw or mode=rwc, found another",
            )),
        }
    }

    fn of(path: &str, create: bool) -> Result<Self, StoreError> {
        match path {
            "" => Err(refused("expected the path of a database, found none")),
            ":memory:" => Err(refused(
                "expected the path of a database, found :memory:; keys that need not last are for \
                 MemoryStore",
            )),
            path => Ok(Self {
                path: path.into(),
                create,
            }),
        }
    }
}

/// The scheme of a URL; a single letter is a drive.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    let word = scheme
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"+.-".contains(&octet));
    (word && scheme.len() > 1 && (rest.starts_with("//") || scheme == "file")).then_some(scheme)
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_means_a_file() {
        for (url, path, create) in [
            ("sqlite:///var/lib/keys.db", "/var/lib/keys.db", true),
            ("sqlite://keys.db", "keys.db", true),
            ("sqlite:keys.db", "keys.db", true),
            ("sqlite://keys.db?mode=rwc", "keys.db", true),
            ("sqlite:///keys.db?mode=rw", "/keys.db", false),
            ("/var/lib/keys.db", "/var/lib/keys.db", true),
            ("keys.db?mode=rw", "keys.db?mode=rw", true),
            ("odd:name/keys.db", "odd:name/keys.db", true),
            (r"C:\keys.db", r"C:\keys.db", true),
        ] {
            let path = PathBuf::from(path);
            let found = Location::parse(url).unwrap();
            assert_eq!(found, Location { path, create }, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_and_not_told() {
        for (url, message) in [
            (
                "postgres://me:hunter2@host/keys",
                "expected sqlite://path or a path, found a URL of the scheme postgres",
            ),
            (
                "file:keys.db",
                "expected sqlite://path or a path, found a URL of the scheme file",
            ),
            ("", "expected the path of a database, found none"),
            ("sqlite://", "expected the path of a database, found none"),
            (
                "sqlite::memory:",
                "expected the path of a database, found :memory:; keys that need not last are for \
                 MemoryStore",
            ),
            (
                "sqlite://keys.db?key=hunter2",
                "expected no parameter in an sqlite URL but mode=rw or mode=rwc, found another",
            ),
        ] {
            let error = Location::parse(url).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
            assert_eq!(error.to_string(), message, "{url}");
        }
    }
}
