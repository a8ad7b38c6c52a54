//! What A and B are, by the command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bencher_report::text::shell_line;

/// Where a side's numbers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A result document, or the output folder that it is in.
    Result(PathBuf),
    /// An image, to be run.
    Image {
        /// The image.
        image: OsString,
        /// What replaces its command; empty for its own.
        command: Vec<String>,
    },
}

/// What stands between the commands of both sides.
const VERSUS: &str = "--vs";

/// Decides on what is compared: two `names`, or two commands of one `image`. `is_result` tells results
/// from images.
pub(crate) fn resolve(
    names: Option<(&OsString, &OsString)>,
    image: Option<&OsString>,
    trailing: &[String],
    is_result: impl Fn(&Path) -> bool,
) -> Result<[Source; 2], String> {
    let commands = commands(trailing)?;
    let have_own = commands[0] != commands[1];
    match (names, image) {
        (None, Some(image)) => {
            if !have_own {
                return Err(
                    "with --image the sides differ in their commands: give two, with --vs between \
                     them, as in `-- CMD_A --vs CMD_B`"
                        .to_owned(),
                );
            }
            Ok(commands.map(|command| Source::Image {
                image: image.clone(),
                command: command.to_vec(),
            }))
        }
        (Some((baseline, candidate)), None) => {
            let [of_baseline, of_candidate] = commands;
            let sides = [(baseline, of_baseline), (candidate, of_candidate)];
            if let Some((name, _)) = sides
                .iter()
                .find(|(name, _)| have_own && is_result(Path::new(name)))
            {
                return Err(format!(
                    "{} is a result, so there is no command to run: leave --vs out",
                    name.display()
                ));
            }
            let all_results = sides.iter().all(|(name, _)| is_result(Path::new(name)));
            if all_results && !trailing.is_empty() {
                return Err("both sides are results, so there is no command to run".to_owned());
            }
            Ok(sides.map(|(name, command)| {
                if is_result(Path::new(name)) {
                    Source::Result(name.into())
                } else {
                    Source::Image {
                        image: name.clone(),
                        command: command.to_vec(),
                    }
                }
            }))
        }
        _ => Err("name two sides, A and B, or one --image with two commands".to_owned()),
    }
}

/// The commands of both sides.
fn commands(trailing: &[String]) -> Result<[&[String]; 2], String> {
    let mut parts = trailing.split(|word| word == VERSUS);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(both), None, _) => Ok([both, both]),
        (Some(one), Some(other), None) if !one.is_empty() && !other.is_empty() => Ok([one, other]),
        (Some(_), Some(_), None) => Err("there is a command on either side of --vs".to_owned()),
        _ => Err(
            "--vs stands once, between two commands: a command that has such an argument itself can be \
             put into `sh -c`"
                .to_owned(),
        ),
    }
}

impl Source {
    /// What people call it.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Result(path) => path.to_string_lossy().into_owned(),
            Self::Image { image, command } if command.is_empty() => super::image_name(image),
            Self::Image { image, command } => {
                format!("{}: {}", super::image_name(image), shell_line(command))
            }
        }
    }
}

/// What people call both sides: what they share is left out, unless they share everything.
pub(crate) fn labels(sources: &[Source; 2]) -> [String; 2] {
    if let [
        Source::Image { image, command },
        Source::Image {
            image: other_image,
            command: other_command,
        },
    ] = sources
    {
        if command == other_command && image != other_image {
            return [image, other_image].map(super::image_name);
        }
        if command != other_command && image == other_image {
            return [command, other_command].map(|command| shell_line(command));
        }
    }
    [sources[0].label(), sources[1].label()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn resolved(names: Option<[&str; 2]>, image: Option<&str>, trailing: &str) -> String {
        let names = names.map(|names| names.map(OsString::from));
        let names = names.as_ref().map(|[one, other]| (one, other));
        let image = image.map(OsString::from);
        let is_result = |path: &Path| path.extension().is_some_and(|end| end == "json");
        match resolve(names, image.as_ref(), &words(trailing), is_result) {
            Ok(sources) => labels(&sources).join(" | "),
            Err(message) => message,
        }
    }

    #[test]
    fn sides_are_images_commands_or_results() {
        let two = |one, other| Some([one, other]);
        for (names, image, trailing, expected) in [
            (two("a.json", "b.json"), None, "", "a.json | b.json"),
            (two("app:1", "app:2"), None, "", "app:1 | app:2"),
            (two("app:1", "app:2"), None, "bench -n 3", "app:1 | app:2"),
            (two("app:1", "app:1"), None, "", "app:1 | app:1"),
            (
                two("app:1", "app:2"),
                None,
                "old --vs new",
                "app:1: old | app:2: new",
            ),
            (
                two("a.json", "app:2"),
                None,
                "bench",
                "a.json | app:2: bench",
            ),
            (None, Some("app"), "old x --vs new", "old x | new"),
        ] {
            assert_eq!(resolved(names, image, trailing), expected);
        }
    }

    #[test]
    fn what_is_no_pair_is_refused_with_what_to_do() {
        let two = |one, other| Some([one, other]);
        for (names, image, trailing, expected) in [
            (
                None,
                Some("app"),
                "same --vs same",
                "give two, with --vs between",
            ),
            (None, Some("app"), "only", "give two, with --vs between"),
            (
                None,
                Some("app"),
                "a --vs",
                "a command on either side of --vs",
            ),
            (None, Some("app"), "a --vs b --vs c", "--vs stands once"),
            (two("a.json", "b.json"), None, "x", "no command to run"),
            (two("a.json", "app"), None, "x --vs y", "a.json is a result"),
            (None, None, "", "name two sides"),
        ] {
            let message = resolved(names, image, trailing);
            assert!(message.contains(expected), "{trailing}: {message}");
        }
    }
}
