//! Zstandard (RFC 8878): any number of frames, skippable ones among them, as zstd:chunked and the
//! seekable format have.

use std::fmt;
use std::io::{self, BufRead, Read};

use zstd::zstd_safe::{
    self, DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, zstd_sys::ZSTD_ErrorCode,
};

use super::DecompressError;

/// Reads what zstd data decompresses to. Its memory is the window that the data asks for, up to
/// the limit.
pub(crate) struct ZstdReader<R> {
    input: R,
    context: DCtx<'static>,
    window_limit: u32,
    /// Whether the input so far ends with a whole frame.
    between_frames: bool,
}

impl<R: BufRead> ZstdReader<R> {
    /// A reader that refuses windows larger than `window_limit` bytes.
    pub(crate) fn new(input: R, window_limit: u32) -> io::Result<Self> {
        // The library's own bounds, of which the upper one is 1 GiB on 32-bit machines.
        let window_log = window_limit.checked_ilog2().unwrap_or(0).clamp(10, 30);
        let window_limit = 1 << window_log;
        let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        context
            .set_parameter(DParameter::WindowLogMax(window_log))
            .map_err(|code| explain(code, window_limit))?;
        Ok(Self {
            input,
            context,
            window_limit,
            between_frames: true,
        })
    }

    pub(crate) fn input_mut(&mut self) -> &mut R {
        &mut self.input
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let bytes = self.input.fill_buf()?;
            let at_end = bytes.is_empty();
            if at_end && self.between_frames {
                return Ok(0);
            }
            let mut input = InBuffer::around(bytes);
            let mut output = OutBuffer::around(&mut *out);
            let missing = self
                .context
                .decompress_stream(&mut output, &mut input)
                .map_err(|code| explain(code, self.window_limit))?;
            let (consumed, produced) = (input.pos(), output.pos());
            self.input.consume(consumed);
            self.between_frames = missing == 0;
            if produced > 0 {
                return Ok(produced);
            }
            if at_end {
                return Err(DecompressError::ZstdTruncated.into());
            }
        }
    }
}

fn explain(code: ErrorCode, window_limit: u32) -> DecompressError {
    let too_large = ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge;
    if zstd_safe::is_error_kind(code, too_large) {
        return DecompressError::ZstdWindow {
            limit: window_limit.into(),
        };
    }
    DecompressError::Zstd(zstd_safe::get_error_name(code))
}

impl<R: fmt::Debug> fmt::Debug for ZstdReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZstdReader")
            .field("input", &self.input)
            .field("window_limit", &self.window_limit)
            .field("between_frames", &self.between_frames)
            .finish_non_exhaustive()
    }
}
