//! What a service and the futures of its responses have in common.

use http::header::VARY;
use http::{Request, Response};

use super::admit::{self, Mark};
use super::answer::answer;
use super::extract::Lines;
use super::gate::{Gate, Opening, Refused};
use super::respond::Respond;
use crate::identity::Identity;

/// What all clones of a service have in common.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) gate: Gate,
    pub(super) responder: R,
}

impl<R> Shared<R> {
    /// Lets a request pass by its key.
    #[inline]
    pub(super) fn admit<B>(
        &self,
        request: &mut Request<B>,
        lines: Lines,
        identity: Identity,
    ) -> Mark {
        let head = self.gate.head(request);
        self.gate.report_allowed(head, &identity);
        admit::identify(&self.gate, request, lines, identity)
    }

    /// Lets a request pass without a key.
    pub(super) fn admit_open<B>(
        &self,
        request: &mut Request<B>,
        lines: Lines,
        opening: Opening,
    ) -> Mark {
        let head = self.gate.head(request);
        self.gate.report_open(head, opening);
        admit::open(&self.gate, request, lines, opening)
    }

    pub(super) fn refuse<ReqBody, ResBody>(
        &self,
        request: &Request<ReqBody>,
        refused: Refused,
    ) -> Response<ResBody>
    where
        R: Respond<ResBody>,
    {
        let Refused { denial, notice } = refused;
        let head = self.gate.head(request);
        self.gate.report_refused(head, &denial);
        let mut response = answer(&self.responder, head, denial, &self.gate.challenges);
        response
            .headers_mut()
            .append(VARY, self.gate.sources.vary());
        if let Some(notice) = notice {
            notice.apply(&mut response);
        }
        response
    }
}
