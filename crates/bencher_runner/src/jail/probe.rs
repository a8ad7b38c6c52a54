//! Whether the host lets this user make a jail: tried by a process of its own, which has nothing
//! to lose.

use std::process::{Command, Stdio};

use super::enter::{MARK, PROBE};
use super::plan::Maker;
use super::{namespaces, root};

/// Tries what a jail takes first, and answers with the exit code and, if it fails, on standard
/// output.
pub(super) fn answer() -> u8 {
    let maker = Maker::User {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
    };
    // That a user namespace can be made is not enough: some hosts give no rights in it.
    match namespaces::leave_host(maker, None).and_then(|()| root::make_mounts_private()) {
        Ok(()) => 0,
        Err(error) => {
            println!("{error}");
            1
        }
    }
}

/// Why an ordinary user can not have namespaces here, if so.
pub(super) fn obstacle() -> Option<String> {
    let tried = Command::new("/proc/self/exe")
        .args([MARK, PROBE])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Some(if said.is_empty() {
                "the program does not know how to make a jail".to_owned()
            } else {
                said
            })
        }
        Err(error) => Some(error.to_string()),
    }
}
