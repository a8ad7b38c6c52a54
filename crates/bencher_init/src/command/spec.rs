//! The command as system calls need it.

use std::ffi::CString;

use bencher_output_protocol::Orders;

use crate::error::{InitError, Reason};
use crate::user::Account;

/// Where commands are looked for without a `PATH`, as in container engines.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What to execute, and as whom.
#[derive(Debug)]
pub(crate) struct Command {
    /// Never empty.
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    /// The folders in which a command without a slash is looked for.
    pub(crate) path: Vec<u8>,
    /// Absolute.
    pub(crate) working_directory: Vec<u8>,
    pub(crate) account: Account,
}

impl Command {
    /// Checks the orders. `HOME` is the account's, as in container engines, unless it is ordered.
    pub(crate) fn new(orders: &Orders, account: Account) -> Result<Self, InitError> {
        let refuse = |text: &str| Err(InitError::Command(Reason::new(text)));
        if orders.arguments.is_empty() {
            return refuse("there are no arguments, not even the command's name");
        }
        let arguments = c_strings(&orders.arguments, "argument")?;
        let mut environment = c_strings(&orders.environment, "environment variable")?;
        if value(&orders.environment, b"HOME").is_none() {
            let home = [b"HOME=", account.home.as_slice()].concat();
            environment.extend(c_strings(&[home], "home folder")?);
        }
        let mut working_directory = orders.working_directory.clone();
        if !working_directory.starts_with(b"/") {
            working_directory.insert(0, b'/');
        }
        if working_directory.contains(&0) {
            return refuse("the working directory contains a NUL byte");
        }
        Ok(Self {
            arguments,
            environment,
            path: value(&orders.environment, b"PATH")
                .unwrap_or(DEFAULT_PATH)
                .to_vec(),
            working_directory,
            account,
        })
    }
}

/// The value of the first variable `name`, which is the one that `getenv` finds.
fn value<'a>(environment: &'a [Vec<u8>], name: &[u8]) -> Option<&'a [u8]> {
    environment
        .iter()
        .find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))
}

fn c_strings(items: &[Vec<u8>], what: &str) -> Result<Vec<CString>, InitError> {
    items
        .iter()
        .enumerate()
        .map(|(index, bytes)| {
            CString::new(bytes.as_slice()).map_err(|error| {
                InitError::Command(Reason(format!(
                    "{what} {index} contains a NUL byte at position {}",
                    error.nul_position()
                )))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bencher_output_protocol::{Layouts, Limits, LogLevel, Root};

    fn orders(arguments: &[&str], environment: &[&str], folder: &str) -> Orders {
        let bytes = |items: &[&str]| items.iter().map(|item| item.as_bytes().to_vec()).collect();
        Orders {
            root: Root::Disk {
                device: "/dev/vda".into(),
            },
            hostname: "box".into(),
            arguments: bytes(arguments),
            environment: bytes(environment),
            working_directory: folder.into(),
            user: String::new(),
            stop_signal: 15,
            outputs: Vec::new(),
            limits: Limits {
                output_bytes: 0,
                file_count: 0,
                file_bytes: 0,
                total_file_bytes: 0,
            },
            log_level: LogLevel::Info,
            network: None,
            layouts: Layouts::Fixed,
        }
    }

    fn account() -> Account {
        Account {
            uid: 1,
            gid: 1,
            groups: Vec::new(),
            home: b"/home/me".to_vec(),
        }
    }

    #[test]
    fn the_environment_is_as_ordered_but_for_a_missing_home() {
        let command = Command::new(&orders(&["a"], &["X=1", "HOME="], ""), account()).unwrap();
        assert_eq!(
            command.environment,
            [c"X=1".to_owned(), c"HOME=".to_owned()]
        );
        let command = Command::new(&orders(&["a"], &["HOMER=1"], "work"), account()).unwrap();
        assert_eq!(
            command.environment,
            [c"HOMER=1".to_owned(), c"HOME=/home/me".to_owned()]
        );
        assert_eq!(command.path, DEFAULT_PATH);
        assert_eq!(command.working_directory, b"/work");
    }

    #[test]
    fn the_first_path_counts() {
        let command = Command::new(&orders(&["a"], &["PATH=/x", "PATH=/y"], "/"), account());
        assert_eq!(command.unwrap().path, b"/x");
    }

    #[test]
    fn impossible_orders_are_refused_by_name() {
        let cases = [
            (orders(&[], &[], "/"), "no arguments"),
            (
                orders(&["a", "b\0c"], &[], "/"),
                "argument 1 contains a NUL byte at position 1",
            ),
            (orders(&["a"], &["A=\0"], "/"), "environment variable 0"),
            (orders(&["a"], &[], "/\0"), "working directory"),
        ];
        for (orders, expected) in cases {
            let error = Command::new(&orders, account()).unwrap_err();
            assert!(error.reason().contains(expected), "{}", error.reason());
        }
    }
}
