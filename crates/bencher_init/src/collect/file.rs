//! Sending one file.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use bencher_output_protocol::{FileBegin, LogLevel};
use nix::sys::stat::FileStat;

use super::sink::Sink;
use crate::error::InitError;
use crate::text::display;

/// Sends the first `limit` bytes of `file` and returns how many that were. What was announced is sent, whatever happens: a file
/// that can not be read to the end (it is on a damaged disk) is filled up with zeros, with a
/// warning.
pub(super) fn send_file(
    sink: &mut impl Sink,
    path: &[u8],
    file: OwnedFd,
    stat: &FileStat,
    limit: u64,
) -> Result<u64, InitError> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let sent = size.min(limit);
    sink.begin(FileBegin {
        path,
        mode: u16::try_from(stat.st_mode & 0o7777).unwrap_or(0),
        size,
        sent,
    })?;
    let mut file = File::from(file);
    let mut left = sent;
    let mut trouble = None;
    while left > 0 {
        let space = sink.space()?;
        let wanted = usize::try_from(left).map_or(space.len(), |left| left.min(space.len()));
        let space = &mut space[..wanted];
        let count = match &trouble {
            Some(_) => {
                space.fill(0);
                wanted
            }
            None => match file.read(space) {
                Ok(0) => {
                    trouble = Some("it ends earlier than its size says".to_owned());
                    continue;
                }
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    trouble = Some(error.to_string());
                    continue;
                }
            },
        };
        sink.data(count)?;
        left -= count as u64;
    }
    sink.end()?;
    if let Some(reason) = trouble {
        let text = format!("replaced the end by zeros, {reason}: {}", display(path));
        sink.log(LogLevel::Warning, text)?;
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::sink::Record;
    use super::*;
    use nix::sys::stat::fstat;
    use proptest::prelude::*;

    /// Sends a file of `contents` whose size was said to be `size`.
    fn send(contents: &[u8], size: usize, limit: u64) -> Record {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(size as u64).unwrap();
        let stat = fstat(&file).unwrap();
        file.set_len(0).unwrap();
        file.write_all(contents).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut record = Record::default();
        send_file(&mut record, b"/f", OwnedFd::from(file), &stat, limit).unwrap();
        record
    }

    proptest! {
        #[test]
        fn as_much_is_sent_as_was_announced(
            contents in proptest::collection::vec(1_u8.., 0..60),
            size in 0_usize..60,
            limit in 0_u64..60,
        ) {
            let record = send(&contents, size, limit);
            let sent = size.min(usize::try_from(limit).unwrap());
            let mut expected = contents.clone();
            expected.resize(sent, 0);
            prop_assert_eq!(&record.files, &[("/f".to_owned(), size as u64, expected)]);
            prop_assert_eq!(record.logs.len(), usize::from(contents.len() < sent));
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_filled_up_with_a_warning() {
        let record = send(b"abc", 5, u64::MAX);
        assert_eq!(record.files[0].2, b"abc\0\0");
        assert_eq!(
            record.logs,
            ["replaced the end by zeros, it ends earlier than its size says: /f"]
        );
    }
}
