//! Whether a VMM may lock its memory.

use nix::libc::{RLIM_INFINITY, rlim_t};
use nix::sys::resource::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use crate::machine::MachineError;

/// Whether this process can let a VMM lock all that it maps. Who may lift the limit does, as root
/// mostly may; others can use what they have.
///
/// # Errors
///
/// [`MachineError::LockedMemory`] when it can not.
pub(super) fn check() -> Result<(), MachineError> {
    let most = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(_, most)| most);
    // A root in a container may lack the right.
    let may_lift =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_RESOURCE));
    check_limit(most, may_lift)
}

fn check_limit(most: rlim_t, may_lift: bool) -> Result<(), MachineError> {
    if may_lift || most == RLIM_INFINITY {
        return Ok(());
    }
    Err(MachineError::LockedMemory { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_unless_it_can_be_lifted() {
        check_limit(RLIM_INFINITY, false).unwrap();
        check_limit(0, true).unwrap();
        let error = check_limit(99, false).unwrap_err().to_string();
        assert!(error.contains("limited to 99 bytes"), "{error}");
    }
}
