//! What the layer changes in the headers of requests and responses.

use http::HeaderValue;
use http::header::{HeaderMap, HeaderName};

use super::extract::{self, Lines};
use super::source::Sources;
use crate::verify::verifier::Verifier;

/// Removes the header lines that carry what was sent as a key.
pub(super) fn remove_credentials(
    headers: &mut HeaderMap,
    lines: Lines,
    sources: &Sources,
    verifier: &Verifier,
) {
    for (name, is_repeated) in ours(lines, sources) {
        if is_repeated {
            remove_ours(headers, name, verifier);
        } else {
            headers.remove(name);
        }
    }
}

/// Marks the header lines that carry what was sent as a key as sensitive.
pub(super) fn mark_credentials(headers: &mut HeaderMap, lines: Lines, sources: &Sources) {
    for (name, _) in ours(lines, sources) {
        for (other, value) in headers.iter_mut() {
            if other == name {
                value.set_sensitive(true);
            }
        }
    }
}

/// The sources with lines of ours, and whether there is more than one line of each.
fn ours(lines: Lines, sources: &Sources) -> impl Iterator<Item = (&HeaderName, bool)> {
    let mut left = lines.ours;
    std::iter::from_fn(move || {
        let bit = left & left.wrapping_neg();
        left ^= bit;
        (bit != 0).then(|| {
            let name = &sources.names()[bit.trailing_zeros() as usize];
            (name, lines.repeated & bit != 0)
        })
    })
}

/// Removes a source's lines that are ours; those of `Authorization` that are someone else's stay.
fn remove_ours(headers: &mut HeaderMap, name: &HeaderName, verifier: &Verifier) {
    let others: Vec<HeaderValue> = headers
        .get_all(name)
        .iter()
        .filter(|value| !extract::is_ours(name, value.as_bytes(), verifier))
        .cloned()
        .collect();
    headers.remove(name);
    for value in others {
        headers.append(name, value);
    }
}

/// Sets a header that has no value yet.
#[inline]
pub(super) fn set_default(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    // To compare the few names there are is quicker than to hash one that is not there.
    if !headers.keys().any(|other| *other == name) {
        headers.insert(name, value);
    }
}
