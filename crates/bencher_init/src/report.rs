//! What the reaper, and the process that becomes the command, tell init.

use std::io::IoSlice;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use bencher_output_protocol::LogLevel;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::sys::received_fd;
use crate::text::{TEXT_LIMIT, clip};

/// One report. Texts are cut to what fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The process that becomes the command exists. A handle of it comes along.
    Forked,
    /// A line for the log.
    Note {
        /// How important it is.
        level: LogLevel,
        /// The line.
        text: String,
    },
    /// There is no such command.
    NotFound(String),
    /// The command is there but can not be executed.
    NotExecutable(String),
    /// Something before the command's `execve` failed.
    Failed {
        /// What, as in "failed to …".
        stage: String,
        /// Why.
        reason: String,
    },
    /// The command has ended and no other process of its namespace is left.
    Ended(Ended),
}

impl Report {
    pub(crate) fn failed(stage: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Failed {
            stage: clip(stage.into(), TEXT_LIMIT),
            reason: clip(reason.into(), TEXT_LIMIT),
        }
    }

    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self::Note {
            level: LogLevel::Warning,
            text: clip(text.into(), TEXT_LIMIT),
        }
    }
}

/// How the command ended and what the kernel counted for it and its waited-for descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The exit code, or else the signal in `signal`.
    pub(crate) code: u8,
    /// The signal that ended it, if one did.
    pub(crate) signal: Option<u8>,
    /// From just before its `execve` until it was waited for.
    pub(crate) wall_nanoseconds: u64,
    pub(crate) usage: Usage,
}

/// `getrusage(RUSAGE_CHILDREN)` of the reaper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) user_microseconds: u64,
    pub(crate) system_microseconds: u64,
    pub(crate) max_rss_kibibytes: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    /// In units of 512 bytes, as `read_blocks` and `written_blocks` of `getrusage` always are.
    pub(crate) read_blocks: u64,
    pub(crate) written_blocks: u64,
}

/// The sending end. It is closed by `execve`.
#[derive(Debug)]
pub(crate) struct Reporter(OwnedFd);

/// The receiving end. It does not block.
#[derive(Debug)]
pub(crate) struct Reports(OwnedFd);

/// What [`Reports::receive`] found.
#[derive(Debug)]
pub(crate) enum Received {
    /// A report, and the handle that came along.
    Report(Report, Option<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// Nobody is left to send anything.
    Closed,
}

/// Texts are at most two of [`TEXT_LIMIT`], so every report fits.
const REPORT_LIMIT: usize = 3 * TEXT_LIMIT;

/// Both ends of a new channel.
pub(crate) fn channel() -> nix::Result<(Reporter, Reports)> {
    let (sender, receiver) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    fcntl(&receiver, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((Reporter(sender), Reports(receiver)))
}

impl Reporter {
    pub(crate) fn send(&self, report: &Report) -> nix::Result<()> {
        self.send_with(report, None)
    }

    /// Sends a report along with a descriptor.
    pub(crate) fn send_with(&self, report: &Report, fd: Option<BorrowedFd<'_>>) -> nix::Result<()> {
        let bytes = postcard::to_allocvec(report).map_err(|_| Errno::EINVAL)?;
        let fds: Vec<_> = fd.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights };
        loop {
            match sendmsg::<()>(
                self.0.as_raw_fd(),
                &[IoSlice::new(&bytes)],
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Reports {
    pub(crate) fn receive(&self) -> nix::Result<Received> {
        let mut bytes = vec![0; REPORT_LIMIT];
        let mut control = nix::cmsg_space!(std::os::fd::RawFd);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = loop {
            match recvmsg::<()>(
                self.0.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Ok(message) => break message,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(Received::Nothing),
                Err(error) => return Err(error),
            }
        };
        let length = message.bytes;
        let fd = message.cmsgs()?.find_map(|part| match part {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied().map(received_fd),
            _ => None,
        });
        if length == 0 {
            return Ok(Received::Closed);
        }
        let report = postcard::from_bytes(&bytes[..length]).map_err(|_| Errno::EBADMSG)?;
        Ok(Received::Report(report, fd))
    }
}

impl AsFd for Reports {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for Reporter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_arrive_one_by_one_with_their_descriptors() {
        let (reporter, reports) = channel().unwrap();
        let long = Report::failed("x".repeat(2 * TEXT_LIMIT), "\u{fc}".repeat(2 * TEXT_LIMIT));
        let (pipe, other) = nix::unistd::pipe().unwrap();
        assert!(matches!(reports.receive(), Ok(Received::Nothing)));
        reporter
            .send_with(&Report::Forked, Some(pipe.as_fd()))
            .unwrap();
        reporter.send(&long).unwrap();
        drop(reporter);
        let Ok(Received::Report(Report::Forked, Some(received))) = reports.receive() else {
            panic!("no handle");
        };
        nix::unistd::write(&other, b"same pipe").unwrap();
        let mut bytes = [0; 16];
        assert_eq!(nix::unistd::read(&received, &mut bytes), Ok(9));
        let Ok(Received::Report(report, None)) = reports.receive() else {
            panic!("no report");
        };
        assert_eq!(report, long);
        assert!(matches!(reports.receive(), Ok(Received::Closed)));
    }
}
