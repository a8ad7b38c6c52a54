//! Keys of the user who started the runner.

use nix::errno::Errno;
use nix::libc;

use super::step::StepError;

/// Joins a new session keyring, so that what the runner's session holds (keys of network
/// filesystems, of Kerberos) can not be used from the jail. See keyctl(2).
#[expect(unsafe_code, reason = "there is no wrapper for it")]
pub(super) fn leave_session_keyring() -> Result<(), StepError> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for a keyring without one; no memory is touched.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    match Errno::result(result) {
        // A kernel without keys, or a container that does not let anyone have any.
        Ok(_) | Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        Err(error) => Err(StepError::Keyring(error)),
    }
}
