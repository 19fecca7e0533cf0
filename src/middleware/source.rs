//! Which headers carry keys.

use std::fmt;

use http::HeaderValue;
use http::header::{self, HeaderName};

use super::config_error::{ConfigError, ConfigErrorKind};
use crate::policy::method_override::is_override;

/// A header that carries a key.
///
/// Keys are read from headers only: never from the query, a cookie, the path, the body or a
/// trailer, which end up in logs, histories and referrers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    header: HeaderName,
}

impl KeySource {
    /// `Authorization: Bearer <key>` (RFC 6750, section 2.1).
    pub const BEARER: Self = Self {
        header: header::AUTHORIZATION,
    };
    /// `X-API-Key: <key>`.
    pub const X_API_KEY: Self = Self { header: X_API_KEY };

    /// A header of that name, whose whole value is the key.
    ///
    /// [`AUTHORIZATION`](header::AUTHORIZATION) means [`BEARER`](Self::BEARER).
    pub fn header(name: HeaderName) -> Self {
        Self { header: name }
    }

    /// The name of the header.
    pub fn header_name(&self) -> &HeaderName {
        &self.header
    }
}

/// The headers that a layer reads keys from.
pub(crate) struct Sources {
    /// `Authorization` first, where it is one.
    names: Box<[HeaderName]>,
    has_bearer: bool,
    /// `None` for the value of the default sources, which is a constant: a copy of it costs less.
    vary: Option<HeaderValue>,
}

impl Sources {
    /// One bit of an octet stands for each.
    pub(super) const MAX: usize = 8;

    pub(super) fn new(sources: impl IntoIterator<Item = KeySource>) -> Result<Self, ConfigError> {
        let refuse = |message: String| Err(ConfigError::new(ConfigErrorKind::Sources, message));
        let mut names: Vec<HeaderName> = Vec::new();
        for KeySource { header } in sources {
            if is_reserved(&header) {
                return refuse(format!("expected a header for keys, found {header}"));
            }
            if names.contains(&header) {
                return refuse(format!(
                    "expected each key source once, found {header} twice"
                ));
            }
            names.push(header);
        }
        if names.is_empty() || names.len() > Self::MAX {
            let (max, found) = (Self::MAX, names.len());
            return refuse(format!("expected 1 to {max} key sources, found {found}"));
        }
        let Ok(vary) = HeaderValue::try_from(vary(&names)) else {
            return refuse("expected header names that fit into one Vary line".to_owned());
        };
        let has_bearer = names.contains(&header::AUTHORIZATION);
        names.sort_by_key(|name| *name != header::AUTHORIZATION);
        Ok(Self {
            has_bearer,
            names: names.into(),
            vary: Some(vary),
        })
    }

    /// Tells which of the sources a header is.
    #[inline]
    pub(super) fn finder(&self) -> impl Fn(&HeaderName) -> Option<usize> {
        let has_bearer = self.has_bearer;
        let others = &self.names[usize::from(has_bearer)..];
        move |name| {
            if *name == header::AUTHORIZATION {
                return has_bearer.then_some(0);
            }
            let at = others.iter().position(|other| other == name)?;
            Some(at + usize::from(has_bearer))
        }
    }

    pub(super) fn names(&self) -> &[HeaderName] {
        &self.names
    }

    /// The value of `Vary` (RFC 9110, section 12.5.5) that names them all.
    #[inline]
    pub(super) fn vary(&self) -> HeaderValue {
        const DEFAULT: HeaderValue = HeaderValue::from_static("X-API-Key, Authorization");
        match &self.vary {
            Some(vary) => vary.clone(),
            None => DEFAULT,
        }
    }
}

/// `Authorization: Bearer` and `X-API-Key`.
impl Default for Sources {
    fn default() -> Self {
        Self {
            names: Box::new([header::AUTHORIZATION, X_API_KEY]),
            has_bearer: true,
            vary: None,
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The names as people write them, `Authorization` last.
fn vary(names: &[HeaderName]) -> String {
    let (bearer, others): (Vec<_>, Vec<_>) = names
        .iter()
        .partition(|name| **name == header::AUTHORIZATION);
    let written = others.into_iter().chain(bearer).map(|name| match name {
        name if *name == header::AUTHORIZATION => "Authorization",
        name if *name == X_API_KEY => "X-API-Key",
        name => name.as_str(),
    });
    written.collect::<Vec<_>>().join(", ")
}

/// Whether a header means something else to servers, proxies or browsers.
fn is_reserved(name: &HeaderName) -> bool {
    let starts = |start: &&str| name.as_str().starts_with(*start);
    is_override(name) || RESERVED.contains(name) || RESERVED_STARTS.iter().any(starts)
}

const RESERVED: [HeaderName; 24] = [
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::COOKIE,
    header::DATE,
    header::DNT,
    header::EXPECT,
    header::FORWARDED,
    header::FROM,
    header::HOST,
    header::MAX_FORWARDS,
    header::ORIGIN,
    header::PRAGMA,
    header::RANGE,
    header::REFERER,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::UPGRADE_INSECURE_REQUESTS,
    header::USER_AGENT,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];

const RESERVED_STARTS: [&str; 8] = [
    "accept",
    "access-control-",
    "content-",
    "if-",
    "keep-alive",
    "proxy-",
    "sec-",
    "x-forwarded-",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_its_sources_would_make() {
        let sources = [KeySource::BEARER, KeySource::X_API_KEY];
        let (made, default) = (Sources::new(sources).unwrap(), Sources::default());
        assert_eq!((made.vary(), made.names), (default.vary(), default.names));
    }
}
