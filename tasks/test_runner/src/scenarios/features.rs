//! What the runner at hand can do, asked of itself, so that a scenario of something newer is
//! skipped with the reason instead of failing.

use std::process::Command;

use crate::process::capture;

/// The options of `runner run` and their values.
#[derive(Debug, Clone)]
pub(crate) struct Features {
    help: String,
}

impl Features {
    /// Reads the short help, in which each option has its values behind it.
    ///
    /// # Errors
    ///
    /// When the runner can not be started or has no help.
    pub(crate) fn ask(runner: &mut Command) -> anyhow::Result<Self> {
        let help = capture(runner.args(["run", "-h"]))?;
        Ok(Self {
            help: String::from_utf8_lossy(&help).into_owned(),
        })
    }

    /// Whether there is such an option.
    pub(crate) fn has_option(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Whether the option `name` can have `value`.
    pub(crate) fn has_value(&self, name: &str, value: &str) -> bool {
        let values = self.entry(name).and_then(|entry| {
            let (_, values) = entry.split_once("[possible values: ")?;
            Some(values.split_once(']')?.0.to_owned())
        });
        values.is_some_and(|values| values.split(", ").any(|possible| possible == value))
    }

    /// The text of an option from its name to the next option, on one line.
    fn entry(&self, name: &str) -> Option<String> {
        let begins = |line: &str| {
            line.split([' ', ','])
                .take_while(|word| word.is_empty() || word.starts_with('-'))
                .any(|word| word == name)
        };
        let mut lines = self.help.lines().skip_while(|line| !begins(line));
        let first = lines.next()?;
        let rest = lines.take_while(|line| !line.trim_start().starts_with('-'));
        let words: Vec<&str> = std::iter::once(first)
            .chain(rest)
            .flat_map(str::split_whitespace)
            .collect();
        Some(words.join(" "))
    }
}

#[cfg(test)]
impl Features {
    /// A runner with this help.
    pub(crate) fn of(help: &str) -> Self {
        Self {
            help: help.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "\
Machine:
  -u, --user <USER[:GROUP]>        The user, see --group
      --sandbox <SANDBOX>          The kind of machine [default: auto] [possible values: auto,
                                   firecracker, none]
      --network-allow <CIDR>       Where to, with --network
  -q, --quiet                      Print nothing
";

    #[test]
    fn options_are_found_by_their_whole_names() {
        let features = Features::of(HELP);
        for there in ["--user", "-u", "--sandbox", "--network-allow", "--quiet"] {
            assert!(features.has_option(there), "{there}");
        }
        for missing in ["--network", "--group", "--sand", "The"] {
            assert!(!features.has_option(missing), "{missing}");
        }
    }

    #[test]
    fn values_are_found_across_lines() {
        let features = Features::of(HELP);
        for there in ["auto", "firecracker", "none"] {
            assert!(features.has_value("--sandbox", there), "{there}");
        }
        for missing in ["qemu", "fire", ""] {
            assert!(!features.has_value("--sandbox", missing), "{missing}");
        }
        assert!(!features.has_value("--user", "auto"));
    }
}
