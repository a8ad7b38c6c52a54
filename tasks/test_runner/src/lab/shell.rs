//! `lab shell`: a terminal in the lab.

use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;

use super::machine::Output;
use super::place::Place;
use crate::process::capture;

/// Connects this terminal with a shell until that ends.
///
/// # Errors
///
/// When there is no terminal or no lab.
pub(crate) fn run(place: &mut Place) -> anyhow::Result<ExitCode> {
    // Boots the lab while Ctrl-C still means this program.
    place.run(&place.job(vec!["true".to_owned()]), Output::Shown)?;
    let terminal = Terminal::take().context("a shell needs a terminal")?;
    let (rows, columns) = terminal.size;
    let shell = format!("stty rows {rows} cols {columns}; exec bash -l");
    let words = [
        "script",
        "--quiet",
        "--return",
        "--command",
        &shell,
        "/dev/null",
    ];
    let mut job = place.job(words.map(str::to_owned).to_vec());
    job.input = true;
    let finished = place.run(&job, Output::Shown);
    drop(terminal);
    Ok(ExitCode::from(finished?.ended.code()))
}

/// This process's terminal, which passes every key on as it is. Dropped, it is as before.
#[derive(Debug)]
struct Terminal {
    settings: String,
    size: (u16, u16),
}

impl Terminal {
    fn take() -> anyhow::Result<Self> {
        let settings = ask(&["-g"])?;
        let size = ask(&["size"])?;
        let size = parse_size(&size).with_context(|| format!("`{size}` is no size"))?;
        ask(&["raw", "-echo"])?;
        Ok(Self { settings, size })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Err(error) = ask(&[&self.settings]) {
            crate::console::warning(&format!(
                "the terminal is not as it was ({error:#}): `reset` helps"
            ));
        }
    }
}

fn ask(arguments: &[&str]) -> anyhow::Result<String> {
    let mut stty = Command::new("stty");
    let printed = capture(stty.args(arguments).stdin(Stdio::inherit()))?;
    Ok(String::from_utf8_lossy(&printed).trim().to_owned())
}

fn parse_size(text: &str) -> Option<(u16, u16)> {
    let (rows, columns) = text.split_once(' ')?;
    Some((rows.parse().ok()?, columns.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rows_and_columns() {
        assert_eq!(parse_size("24 80"), Some((24, 80)));
        assert_eq!(parse_size("speed 38400 baud"), None);
    }
}
