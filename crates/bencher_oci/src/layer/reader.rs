//! Reading a layer: one pass that hashes the blob, decompresses it and hashes the result.

use std::io::{self, BufRead, Read};

use super::{Layer, LayerError, LayerErrorReason};
use crate::Digest;
use crate::blob::{BlobFile, BlobStream, CHUNK};
use crate::decompress::{Compression, Decoder, DecompressError};
use crate::digest::Hasher;

/// The uncompressed tar bytes of a layer.
///
/// How the blob is compressed is told from its first bytes, not from its media type, as
/// containerd and Docker do. Reads fail with a [`LayerError`] inside the [`io::Error`].
///
/// **The bytes may be trusted only when the end was reached**: the end of the stream is reported
/// only if the blob's digest and length and the content's diff ID are right. A tar reader stops at
/// the archive's end mark, so call [`LayerReader::finish`] behind it.
///
/// Memory: two buffers of 256 KiB, the state of the decompressor, and for zstd its window
/// ([`Limits::zstd_window_bytes`](crate::Limits::zstd_window_bytes)). Reads of 128 KiB or more, and
/// [`BufRead`], go without a copy through the second buffer.
#[derive(Debug)]
pub struct LayerReader {
    digest: Digest,
    diff_id: Digest,
    limit: u64,
    decoder: Decoder<BlobStream>,
    /// Absent where the blob's own hash says the same.
    content: Option<Hasher>,
    produced: u64,
    state: State,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Verified,
    Failed,
}

impl LayerReader {
    pub(super) fn new(layer: &Layer, blob: BlobFile, check_blob: bool) -> Result<Self, LayerError> {
        let hasher = check_blob.then(|| Hasher::like(&layer.digest));
        let stream = BlobStream::new(blob, hasher);
        let decoder = Decoder::new(stream, layer.limits.zstd_window_bytes)
            .map_err(|error| layer.error(reason(error)))?;
        // An uncompressed layer is its own content: one hash answers both questions.
        let is_hashed = check_blob
            && decoder.compression() == Compression::None
            && layer.digest == layer.diff_id;
        Ok(Self {
            digest: layer.digest.clone(),
            diff_id: layer.diff_id.clone(),
            limit: layer.limits.layer_bytes,
            decoder,
            content: (!is_hashed).then(|| Hasher::like(&layer.diff_id)),
            produced: 0,
            state: State::Reading,
            buffer: Vec::new(),
            start: 0,
            end: 0,
        })
    }

    /// How many uncompressed bytes have been read from the blob so far.
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Reads what is left and verifies the whole.
    ///
    /// # Errors
    /// The rest cannot be read, or the layer is not what the image says.
    pub fn finish(mut self) -> Result<(), LayerError> {
        self.start = self.end;
        let mut rest = std::mem::take(&mut self.buffer);
        rest.resize(CHUNK, 0);
        while self.produce(&mut rest)? > 0 {}
        Ok(())
    }

    /// Decompresses into `out`; 0 only at the verified end.
    fn produce(&mut self, out: &mut [u8]) -> Result<usize, LayerError> {
        match self.state {
            State::Reading => {}
            State::Verified => return Ok(0),
            State::Failed => return Err(self.error(LayerErrorReason::Failed)),
        }
        let result = self.decode(out);
        match &result {
            Ok(0) => self.state = State::Verified,
            Ok(_) => {}
            Err(_) => self.state = State::Failed,
        }
        result
    }

    fn decode(&mut self, out: &mut [u8]) -> Result<usize, LayerError> {
        // Small enough to be in the CPU's cache when it is hashed.
        let len = out.len().min(CHUNK);
        let len = loop {
            match self.decoder.read(&mut out[..len]) {
                Ok(len) => break len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.blame(error)),
            }
        };
        if len == 0 {
            self.verify_blob()?;
            return self.verify_content().map(|()| 0);
        }
        self.produced += len as u64;
        if self.produced > self.limit {
            return Err(self.error(LayerErrorReason::TooLarge { limit: self.limit }));
        }
        if let Some(hasher) = &mut self.content {
            hasher.update(&out[..len]);
        }
        Ok(len)
    }

    /// A blob whose bytes were damaged also decompresses badly; the damage is the reason to give.
    fn blame(&mut self, error: io::Error) -> LayerError {
        let reason = reason(error);
        if matches!(reason, LayerErrorReason::Decompress(_))
            && self.decoder.input_mut().drain().is_ok()
            && let Err(damage) = self.verify_blob()
        {
            return damage;
        }
        self.error(reason)
    }

    fn verify_blob(&mut self) -> Result<(), LayerError> {
        match self.decoder.input_mut().take_hasher().map(Hasher::finish) {
            Some(actual) if actual != self.digest => {
                Err(self.error(LayerErrorReason::BlobDigest { actual }))
            }
            _ => Ok(()),
        }
    }

    fn verify_content(&mut self) -> Result<(), LayerError> {
        match self.content.take().map(Hasher::finish) {
            Some(actual) if actual != self.diff_id => {
                let expected = self.diff_id.clone();
                Err(self.error(LayerErrorReason::DiffId { expected, actual }))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, reason: LayerErrorReason) -> LayerError {
        LayerError::new(&self.digest, reason)
    }
}

fn reason(error: io::Error) -> LayerErrorReason {
    match error.downcast::<DecompressError>() {
        Ok(error) => LayerErrorReason::Decompress(error),
        Err(error) => LayerErrorReason::Read(error),
    }
}

impl Read for LayerReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.start == self.end && out.len() >= CHUNK / 2 {
            return Ok(self.produce(out)?);
        }
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(out.len());
        out[..len].copy_from_slice(&bytes[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for LayerReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(CHUNK, 0);
            let result = self.produce(&mut buffer);
            self.buffer = buffer;
            (self.start, self.end) = (0, result?);
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}
