//! The decision, without any service: who may pass, and on what grounds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderName};
use http::{Method, Request};

use super::challenge::Challenges;
use super::extract::{self, Lines, Sent};
use super::notice::Notice;
use super::public_path::PublicPaths;
use super::source::Sources;
use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::key::digest::KeyDigest;
use crate::observe::decision::{Access, Decision};
use crate::observe::observer::Observer;
use crate::policy::head::RequestHead;
use crate::policy::method::MethodPolicy;
use crate::policy::method_override::is_override;
use crate::policy::requirement::Requirement;
use crate::policy::scope_policy::ScopePolicy;
use crate::record::id::KeyId;
use crate::scope::set::ScopeSet;
use crate::store::contain::contain;
use crate::usage::monitor::UsageMonitor;
use crate::verify::verifier::Verifier;

/// Everything that a layer was told, but the responder.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) verifier: Verifier,
    pub(super) sources: Arc<Sources>,
    pub(super) policy: Arc<dyn ScopePolicy>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) usage: Option<UsageMonitor>,
    /// How long before its end a key is told of it.
    pub(super) notice_lead: Option<Duration>,
    pub(super) challenges: Arc<Challenges>,
    pub(super) public_paths: Arc<PublicPaths>,
    pub(super) allows_anonymous: bool,
    pub(super) allows_preflight: bool,
    pub(super) keeps_credential: bool,
}

/// How far a request gets without its key being looked up.
pub(super) enum Step {
    /// It needs no key.
    Open(Opening),
    /// It is refused.
    Refuse(DenialKind),
    /// Its key is to be looked up by this digest.
    LookUp(KeyDigest),
}

/// Why a request needs no key.
#[derive(Clone, Copy)]
pub(super) enum Opening {
    Anonymous,
    PublicPath,
    Preflight,
}

/// On what grounds a request was allowed, which is what counts of it.
pub(super) enum Grounds {
    /// This secret version of this key, which holds the scopes that the request needs.
    Key {
        id: KeyId,
        version: u32,
        needed: ScopeSet,
    },
    /// It needs no key.
    Opening(Opening),
}

impl Opening {
    pub(super) fn access(self) -> Access<'static> {
        match self {
            Self::Anonymous => Access::Anonymous,
            Self::PublicPath => Access::PublicPath,
            Self::Preflight => Access::Preflight,
        }
    }
}

/// A refusal, and what else its response tells.
pub(super) struct Refused {
    pub(super) denial: Denial,
    /// Only a verified key gets one.
    pub(super) notice: Option<Box<Notice>>,
}

impl From<Denial> for Refused {
    #[inline]
    fn from(denial: Denial) -> Self {
        Self {
            denial,
            notice: None,
        }
    }
}

impl Gate {
    pub(super) fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            sources: Arc::default(),
            policy: Arc::new(MethodPolicy::new()),
            observer: None,
            usage: None,
            notice_lead: Some(NOTICE_LEAD),
            challenges: Arc::default(),
            public_paths: Arc::default(),
            allows_anonymous: false,
            allows_preflight: false,
            keeps_credential: false,
        }
    }

    /// What policies, responders and observers see of a request.
    pub(super) fn head<'a, B>(&'a self, request: &'a Request<B>) -> RequestHead<'a> {
        RequestHead::new(
            request.method(),
            request.uri(),
            request.version(),
            request.headers(),
            self.sources.names(),
        )
    }

    /// The first step, which needs no store; and which header lines are the layer's own.
    #[inline]
    pub(super) fn examine<B>(&self, request: &Request<B>) -> (Step, Lines) {
        let sent = extract::read(request.headers(), &self.sources, &self.verifier);
        let lines = sent.lines;
        if self.public_paths.contain(request) {
            return (Step::Open(Opening::PublicPath), lines);
        }
        if self.allows_preflight && is_preflight(request) {
            return (Step::Open(Opening::Preflight), lines);
        }
        (self.judge_sent(&sent), lines)
    }

    fn judge_sent(&self, sent: &Sent<'_>) -> Step {
        match sent.key {
            Ok(Some(token)) => match self.verifier.digest(token) {
                Ok(digest) => Step::LookUp(digest),
                Err(_) if extract::is_folded(token) => Step::Refuse(DenialKind::Ambiguous),
                Err(kind) => Step::Refuse(kind),
            },
            Ok(None) if self.allows_anonymous => Step::Open(Opening::Anonymous),
            Ok(None) => Step::Refuse(DenialKind::Missing),
            Err(kind) => Step::Refuse(kind),
        }
    }

    /// Whether a key was verified, and covers what the request needs.
    #[inline]
    pub(super) fn authorise(
        &self,
        verified: Result<Identity, Denial>,
        head: &RequestHead<'_>,
    ) -> Result<(Identity, Grounds), Refused> {
        let identity = verified?;
        let (id, version) = (identity.key_id(), identity.secret_version());
        let denial = match contain(|| self.policy.requirement(head)) {
            Ok(Requirement::Scopes(needed)) if identity.scopes().contains_all(&needed) => {
                let grounds = Grounds::Key {
                    id,
                    version,
                    needed,
                };
                return Ok((identity, grounds));
            }
            Ok(Requirement::Scopes(needed)) => {
                Denial::insufficient_scope(needed.difference(identity.scopes()))
            }
            Ok(Requirement::NotPermitted) => Denial::new(DenialKind::NotPermitted),
            Err(panicked) => panicked.into(),
        };
        Err(Refused {
            denial: denial.of_key(id, version),
            notice: self.notice_to(&identity),
        })
    }

    /// What a response tells the holder of this key of its end.
    #[inline]
    pub(super) fn notice_to(&self, identity: &Identity) -> Option<Box<Notice>> {
        Notice::of(identity, self.notice_lead?, || self.verifier.now())
    }

    /// Tells the observer of a decision. If that panics, the request is denied.
    #[inline]
    pub(super) fn report(
        &self,
        head: RequestHead<'_>,
        outcome: Result<Access<'_>, &Denial>,
    ) -> Result<(), Denial> {
        match &self.observer {
            Some(observer) => Ok(contain(|| observer.decided(&Decision::new(head, outcome)))?),
            None => Ok(()),
        }
    }

    /// Counts a request that was allowed, and the scopes that it exercised.
    #[inline]
    pub(super) fn count_allowed(&self, grounds: &Grounds) {
        match (&self.usage, grounds) {
            (
                Some(usage),
                Grounds::Key {
                    id,
                    version,
                    needed,
                },
            ) => {
                usage.count_allowed(id, *version, needed);
            }
            (Some(usage), Grounds::Opening(_)) => usage.count_opening(),
            (None, _) => {}
        }
    }

    pub(super) fn count_denied(&self, denial: &Denial) {
        if let Some(usage) = &self.usage {
            usage.count(Err(denial));
        }
    }
}

/// Two weeks.
const NOTICE_LEAD: Duration = Duration::from_secs(14 * 86_400);

/// A CORS preflight: OPTIONS with both headers that a browser sends (Fetch standard, section 4.8),
/// and none by which it could become another method.
fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name: &HeaderName| request.headers().contains_key(name);
    *request.method() == Method::OPTIONS
        && !request.headers().keys().any(is_override)
        && has(&header::ORIGIN)
        && has(&header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("verifier", &self.verifier)
            .field("sources", &self.sources)
            .field("challenges", &self.challenges)
            .field("public_paths", &self.public_paths)
            .field("allows_anonymous", &self.allows_anonymous)
            .field("allows_preflight", &self.allows_preflight)
            .field("keeps_credential", &self.keeps_credential)
            .finish_non_exhaustive()
    }
}
