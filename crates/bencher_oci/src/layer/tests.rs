//! Layers of every compression, read in every way, whole and broken.

use std::io::{BufRead, Read, Write};

use super::*;
use crate::hashed_buffer::CHUNK;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ::zstd::bulk::compress(data, 1).unwrap()
}

/// More than a few buffers of bytes that compress a little.
fn content() -> Vec<u8> {
    (0..900_000_u32)
        .flat_map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes())
        .collect()
}

fn blob(bytes: &[u8]) -> BlobFile {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    BlobFile::whole(file).unwrap()
}

/// A layer whose blob holds `stored` and which claims the other two.
fn layer(stored: &[u8], digest: Digest, diff_id: Digest) -> Layer {
    let size = stored.len() as u64;
    Layer::in_archive(blob(stored), digest, diff_id, size, Limits::default())
}

fn honest(stored: &[u8], content: &[u8]) -> Layer {
    layer(stored, Digest::sha256(stored), Digest::sha256(content))
}

fn read(layer: &Layer) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = layer.open().map_err(|error| error.to_string())?;
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    assert_eq!(reader.produced(), bytes.len() as u64);
    Ok(bytes)
}

#[test]
fn every_compression_in_every_rhythm() {
    let content = content();
    for stored in [content.clone(), gzip(&content), zstd(&content)] {
        let layer = honest(&stored, &content);
        assert_eq!(layer.compressed_size(), stored.len() as u64);
        assert_eq!(layer.uncompressed_size_hint(), Some(content.len() as u64));
        for step in [1000, CHUNK / 2, 3 * CHUNK] {
            let mut reader = layer.open().unwrap();
            let (mut bytes, mut buffer) = (Vec::new(), vec![0; step]);
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    n => bytes.extend_from_slice(&buffer[..n]),
                }
            }
            assert!(bytes == content);
            assert_eq!(reader.read(&mut buffer).unwrap(), 0);
            reader.finish().unwrap();
        }
        // By the buffer, and with the rest left to `finish`.
        let mut reader = layer.open().unwrap();
        let len = reader.fill_buf().unwrap().len();
        assert!(reader.fill_buf().unwrap() == &content[..len]);
        reader.consume(len / 2);
        let mut next = [0; 10];
        reader.read_exact(&mut next).unwrap();
        assert_eq!(next, content[len / 2..len / 2 + 10]);
        reader.finish().unwrap();
    }
}

#[test]
fn the_diff_id_can_be_left_to_the_caller() {
    let content = content();
    let other = Digest::sha256(b"");
    for stored in [content.clone(), gzip(&content), zstd(&content)] {
        let layer = layer(&stored, Digest::sha256(&stored), other.clone());
        for step in [1000, CHUNK / 4, 3 * CHUNK] {
            let mut reader = layer.open_without_diff_id().unwrap();
            let (mut bytes, mut buffer) = (Vec::new(), vec![0; step]);
            // Large reads go past the buffer, but not past what is left in it.
            let mut first = [0; 7];
            reader.read_exact(&mut first).unwrap();
            bytes.extend_from_slice(&first);
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    n => bytes.extend_from_slice(&buffer[..n]),
                }
            }
            assert!(bytes == content);
            assert_eq!(reader.produced(), content.len() as u64);
            assert_eq!(reader.read(&mut buffer).unwrap(), 0);
        }
        assert!(layer.open().unwrap().finish().is_err());
        // The blob is verified all the same, and the limit holds.
        let mut bad = layer.clone();
        bad.digest = other.clone();
        let mut buffer = vec![0; CHUNK];
        let mut reader = bad.open_without_diff_id().unwrap();
        let error = loop {
            match reader.read(&mut buffer) {
                Ok(0) => panic!("a damaged blob was accepted"),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("its blob is damaged"), "{error}");
        assert!(reader.read(&mut buffer).is_err(), "an error is final");
        let mut large = layer.clone();
        large.limits.layer_bytes = 1 << 20;
        let error = large
            .open_without_diff_id()
            .unwrap()
            .finish()
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("it decompresses to more than 1 MiB, the limit"),
            "{error}"
        );
    }
}

#[test]
fn an_empty_layer() {
    for stored in [vec![], gzip(b""), zstd(b""), gzip(&[0; 1024])] {
        let content = if stored == gzip(&[0; 1024]) {
            vec![0; 1024]
        } else {
            vec![]
        };
        assert_eq!(read(&honest(&stored, &content)).unwrap(), content);
    }
}

#[test]
fn sha512_digests() {
    let stored = gzip(b"content");
    let of = |bytes: &[u8]| {
        let mut hasher =
            crate::digest::Hasher::like(&format!("sha512:{}", "0".repeat(128)).parse().unwrap());
        hasher.update(bytes);
        hasher.finish()
    };
    assert_eq!(
        read(&layer(&stored, of(&stored), of(b"content"))).unwrap(),
        b"content"
    );
    // An uncompressed layer with digests of two algorithms.
    assert_eq!(
        read(&layer(b"x", of(b"x"), Digest::sha256(b"x"))).unwrap(),
        b"x"
    );
    assert!(read(&layer(b"x", of(b"x"), Digest::sha256(b"y"))).is_err());
}

#[test]
fn broken_layers() {
    let content = content();
    let good = gzip(&content);
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    let truncated = good[..good.len() / 2].to_vec();
    let digest = Digest::sha256(&good);
    let diff_id = Digest::sha256(&content);
    let cases = [
        // The damage is the reason, not what it did to the decompressor.
        (
            layer(&flipped, digest.clone(), diff_id.clone()),
            format!(
                "its blob is damaged, its content is {}: get the image again",
                Digest::sha256(&flipped)
            ),
        ),
        (
            layer(&truncated, Digest::sha256(&truncated), diff_id.clone()),
            "its gzip data is truncated: get the image again".to_owned(),
        ),
        (
            layer(&content, digest.clone(), diff_id.clone()),
            format!("its blob is damaged, its content is {diff_id}: get the image again"),
        ),
        (
            layer(&good, digest.clone(), digest.clone()),
            format!(
                "its uncompressed content is {diff_id}, the image's configuration says {digest}: \
                 build the image again"
            ),
        ),
        (
            layer(&content, diff_id.clone(), digest.clone()),
            format!(
                "its uncompressed content is {diff_id}, the image's configuration says {digest}: \
                 build the image again"
            ),
        ),
        (
            Layer::in_archive(
                blob(&good),
                digest.clone(),
                diff_id.clone(),
                good.len() as u64 + 1,
                Limits::default(),
            ),
            format!(
                "its blob has {} bytes, the image says {}: get the image again",
                good.len(),
                good.len() + 1
            ),
        ),
        (
            layer(
                b"\xfd7zXZ\0",
                Digest::sha256(b"\xfd7zXZ\0"),
                diff_id.clone(),
            ),
            "it is compressed with xz: only gzip and zstd are supported".to_owned(),
        ),
        (
            Layer::in_archive(
                blob(&good),
                digest.clone(),
                diff_id.clone(),
                good.len() as u64,
                Limits {
                    layer_bytes: 1 << 20,
                    ..Limits::default()
                },
            ),
            "it decompresses to more than 1 MiB, the limit".to_owned(),
        ),
    ];
    for (layer, message) in cases {
        assert_eq!(
            read(&layer).unwrap_err(),
            format!("layer {}: {message}", layer.digest())
        );
        if let Ok(reader) = layer.open() {
            let error = reader.finish().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("layer {}: {message}", layer.digest())
            );
            assert_eq!(error.layer(), layer.digest());
        }
    }
}

#[test]
fn an_error_is_final_and_typed() {
    let mut reader = layer(b"x", Digest::sha256(b"y"), Digest::sha256(b"y"))
        .open()
        .unwrap();
    let mut buffer = vec![0; CHUNK];
    assert_eq!(reader.read(&mut buffer).unwrap(), 1);
    let error = reader.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let error = error.downcast::<LayerError>().unwrap();
    assert!(matches!(
        error.reason(),
        LayerErrorReason::BlobDigest { .. }
    ));
    let again = reader.read(&mut buffer).unwrap_err();
    assert!(
        again
            .to_string()
            .ends_with("cannot be read any further after an error"),
        "{again}"
    );
}

#[test]
fn a_docker_archive_has_only_diff_ids() {
    for stored in [b"content".to_vec(), gzip(b"content")] {
        let good =
            Layer::in_docker_archive(blob(&stored), Digest::sha256(b"content"), Limits::default());
        assert_eq!(read(&good).unwrap(), b"content");
        assert_eq!(good.digest(), good.diff_id());
        let bad =
            Layer::in_docker_archive(blob(&stored), Digest::sha256(b"other"), Limits::default());
        assert_eq!(
            read(&bad).unwrap_err(),
            format!(
                "layer {other}: its uncompressed content is {}, the image's configuration says \
                 {other}: build the image again",
                Digest::sha256(b"content"),
                other = Digest::sha256(b"other"),
            ),
        );
    }
}
