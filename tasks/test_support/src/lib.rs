//! What the tests of several crates share. Nothing that is shipped depends on it.

mod alone;
mod buildah;
mod certificates;
mod postgres;
pub mod programs;
mod registry;

pub use alone::alone;
pub use buildah::Buildah;
pub use certificates::write_certificates;
pub use postgres::Postgres;
pub use registry::{HTPASSWD, ISSUER, PASSWORD, Registry, SERVICE, Setup, USER};
