//! Reading forms and paths.

use axum::extract::rejection::FormRejection;
use axum::extract::{self, Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use rand::TryRng as _;
use rand::rngs::SysRng;
use subtle::ConstantTimeEq as _;

use super::refusal::Refusal;
use super::signed_in::SignedIn;

/// The fields of a form; a check box may be there more than once.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field of that name, without space around it; empty when there is none.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> &'a str {
        self.all(name).next().unwrap_or_default().trim()
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(found, _)| found == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Refuses a form that this session's pages did not make.
    pub(super) fn check(&self, signed_in: &SignedIn) -> Result<(), Refusal> {
        let is_ours = self.one("csrf").as_bytes().ct_eq(signed_in.csrf.as_bytes());
        if is_ours.into() {
            Ok(())
        } else {
            Err(Refusal::Forged)
        }
    }

    /// The revision that the page showed.
    pub(super) fn revision(&self) -> Result<u64, Refusal> {
        self.one("revision").parse().map_err(|_| Refusal::Malformed)
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let form: Result<Form<Vec<(String, String)>>, FormRejection> =
            Form::from_request(request, state).await;
        let Form(fields) = form.map_err(|_| Refusal::Malformed)?;
        Ok(Self(fields))
    }
}

/// The id in a path.
pub(super) struct Path(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let extract::Path(id) = extract::Path::from_request_parts(parts, state).await?;
        Ok(Self(id))
    }
}

/// 128 random bits as hex digits.
pub(super) fn random_token() -> Result<String, Refusal> {
    let mut octets = [0; 16];
    let filled = SysRng.try_fill_bytes(&mut octets);
    filled.map_err(|_| Refusal::Unavailable)?;
    Ok(hex::encode(octets))
}
