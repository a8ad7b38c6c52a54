//! Options that a unit passes on to its program.

use clap::{ArgMatches, Command};

use crate::UnitError;

/// What `program` makes of the `options` that are passed on to it, beside `base`: the program, its
/// subcommand, and what the unit has already, which is called `given` in the error. A second one of these is
/// refused.
///
/// # Errors
///
/// When the program does not take them.
pub fn passed_on(
    program: Command,
    base: &[&str],
    given: &'static str,
    options: &[String],
) -> Result<ArgMatches, UnitError> {
    let words = base
        .iter()
        .copied()
        .chain(options.iter().map(String::as_str));
    program.try_get_matches_from(words).map_err(|error| {
        let text = error.render().to_string();
        UnitError::Options {
            program: base.get(..2).unwrap_or(base).join(" "),
            given,
            cause: text.trim_start_matches("error: ").trim_end().to_owned(),
        }
    })
}
