//! Refusals that are found only behind the layer.

use std::any::Any;
use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, Response};

use super::answer::answer;
use super::gate::Gate;
use super::respond::Respond;
use super::shared::Shared;
use crate::denial::Denial;
use crate::policy::head::RequestHead;

/// The layer that let a request through without a key, for where a handler needs one.
#[derive(Clone)]
pub(crate) struct Deferred(Arc<dyn Left>);

/// What a layer shares, whatever its responder.
trait Left: Any + Send + Sync {
    fn gate(&self) -> &Gate;
}

impl<R: Send + Sync + 'static> Left for Shared<R> {
    fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl Deferred {
    pub(super) fn leave<R>(shared: &Arc<Shared<R>>, extensions: &mut Extensions)
    where
        R: Send + Sync + 'static,
    {
        extensions.insert(Self(shared.clone()));
    }

    /// The layer's responder, if it is of that type.
    pub(crate) fn responder<R: 'static>(&self) -> Option<&R> {
        let shared: &dyn Any = &*self.0;
        let shared = shared.downcast_ref::<Shared<R>>()?;
        Some(&shared.responder)
    }

    /// This responder's answer, with the layer's realm; the layer's observer is told.
    pub(crate) fn refuse<B: 'static>(
        &self,
        responder: &dyn Respond<B>,
        head: &Parts,
        denial: Denial,
    ) -> Response<B> {
        let gate = self.0.gate();
        let sources = gate.sources.names();
        let head = RequestHead::new(
            &head.method,
            &head.uri,
            head.version,
            &head.headers,
            sources,
        );
        gate.report_refused(head, &denial);
        // `Vary` is not said here: the layer says it of whatever comes out of its inner service.
        answer(responder, head, denial, &gate.challenges)
    }
}
