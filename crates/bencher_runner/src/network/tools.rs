//! The programs that configure networks: `ip` of iproute2 and `nft` of nftables. Each is given all
//! that it is to do at once.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::NetworkError;
use crate::paths::find_program;
use crate::printable::one_line;

/// Where both are.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    ip: PathBuf,
    nft: PathBuf,
}

impl Tools {
    pub(super) fn find() -> Result<Self, NetworkError> {
        Ok(Self {
            ip: ip()?,
            nft: nft()?,
        })
    }

    /// An error for each that is missing.
    pub(super) fn missing() -> Vec<NetworkError> {
        [ip(), nft()].into_iter().filter_map(Result::err).collect()
    }

    /// Carries out commands of `ip`, one a line, in the network namespace of the calling thread.
    pub(super) fn ip(&self, action: &'static str, commands: &str) -> Result<(), NetworkError> {
        run(&self.ip, &["-batch", "-"], action, commands)
    }

    /// Carries out commands of `nft`, all or none of them, in the network namespace of the calling
    /// thread.
    pub(super) fn nft(&self, action: &'static str, commands: &str) -> Result<(), NetworkError> {
        run(&self.nft, &["-f", "-"], action, commands)
    }
}

fn ip() -> Result<PathBuf, NetworkError> {
    find("ip", "iproute2")
}

fn nft() -> Result<PathBuf, NetworkError> {
    find("nft", "nftables")
}

fn find(program: &'static str, package: &'static str) -> Result<PathBuf, NetworkError> {
    // Root's programs are not on everybody's search path, not even on every root's.
    ["", "/usr/sbin/", "/sbin/"]
        .into_iter()
        .find_map(|folder| find_program(&format!("{folder}{program}")))
        .ok_or(NetworkError::NoProgram { program, package })
}

fn run(
    program: &PathBuf,
    arguments: &[&str],
    action: &'static str,
    commands: &str,
) -> Result<(), NetworkError> {
    let failed = |source| NetworkError::Start {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // One that ends before it has read everything says why.
        let _it_has_ended = input.write_all(commands.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = one_line(&String::from_utf8_lossy(&output.stderr));
    Err(NetworkError::Tool {
        action,
        reason: if said.is_empty() {
            output.status.to_string()
        } else {
            said
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_in_the_programs_words() {
        let shell = PathBuf::from("/bin/sh");
        let run = |script| run(&shell, &["-s"], "do it", script);
        assert!(run("read -r line <<E\nx\nE\nexit 0").is_ok());
        let error = run("echo 'no such\tdevice' >&2; exit 1").unwrap_err();
        assert!(
            error.to_string().starts_with("failed to do it: no such"),
            "{error}"
        );
        let error = run("exit 3").unwrap_err().to_string();
        assert_eq!(error, "failed to do it: exit status: 3");
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = find("no-such-program-anywhere", "nftables")
            .unwrap_err()
            .to_string();
        assert!(error.contains("apt-get install nftables"), "{error}");
    }
}
