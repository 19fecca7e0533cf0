//! A request that was allowed, until its response comes out of the inner service.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderValue, Request, Response};

use super::denied::DeniedHead;
use super::extract::Lines;
use super::gate::{Gate, Grounds, Opening, Refused};
use super::headers::{self, set_default};
use super::notice::Notice;
use super::respond::Respond;
use super::shared::Shared;
use crate::denial::Denial;
use crate::identity::Identity;
use crate::observe::decision::Access;

/// A request that was allowed, until its response comes out of the inner service.
///
/// It is counted when it is dropped: not before it is known whether a route behind the layer denies
/// it, and also when its client does not wait for the response.
pub(super) struct Allowed<R> {
    shared: Arc<Shared<R>>,
    grounds: Grounds,
    notice: Option<Box<Notice>>,
    /// A route behind the layer has denied it, and that is counted.
    is_denied: bool,
}

impl<R> Allowed<R> {
    /// Allows a request by its key, and prepares it for the inner service: the credential goes, the
    /// identity comes.
    ///
    /// `lines` says which of the sources have lines of ours.
    #[inline]
    pub(super) fn by_key<B>(
        shared: &Arc<Shared<R>>,
        request: &mut Request<B>,
        lines: Lines,
        verified: Result<Identity, Denial>,
    ) -> Result<Self, Refused> {
        let gate = &shared.gate;
        let head = gate.head(request);
        let (identity, grounds) = gate.authorise(verified, &head)?;
        gate.report(head, Ok(Access::Key(&identity)))?;
        hide_credentials(gate, request, lines);
        let notice = gate.notice_to(&identity);
        request.extensions_mut().insert(identity);
        Ok(Self {
            shared: shared.clone(),
            grounds,
            notice,
            is_denied: false,
        })
    }

    /// Allows a request that needs no key; whatever was sent as one goes all the same.
    pub(super) fn without_key<B>(
        shared: &Arc<Shared<R>>,
        request: &mut Request<B>,
        lines: Lines,
        opening: Opening,
    ) -> Result<Self, Refused> {
        let gate = &shared.gate;
        gate.report(gate.head(request), Ok(opening.access()))?;
        hide_credentials(gate, request, lines);
        // An identity that another layer left proves nothing here.
        request.extensions_mut().remove::<Identity>();
        Ok(Self {
            shared: shared.clone(),
            grounds: Grounds::Opening(opening),
            notice: None,
            is_denied: false,
        })
    }

    /// Completes the response of the inner service, or replaces it where a route behind the layer has
    /// denied the request.
    #[inline]
    pub(super) fn finish<B>(mut self, response: &mut Response<B>)
    where
        R: Respond<B>,
    {
        if let Some(denied) = response.extensions_mut().remove::<DeniedHead>() {
            // Before the responder is called, which may panic.
            self.is_denied = true;
            self.shared.deny_behind(response, &denied);
            // For a layer further out, which does the same.
            response.extensions_mut().insert(denied);
        }
        let headers = response.headers_mut();
        if let Grounds::Key { .. } | Grounds::Opening(Opening::Anonymous) = self.grounds {
            headers.append(VARY, self.shared.gate.sources.vary());
        }
        if let Grounds::Key { .. } = self.grounds {
            set_default(headers, CACHE_CONTROL, PRIVATE);
        }
        if let Some(notice) = self.notice.take() {
            notice.apply(response);
        }
    }
}

impl<R> Drop for Allowed<R> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_denied {
            self.shared.gate.count_allowed(&self.grounds);
        }
    }
}

#[inline]
fn hide_credentials<B>(gate: &Gate, request: &mut Request<B>, lines: Lines) {
    if lines.ours == 0 {
        return;
    }
    let headers = request.headers_mut();
    if gate.keeps_credential {
        headers::mark_credentials(headers, lines, &gate.sources);
    } else {
        headers::remove_credentials(headers, lines, &gate.sources, &gate.verifier);
    }
}

const PRIVATE: HeaderValue = HeaderValue::from_static("private");
