//! The one place where init waits.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::error::InitError;

/// What init waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The stream to the host.
    Stream,
    /// The kernel's announcements of devices.
    DeviceEvents,
    /// Closed by the command's `execve`.
    Gate,
    /// The reaper's reports.
    Reports,
    /// The command's standard output.
    Stdout,
    /// The command's standard error.
    Stderr,
    /// The end of a stop's grace.
    Grace,
}

impl Source {
    const ALL: [Self; 7] = [
        Self::Stream,
        Self::DeviceEvents,
        Self::Gate,
        Self::Reports,
        Self::Stdout,
        Self::Stderr,
        Self::Grace,
    ];

    fn index(self) -> u32 {
        self as u32
    }
}

/// An edge-triggered epoll that remembers what is ready until its user says that it is not.
///
/// Being edge-triggered, a source that is left alone (a pipe, while the host reads nothing) or
/// that stays in some state (a port without a host) wakes nobody: an idle guest has no wakeups.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: Epoll,
    readable: u32,
    writable: u32,
}

impl Poller {
    pub(crate) fn new() -> Result<Self, InitError> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(InitError::Wait)?,
            readable: 0,
            writable: 0,
        })
    }

    /// Watches a non-blocking descriptor. It leaves by being closed.
    pub(crate) fn add(&mut self, fd: impl AsFd, source: Source) -> Result<(), InitError> {
        let mut flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        if source == Source::Stream {
            flags |= EpollFlags::EPOLLOUT;
        }
        self.epoll
            .add(fd, EpollEvent::new(flags, u64::from(source.index())))
            .map_err(InitError::Wait)
    }

    /// Takes in what has happened; with `block` it first waits until something has.
    pub(crate) fn wait(&mut self, block: bool) -> Result<(), InitError> {
        let mut events = [EpollEvent::empty(); Source::ALL.len()];
        let timeout = if block {
            EpollTimeout::NONE
        } else {
            EpollTimeout::ZERO
        };
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(InitError::Wait(error)),
        };
        let ended = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        for event in &events[..count] {
            let Ok(index) = u32::try_from(event.data()) else {
                continue;
            };
            let flags = event.events();
            if flags.intersects(EpollFlags::EPOLLIN | ended) {
                self.readable |= 1 << index;
            }
            if flags.intersects(EpollFlags::EPOLLOUT | ended) {
                self.writable |= 1 << index;
            }
        }
        Ok(())
    }

    /// Whether reading `source` may give something: data, its end or an error.
    pub(crate) fn is_readable(&self, source: Source) -> bool {
        self.readable & (1 << source.index()) != 0
    }

    /// Whether the stream may take something.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable & (1 << Source::Stream.index()) != 0
    }

    /// Says that reading `source` would block.
    pub(crate) fn drained(&mut self, source: Source) {
        self.readable &= !(1 << source.index());
    }

    /// Says that `source` may have something after all.
    pub(crate) fn suspect(&mut self, source: Source) {
        self.readable |= 1 << source.index();
    }

    /// Says that the stream is full.
    pub(crate) fn filled(&mut self) {
        self.writable &= !(1 << Source::Stream.index());
    }
}
