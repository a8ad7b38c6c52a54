//! The environment: the image's `Env` and what is laid over it.

/// The `PATH` of a command whose image and user set none: Docker's.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a variable cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// An override is not `KEY=VALUE`.
    #[error("environment variable `{0}` has no value: write {0}=VALUE")]
    NoValue(String),
    /// An override begins with `=`.
    #[error("environment variable `{0}` has no name: write NAME=VALUE")]
    NoName(String),
    /// An override holds a NUL byte.
    #[error("environment variable `{0}` has a NUL byte, which no program can receive")]
    Nul(String),
}

/// The environment of the command: the image's variables in their order, each replaced in place by
/// its override, then the overrides that are new. Of two values of one name the last one wins.
/// `PATH` is set to [`DEFAULT_PATH`] when nobody sets it.
///
/// Both lists hold `KEY=VALUE`; who passes overrides resolves those that take their value from the
/// runner's own environment. An entry of the image without a name or without `=` is left out: as
/// with Docker, no program could look it up.
///
/// # Errors
/// An override is not `KEY=VALUE`, or has a NUL byte.
pub fn merge_environment(
    image: &[String],
    overrides: &[String],
) -> Result<Vec<(String, String)>, EnvironmentError> {
    let mut variables = Variables::default();
    for entry in image {
        if let Some((name, value)) = entry.split_once('=')
            && !name.is_empty()
        {
            variables.set(name, value);
        }
    }
    for entry in overrides {
        match entry.split_once('=') {
            _ if entry.contains('\0') => {
                return Err(EnvironmentError::Nul(entry.escape_debug().to_string()));
            }
            None => return Err(EnvironmentError::NoValue(entry.clone())),
            Some(("", _)) => return Err(EnvironmentError::NoName(entry.clone())),
            Some((name, value)) => variables.set(name, value),
        }
    }
    Ok(variables.finish())
}

/// Variables in the order in which their names first came.
#[derive(Default)]
struct Variables<'a> {
    list: Vec<(&'a str, &'a str)>,
    /// Where in the list a name is: a hostile image has very many.
    positions: std::collections::HashMap<&'a str, usize>,
}

impl<'a> Variables<'a> {
    fn set(&mut self, name: &'a str, value: &'a str) {
        let next = self.list.len();
        match *self.positions.entry(name).or_insert(next) {
            position if position < next => self.list[position].1 = value,
            _ => self.list.push((name, value)),
        }
    }

    fn finish(self) -> Vec<(String, String)> {
        let path = (!self.positions.contains_key("PATH")).then_some(("PATH", DEFAULT_PATH));
        path.into_iter()
            .chain(self.list)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merge(image: &[&str], overrides: &[&str]) -> Result<Vec<String>, String> {
        let own = |list: &[&str]| {
            list.iter()
                .map(|&entry| entry.to_owned())
                .collect::<Vec<_>>()
        };
        merge_environment(&own(image), &own(overrides))
            .map(|list| {
                list.iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn merging() {
        let cases: [(&[&str], &[&str], &[&str]); 7] = [
            (&["PATH=/bin", "A=1"], &[], &["PATH=/bin", "A=1"]),
            (
                &["A=1"],
                &[],
                &[
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "A=1",
                ],
            ),
            (
                &["A=1", "PATH=/bin", "B=2"],
                &["A=3", "C=4"],
                &["A=3", "PATH=/bin", "B=2", "C=4"],
            ),
            (
                &["PATH=", "A=1", "A=2"],
                &["B=1", "B=2"],
                &["PATH=", "A=2", "B=2"],
            ),
            (&["PATH=/bin"], &["PATH=/x"], &["PATH=/x"]),
            // Values keep every further `=`; an empty value is a value.
            (
                &["PATH=/bin", "A=b=c", "E="],
                &[],
                &["PATH=/bin", "A=b=c", "E="],
            ),
            // What no program could look up.
            (&["PATH=/bin", "NOVALUE", "=x", ""], &[], &["PATH=/bin"]),
        ];
        for (image, overrides, expected) in cases {
            assert_eq!(merge(image, overrides).unwrap(), expected);
        }
    }

    #[test]
    fn bad_overrides() {
        for (entry, message) in [
            ("A", "environment variable `A` has no value: write A=VALUE"),
            (
                "=x",
                "environment variable `=x` has no name: write NAME=VALUE",
            ),
            (
                "A=\0",
                "environment variable `A=\\0` has a NUL byte, which no program can receive",
            ),
        ] {
            assert_eq!(merge(&[], &[entry]).unwrap_err(), message);
        }
    }

    proptest! {
        #[test]
        fn names_are_unique_and_the_last_value_wins(
            image in proptest::collection::vec("[A-C]?=?[0-9]?", 0..12),
            overrides in proptest::collection::vec("[A-D]=[0-9]?", 0..12),
        ) {
            let merged = merge_environment(&image, &overrides).unwrap();
            for (name, value) in &merged {
                prop_assert_eq!(merged.iter().filter(|(other, _)| other == name).count(), 1);
                let prefix = format!("{name}=");
                if let Some(last) =
                    image.iter().chain(&overrides).rfind(|entry| entry.starts_with(&prefix))
                {
                    prop_assert_eq!(&last[prefix.len()..], value);
                } else {
                    prop_assert_eq!(name, "PATH");
                }
            }
        }
    }
}
