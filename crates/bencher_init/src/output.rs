//! One of the command's two output pipes.

use std::os::fd::OwnedFd;

use bencher_output_protocol::GuestMessage;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use crate::error::InitError;
use crate::link::Link;
use crate::poller::Source;

/// How much a command may write ahead of the host. The kernel's default is 64 KiB.
const PIPE_SIZE: i32 = 1024 * 1024;

/// How much of an output is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    limit: u64,
    /// All bytes so far, those beyond the limit included.
    total: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, total: 0 }
    }

    /// Counts `count` more bytes and returns how many of them are within the limit.
    fn take(&mut self, count: usize) -> usize {
        let left = self.limit.saturating_sub(self.total);
        self.total = self.total.saturating_add(count as u64);
        usize::try_from(left).map_or(count, |left| left.min(count))
    }

    pub(crate) fn total(self) -> u64 {
        self.total
    }
}

/// The reading end of a pipe.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: Option<OwnedFd>,
    source: Source,
    kind: u8,
    budget: Budget,
}

impl Output {
    /// A pipe for the command's standard output. Its writing end is returned, too.
    pub(crate) fn stdout(limit: u64, link: &mut Link) -> Result<(Self, OwnedFd), InitError> {
        Self::new(Source::Stdout, GuestMessage::STDOUT, limit, link)
    }

    /// A pipe for the command's standard error.
    pub(crate) fn stderr(limit: u64, link: &mut Link) -> Result<(Self, OwnedFd), InitError> {
        Self::new(Source::Stderr, GuestMessage::STDERR, limit, link)
    }

    fn new(
        source: Source,
        kind: u8,
        limit: u64,
        link: &mut Link,
    ) -> Result<(Self, OwnedFd), InitError> {
        let failed = |source| InitError::Start {
            step: "make a pipe for the command's output",
            source,
        };
        let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
        // A user's pipes may be restricted to less, which is only slower.
        let _ = fcntl(&read, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        link.poller().add(&read, source)?;
        let output = Self {
            pipe: Some(read),
            source,
            kind,
            budget: Budget::new(limit),
        };
        Ok((output, write))
    }

    /// Whether reading now may give something.
    pub(crate) fn is_ready(&self, link: &mut Link) -> bool {
        self.pipe.is_some() && link.poller().is_readable(self.source)
    }

    /// Sends what one read gives, if nothing else waits to be sent.
    pub(crate) fn forward(&mut self, link: &mut Link) -> Result<(), InitError> {
        if !self.is_ready(link) {
            return Ok(());
        }
        let (Some(pipe), Some(space)) = (&self.pipe, link.data_space()) else {
            return Ok(());
        };
        match nix::unistd::read(pipe, space) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                let wanted = self.budget.take(count);
                if wanted > 0 {
                    link.send_data(self.kind, wanted)?;
                }
            }
            Err(Errno::EAGAIN) => link.poller().drained(self.source),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(InitError::Output(error)),
        }
        Ok(())
    }

    /// Whether nothing more will come, given that no process of the command's is left. The end of
    /// the pipe is not waited for: a descriptor of it that was passed to a stranger would keep it
    /// open.
    pub(crate) fn is_drained(&self, link: &mut Link) -> bool {
        !self.is_ready(link)
    }

    /// Looks again, whatever was found before.
    pub(crate) fn look_again(&self, link: &mut Link) {
        link.poller().suspect(self.source);
    }

    pub(crate) fn total(&self) -> u64 {
        self.budget.total()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exactly_the_first_bytes_pass(
            limit in prop_oneof![0_u64..2000, Just(u64::MAX)],
            reads in proptest::collection::vec(0_usize..500, 0..20),
        ) {
            let mut budget = Budget::new(limit);
            let mut passed = 0;
            for &count in &reads {
                let taken = budget.take(count);
                prop_assert!(taken <= count);
                passed += taken as u64;
            }
            let total = reads.iter().sum::<usize>() as u64;
            prop_assert_eq!(budget.total(), total);
            prop_assert_eq!(passed, total.min(limit));
        }
    }
}
