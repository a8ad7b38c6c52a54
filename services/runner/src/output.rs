//! What commands print on standard output: one JSON document, or the same for people.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use bencher_report::text::Look;
use bencher_runner::{Destination, is_printable};
use serde::Serialize;

/// Prints `document`, as JSON or as `for_people` has it.
pub(crate) fn print<T: Serialize>(
    document: &T,
    as_json: bool,
    for_people: impl FnOnce(&T) -> String,
) -> Result<(), String> {
    let shown = if as_json {
        json(document)?
    } else {
        for_people(document)
    };
    text(&shown)
}

/// `document` as JSON for people and programs. What could steer a terminal can only be in a string of
/// it, and is escaped there as JSON has it.
pub(crate) fn json<T: Serialize>(document: &T) -> Result<String, String> {
    let text = serde_json::to_string_pretty(document).map_err(|error| error.to_string())?;
    Ok(escaped(&text) + "\n")
}

fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_printable(character) || character == '\n' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.extend(format!("\\u{unit:04x}").chars());
            }
        }
    }
    text
}

/// Prints one line.
pub(crate) fn line(line: &str) -> Result<(), String> {
    text(&format!("{line}\n"))
}

/// Prints `text` as it is.
pub(crate) fn text(text: &str) -> Result<(), String> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("failed to print the result: {error}"))
}

/// Columns where there is no terminal, or one that does not tell.
const WIDTH: usize = 100;

/// What standard output can show.
pub(crate) fn look() -> Look {
    let is_terminal = std::io::stdout().is_terminal();
    let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let told = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let measured = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Look {
        width: told
            .or(measured.filter(|_| is_terminal))
            .filter(|&width| width >= 20)
            .unwrap_or(WIDTH),
        bars: is_terminal,
        colours: is_terminal && wants_colours,
    }
}

/// Writes `text` into the file `path`, which is replaced as a whole.
pub(crate) fn to_file(path: &Path, text: &str) -> Result<(), String> {
    let place = Destination::of(path);
    place
        .and_then(|place| place.write(|writer| writer.write_all(text.as_bytes())))
        .map_err(|error| format!("failed to write {}: {error}", path.display()))
}

/// Whether the file `path` can be written: better to learn that before a benchmark than after it.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    Destination::of(path)
        .and_then(|place| place.check())
        .map_err(|error| format!("failed to write {}: {error}", path.display()))
}

/// Adds `text` to the end of the file `path`.
pub(crate) fn append(path: &Path, text: &str) -> Result<(), String> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.append(true).create(true).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("failed to write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_steers_no_terminal() {
        let label = "a\x1b[2J\u{9b}\u{202e}\u{e000}🦀\n";
        let text = json(&label).unwrap();
        assert_eq!(text, "\"a\\u001b[2J\\u009b\\u202e\u{e000}🦀\\n\"\n");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), label);
    }
}
