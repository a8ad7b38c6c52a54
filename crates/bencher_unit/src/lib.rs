//! What the commands that make a program a service of systemd share: the words of units and of their
//! environment files, the folders that a unit hides, and files that are whole or not there.
//!
//! What a service may do, and what it is told, is each command's own.

mod error;
mod file;
mod hidden;
mod options;
mod restarts;
mod words;

pub use error::UnitError;
pub use file::write;
pub use hidden::Hidden;
pub use options::passed_on;
pub use restarts::Restarts;
pub use words::{absolute, quoted, specifiers, variable};
