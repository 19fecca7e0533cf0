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

/// Which revisions a change is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Any that the key has.
    Any,
    /// One of these; tags of no revision match none.
    Revisions(Vec<u64>),
}

impl IfMatch {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut lines = headers.get_all(IF_MATCH).iter().peekable();
        if lines.peek().is_none() {
            return Ok(Self::Any);
        }
        let malformed = || {
            let message = "expected *, or a list of entity tags in double quotes";
            let errors = vec![FieldError::value("If-Match", message)];
            Problem::new(ProblemCode::InvalidParameters).with_errors(errors)
        };
        let mut revisions = Vec::new();
        let mut any = false;
        for line in lines {
            let line = line.to_str().map_err(|_| malformed())?;
            for tag in line.split(',').map(|tag| tag.trim_matches([' ', '\t'])) {
                match tag {
                    "*" => any = true,
                    tag => revisions.extend(revision(tag).ok_or_else(malformed)?),
                }
            }
        }
        match (any, revisions.is_empty()) {
            (true, true) => Ok(Self::Any),
            (true, false) => Err(malformed()),
            (false, _) => Ok(Self::Revisions(revisions)),
        }
    }
}

/// The revision of a tag, if it is one; `None` if it is malformed. A weak tag matches nothing here.
fn revision(tag: &str) -> Option<Option<u64>> {
    let (weak, quoted) = match tag.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, tag),
    };
    let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if opaque.contains(['"', ' ']) {
        return None;
    }
    let plain = !opaque.starts_with(['+', '0']);
    let revision = opaque.parse().ok().filter(|_| plain && !weak);
    Some(revision)
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
