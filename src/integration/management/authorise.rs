//! Who may manage which keys.

use axum::response::Response;
use http::request::Parts;

use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::middleware::denied::denied;
use crate::scope::name::Scope;

/// Says on whose behalf a request manages keys, or refuses it.
///
/// A closure is one. Here people who are logged in manage the keys of their account:
///
/// ```
/// use axum::response::{IntoResponse, Response};
/// use http::StatusCode;
/// use http::request::Parts;
/// use tower_api_key::integration::management::{ManagementApi, Principal};
/// use tower_api_key::{KeyManager, MemoryStore};
///
/// /// Left in the extensions by the layer that checks logins.
/// #[derive(Clone)]
/// struct Login { account: String, user: String }
///
/// let authoriser = |head: &Parts| -> Result<Principal, Response> {
///     let login = head.extensions.get::<Login>();
///     let login = login.ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())?;
///     Ok(Principal::of_owner(&*login.account, &*login.user))
/// };
/// let api = ManagementApi::new(&KeyManager::new(MemoryStore::new()), authoriser);
/// ```
pub trait Authorise: Send + Sync + 'static {
    /// On whose behalf the request with this head manages keys.
    ///
    /// # Errors
    ///
    /// The response of a refusal.
    #[expect(
        clippy::result_large_err,
        reason = "a refusal is a response, as everywhere in axum"
    )]
    fn authorise(&self, head: &Parts) -> Result<Principal, Response>;
}

impl<F> Authorise for F
where
    F: Fn(&Parts) -> Result<Principal, Response> + Send + Sync + 'static,
{
    fn authorise(&self, head: &Parts) -> Result<Principal, Response> {
        self(head)
    }
}

/// On whose behalf keys are managed: the owner of all keys that are seen, and the bounds of what
/// they are given.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(super) owner: Box<str>,
    pub(super) on_behalf_of: OnBehalfOf,
}

#[derive(Clone, Debug)]
pub(super) enum OnBehalfOf {
    Key(Identity),
    Actor(Box<str>),
}

impl Principal {
    /// Manages the keys of that key's owner, and gives none more than the key has.
    pub fn of_key(identity: Identity) -> Self {
        Self {
            owner: identity.owner().into(),
            on_behalf_of: OnBehalfOf::Key(identity),
        }
    }

    /// Manages the keys of that owner without further bounds than the manager's policy; the audit
    /// trail names the actor, such as the person who is logged in.
    pub fn of_owner(owner: impl Into<Box<str>>, actor: impl Into<Box<str>>) -> Self {
        Self {
            owner: owner.into(),
            on_behalf_of: OnBehalfOf::Actor(actor.into()),
        }
    }
}

/// Lets a key with the scope `keys:manage` manage the keys of its owner.
///
/// It reads the [`Identity`] that an [`ApiKeyLayer`](crate::ApiKeyLayer) left. Without one, the answer
/// is 401; without the scope, 403: both as the layer gives them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OwnerAuthoriser;

impl OwnerAuthoriser {
    /// The scope that it asks for: `keys:manage`.
    pub const SCOPE: Scope = Scope::from_static("keys:manage");

    /// The authoriser.
    pub const fn new() -> Self {
        Self
    }
}

impl Authorise for OwnerAuthoriser {
    fn authorise(&self, head: &Parts) -> Result<Principal, Response> {
        let denial = match head.extensions.get::<Identity>() {
            Some(identity) if identity.has_scope(&Self::SCOPE) => {
                return Ok(Principal::of_key(identity.clone()));
            }
            Some(identity) => Denial::insufficient_scope(Self::SCOPE.into())
                .of_key(identity.key_id(), identity.secret_version()),
            None => Denial::new(DenialKind::Missing),
        };
        Err(denied(head, denial))
    }
}
