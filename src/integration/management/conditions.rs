//! Conditions of a change: `ETag`, `If-Match` (RFC 9110, section 13.1.1) and `Idempotency-Key`.

use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH};

use super::problem::{FieldError, Problem, ProblemCode};
use crate::record::key::KeyRecord;

/// The strong entity tag of a key's revision.
pub(super) fn tag(record: &KeyRecord) -> HeaderValue {
    let text = format!("\"{}\"", record.revision());
    // OK because digits and quotes are visible ASCII.
    HeaderValue::try_from(text).expect("a tag is a header value")
}

/// Whether a change is meant for the revision that the key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Nothing was asked.
    Absent,
    Matches,
    Differs,
}

impl IfMatch {
    /// Compares strongly; what is no entity tag of ours, or no entity tag at all, matches nothing.
    pub(super) fn of(headers: &HeaderMap, record: &KeyRecord) -> Self {
        let own = tag(record);
        let own = own.as_bytes();
        // Tags of ours have no comma.
        let lines = headers.get_all(IF_MATCH).iter();
        let tags = lines.flat_map(|line| line.as_bytes().split(|octet| *octet == b','));
        let tags: Vec<_> = tags.map(<[u8]>::trim_ascii).collect();
        match tags[..] {
            [] => Self::Absent,
            [b"*"] => Self::Matches,
            _ if tags.contains(&own) => Self::Matches,
            _ => Self::Differs,
        }
    }
}

/// The value of `Idempotency-Key`, if it was sent.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Problem> {
    const NAME: HeaderName = HeaderName::from_static("idempotency-key");
    let mut lines = headers.get_all(NAME).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let octets = line.as_bytes();
    let is_fit = (1..=255).contains(&octets.len()) && octets.iter().all(u8::is_ascii_graphic);
    if lines.next().is_some() || !is_fit {
        let message = "expected one line of 1 to 255 visible ASCII characters";
        let errors = vec![FieldError::value("Idempotency-Key", message)];
        return Err(Problem::new(ProblemCode::InvalidParameters).with_errors(errors));
    }
    Ok(Some(octets.to_vec()))
}
