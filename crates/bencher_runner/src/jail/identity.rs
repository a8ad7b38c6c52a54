//! Becoming nobody: no groups, no root, no capabilities, and no way to get any again.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::plan::Ids;
use super::step::StepError;

/// What a program that is executed could get back through its file's capabilities.
pub(super) fn empty_bounding_set() -> Result<(), StepError> {
    // Sets of capabilities are 64 bits wide.
    for number in 0..64_u32 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel has no more of them.
            Err(Errno::INVAL) => return Ok(()),
            Err(source) => return Err(StepError::BoundingSet { number, source }),
        }
    }
    Ok(())
}

/// What a program that is executed would keep.
pub(super) fn drop_ambient() -> Result<(), StepError> {
    clear_ambient_capability_set().map_err(StepError::Ambient)
}

/// Leaves every group but the one of `ids`. Only root can and needs to.
pub(super) fn leave_groups() -> Result<(), StepError> {
    setgroups(&[]).map_err(StepError::Groups)
}

/// The real, effective and saved group, then the same of the user: the other way round would leave
/// no right to change the group.
pub(super) fn become_user(ids: Ids) -> Result<(), StepError> {
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    setresgid(gid, gid, gid).map_err(|source| StepError::Group {
        gid: ids.gid,
        source,
    })?;
    setresuid(uid, uid, uid).map_err(|source| StepError::User {
        uid: ids.uid,
        source,
    })
}

/// What is left after the change of user: all, in a user namespace.
pub(super) fn drop_capabilities() -> Result<(), StepError> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    set_capabilities(None, sets).map_err(StepError::Capabilities)
}

/// From now on no program that is executed gives rights that this process lacks.
pub(super) fn give_up_new_privileges() -> Result<(), StepError> {
    set_no_new_privs(true).map_err(StepError::NoNewPrivileges)
}
