//! Reading a layer: one pass that hashes the blob, decompresses it and hashes the result.

use std::io::{self, BufRead, Read};

use super::{Layer, LayerError, LayerErrorReason};
use crate::Digest;
use crate::blob::{BlobFile, BlobStream};
use crate::decompress::{Compression, Decoder, DecompressError};
use crate::digest::Hasher;
use crate::hashed_buffer::{CHUNK, HashedBuffer};

/// The uncompressed tar bytes of a layer.
///
/// How the blob is compressed is told from its first bytes, not from its media type, as
/// containerd and Docker do. Reads fail with a [`LayerError`] inside the [`io::Error`].
///
/// **The bytes may be trusted only when the end was reached**: the end of the stream is reported
/// only if the blob's digest and length and the content's diff ID are right (the latter not after
/// [`Layer::open_without_diff_id`]). A tar reader stops at the archive's end mark, so call
/// [`LayerReader::finish`] behind it.
///
/// Reads of any length are cheap: no further buffer is needed around this one, and [`BufRead`]
/// hands out what was decompressed without a copy. Memory: up to 2.5 MiB of buffers, the state of
/// the decompressor, and for zstd its window ([`Layer::window_bytes`]). A layer of 4 MiB or more is
/// hashed by threads of its own, one for the blob and one for the content.
#[derive(Debug)]
pub struct LayerReader {
    digest: Digest,
    diff_id: Digest,
    limit: u64,
    decoder: Decoder<BlobStream>,
    content: HashedBuffer,
    produced: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Verified,
    Failed,
}

/// What a reader verifies besides the blob's length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    pub(super) blob: bool,
    pub(super) diff_id: bool,
}

impl LayerReader {
    pub(super) fn new(layer: &Layer, blob: BlobFile, checks: Checks) -> Result<Self, LayerError> {
        let hasher = checks.blob.then(|| Hasher::like(&layer.digest));
        let window = layer.zstd_window(&blob);
        let stream = BlobStream::new(blob, hasher);
        let decoder = Decoder::new(stream, window).map_err(|error| layer.error(reason(error)))?;
        // An uncompressed layer is its own content: one hash answers both questions.
        let is_hashed = checks.blob
            && decoder.compression() == Compression::None
            && layer.digest == layer.diff_id;
        let hasher = (checks.diff_id && !is_hashed).then(|| Hasher::like(&layer.diff_id));
        Ok(Self {
            digest: layer.digest.clone(),
            diff_id: layer.diff_id.clone(),
            limit: layer.limits.layer_bytes,
            decoder,
            content: HashedBuffer::new(hasher, layer.size),
            produced: 0,
            state: State::Reading,
        })
    }

    /// How the blob is compressed.
    pub(super) fn compression(&self) -> Compression {
        self.decoder.compression()
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
        while self.state != State::Verified {
            self.refill()?;
        }
        Ok(())
    }

    /// Decompresses the next chunk into the buffer; an empty one is the verified end.
    fn refill(&mut self) -> Result<(), LayerError> {
        if self.begin()? {
            let decoder = &mut self.decoder;
            let filled = self.content.fill(|out| read_once(decoder, out));
            self.complete(filled.map(|()| self.content.bytes().len()))?;
        }
        Ok(())
    }

    /// Decompresses into `out`; 0 is the verified end.
    fn read_past_buffer(&mut self, out: &mut [u8]) -> Result<usize, LayerError> {
        if !self.begin()? {
            return Ok(0);
        }
        let read = read_once(&mut self.decoder, out);
        self.complete(read)
    }

    /// Whether there may be more to read. Whatever goes wrong before [`LayerReader::complete`]
    /// says otherwise is final.
    fn begin(&mut self) -> Result<bool, LayerError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Reading => Ok(true),
            State::Verified => {
                self.state = State::Verified;
                Ok(false)
            }
            State::Failed => Err(self.error(LayerErrorReason::Failed)),
        }
    }

    /// Accounts for what was decompressed, and verifies at the end.
    fn complete(&mut self, read: io::Result<usize>) -> Result<usize, LayerError> {
        let len = read.map_err(|error| self.blame(error))?;
        if len == 0 {
            self.verify_blob()?;
            self.verify_content()?;
            self.state = State::Verified;
            return Ok(0);
        }
        self.produced += len as u64;
        if self.produced > self.limit {
            self.content.consume(len);
            return Err(self.error(LayerErrorReason::TooLarge { limit: self.limit }));
        }
        self.state = State::Reading;
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
        match self.decoder.input_mut().finish() {
            Ok(Some(actual)) if actual != self.digest => {
                Err(self.error(LayerErrorReason::BlobDigest { actual }))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(LayerErrorReason::Read(error))),
        }
    }

    fn verify_content(&mut self) -> Result<(), LayerError> {
        match self.content.finish() {
            Ok(Some(actual)) if actual != self.diff_id => {
                let expected = self.diff_id.clone();
                Err(self.error(LayerErrorReason::DiffId { expected, actual }))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(LayerErrorReason::Read(error))),
        }
    }

    fn error(&self, reason: LayerErrorReason) -> LayerError {
        LayerError::new(&self.digest, reason)
    }
}

fn read_once(decoder: &mut Decoder<BlobStream>, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match decoder.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
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
        // Without a hash to compute, a large read saves the copy.
        if out.len() >= CHUNK / 4 && self.content.bytes().is_empty() && !self.content.is_hashed() {
            return Ok(self.read_past_buffer(out)?);
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
        if self.content.bytes().is_empty() {
            self.refill()?;
        }
        Ok(self.content.bytes())
    }

    fn consume(&mut self, amount: usize) {
        self.content.consume(amount);
    }
}
