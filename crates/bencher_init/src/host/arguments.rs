//! The arguments of `bencher_init host`.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::sched::CpuSet;

use crate::error::{InitError, Reason};

/// What the runner tells on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostArguments {
    /// The inherited descriptor of the stream: any, 0 to 2 included.
    pub(crate) stream: i32,
    /// A cgroup (v2) for the command, made by the runner, who also removes it.
    pub(crate) cgroup: Option<PathBuf>,
    /// The CPUs that the command runs on; `None` for init's own.
    pub(crate) cpus: Option<CpuSet>,
}

const USAGE: &str = "bencher_init runs as PID 1 of a guest, or as \
                     \"bencher_init host --stream-fd N [--cgroup FOLDER] [--cpus LIST]\"";

impl HostArguments {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, InitError> {
        let refuse = |text: String| InitError::Arguments(Reason(format!("{text}: {USAGE}")));
        let mut arguments = arguments.into_iter();
        if arguments.next().is_none_or(|mode| mode != "host") {
            return Err(refuse("this is not PID 1".to_owned()));
        }
        let mut stream = None;
        let mut cgroup = None;
        let mut cpus = None;
        while let Some(option) = arguments.next() {
            let value = arguments.next();
            match (option.to_str(), value) {
                (Some("--stream-fd"), Some(value)) => {
                    let number = value.to_str().and_then(|text| text.parse::<i32>().ok());
                    let number = number.filter(|&number| number >= 0).ok_or_else(|| {
                        refuse(format!(
                            "--stream-fd takes a number, not {}",
                            value.display()
                        ))
                    })?;
                    stream = Some(number);
                }
                (Some("--cgroup"), Some(value)) => cgroup = Some(PathBuf::from(value)),
                (Some("--cpus"), Some(value)) => {
                    let list = value.to_str().and_then(cpu_set).ok_or_else(|| {
                        refuse(format!(
                            "--cpus takes a list of CPUs, not {}",
                            value.display()
                        ))
                    })?;
                    cpus = Some(list);
                }
                _ => return Err(refuse(format!("what is {}?", option.display()))),
            }
        }
        Ok(Self {
            stream: stream.ok_or_else(|| refuse("--stream-fd is missing".to_owned()))?,
            cgroup,
            cpus,
        })
    }
}

/// The CPUs of a list such as `0-3,8`.
fn cpu_set(text: &str) -> Option<CpuSet> {
    let mut cpus = CpuSet::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        for cpu in first.parse::<usize>().ok()?..=last.parse().ok()? {
            cpus.set(cpu).ok()?;
        }
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<HostArguments, String> {
        HostArguments::parse(arguments.iter().map(OsString::from)).map_err(|error| error.reason())
    }

    #[test]
    fn options_come_in_any_order() {
        let expected = HostArguments {
            stream: 5,
            cgroup: Some("/c".into()),
            cpus: None,
        };
        assert_eq!(
            parse(&["host", "--stream-fd", "5", "--cgroup", "/c"]),
            Ok(expected.clone())
        );
        assert_eq!(
            parse(&["host", "--cgroup", "/c", "--stream-fd", "5"]),
            Ok(expected)
        );
    }

    #[test]
    fn cpus_are_a_list_as_the_kernel_writes_it() {
        let arguments = ["host", "--stream-fd", "5", "--cpus", "1-2,8"];
        let cpus = parse(&arguments).unwrap().cpus.unwrap();
        let is_set = |cpu: &usize| cpus.is_set(*cpu).unwrap();
        assert_eq!((0..16).filter(is_set).collect::<Vec<_>>(), [1, 2, 8]);
        for list in ["", "x", "1-", "0,99999", "-1"] {
            let reason = parse(&["host", "--stream-fd", "5", "--cpus", list]).unwrap_err();
            assert!(reason.contains("takes a list of CPUs"), "{list}: {reason}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_usage() {
        for arguments in [
            &[][..],
            &["guest"],
            &["host"],
            &["host", "--stream-fd"],
            &["host", "--stream-fd", "-1"],
            &["host", "--stream-fd", "x"],
            &["host", "--stream-fd", "3", "--what"],
        ] {
            let reason = parse(arguments).unwrap_err();
            assert!(reason.ends_with(USAGE), "{arguments:?}: {reason}");
        }
    }
}
