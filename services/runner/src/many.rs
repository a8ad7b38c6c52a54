//! The same for each of several things that a command line names.

use bencher_runner::Reporter as _;

use crate::client::{ClientError, Connection, Deleted, printable};
use crate::output;
use crate::terminal::Terminal;

/// Does `one` for as many as can be, and prints which. `what` is what became of the others, in words.
pub(crate) fn each(
    names: &[String],
    what: &str,
    terminal: &Terminal,
    mut one: impl FnMut(&str) -> Result<(), ClientError>,
) -> Result<(), String> {
    let mut failed = 0;
    for name in names {
        match one(name) {
            Ok(()) => output::line(&printable(name))?,
            // The others would end like this one, or there are none.
            Err(error) if names.len() == 1 || matches!(error, ClientError::Unreachable { .. }) => {
                return Err(error.to_string());
            }
            Err(error) => {
                terminal.error(&format!("{}: {error}", printable(name)));
                failed += 1;
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} {what}", names.len())),
    }
}

/// Deletes what is at `path` and may have outputs, which is called `name`.
pub(crate) fn delete(
    connection: &Connection,
    path: &str,
    name: &str,
    terminal: &Terminal,
) -> Result<(), ClientError> {
    if connection.delete(path)? == Deleted::Partly {
        terminal.warning(&format!(
            "the server's storage of outputs does not answer, or takes long: what it has of {} is removed \
             later",
            printable(name)
        ));
    }
    Ok(())
}
