//! Paths that need no key.

use http::{Method, Request};

use super::config_error::{ConfigError, ConfigErrorKind};
use crate::policy::method_override::is_override;

/// Paths that need no key, for one method or for all.
#[derive(Clone, Debug, Default)]
pub(super) struct PublicPaths(Vec<PublicPath>);

#[derive(Clone, Debug)]
struct PublicPath {
    /// `None` means every method.
    method: Option<Method>,
    path: Box<str>,
}

impl PublicPaths {
    pub(super) fn add(&mut self, method: Option<Method>, path: &str) -> Result<(), ConfigError> {
        if let Some(defect) = defect(path) {
            let message = format!("expected a public path such as \"/health\", {defect}");
            return Err(ConfigError::new(ConfigErrorKind::PublicPath, message));
        }
        self.0.push(PublicPath {
            method,
            path: path.into(),
        });
        Ok(())
    }

    /// Whether this request needs no key: octet for octet the same path, never a decoded or
    /// normalised one, which a router behind the layer might read otherwise.
    ///
    /// A path that is public for one method only is not public for a request whose method a header
    /// may replace.
    #[inline]
    pub(super) fn contain<B>(&self, request: &Request<B>) -> bool {
        self.0.iter().any(|public| {
            *public.path == *request.uri().path()
                && public.method.as_ref().is_none_or(|only| {
                    only == request.method() && !request.headers().keys().any(is_override)
                })
        })
    }
}

fn defect(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("found one that does not start with '/'");
    }
    // A nested router shows "/" to its layers for every place it is mounted at.
    if path == "/" {
        return Some("found \"/\", which stands for the whole of a nested router too");
    }
    // One slash may end it: "/docs/" is another path than "/docs".
    let mut segments = path.strip_suffix('/').unwrap_or(path).split('/').skip(1);
    if segments.any(|segment| matches!(segment, "" | "." | "..")) {
        return Some("found one with an empty or dot segment");
    }
    if !path.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Some("found one with an octet other than printable ASCII");
    }
    // A colon within a segment is no pattern: "/v1/items:batch".
    if path.contains(['*', '{', '}', '%', ';', '\\', '?', '#']) || path.contains("/:") {
        return Some(
            "found one with a pattern, an escape, a parameter or a query: paths are exact",
        );
    }
    None
}
