//! What a jailer has open and the VMM must not have.

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;

use super::step::StepError;

/// Marks every descriptor from `first` on to be closed by the VMM's execution. The runner may have
/// inherited some from whoever started it: with an open folder of the host's a VMM needs no way out
/// of its root.
pub(super) fn close_on_execution(first: RawFd) -> Result<(), StepError> {
    match close_range(first) {
        // Linux before 5.11.
        Err(Errno::ENOSYS | Errno::EINVAL) => one_by_one(first),
        done => done.map_err(StepError::Descriptors),
    }
}

#[expect(
    unsafe_code,
    reason = "the C library of many hosts has no such function"
)]
fn close_range(first: RawFd) -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    let first = libc::c_uint::try_from(first).unwrap_or_default();
    // SAFETY: it touches no memory.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            libc::c_uint::MAX,
            CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(result).map(drop)
}

#[expect(
    unsafe_code,
    reason = "a number is all there is of an inherited descriptor"
)]
fn one_by_one(first: RawFd) -> Result<(), StepError> {
    let failed = |error: std::io::Error| {
        StepError::Descriptors(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    };
    for entry in std::fs::read_dir("/proc/self/fd").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| name.parse::<RawFd>().ok());
        for number in number.into_iter().filter(|&number| number >= first) {
            // SAFETY: this process has no other thread that could close it.
            let open = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl(open, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(StepError::Descriptors)?;
        }
    }
    Ok(())
}

/// A descriptor that the runner opened for this process, by its number on the command line.
#[expect(
    unsafe_code,
    reason = "a number on the command line is all there is of an inherited descriptor"
)]
pub(super) fn inherited(number: RawFd) -> OwnedFd {
    // SAFETY: the runner opened it for this process, where nothing else knows of it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn both_ways_mark_what_is_open() {
        for mark in [close_on_execution as fn(RawFd) -> _, one_by_one] {
            let (low, high) = std::io::pipe().unwrap();
            fcntl(&low, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
            fcntl(&high, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
            let first = low.as_raw_fd().max(high.as_raw_fd());
            mark(first).unwrap();
            let flags = |fd: &dyn std::os::fd::AsFd| fcntl(fd.as_fd(), FcntlArg::F_GETFD).unwrap();
            let (one, other) = (flags(&low), flags(&high));
            assert_eq!(one + other, 1, "only the higher one is marked");
        }
    }
}
