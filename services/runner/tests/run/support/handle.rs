//! Waiting for processes that are not this one's children.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long an end may take that comes by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process, whatever becomes of its number.
pub(crate) struct Handle(OwnedFd);

impl Handle {
    pub(crate) fn of(process: u32) -> Self {
        let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
        Self(pidfd_open(process, PidfdFlags::empty()).unwrap())
    }

    /// Returns once it has ended.
    pub(crate) fn wait_for_end(&self) {
        let timeout = Timespec::try_from(PATIENCE).unwrap();
        let mut ended = [PollFd::new(&self.0, PollFlags::IN)];
        assert_eq!(poll(&mut ended, Some(&timeout)), Ok(1), "it lives on");
    }
}
