//! The dashboard: where people make, copy, rotate, revoke and watch keys.
//!
//! Pages are rendered here; the only script copies a key. A session is bounded by the key that
//! signed in: it can give and change what that key may, and ends with it.

mod audit;
mod chart;
mod create;
mod forms;
mod key_change;
mod key_list;
mod key_page;
mod key_trail;
mod refusal;
mod router;
mod shown;
mod sign_in;
mod signed_in;

pub(crate) use router::{DashboardOptions, Keys, router};
