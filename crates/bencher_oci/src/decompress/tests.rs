//! Good and bad compressed data, read in every rhythm.

use std::io::Write;

use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::blob::BlobFile;

const WINDOW: u32 = 32 << 20;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn blob(bytes: &[u8]) -> BlobFile {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    BlobFile::whole(file).unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ::zstd::bulk::compress(data, 1).unwrap()
}

/// An input that hands out `step` bytes at a time, but for the beginning that is looked at.
struct Slow<'a> {
    data: &'a [u8],
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(out.len());
        out[..len].copy_from_slice(&bytes[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Slow<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.data[..self.data.len().min(self.step.max(10))])
    }

    fn consume(&mut self, amount: usize) {
        self.data = &self.data[amount..];
    }
}

/// Reads everything, `out` bytes at a time from an input of `step` bytes at a time.
fn decode(data: &[u8], step: usize, out: usize) -> Result<Vec<u8>, String> {
    let mut result = Vec::new();
    let mut buffer = vec![0; out];
    let mut decoder =
        Decoder::new(Slow { data, step }, WINDOW).map_err(|error| error.to_string())?;
    loop {
        match decoder
            .read(&mut buffer)
            .map_err(|error| error.to_string())?
        {
            0 => break,
            n => result.extend_from_slice(&buffer[..n]),
        }
    }
    assert!(decoder.input_mut().data.is_empty(), "input was left unread");
    assert_eq!(decoder.read(&mut buffer).unwrap(), 0, "the end is final");
    Ok(result)
}

fn decode_all(data: &[u8]) -> Result<Vec<u8>, String> {
    decode(data, 1 << 20, 1 << 16)
}

/// A skippable frame of any bytes.
fn skippable(data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap();
    [&0x184d_2a53_u32.to_le_bytes()[..], &len.to_le_bytes(), data].concat()
}

#[test]
fn the_beginning_decides() {
    for (beginning, compression) in [
        (&b"\x1f\x8b\x08\x00"[..], Compression::Gzip),
        (b"\x28\xb5\x2f\xfd", Compression::Zstd),
        (b"\x53\x2a\x4d\x18", Compression::Zstd),
        (b"BZh9-a-file-name", Compression::None),
        (b"", Compression::None),
        (b"\x1f\x8b", Compression::None),
    ] {
        assert_eq!(Compression::of(beginning), Ok(compression));
    }
    let xz = Compression::of(b"\xfd7zXZ\0").unwrap_err();
    assert_eq!(
        xz.to_string(),
        "it is compressed with xz: only gzip and zstd are supported",
    );
    assert!(Compression::of(b"BZh91AY&SY").is_err());
}

#[test]
fn gzip_with_every_header_field() {
    let mut encoder = flate2::GzBuilder::new()
        .extra(vec![7; 300])
        .filename("name")
        .comment("comment")
        .mtime(1)
        .write(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"content").unwrap();
    let plain = encoder.finish().unwrap();
    assert_eq!(decode_all(&plain).unwrap(), b"content");
    // FHCRC: two bytes between the header and the data.
    let bare = gzip(b"content");
    let mut checked = bare[..10].to_vec();
    checked[3] = 0x02;
    checked.extend([0xab, 0xcd]);
    checked.extend(&bare[10..]);
    assert_eq!(decode(&checked, 1, 3).unwrap(), b"content");
}

#[test]
fn members_and_padding() {
    let members = [gzip(b"one "), gzip(b""), gzip(b"two"), vec![0; 5000]].concat();
    assert_eq!(decode_all(&members).unwrap(), b"one two");
    assert_eq!(decode(&members, 1, 1).unwrap(), b"one two");
}

#[test]
fn frames_and_skippable_frames() {
    let frames = [
        skippable(b"toc"),
        zstd(b"one "),
        zstd(b""),
        skippable(b""),
        zstd(b"two"),
        skippable(b"x"),
    ]
    .concat();
    assert_eq!(decode_all(&frames).unwrap(), b"one two");
    assert_eq!(decode(&frames, 1, 1).unwrap(), b"one two");
}

#[test]
fn bad_gzip() {
    let good = gzip(&b"some content ".repeat(1000));
    let len = good.len();
    let changed = |at: usize, byte: u8| {
        let mut data = good.clone();
        data[at] = byte;
        data
    };
    let truncated = "its gzip data is truncated: get the image again";
    let cases = [
        (good[..len - 1].to_vec(), truncated),
        (good[..len - 8].to_vec(), truncated),
        (good[..len / 2].to_vec(), truncated),
        (good[..10].to_vec(), truncated),
        (good[..5].to_vec(), truncated),
        ([&good[..], &good[..7]].concat(), truncated),
        (changed(3, 0xff), "its gzip data has a bad member header"),
        (
            [&good[..], &changed(2, 7)].concat(),
            "its gzip data has a bad member header",
        ),
        (changed(10, 0xff), "its gzip data is corrupt"),
        (
            changed(len - 5, !good[len - 5]),
            "its gzip data has a wrong checksum or length",
        ),
        (
            changed(len - 1, 1),
            "its gzip data has a wrong checksum or length",
        ),
        (
            [&good[..], b"garbage behind it"].concat(),
            "its gzip data is followed by other data",
        ),
        (
            [&good[..], &[0; 9], &good].concat(),
            "its gzip data is followed by other data",
        ),
    ];
    for (position, (data, message)) in cases.into_iter().enumerate() {
        for step in [1, 1 << 20] {
            assert_eq!(
                decode(&data, step, 100).unwrap_err(),
                message,
                "case {position}"
            );
        }
    }
}

#[test]
fn bad_zstd() {
    let good = zstd(&b"some content ".repeat(1000));
    let mut corrupt = good.clone();
    corrupt[9] ^= 0xff;
    let truncated = "its zstd data is truncated: get the image again";
    let cases = [
        (good[..good.len() - 1].to_vec(), truncated),
        (good[..5].to_vec(), truncated),
        ([&good[..], &good[..7]].concat(), truncated),
        (skippable(b"abc")[..10].to_vec(), truncated),
        (
            [&good[..], &[0; 100]].concat(),
            "its zstd data is corrupt: Unknown frame descriptor",
        ),
        (
            corrupt,
            "its zstd data is corrupt: Data corruption detected",
        ),
    ];
    for (position, (data, message)) in cases.into_iter().enumerate() {
        assert_eq!(decode_all(&data).unwrap_err(), message, "case {position}");
    }
}

#[test]
fn the_zstd_window_is_limited() {
    // A frame header that asks for 2^41 bytes, and one for 64 MiB.
    for window in [31 << 3, 16 << 3] {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x01, 0x00, 0x00];
        assert_eq!(
            decode_all(&frame).unwrap_err(),
            "its zstd data needs a window of more than 32 MiB, the limit: compress the image with \
             a lower level, without `--long`",
        );
    }
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 15 << 3, 0x01, 0x00, 0x00];
    assert_eq!(decode_all(&frame).unwrap(), b"");
}

#[test]
fn the_largest_frame_tells_the_window_of_all() {
    let with_window = |log| {
        let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.include_checksum(log % 2 == 0).unwrap();
        encoder.write_all(&vec![1; 100_000]).unwrap();
        encoder.finish().unwrap()
    };
    let limit = |data: &[u8]| zstd_window_limit(&blob(data), 32 << 20);
    assert_eq!(limit(&with_window(20)), 8 << 20, "what is usual is allowed");
    assert_eq!(limit(&with_window(24)), 16 << 20);
    assert_eq!(limit(&with_window(27)), 32 << 20, "the limit is the limit");
    // 8 MiB and an eighth.
    assert_eq!(
        limit(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, (13 << 3) | 1]),
        16 << 20
    );
    assert_eq!(limit(&zstd(b"small")), 8 << 20, "its window is its content");
    assert_eq!(limit(&skippable(b"nothing")), 8 << 20);
    assert_eq!(zstd_window_limit(&blob(&zstd(b"x")), 1 << 20), 1 << 20);
    // As zstd:chunked has it: small files first.
    let noise: Vec<u8> = (0..300_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    let frames = [
        zstd(b"small"),
        skippable(b"table"),
        zstd(&noise),
        zstd(&vec![1; 500_000]),
        with_window(21),
        with_window(24),
        skippable(b""),
    ]
    .concat();
    assert_eq!(limit(&frames), 16 << 20);
    let mut reader = ZstdReader::new(&frames[..], limit(&frames)).unwrap();
    io::copy(&mut reader, &mut io::sink()).unwrap();
    let mut reader = ZstdReader::new(&frames[..], 8 << 20).unwrap();
    let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
    assert!(error.to_string().contains("more than 8 MiB"), "{error}");
    // Who makes the walk long gets what is the most.
    let empty = zstd(b"").repeat(150_000);
    assert_eq!(limit(&empty), 32 << 20);
}

#[test]
fn a_long_window_within_the_limit_works() {
    let data: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(25).unwrap();
    encoder.write_all(&data).unwrap();
    assert!(decode_all(&encoder.finish().unwrap()).unwrap() == data);
}

#[test]
fn hints() {
    let data = vec![b'x'; 300_000];
    assert_eq!(gzip_size_hint(&blob(&gzip(&data))), Some(300_000));
    assert_eq!(zstd_size_hint(&blob(&zstd(&data))), Some(300_000));
    // Several members: the last one's length cannot be the whole.
    let noise: Vec<u8> = (0..50_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    assert_eq!(
        gzip_size_hint(&blob(&[gzip(&noise), gzip(b"")].concat())),
        None
    );
    assert_eq!(gzip_size_hint(&blob(b"abc")), None);
    let streamed = ::zstd::stream::encode_all(&data[..], 1).unwrap();
    assert_eq!(zstd_size_hint(&blob(&streamed)), None);
    assert_eq!(zstd_size_hint(&blob(b"")), None);
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back(
        parts in proptest::collection::vec(proptest::collection::vec(0..4_u8, 0..3000), 1..5),
        step in 1..4000_usize,
        out in 1..4000_usize,
    ) {
        let data = parts.concat();
        let members: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
        prop_assert_eq!(&decode(&members, step, out).unwrap(), &data);
        let frames: Vec<u8> = parts.iter().flat_map(|part| zstd(part)).collect();
        prop_assert_eq!(&decode(&frames, step, out).unwrap(), &data);
    }

    #[test]
    fn damage_is_noticed_or_harmless(
        data in proptest::collection::vec(any::<u8>(), 1..2000),
        at: prop::sample::Index,
        bit in 0..8_u32,
        step in 1..4000_usize,
    ) {
        let mut damaged = gzip(&data);
        // The header has fields that change nothing.
        let at = 10 + at.index(damaged.len() - 10);
        damaged[at] ^= 1 << bit;
        // A stored block has bits that mean nothing.
        prop_assert!(decode(&damaged, step, 512).map_or(true, |decoded| decoded == data));
    }

    /// No window is overlooked, whatever is damaged.
    #[test]
    fn what_the_frames_ask_for_is_enough(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..4),
        log in 10..25_u32,
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut data = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(if number == 1 { log } else { 10 }).unwrap();
            encoder.write_all(part).unwrap();
            data.extend(encoder.finish().unwrap());
        }
        let at = at.index(data.len());
        data[at] = byte;
        let decode = |window| {
            let mut decoded = Vec::new();
            let mut reader = ZstdReader::new(&data[..], window).unwrap();
            reader.read_to_end(&mut decoded).map(|_| decoded).map_err(|error| error.to_string())
        };
        let asked = zstd_window_limit(&blob(&data), 1 << 27);
        prop_assert_eq!(decode(asked), decode(1 << 27));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(mut data: Vec<u8>, zstd: bool) {
        let magic: &[u8] = if zstd { b"\x28\xb5\x2f\xfd" } else { b"\x1f\x8b\x08\x00" };
        data.splice(0..0, magic.iter().copied());
        let _ = decode(&data, 7, 64);
    }
}
