//! What a request and its response carry once the request may pass.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, VARY};
use http::{HeaderValue, Request, Response};

use super::extract::{self, Lines};
use super::gate::{Gate, Opening};
use super::notice::Notice;
use crate::identity::Identity;
use crate::verify::verifier::Verifier;

/// Prepares a request for the inner service: the credential goes, the identity comes.
///
/// `lines` says which of the sources have lines of ours.
#[inline]
pub(super) fn identify<B>(
    gate: &Gate,
    request: &mut Request<B>,
    lines: Lines,
    identity: Identity,
) -> Mark {
    if lines.ours != 0 {
        hide_credentials(gate, request.headers_mut(), lines);
    }
    let notice = gate.notice_to(&identity);
    request.extensions_mut().insert(identity);
    Mark {
        vary: Some(gate.sources.vary()),
        private: true,
        notice,
    }
}

/// Prepares a request that needs no key; whatever was sent as one goes all the same.
pub(super) fn open<B>(
    gate: &Gate,
    request: &mut Request<B>,
    lines: Lines,
    opening: Opening,
) -> Mark {
    if lines.ours != 0 {
        hide_credentials(gate, request.headers_mut(), lines);
    }
    // An identity that another layer left proves nothing here.
    request.extensions_mut().remove::<Identity>();
    let varies = matches!(opening, Opening::Anonymous);
    Mark {
        vary: varies.then(|| gate.sources.vary()),
        private: false,
        notice: None,
    }
}

fn hide_credentials(gate: &Gate, headers: &mut HeaderMap, lines: Lines) {
    let names = gate.sources.names();
    let mut left = lines.ours;
    while left != 0 {
        let bit = left & left.wrapping_neg();
        left ^= bit;
        let name = &names[bit.trailing_zeros() as usize];
        if gate.keeps_credential {
            mark_sensitive(headers, name);
        } else if lines.repeated & bit == 0 {
            headers.remove(name);
        } else {
            remove_ours(headers, name, &gate.verifier);
        }
    }
}

fn mark_sensitive(headers: &mut HeaderMap, name: &HeaderName) {
    for (other, value) in headers.iter_mut() {
        if other == name {
            value.set_sensitive(true);
        }
    }
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

/// What the response is to say of the request's authentication.
#[derive(Debug)]
pub(super) struct Mark {
    /// The headers that the response depends on; `None` on paths where it depends on none.
    vary: Option<HeaderValue>,
    /// Whether the response is for one key's holder only.
    private: bool,
    notice: Option<Box<Notice>>,
}

impl Mark {
    #[inline]
    pub(super) fn apply<B>(self, response: &mut Response<B>) {
        let headers = response.headers_mut();
        if let Some(vary) = self.vary {
            headers.append(VARY, vary);
        }
        if self.private {
            set_default(headers, CACHE_CONTROL, PRIVATE);
        }
        if let Some(notice) = self.notice {
            notice.apply(response);
        }
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

const PRIVATE: HeaderValue = HeaderValue::from_static("private");
