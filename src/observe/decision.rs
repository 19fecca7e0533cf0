//! What was decided of one request.

use crate::denial::Denial;
use crate::identity::Identity;
use crate::policy::head::RequestHead;

/// What was decided of one request.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    head: RequestHead<'a>,
    outcome: Result<Access<'a>, &'a Denial>,
}

/// On what grounds a request was let through.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Access<'a> {
    /// A key was verified and permits the request.
    Key(&'a Identity),
    /// No key was sent, and anonymous access is allowed.
    Anonymous,
    /// The path is public.
    PublicPath,
    /// The request is a CORS preflight, and those are allowed.
    Preflight,
}

impl<'a> Decision<'a> {
    /// The decision on the request with this head.
    pub fn new(head: RequestHead<'a>, outcome: Result<Access<'a>, &'a Denial>) -> Self {
        Self { head, outcome }
    }

    /// The head of the request, without the credentials.
    pub fn head(&self) -> &RequestHead<'a> {
        &self.head
    }

    /// On what grounds the request was let through, or why not.
    ///
    /// # Errors
    ///
    /// The [`Denial`] of a request that was refused.
    pub fn outcome(&self) -> Result<Access<'a>, &'a Denial> {
        self.outcome
    }

    /// Who sent the request, if a key permitted it.
    pub fn identity(&self) -> Option<&'a Identity> {
        match self.outcome {
            Ok(Access::Key(identity)) => Some(identity),
            _ => None,
        }
    }

    /// Why the request was refused, if it was.
    pub fn denial(&self) -> Option<&'a Denial> {
        self.outcome.err()
    }
}
