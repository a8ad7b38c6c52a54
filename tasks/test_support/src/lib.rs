//! What the tests of several crates share. Nothing that is shipped depends on it.

mod alone;
mod buildah;
pub mod certificates;
mod postgres;
pub mod programs;
mod registry;
#[cfg(feature = "s3")]
mod s3;

pub use alone::alone;
pub use buildah::Buildah;
pub use postgres::Postgres;
pub use registry::{HTPASSWD, ISSUER, PASSWORD, Registry, SERVICE, Setup, USER};
#[cfg(feature = "s3")]
pub use s3::S3;
