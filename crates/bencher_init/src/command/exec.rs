//! `execve` with the search of `execvp`, in the command's own environment.

use std::convert::Infallible;
use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::execve;

use super::explain::{NotExecuted, explain, not_in_path};
use super::spec::Command;
use crate::clock;
use crate::sys::SharedNumber;

/// The paths that `name` may stand for, as `execvp` tries them: itself when it has a slash, else
/// one in each folder of `path`, an empty folder being the current one.
fn candidates<'a>(name: &'a [u8], path: &'a [u8]) -> Box<dyn Iterator<Item = Vec<u8>> + 'a> {
    if name.is_empty() {
        Box::new(std::iter::empty())
    } else if name.contains(&b'/') {
        Box::new(std::iter::once(name.to_vec()))
    } else {
        Box::new(path.split(|&byte| byte == b':').map(move |folder| {
            if folder.is_empty() {
                name.to_vec()
            } else {
                [folder, b"/", name].concat()
            }
        }))
    }
}

/// Becomes the command, or tells why not. `started` is set right before each attempt.
pub(super) fn execute(command: &Command, started: SharedNumber) -> Result<Infallible, NotExecuted> {
    let name = command
        .arguments
        .first()
        .map_or(&[][..], |name| name.as_bytes());
    let mut best = None;
    for candidate in candidates(name, &command.path) {
        let Ok(file) = CString::new(candidate.clone()) else {
            continue;
        };
        started.set(clock::monotonic());
        let Err(error) = execve(&file, &command.arguments, &command.environment);
        let exists = nix::sys::stat::stat(file.as_c_str()).is_ok();
        match error {
            // Not here: it may be in a later folder.
            Errno::ENOENT | Errno::ENOTDIR if !exists => {}
            // Here but of no use: a later one may be better, as execvp has it.
            Errno::ENOENT | Errno::EACCES => {
                best.get_or_insert_with(|| explain(&candidate, error));
            }
            error => return Err(explain(&candidate, error)),
        }
    }
    Err(best.unwrap_or_else(|| not_in_path(name, &command.path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_in_each_folder_and_a_path_is_itself() {
        let all = |name: &str, path: &str| -> Vec<String> {
            candidates(name.as_bytes(), path.as_bytes())
                .map(|bytes| String::from_utf8(bytes).unwrap())
                .collect()
        };
        assert_eq!(all("sh", "/bin:/usr/bin"), ["/bin/sh", "/usr/bin/sh"]);
        assert_eq!(all("sh", "/bin::rel:"), ["/bin/sh", "sh", "rel/sh", "sh"]);
        assert_eq!(all("./sh", "/bin"), ["./sh"]);
        assert_eq!(all("/x/y", "/bin"), ["/x/y"]);
        assert_eq!(all("", "/bin"), [""; 0]);
    }
}
