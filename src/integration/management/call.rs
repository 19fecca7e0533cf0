//! What a request works with.

use std::sync::Arc;

use http::request::Parts;
use jiff::Timestamp;
use utoipa::openapi::OpenApi;

use super::authorise::{Authorise, OnBehalfOf, Principal};
use super::problem::ProblemCode;
use super::refused::Refused;
use super::resource::KeyResource;
use crate::manage::manager::KeyManager;
use crate::record::key::KeyRecord;
use crate::store::contract::store::Store;

pub(super) type Shared = Arc<Inner>;
type Keys = KeyManager<Arc<dyn Store>>;

/// What all requests share.
pub(super) struct Inner {
    pub(super) keys: Keys,
    pub(super) authoriser: Box<dyn Authorise>,
    pub(super) document: OpenApi,
}

impl Inner {
    /// Asks the authoriser on whose behalf the request is.
    pub(super) fn call(&self, head: &Parts) -> Result<Call, Refused> {
        let principal = self.authoriser.authorise(head)?;
        let keys = match &principal.on_behalf_of {
            OnBehalfOf::Key(identity) => self.keys.on_behalf_of(identity),
            OnBehalfOf::Actor(actor) => self.keys.acting_as(actor),
        };
        Ok(Call { keys, principal })
    }
}

/// One request: on whose behalf it is, and a manager that acts so.
pub(super) struct Call {
    keys: Keys,
    principal: Principal,
}

impl Call {
    /// The same for changes of that revision.
    pub(super) fn if_revision(self, revision: u64) -> Self {
        Self {
            keys: self.keys.if_revision(revision),
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
}
