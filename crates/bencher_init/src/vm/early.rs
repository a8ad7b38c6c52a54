//! What the host has said before the guest was there.
//!
//! A message on the stream arrives when the host gets round to it, which is another moment of the
//! guest's clock each time. Where that clock is to be the same in every run, the host's opening words
//! come in the initramfs instead.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use bencher_output_protocol::MAX_HOST_PAYLOAD;

use crate::error::{InitError, errno};

/// The bytes that would else come first on the stream.
const WORDS: &str = "/host.stream";
/// More than a hello and the largest orders.
const LIMIT: u64 = 2 * MAX_HOST_PAYLOAD as u64;

/// Takes the host's opening words out of the initramfs. None are there if they come by the stream.
pub(super) fn take_early_words() -> Result<Vec<u8>, InitError> {
    take(Path::new(WORDS)).map_err(|error| InitError::Stream(errno(&error)))
}

fn take(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut words = Vec::new();
    match File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut words)) {
        Ok(_) => {
            // What stays takes memory, no more.
            let _ = std::fs::remove_file(path);
            Ok(words)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words");
        std::fs::write(&path, "hello").unwrap();
        assert_eq!(take(&path).unwrap(), b"hello");
        assert_eq!(take(&path).unwrap(), b"");
        assert!(take(folder.path()).is_err());
    }
}
