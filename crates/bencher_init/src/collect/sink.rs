//! Where collected files go.

use bencher_output_protocol::{FileBegin, GuestMessage, LogLevel};

use crate::error::InitError;
use crate::link::Link;
use crate::text::{TEXT_LIMIT, clip, display};

/// Paths are at most this long in a message: the longest that the kernel takes.
const PATH_LIMIT: usize = 4096;

/// Takes what [`super::Collector`] finds: the stream, or a record of it in a test.
pub(crate) trait Sink {
    /// A file begins.
    fn begin(&mut self, begin: FileBegin<'_>) -> Result<(), InitError>;
    /// Where the next bytes of its contents go.
    fn space(&mut self) -> Result<&mut [u8], InitError>;
    /// The first `length` bytes of [`Sink::space`] are contents.
    fn data(&mut self, length: usize) -> Result<(), InitError>;
    /// The file is complete.
    fn end(&mut self) -> Result<(), InitError>;
    /// What was asked for is not there.
    fn missing(&mut self, path: &[u8], reason: &str) -> Result<(), InitError>;
    /// A line for the log.
    fn log(&mut self, level: LogLevel, text: String) -> Result<(), InitError>;
}

impl Sink for Link {
    fn begin(&mut self, begin: FileBegin<'_>) -> Result<(), InitError> {
        self.send(&GuestMessage::FileBegin(begin))
    }

    fn space(&mut self) -> Result<&mut [u8], InitError> {
        self.finish_sending()?;
        // Nothing waits to be sent, so there is space.
        Ok(self.data_space().unwrap_or_default())
    }

    fn data(&mut self, length: usize) -> Result<(), InitError> {
        self.send_data(GuestMessage::FILE_DATA, length)
    }

    fn end(&mut self) -> Result<(), InitError> {
        self.send(&GuestMessage::FileEnd)
    }

    fn missing(&mut self, path: &[u8], reason: &str) -> Result<(), InitError> {
        if path.len() > PATH_LIMIT {
            let text = format!("an output is missing, {reason}: {}", display(path));
            return self.log(LogLevel::Warning, text);
        }
        let reason = clip(reason.to_owned(), TEXT_LIMIT);
        self.send(&GuestMessage::FileMissing {
            path,
            reason: &reason,
        })
    }

    fn log(&mut self, level: LogLevel, text: String) -> Result<(), InitError> {
        Link::log(self, level, text)
    }
}

/// Says of every output that it is missing.
pub(crate) fn missing_everywhere(
    link: &mut Link,
    outputs: &[Vec<u8>],
    reason: &str,
) -> Result<(), InitError> {
    outputs
        .iter()
        .try_for_each(|path| link.missing(path, reason))
}

/// A record of what was collected.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Path, announced size, contents.
    pub(super) files: Vec<(String, u64, Vec<u8>)>,
    /// How many bytes of the file that began last were announced.
    announced: u64,
    pub(super) missing: Vec<String>,
    pub(super) logs: Vec<String>,
    buffer: Vec<u8>,
}

#[cfg(test)]
impl Sink for Record {
    fn begin(&mut self, begin: FileBegin<'_>) -> Result<(), InitError> {
        self.files
            .push((display(begin.path), begin.size, Vec::new()));
        self.announced = begin.sent;
        Ok(())
    }

    fn space(&mut self) -> Result<&mut [u8], InitError> {
        self.buffer.resize(10, b'?');
        Ok(&mut self.buffer)
    }

    fn data(&mut self, length: usize) -> Result<(), InitError> {
        assert!(length > 0, "an empty frame");
        if let Some((_, _, contents)) = self.files.last_mut() {
            contents.extend_from_slice(&self.buffer[..length]);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), InitError> {
        let sent = self
            .files
            .last()
            .map_or(0, |(_, _, contents)| contents.len());
        assert_eq!(sent as u64, self.announced, "not what was announced");
        Ok(())
    }

    fn missing(&mut self, path: &[u8], reason: &str) -> Result<(), InitError> {
        self.missing.push(format!("{}: {reason}", display(path)));
        Ok(())
    }

    fn log(&mut self, _level: LogLevel, text: String) -> Result<(), InitError> {
        self.logs.push(text);
        Ok(())
    }
}
