//! What a service and the futures of its responses have in common.

use http::{Request, Response};

use super::admit::{self, Mark};
use super::extract::Lines;
use super::gate::{Gate, Pass};
use super::refusal::Refusal;
use super::respond::Respond;
use crate::denial::Denial;

/// What all clones of a service have in common.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) gate: Gate,
    pub(super) responder: R,
}

impl<R> Shared<R> {
    #[inline]
    pub(super) fn admit<B>(&self, request: &mut Request<B>, lines: Lines, pass: Pass) -> Mark {
        self.gate.report(self.gate.head(request), Ok(&pass));
        admit::prepare(&self.gate, request, lines, pass)
    }

    pub(super) fn refuse<ReqBody, ResBody>(
        &self,
        request: &Request<ReqBody>,
        denial: Denial,
    ) -> Response<ResBody>
    where
        R: Respond<ResBody>,
    {
        let head = self.gate.head(request);
        self.gate.report(head, Err(&denial));
        let refusal = Refusal::new(&denial, head, &self.gate.challenges);
        let mut response = self.responder.respond(&refusal);
        admit::complete_refusal(&self.gate, &mut response);
        response.extensions_mut().insert(denial);
        response
    }
}
