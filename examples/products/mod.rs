//! The products of the example servers, whichever framework serves them.

mod problem;
mod stock;
mod tour;

pub(crate) use problem::Problem;
pub(crate) use stock::{NewProduct, Product, ProductChange, Products};
pub(crate) use tour::Tour;
