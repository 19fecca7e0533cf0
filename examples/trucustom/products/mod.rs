//! The products of an account: the resource that the keys are for.

mod postgres;
#[path = "../../products/problem.rs"]
mod problem;
mod product;
mod routes;
mod shelf;
mod sqlite;
mod stock;

pub(crate) use routes::router;
pub(crate) use stock::Products;
