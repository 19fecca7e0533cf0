//! The router, and what a request works with.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::request::Parts;
use jiff::Timestamp;
use utoipa::openapi::OpenApi;

use super::authorise::{Authorise, OnBehalfOf, Principal};
use super::problem::{Problem, ProblemCode};
use super::refused::Refused;
use super::resource::KeyResource;
use super::{handlers, openapi};
use crate::manage::error::{ManageError, ManageErrorKind};
use crate::manage::manager::KeyManager;
use crate::record::key::KeyRecord;
use crate::store::registry::KeyRegistry;

/// An API to manage keys, to be mounted under any path; see the [module](super).
#[derive(Clone)]
pub struct ManagementApi(Shared);

pub(super) type Shared = Arc<Inner>;
type Keys = KeyManager<Arc<dyn KeyRegistry>>;

pub(super) struct Inner {
    keys: Keys,
    authoriser: Box<dyn Authorise>,
    pub(super) document: OpenApi,
}

impl ManagementApi {
    /// Manages the keys of this manager, for whom the authoriser lets in.
    ///
    /// What may be issued is the manager's part:
    /// [`with_issue_policy`](KeyManager::with_issue_policy).
    pub fn new<S: KeyRegistry + Clone>(keys: &KeyManager<S>, authoriser: impl Authorise) -> Self {
        Self(Arc::new(Inner {
            keys: keys.erased(),
            authoriser: Box::new(authoriser),
            document: openapi::document(keys.format()),
        }))
    }

    /// The description of the API in OpenAPI 3.1, with paths relative to where it is mounted.
    pub fn openapi(&self) -> OpenApi {
        self.0.document.clone()
    }

    /// The routes. `Router::nest` mounts them under a path.
    ///
    /// Put the layer that verifies keys around it, inside of the nest or outside.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/keys", get(handlers::list).post(handlers::create))
            .route("/keys/{id}", get(handlers::show).patch(handlers::change))
            .route("/keys/{id}/rotate", post(handlers::rotate))
            .route("/keys/{id}/revoke", post(handlers::revoke))
            .route("/keys/{id}/usage", get(handlers::usage))
            .route("/keys/{id}/advice", get(handlers::advice))
            .route("/audit", get(handlers::audit))
            .route("/openapi.json", get(handlers::document))
            .fallback(handlers::not_found)
            .method_not_allowed_fallback(handlers::method_not_allowed)
            .with_state(self.0.clone())
    }
}

impl fmt::Debug for ManagementApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagementApi").finish_non_exhaustive()
    }
}

impl Inner {
    /// Asks the authoriser on whose behalf the request is.
    pub(super) fn call(&self, head: &Parts) -> Result<Call, Refused> {
        let principal = self.authoriser.authorise(head)?;
        let keys = match &principal.on_behalf_of {
            OnBehalfOf::Key(identity) => self.keys.on_behalf_of(identity),
            OnBehalfOf::Actor(actor) => self.keys.acting_as(actor),
        };
        Ok(Call {
            keys,
            principal,
            is_conditional: false,
        })
    }
}

/// One request: on whose behalf it is, and a manager that acts so.
pub(super) struct Call {
    keys: Keys,
    principal: Principal,
    is_conditional: bool,
}

impl Call {
    /// The same for changes of that revision.
    pub(super) fn if_revision(self, revision: u64) -> Self {
        Self {
            keys: self.keys.if_revision(revision),
            is_conditional: true,
            ..self
        }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn owner(&self) -> &str {
        &self.principal.owner
    }

    pub(super) fn now(&self) -> Timestamp {
        self.keys.clock().now()
    }

    pub(super) fn resource(&self, record: &KeyRecord) -> KeyResource {
        KeyResource::of(record, self.keys.format().prefix(), self.now())
    }

    /// The key of that id, if it is the owner's. An id that is none is one that nobody has.
    pub(super) async fn record(&self, id: &str) -> Result<Arc<KeyRecord>, Refused> {
        let Ok(id) = id.parse() else {
            return Err(ProblemCode::KeyNotFound.into());
        };
        match self.keys.get(&id).await? {
            Some(record) if record.owner() == self.owner() => Ok(record),
            _ => Err(ProblemCode::KeyNotFound.into()),
        }
    }

    /// Why a change was not made: without `If-Match`, a mismatch is not the client's.
    pub(super) fn lost(&self, error: ManageError) -> Problem {
        if error.kind() == ManageErrorKind::RevisionMismatch && !self.is_conditional {
            return Problem::new(ProblemCode::ChangedMeanwhile);
        }
        error.into()
    }
}
