//! Blobs: byte ranges of files, read without a copy of their own and hashed as they are read.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::Digest;
use crate::digest::Hasher;
use crate::hashed_buffer::HashedBuffer;
use crate::pull::Arrival;

/// A part of an open file. Reading it never moves the file's position, so that any number of
/// readers can share the file.
#[derive(Clone, Debug)]
pub(crate) struct BlobFile {
    file: Arc<File>,
    offset: u64,
    len: u64,
    /// How far it has come, if it still comes.
    arrival: Option<Arc<Arrival>>,
}

impl BlobFile {
    /// The whole of `file`.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            offset: 0,
            len,
            arrival: None,
        })
    }

    /// A file that will have `len` bytes. Waits until there is one, and reading waits for what is
    /// read.
    pub(crate) fn arriving(arrival: &Arc<Arrival>, len: u64) -> io::Result<Self> {
        Ok(Self {
            file: arrival.file()?,
            offset: 0,
            len,
            arrival: Some(Arc::clone(arrival)),
        })
    }

    /// `len` bytes of `file` from `offset` on; the caller knows that they are there.
    pub(crate) fn range(file: Arc<File>, offset: u64, len: u64) -> Self {
        Self {
            file,
            offset,
            len,
            arrival: None,
        }
    }

    /// The file that this is a part of.
    pub(crate) fn into_file(self) -> Arc<File> {
        self.file
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buffer` from `position`, counted from the blob's beginning.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let end = position.checked_add(buffer.len() as u64);
        let Some(end) = end.filter(|&end| end <= self.len) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if let Some(arrival) = &self.arrival {
            arrival.wait_for(end)?;
        }
        self.file
            .read_exact_at(buffer, self.offset + position)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    io::Error::new(error.kind(), "the file became shorter while it was read")
                }
                _ => error,
            })
    }

    /// The whole blob; the caller has checked its length.
    pub(crate) fn read_all(&self) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// A blob as a stream that hashes every byte it hands out.
#[derive(Debug)]
pub(crate) struct BlobStream {
    blob: BlobFile,
    /// How much of the blob has been read from the file.
    position: u64,
    buffer: HashedBuffer,
}

impl BlobStream {
    pub(crate) fn new(blob: BlobFile, hasher: Option<Hasher>) -> Self {
        let buffer = HashedBuffer::new(hasher, blob.len);
        Self {
            blob,
            position: 0,
            buffer,
        }
    }

    /// Reads what is left, for its hash.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.fill_buf()?.len() {
                0 => return Ok(()),
                len => self.consume(len),
            }
        }
    }

    /// The digest of what has been read; the first time only, and only with a hasher.
    pub(crate) fn finish(&mut self) -> io::Result<Option<Digest>> {
        self.buffer.finish()
    }
}

impl BufRead for BlobStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffer.bytes().is_empty() && self.position < self.blob.len {
            let left = self.blob.len - self.position;
            self.buffer.fill(|bytes| {
                let len = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.blob.read_exact_at(&mut bytes[..len], self.position)?;
                Ok::<_, io::Error>(len)
            })?;
            self.position += self.buffer.bytes().len() as u64;
        }
        Ok(self.buffer.bytes())
    }

    fn consume(&mut self, amount: usize) {
        self.buffer.consume(amount);
    }
}

impl Read for BlobStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(out.len());
        out[..len].copy_from_slice(&bytes[..len]);
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::hashed_buffer::CHUNK;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn every_byte_is_read_and_hashed_once() {
        let bytes: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = Arc::new(file(&bytes));
        let (offset, len) = (1234, 2_000_001);
        let expected = &bytes[offset..offset + len];
        for step in [1000, CHUNK / 2, 3 * CHUNK] {
            let blob = BlobFile::range(Arc::clone(&file), offset as u64, len as u64);
            let mut stream = BlobStream::new(blob, Some(Hasher::like(&Digest::sha256(b""))));
            // A look at the beginning must not disturb what follows.
            assert_eq!(&stream.fill_buf().unwrap()[..4], &expected[..4]);
            let mut read = Vec::new();
            let mut buffer = vec![0; step];
            loop {
                match stream.read(&mut buffer).unwrap() {
                    0 => break,
                    n => read.extend_from_slice(&buffer[..n]),
                }
            }
            assert!(read == expected, "step {step}");
            assert_eq!(stream.finish().unwrap(), Some(Digest::sha256(expected)));
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let file = file(&[1; 1000]);
        let blob = BlobFile::whole(file.try_clone().unwrap()).unwrap();
        file.set_len(10).unwrap();
        let error = BlobStream::new(blob.clone(), None).drain().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the file became shorter while it was read"
        );
        assert!(blob.read_exact_at(&mut [0; 2], 999).is_err());
    }
}
