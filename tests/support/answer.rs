//! A response, read to its end.

use std::fmt::Debug;

use http::{HeaderMap, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower_api_key::Denial;
use tower_api_key::denial::DenialKind;

use super::told;

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) kind: Option<DenialKind>,
}

impl Answer {
    pub(crate) async fn of<B>(response: Response<B>) -> Self
    where
        B: Body,
        B::Error: Debug,
    {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            kind: parts.extensions.get::<Denial>().map(Denial::kind),
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The lines of one header, joined.
    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self.headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|value| value.to_str().unwrap()).collect();
        lines.join(", ")
    }

    /// Every header, sorted by name, its lines joined.
    pub(crate) fn all_headers(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = self
            .headers
            .keys()
            .map(|name| (name.to_string(), self.header(name.as_str())))
            .collect();
        all.sort();
        all
    }

    /// The inner service answered.
    #[track_caller]
    pub(crate) fn assert_allowed(&self) {
        assert_eq!(
            (self.status, self.text(), self.kind),
            (200, "inner-ok", None)
        );
    }

    /// The request was refused for that reason, and the client was told what it may know.
    #[track_caller]
    pub(crate) fn assert_refused(&self, kind: DenialKind) {
        assert_eq!(self.kind, Some(kind));
        self.assert_told(kind);
    }

    /// This is the whole default answer, header for header, to a refusal of this kind; but for what
    /// servers add: length, date and connection.
    #[track_caller]
    pub(crate) fn assert_told(&self, kind: DenialKind) {
        let (status, error, message) = told(kind);
        assert_eq!(self.status, status);
        let body = format!(r#"{{"error":"{error}","message":"{message}"}}"#);
        assert_eq!(self.text(), body);
        let mut expected = vec![
            ("cache-control", "no-store"),
            ("content-type", "application/json"),
            ("vary", "X-API-Key, Authorization"),
            ("x-content-type-options", "nosniff"),
        ];
        match challenge(kind) {
            Some(challenge) => expected.push(("www-authenticate", challenge)),
            None => expected.push(("retry-after", "1")),
        }
        expected.sort_unstable();
        let mut found = self.all_headers();
        let length = self.body.len().to_string();
        found.retain(|(name, value)| match &**name {
            "content-length" => *value != length,
            name => !matches!(name, "date" | "connection"),
        });
        let found: Vec<_> = found.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(found, expected);
    }
}

fn challenge(kind: DenialKind) -> Option<&'static str> {
    match kind {
        DenialKind::Missing | DenialKind::NotBearer => Some(r#"Bearer realm="api""#),
        DenialKind::Ambiguous | DenialKind::Conflicting => {
            Some(r#"Bearer realm="api", error="invalid_request""#)
        }
        DenialKind::NotPermitted => Some(r#"Bearer realm="api", error="insufficient_scope""#),
        DenialKind::InsufficientScope => {
            Some(r#"Bearer realm="api", error="insufficient_scope", scope="write""#)
        }
        DenialKind::StoreFailed | DenialKind::Panicked | DenialKind::ClockUnset => None,
        _ => Some(r#"Bearer realm="api", error="invalid_token""#),
    }
}
