//! What QEMU says of its version.

use std::path::Path;
use std::process::Command;

use crate::said::{VERSION_WITHIN, ask};

/// The version in the first line of `qemu-system-… --version`, e.g.
/// `7.2.19 (Debian 1:7.2+dfsg-7+deb12u18)`; `None` when it is no such line. Starts a process, so
/// it is asked only where the answer is shown.
pub fn version(program: &Path) -> Option<String> {
    let said = ask(Command::new(program).arg("--version"), VERSION_WITHIN).ok()?;
    parse(&said.stdout)
}

/// Whether QEMU of this version can map a file privately that it opened for reading only
/// (`memory-backend-file,readonly=on,rom=off`, since 8.2).
pub(super) fn maps_read_only(version: &str) -> bool {
    is_at_least(version, (8, 2))
}

/// Whether QEMU of this version emulates all of the processor that virtual clocks are counted on
/// (AVX2 came with 7.2).
pub(super) fn counts_instructions(version: &str) -> bool {
    is_at_least(version, (7, 2))
}

fn is_at_least(version: &str, least: (u32, u32)) -> bool {
    let mut numbers = version
        .split(|character: char| !character.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= least
}

fn parse(text: &str) -> Option<String> {
    let (_, version) = text.lines().next()?.split_once(" version ")?;
    Some(version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_in_the_first_line() {
        let text = "QEMU emulator version 7.2.19 (Debian 1:7.2+dfsg-7)\nCopyright (c) 2003\n";
        assert_eq!(
            super::parse(text).as_deref(),
            Some("7.2.19 (Debian 1:7.2+dfsg-7)")
        );
        assert_eq!(super::parse("no\n"), None);
    }

    #[test]
    fn private_maps_of_files_that_can_only_be_read_came_with_8_2() {
        for (version, can) in [
            ("7.2.19 (Debian 1:7.2+dfsg-7)", false),
            ("8.1.5", false),
            ("8.2.0", true),
            ("10.0.2", true),
            ("", false),
        ] {
            assert_eq!(super::maps_read_only(version), can, "{version}");
        }
    }

    #[test]
    fn virtual_clocks_need_7_2() {
        for (version, can) in [
            ("7.1.0", false),
            ("7.2.0", true),
            ("10.0.2", true),
            ("", false),
        ] {
            assert_eq!(super::counts_instructions(version), can, "{version}");
        }
    }
}
