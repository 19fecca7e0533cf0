//! Which file a URL means.

use std::path::{self, Path, PathBuf};

use crate::store::contract::error::{StoreError, StoreErrorKind};

/// A file, and whether it may be created.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// Absolute.
    pub(crate) path: PathBuf,
    pub(crate) create: bool,
}

impl Location {
    /// Reads `sqlite:///absolute/path`, `sqlite://relative/path` or a plain path. A URL may end in
    /// `?mode=rw`, for a file that must exist, or `?mode=rwc`.
    ///
    /// An error shows neither another kind of URL nor the value of an unknown parameter: there may
    /// be a password in it.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return match scheme(url) {
                Some(scheme) => Err(refused(format!(
                    "expected sqlite://path or a path, found a URL of the scheme {scheme}"
                ))),
                None => Self::of(Path::new(url), true),
            };
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, create) = match rest.split_once('?') {
            Some((path, query)) => (path, may_create(query)?),
            None => (rest, true),
        };
        Self::of(Path::new(path), create)
    }

    pub(crate) fn of(path: &Path, create: bool) -> Result<Self, StoreError> {
        if path.as_os_str().is_empty() {
            return Err(refused("expected the path of a database, found none"));
        }
        if path == ":memory:" {
            return Err(refused(
                "expected the path of a database, found :memory:; keys that need not last are for \
                 MemoryStore",
            ));
        }
        let path = path::absolute(path).map_err(|error| {
            refused(format!("the path {} has no start", path.display())).with_source(error)
        })?;
        Ok(Self { path, create })
    }
}

/// What the parameters of a URL say.
fn may_create(query: &str) -> Result<bool, StoreError> {
    let mut create = None;
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let fault = match (name, value) {
            ("mode", _) if create.is_some() => "mode is given twice in an sqlite URL".to_owned(),
            ("mode", "rw" | "rwc") => {
                create = Some(value == "rwc");
                continue;
            }
            ("mode", _) => format!("mode={value} is not supported in an sqlite URL"),
            _ => format!("unknown parameter {name:?} in an sqlite URL"),
        };
        return Err(refused(format!("{fault}; expected mode=rw or mode=rwc")));
    }
    Ok(create.unwrap_or(true))
}

/// The scheme of a URL; a single letter is a drive.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    let word = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
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
            let path = path::absolute(path).unwrap();
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
                "unknown parameter \"key\" in an sqlite URL; expected mode=rw or mode=rwc",
            ),
            (
                "sqlite://keys.db?mode=rw&cache=shared",
                "unknown parameter \"cache\" in an sqlite URL; expected mode=rw or mode=rwc",
            ),
            (
                "sqlite://keys.db?",
                "unknown parameter \"\" in an sqlite URL; expected mode=rw or mode=rwc",
            ),
            (
                "sqlite://keys.db?mode=ro",
                "mode=ro is not supported in an sqlite URL; expected mode=rw or mode=rwc",
            ),
            (
                "sqlite://keys.db?mode=memory",
                "mode=memory is not supported in an sqlite URL; expected mode=rw or mode=rwc",
            ),
            (
                "sqlite://keys.db?mode=rw&mode=rwc",
                "mode is given twice in an sqlite URL; expected mode=rw or mode=rwc",
            ),
        ] {
            let error = Location::parse(url).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
            assert_eq!(error.to_string(), message, "{url}");
        }
    }
}
