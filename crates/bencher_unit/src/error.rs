//! What can not become a service.

use std::io;
use std::path::PathBuf;

/// Why there is no unit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A path that means nothing to a service manager.
    #[error("{} can not stand in a unit: give an absolute path of UTF-8", .0.display())]
    Path(PathBuf),
    /// A text that would end its line, or worse.
    #[error("{0:?} can not stand in a unit: it holds a control character")]
    Control(String),
    /// The same in a file of variables; its value may be a secret.
    #[error("the value of {0} can not stand in a file of variables: it holds a control character")]
    Variable(String),
    /// Options that the program does not take.
    #[error(
        "the options after -- are none for `{program}` in a service, which has {given} already: {cause}"
    )]
    Options {
        /// The program with its subcommand.
        program: String,
        /// What the unit has.
        given: &'static str,
        /// What the program says.
        cause: String,
    },
    /// A file can not be written.
    #[error("failed to write {}: {cause}; run this as root, or see --dry-run", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}
