//! Fetching one blob: resumed where it stopped, verified before it is handed over.
//!
//! ```text
//! what is kept ─► hash ─┐
//!                       ├─► whole? ─► digest ─► finish
//! request from there ───┘      │
//!        ▲                     └─ broken ─► wait ─┐
//!        └────────────────────────────────────────┘
//! ```

use std::io::{self, Read};

use ureq::http::header::CONTENT_RANGE;

use super::http::{Answer, read_reason};
use super::pace::Pace;
use super::session::{Get, Pull, Session};
use super::sink::{BlobSink, PullEvent};
use super::url::Url;
use super::{RegistryError, RegistryErrorReason};
use crate::Descriptor;
use crate::digest::Hasher;
use crate::hashed_buffer::HashedBuffer;

/// So much progress makes up for the failures before it.
const PROGRESS: u64 = 1 << 20;

/// Fetches `blob` into `sink`.
pub(super) fn fetch(
    session: &Session,
    pull: Pull<'_>,
    blob: &Descriptor,
    sink: &mut dyn BlobSink,
) -> Result<(), RegistryError> {
    let path = format!("blobs/{}", blob.digest);
    let url = session.url(pull, &path)?;
    let fetch = Fetch {
        session,
        pull,
        blob,
        path,
        url,
    };
    let mut received = fetch.resume(sink)?;
    let kept = received.bytes;
    pull.observer.event(&PullEvent::Started { blob, kept });
    match fetch.complete(&mut received, sink) {
        // What was kept may be what is wrong.
        Err(error) if kept > 0 && is_wrong_content(&error) => {
            received = fetch.restart(sink)?;
            fetch.complete(&mut received, sink)?;
        }
        result => result?,
    }
    sink.finish().map_err(|error| fetch.sink_error(error))?;
    pull.observer.event(&PullEvent::Finished { blob });
    Ok(())
}

fn is_wrong_content(error: &RegistryError) -> bool {
    matches!(
        error.reason(),
        RegistryErrorReason::Digest { .. } | RegistryErrorReason::Range
    )
}

struct Fetch<'a> {
    session: &'a Session,
    pull: Pull<'a>,
    blob: &'a Descriptor,
    path: String,
    url: Url,
}

/// What is there of a blob.
struct Received {
    buffer: HashedBuffer,
    bytes: u64,
}

impl Fetch<'_> {
    fn nothing(&self) -> Received {
        let hasher = Hasher::like(&self.blob.digest);
        Received {
            buffer: HashedBuffer::new(Some(hasher), self.blob.size),
            bytes: 0,
        }
    }

    /// What an earlier attempt left.
    fn resume(&self, sink: &mut dyn BlobSink) -> Result<Received, RegistryError> {
        let mut received = self.nothing();
        let mut keep = |bytes: &[u8]| {
            let mut rest = bytes;
            while !rest.is_empty() {
                // Copying cannot fail.
                let _ = received.buffer.fill(|buffer| rest.read(buffer));
                received.bytes += received.buffer.bytes().len() as u64;
            }
        };
        sink.resume(&mut keep)
            .map_err(|error| self.sink_error(error))?;
        if received.bytes > self.blob.size {
            return self.restart(sink);
        }
        Ok(received)
    }

    fn restart(&self, sink: &mut dyn BlobSink) -> Result<Received, RegistryError> {
        sink.restart().map_err(|error| self.sink_error(error))?;
        Ok(self.nothing())
    }

    /// Receives what is missing, in as many attempts as it takes, and verifies it all.
    fn complete(
        &self,
        received: &mut Received,
        sink: &mut dyn BlobSink,
    ) -> Result<(), RegistryError> {
        let mut failed = 0;
        let mut mark = received.bytes;
        while received.bytes < self.blob.size {
            let Err(error) = self.attempt(received, sink) else {
                continue;
            };
            if received.bytes - mark >= PROGRESS {
                mark = received.bytes;
                failed = 0;
            }
            failed += 1;
            self.session.wait(self.pull, failed, error)?;
        }
        let actual = received.buffer.finish();
        let actual = actual.map_err(|error| self.sink_error(error))?;
        let expected = &self.blob.digest;
        match actual {
            Some(actual) if actual == *expected => Ok(()),
            Some(actual) => Err(self.error(RegistryErrorReason::Digest {
                expected: expected.clone(),
                actual,
            })),
            None => Err(self.sink_error(io::Error::other("the digest is asked for twice"))),
        }
    }

    /// One request for what is missing.
    fn attempt(
        &self,
        received: &mut Received,
        sink: &mut dyn BlobSink,
    ) -> Result<(), RegistryError> {
        let get = Get {
            path: &self.path,
            accept: None,
            from: received.bytes,
            what: "blob",
        };
        let answer = self.session.get(self.pull, get)?;
        let skip = self
            .first_byte(&answer, received.bytes)
            .map_err(|reason| self.error(reason))?;
        self.receive(answer, skip, received, sink)
            .map_err(|reason| self.error(reason))
    }

    /// How much of the answer's body is there already. A server that cannot continue sends
    /// everything again.
    fn first_byte(&self, answer: &Answer, from: u64) -> Result<u64, RegistryErrorReason> {
        let size = self.blob.size;
        let (start, length) = match answer.status {
            206 => {
                let range = answer.header(CONTENT_RANGE).and_then(content_range);
                match range {
                    Some((start, total)) if start == from && total.is_none_or(|it| it == size) => {
                        (from, size - from)
                    }
                    _ => return Err(RegistryErrorReason::Range),
                }
            }
            416 => return Err(RegistryErrorReason::Range),
            _ => (0, size),
        };
        match answer.content_length() {
            Some(announced) if announced != length => Err(RegistryErrorReason::Length {
                expected: size,
                actual: format!("{} bytes", start.saturating_add(announced)),
            }),
            _ => Ok(from - start),
        }
    }

    fn receive(
        &self,
        answer: Answer,
        mut skip: u64,
        received: &mut Received,
        sink: &mut dyn BlobSink,
    ) -> Result<(), RegistryErrorReason> {
        let options = self.session.http().options();
        let mut pace = Pace::new(options.least_rate, options.clock.now());
        let mut body = answer.into_body();
        let mut skipped = vec![0; if skip > 0 { 64 << 10 } else { 0 }];
        loop {
            let left = self.blob.size - received.bytes;
            let count = if skip > 0 {
                let count = body.read(cut(&mut skipped, skip));
                let count = count.map_err(|error| self.broken(error, received))?;
                skip -= count as u64;
                count
            } else if left > 0 {
                let read = |buffer: &mut [u8]| body.read(cut(buffer, left));
                let filled = received.buffer.fill(read);
                filled.map_err(|error| self.broken(error, received))?;
                let bytes = received.buffer.bytes();
                sink.write(bytes).map_err(RegistryErrorReason::sink)?;
                received.bytes += bytes.len() as u64;
                bytes.len()
            } else {
                return self.end(&mut body);
            };
            if count == 0 {
                return Err(self.truncated(received));
            }
            if self.pull.cancellation.is_cancelled() {
                return Err(RegistryErrorReason::Cancelled);
            }
            if !pace.arrived(count, options.clock.now()) {
                return Err(RegistryErrorReason::TooSlow(options.least_rate));
            }
            self.pull.observer.event(&PullEvent::Progress {
                blob: self.blob,
                received: received.bytes,
            });
        }
    }

    /// What an error in the middle of the data is.
    fn broken(&self, error: io::Error, received: &Received) -> RegistryErrorReason {
        match read_reason(error) {
            RegistryErrorReason::Connection(error)
                if error.kind() == io::ErrorKind::UnexpectedEof =>
            {
                self.truncated(received)
            }
            reason => reason,
        }
    }

    fn truncated(&self, received: &Received) -> RegistryErrorReason {
        RegistryErrorReason::Truncated {
            received: received.bytes,
            expected: self.blob.size,
        }
    }

    /// Behind the last byte there must be nothing. Seeing that also lets the connection be used
    /// again.
    fn end(&self, body: &mut impl Read) -> Result<(), RegistryErrorReason> {
        match body.read(&mut [0; 1]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(RegistryErrorReason::Length {
                expected: self.blob.size,
                actual: "more".to_owned(),
            }),
            // All that was wanted is there, and its digest will tell whether it is right.
            Err(_) => Ok(()),
        }
    }

    fn error(&self, reason: RegistryErrorReason) -> RegistryError {
        self.session.error(&self.url, reason)
    }

    fn sink_error(&self, error: io::Error) -> RegistryError {
        self.error(RegistryErrorReason::sink(error))
    }
}

/// The beginning of `buffer`, at most `limit` bytes.
fn cut(buffer: &mut [u8], limit: u64) -> &mut [u8] {
    let len = usize::try_from(limit).map_or(buffer.len(), |limit| limit.min(buffer.len()));
    &mut buffer[..len]
}

/// The first byte and the total of `bytes FIRST-LAST/TOTAL` (RFC 9110, section 14.4).
pub(super) fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((first.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        for (value, range) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes */10", None),
            ("bytes 5-9", None),
            ("lines 5-9/10", None),
            ("", None),
        ] {
            assert_eq!(content_range(value), range, "{value}");
        }
    }
}
