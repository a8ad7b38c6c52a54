//! How a jailer tells the runner what it failed at: over a pipe that the VMM's execution closes, so
//! that an end without a word is a success.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use super::JailError;
use super::step::StepError;

/// The runner's end. To be read after the jailer's end.
#[derive(Debug)]
pub(crate) struct Report(io::PipeReader);

impl Report {
    /// Both ends, the jailer's as a descriptor.
    pub(super) fn pipe() -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        Ok((Self(reader), writer.into()))
    }

    /// What the jailer failed at, if it did.
    pub(crate) fn read(mut self) -> Option<JailError> {
        let mut text = String::new();
        // What can not be read says nothing, and the VMM's end is known otherwise.
        let _unreadable = self.0.read_to_string(&mut text);
        (!text.is_empty()).then_some(JailError::Step(text))
    }
}

/// Tells of a failure, at the jailer's end.
pub(super) fn tell(report: &OwnedFd, error: &StepError) {
    let told = report
        .try_clone()
        .and_then(|report| File::from(report).write_all(error.to_string().as_bytes()));
    if told.is_err() {
        eprintln!("{error}");
    }
}
