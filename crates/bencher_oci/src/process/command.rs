//! The command line: the image's `Entrypoint` and `Cmd`, and what replaces them.

use crate::ImageConfig;

/// What the user puts in place of the image's command; `None` leaves the image's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandOverrides {
    /// Replaces `Entrypoint`. Empty, or one empty word as in `--entrypoint ""`: none at all.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces `Cmd`. Empty is the same as `None`.
    pub cmd: Option<Vec<String>>,
}

/// Why there is nothing to run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Neither the image nor the user names a command.
    #[error(
        "no command to run: the image has neither an entrypoint nor a command; name one after `--`"
    )]
    NoCommand,
    /// The user replaced the entrypoint, which drops the image's command.
    #[error(
        "no command to run: `--entrypoint \"\"` removes the image's entrypoint and its command; \
         name a command after `--`"
    )]
    Reset,
    /// The first word is empty.
    #[error("the command's first word is empty: it must name a program")]
    EmptyProgram,
    /// A word of an override holds a NUL byte.
    #[error("the command's word {number} has a NUL byte, which no program can receive")]
    Nul {
        /// Counted from 1.
        number: usize,
    },
}

/// The command line to run: at least one word, the first of which is not empty.
///
/// Docker's rules: another entrypoint drops the image's command unless a command is given too; an
/// empty entrypoint (`--entrypoint ""`) removes the image's.
///
/// # Errors
/// Nothing is left to run, or a word cannot be passed to a program.
pub fn resolve_command(
    config: &ImageConfig,
    overrides: &CommandOverrides,
) -> Result<Vec<String>, CommandError> {
    let given_cmd = overrides.cmd.as_deref().filter(|cmd| !cmd.is_empty());
    let (entrypoint, cmd) = match (overrides.entrypoint.as_deref(), given_cmd) {
        (None, None) => (config.entrypoint.as_slice(), config.cmd.as_slice()),
        (None, Some(cmd)) => (config.entrypoint.as_slice(), cmd),
        (Some(entrypoint), cmd) => (entrypoint, cmd.unwrap_or_default()),
    };
    // One empty word is how both Docker and Dockerfiles write "no entrypoint".
    let entrypoint = if entrypoint == [""] { &[] } else { entrypoint };
    let command = [entrypoint, cmd].concat();
    match command.first().map(String::as_str) {
        None if overrides.entrypoint.is_some() => Err(CommandError::Reset),
        None => Err(CommandError::NoCommand),
        Some("") => Err(CommandError::EmptyProgram),
        Some(_) => match command.iter().position(|word| word.contains('\0')) {
            Some(position) => Err(CommandError::Nul {
                number: position + 1,
            }),
            None => Ok(command),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_config;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    fn config(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
        let mut config = parse_config(br#"{"rootfs":{"type":"layers"}}"#).unwrap();
        config.entrypoint = words(entrypoint);
        config.cmd = words(cmd);
        config
    }

    type Case = (
        (&'static [&'static str], &'static [&'static str]),
        Option<&'static [&'static str]>,
        Option<&'static [&'static str]>,
        Result<&'static [&'static str], CommandError>,
    );

    #[test]
    fn dockers_rules() {
        const BOTH: (&[&str], &[&str]) = (&["/ep", "-x"], &["a", "b"]);
        let cases: &[Case] = &[
            // The image's own.
            (BOTH, None, None, Ok(&["/ep", "-x", "a", "b"])),
            ((&[], &["sh"]), None, None, Ok(&["sh"])),
            ((&["/ep"], &[]), None, None, Ok(&["/ep"])),
            ((&[""], &["sh"]), None, None, Ok(&["sh"])),
            // A command replaces the command.
            (BOTH, None, Some(&["c"]), Ok(&["/ep", "-x", "c"])),
            ((&[], &[]), None, Some(&["c", ""]), Ok(&["c", ""])),
            (BOTH, None, Some(&[]), Ok(&["/ep", "-x", "a", "b"])),
            // An entrypoint replaces the entrypoint and drops the command.
            (BOTH, Some(&["/new"]), None, Ok(&["/new"])),
            (
                BOTH,
                Some(&["/new", "-y"]),
                Some(&["c"]),
                Ok(&["/new", "-y", "c"]),
            ),
            // An empty entrypoint removes it.
            (BOTH, Some(&[""]), Some(&["c", "d"]), Ok(&["c", "d"])),
            (BOTH, Some(&[]), Some(&["c"]), Ok(&["c"])),
            (BOTH, Some(&[""]), None, Err(CommandError::Reset)),
            // Nothing to run.
            ((&[], &[]), None, None, Err(CommandError::NoCommand)),
            ((&[], &[""]), None, None, Err(CommandError::EmptyProgram)),
            (
                BOTH,
                Some(&["", "x"]),
                None,
                Err(CommandError::EmptyProgram),
            ),
            (
                BOTH,
                None,
                Some(&["c", "\0"]),
                Err(CommandError::Nul { number: 4 }),
            ),
        ];
        for (image, entrypoint, cmd, expected) in cases {
            let overrides = CommandOverrides {
                entrypoint: entrypoint.map(words),
                cmd: cmd.map(words),
            };
            assert_eq!(
                resolve_command(&config(image.0, image.1), &overrides),
                expected.clone().map(words),
                "{image:?} with {overrides:?}",
            );
        }
    }
}
