//! The frames of zstd data, by their headers alone (RFC 8878, sections 3.1.1 and 3.1.2).
//!
//! What decompressing takes is known before it begins: how many layers are read at a time depends
//! on it. The first frame does not tell it: zstd:chunked has a frame for each file, and small files
//! have small windows.

use zstd::zstd_safe;

use crate::blob::BlobFile;

/// What every decoder should support (RFC 8878, section 3.1.1.1.2).
const USUAL_WINDOW: u32 = 8 << 20;

/// The longest frame header, RFC 8878 section 3.1.1.1 with the magic number.
const MAX_HEADER: usize = 18;

/// How many frames and blocks are looked at. A block of an honest encoder has 128 KiB, or is the
/// last of its frame.
const MAX_STEPS: u32 = 200_000;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What the first frame's header says that it decompresses to, where it does.
pub(crate) fn size_hint(blob: &BlobFile) -> Option<u64> {
    zstd_safe::get_frame_content_size(&header(blob, 0)?).ok()?
}

/// The largest window, in bytes, that any frame of `blob` may ask for: what one of them does ask
/// for, at least [`USUAL_WINDOW`] and at most `limit`.
pub(crate) fn window_limit(blob: &BlobFile, limit: u32) -> u32 {
    let mut frames = Frames {
        blob,
        position: 0,
        steps: 0,
        largest: 0,
    };
    // Where the frames can not be followed, they can not be decompressed either.
    while frames.next().is_some() {}
    let asked = if frames.steps >= MAX_STEPS {
        limit
    } else {
        u32::try_from(frames.largest).map_or(limit, |window| {
            window.checked_next_power_of_two().unwrap_or(limit)
        })
    };
    asked.clamp(USUAL_WINDOW.min(limit), limit)
}

/// A walk from frame to frame.
struct Frames<'a> {
    blob: &'a BlobFile,
    position: u64,
    steps: u32,
    largest: u64,
}

impl Frames<'_> {
    /// Goes past the frame at hand; nothing if it is the last one, or not whole.
    fn next(&mut self) -> Option<()> {
        self.step()?;
        let header = header(self.blob, self.position)?;
        if let Some(length) = skippable(&header) {
            self.position = self.position.checked_add(8 + u64::from(length))?;
            return Some(());
        }
        let frame = Frame::parse(&header)?;
        self.largest = self.largest.max(frame.window);
        self.position += frame.header_length;
        while !self.block()? {}
        self.position += frame.checksum_length;
        Some(())
    }

    /// Goes past a block, and tells whether it is the last one of its frame.
    fn block(&mut self) -> Option<bool> {
        self.step()?;
        let mut header = [0; 4];
        self.blob
            .read_exact_at(&mut header[..3], self.position)
            .ok()?;
        let header = u32::from_le_bytes(header);
        let length = match header >> 1 & 0b11 {
            // One byte, repeated.
            1 => 1,
            3 => return None,
            _ => u64::from(header >> 3),
        };
        self.position += 3 + length;
        Some(header & 1 != 0)
    }

    fn step(&mut self) -> Option<()> {
        self.steps += 1;
        (self.steps < MAX_STEPS).then_some(())
    }
}

/// What the header of a frame says.
struct Frame {
    window: u64,
    header_length: u64,
    checksum_length: u64,
}

impl Frame {
    fn parse(header: &[u8]) -> Option<Self> {
        let rest = header.strip_prefix(&MAGIC)?;
        let descriptor = *rest.first()?;
        let is_single_segment = descriptor & 0x20 != 0;
        let window = if is_single_segment {
            zstd_safe::get_frame_content_size(header).ok()??
        } else {
            let window = rest.get(1)?;
            let base = 1_u64 << (10 + (window >> 3));
            base + base / 8 * u64::from(window & 7)
        };
        let dictionary_length = [0, 1, 2, 4][usize::from(descriptor & 0b11)];
        let size_length = match descriptor >> 6 {
            0 => u64::from(is_single_segment),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        Some(Self {
            window,
            header_length: 5 + u64::from(!is_single_segment) + dictionary_length + size_length,
            checksum_length: if descriptor & 0x04 == 0 { 0 } else { 4 },
        })
    }
}

/// The length of a frame that is to be skipped.
fn skippable(header: &[u8]) -> Option<u32> {
    match *header {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    }
}

/// The beginning of the frame at `position`; nothing at the end.
fn header(blob: &BlobFile, position: u64) -> Option<Vec<u8>> {
    let left = blob.len().checked_sub(position).filter(|&left| left > 0)?;
    let length = usize::try_from(left).map_or(MAX_HEADER, |left| left.min(MAX_HEADER));
    let mut header = vec![0; length];
    blob.read_exact_at(&mut header, position).ok()?;
    Some(header)
}
