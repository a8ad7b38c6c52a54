//! Who the command runs as: `user[:group]`, looked up in the image's own files.

mod database;
mod lookup;

pub use lookup::LookupError;
pub(crate) use lookup::{Account, look_up};
