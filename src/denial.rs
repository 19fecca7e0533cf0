//! Why a request was refused.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use crate::record::id::KeyId;
use crate::scope::set::ScopeSet;

/// A refusal, with its exact reason.
///
/// The client learns only the status and what its class of reason allows: unknown, expired,
/// disabled, revoked and superseded keys get one answer, octet for octet. The exact reason is for
/// the operator: the layer hands it to the [`Observer`](crate::observe::Observer) and leaves it in
/// the response's extensions.
#[derive(Clone, Debug)]
pub struct Denial {
    kind: DenialKind,
    /// The key, and the number of the secret version that was presented.
    secret: Option<(KeyId, u32)>,
    missing_scopes: ScopeSet,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The reasons for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DenialKind {
    /// No key was sent.
    Missing,
    /// A credential header came more than once, or joined by commas.
    Ambiguous,
    /// Two headers held different keys, be it as `Bearer <key>` or in another way.
    Conflicting,
    /// `Authorization` held a key, or something without a scheme, but not as `Bearer <key>`.
    NotBearer,
    /// What was sent has not the format of a key.
    Malformed,
    /// No such key.
    Unknown,
    /// The key was revoked.
    Revoked,
    /// The key is disabled.
    Disabled,
    /// The key has expired.
    Expired,
    /// The secret was superseded by a rotation, and its overlap is over.
    Superseded,
    /// The key lacks a scope that the request needs.
    InsufficientScope,
    /// The policy permits the request to no key at all.
    NotPermitted,
    /// The store could not answer.
    StoreFailed,
    /// The store, the policy or the observer panicked.
    Panicked,
    /// The clock reads before 1970, so no end of a key can be judged.
    ClockUnset,
}

/// Reasons that a client cannot tell from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenialClass {
    /// No key was sent, or not as one is sent.
    NoKey,
    /// What was sent could be read in more than one way.
    Unclear,
    /// The key that was sent is not accepted.
    BadKey,
    /// The key lacks a scope.
    LacksScope,
    /// No key is enough.
    NotPermitted,
    /// The server cannot tell.
    Fault,
}

impl Denial {
    /// A refusal for that reason.
    pub fn new(kind: DenialKind) -> Self {
        Self {
            kind,
            secret: None,
            missing_scopes: ScopeSet::new(),
            source: None,
        }
    }

    /// A refusal of a key that lacks these scopes.
    pub fn insufficient_scope(missing: ScopeSet) -> Self {
        Self {
            missing_scopes: missing,
            ..Self::new(DenialKind::InsufficientScope)
        }
    }

    /// A refusal because the store failed.
    pub(crate) fn store_failed(source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..Self::new(DenialKind::StoreFailed)
        }
    }

    /// The refusal of that secret version of a known key.
    #[must_use]
    pub(crate) fn of_key(self, id: KeyId, secret_version: u32) -> Self {
        Self {
            secret: Some((id, secret_version)),
            ..self
        }
    }

    /// The exact reason. Do not tell it to the client.
    pub fn kind(&self) -> DenialKind {
        self.kind
    }

    /// The key that was refused, where it is known.
    pub fn key_id(&self) -> Option<KeyId> {
        self.secret.map(|(id, _)| id)
    }

    /// The number of the secret version that was presented, where the key is known.
    pub fn secret_version(&self) -> Option<u32> {
        self.secret.map(|(_, version)| version)
    }

    /// The scopes that the key lacks; empty unless the kind is
    /// [`InsufficientScope`](DenialKind::InsufficientScope).
    pub fn missing_scopes(&self) -> &ScopeSet {
        &self.missing_scopes
    }

    /// The status that answers the refusal in HTTP: 400, 401, 403 or 503.
    pub fn status(&self) -> StatusCode {
        match self.class() {
            DenialClass::Unclear => StatusCode::BAD_REQUEST,
            DenialClass::NoKey | DenialClass::BadKey => StatusCode::UNAUTHORIZED,
            DenialClass::LacksScope | DenialClass::NotPermitted => StatusCode::FORBIDDEN,
            DenialClass::Fault => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the client may learn of the reason.
    pub(crate) fn class(&self) -> DenialClass {
        match self.kind {
            DenialKind::Missing | DenialKind::NotBearer => DenialClass::NoKey,
            DenialKind::Ambiguous | DenialKind::Conflicting => DenialClass::Unclear,
            DenialKind::Malformed
            | DenialKind::Unknown
            | DenialKind::Revoked
            | DenialKind::Disabled
            | DenialKind::Expired
            | DenialKind::Superseded => DenialClass::BadKey,
            DenialKind::InsufficientScope => DenialClass::LacksScope,
            DenialKind::NotPermitted => DenialClass::NotPermitted,
            DenialKind::StoreFailed | DenialKind::Panicked | DenialKind::ClockUnset => {
                DenialClass::Fault
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self.kind {
            DenialKind::Missing => "no key was sent",
            DenialKind::Ambiguous => "a credential header came more than once",
            DenialKind::Conflicting => "two headers held different keys",
            DenialKind::NotBearer => "Authorization held something else than \"Bearer <key>\"",
            DenialKind::Malformed => "what was sent has not the format of a key",
            DenialKind::Unknown => "no such key",
            DenialKind::Revoked => "the key was revoked",
            DenialKind::Disabled => "the key is disabled",
            DenialKind::Expired => "the key has expired",
            DenialKind::Superseded => "the secret was superseded",
            DenialKind::InsufficientScope => "the key lacks a scope",
            DenialKind::NotPermitted => "the policy permits the request to no key",
            DenialKind::StoreFailed => "the store could not answer",
            DenialKind::Panicked => "the store, the policy or the observer panicked",
            DenialKind::ClockUnset => "the clock reads before 1970",
        }
    }
}

/// The exact reason, for the operator.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())?;
        if !self.missing_scopes.is_empty() {
            write!(f, ": {}", self.missing_scopes)?;
        }
        Ok(())
    }
}

impl Error for Denial {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}
