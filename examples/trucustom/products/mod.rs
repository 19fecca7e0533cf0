//! The products of an account: the resource that the keys are for.

mod postgres;
mod product;
mod shelf;
mod routes;
mod sqlite;
#[path = "../../products/problem.rs"]
mod problem;

pub(crate) use shelf::Products;
pub(crate) use routes::router;
