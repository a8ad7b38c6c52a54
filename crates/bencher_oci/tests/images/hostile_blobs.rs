//! Blobs and archives by somebody who means harm, one test a case: what becomes of them is in the
//! table of `docs/security.md`.

use std::fs;
use std::io::{Read, Write};

use bencher_oci::{Digest, Image, ImageOptions, ImageReference, Limits};
use serde_json::{Value, json};

use crate::support::*;

#[test]
fn digest_algorithm_confusion() {
    let layout = Layout::new();
    let good = layout.image(&[]);
    let hex = digest(&good).hex();
    let with = |digest: &str| {
        let mut descriptor = good.clone();
        descriptor["digest"] = json!(digest);
        layout.index(&[descriptor]);
        reason(layout.open())
    };
    // The right digits behind another algorithm, or one that nobody knows.
    for (digest, why) in [
        (
            format!("sha512:{hex}"),
            "expected 128 lower-case hexadecimal digits",
        ),
        (
            format!("SHA256:{hex}"),
            "algorithm `SHA256` is not supported",
        ),
        (
            format!("sha256:{}", hex.to_uppercase()),
            "expected 64 lower-case",
        ),
        (format!("sha256:{hex}00"), "expected 64 lower-case"),
        (
            format!("sha256+b64:{hex}"),
            "algorithm `sha256+b64` is not supported",
        ),
        (
            format!("md5:{}", &hex[..32]),
            "algorithm `md5` is not supported",
        ),
        (
            format!("blake3:{hex}"),
            "algorithm `blake3` is not supported",
        ),
        (
            format!("../sha256:{hex}"),
            "algorithm `../sha256` is not supported",
        ),
        (format!("sha256:../{}", &hex[3..]), "expected 64 lower-case"),
        (hex.clone(), "is not a digest"),
        (String::new(), "is not a digest"),
    ] {
        let reason = with(&digest);
        assert!(reason.contains(why), "{reason}");
    }
}

/// SHA-512 is verified as such, wherever it stands.
#[test]
fn digests_of_sha512() {
    let layout = Layout::new();
    let content = tar_of("a", b"1");
    let folder = layout.path("blobs/sha512");
    fs::create_dir_all(&folder).unwrap();
    let strong = |mut descriptor: Value, bytes: &[u8]| {
        let output = sha512sum(bytes);
        fs::write(folder.join(&output), bytes).unwrap();
        descriptor["digest"] = json!(format!("sha512:{output}"));
        descriptor
    };
    let config = config(&[&content]).to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "config": strong(layout.blob(CONFIG, config.as_bytes()), config.as_bytes()),
        "layers": [strong(layout.blob(LAYER, &content), &content)],
    });
    let manifest = manifest.to_string();
    let manifest = strong(
        layout.blob(MANIFEST, manifest.as_bytes()),
        manifest.as_bytes(),
    );
    layout.index(std::slice::from_ref(&manifest));
    let image = layout.open().unwrap();
    assert_eq!(contents(&image).unwrap(), [content]);
    // Other bytes of the same length under that name.
    let path = layout.blob_path(image.layers[0].digest());
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(path, bytes).unwrap();
    let message = contents(&layout.open().unwrap()).unwrap_err();
    assert!(
        message.contains("its blob is damaged, its content is sha512:"),
        "{message}"
    );
}

/// The digits that coreutils computes.
fn sha512sum(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let output = std::process::Command::new("sha512sum")
        .arg(file.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_layer_with_another_digest() {
    let (layout, content) = Layout::simple();
    let layer = Digest::sha256(&content);
    let other = tar_of("hello", b"WORLD");
    assert_eq!(other.len(), content.len());
    fs::write(layout.blob_path(&layer), &other).unwrap();
    let message = contents(&layout.open().unwrap()).unwrap_err();
    let actual = Digest::sha256(&other);
    let expected = format!("its blob is damaged, its content is {actual}");
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn a_layer_with_another_length() {
    let (layout, content) = Layout::simple();
    let path = layout.blob_path(&Digest::sha256(&content));
    let longer = [&content[..], b"x"].concat();
    for bytes in [&content[..content.len() - 1], b"", &longer] {
        fs::write(&path, bytes).unwrap();
        let expected = format!("its blob has {} bytes, the image says", bytes.len());
        let reason = reason(layout.open());
        assert!(reason.contains(&expected), "{reason}");
    }
}

/// The blob is what the manifest says, and unpacks to something else than the configuration says.
#[test]
fn a_layer_with_another_diff_id() {
    let layout = Layout::new();
    let (said, given) = (tar_of("a", b"said"), tar_of("a", b"given"));
    for stored in [given.clone(), gzip(&given)] {
        let layer = layout.blob(GZIP_LAYER, &stored);
        layout.index(&[layout.image_of(&config(&[&said]), &[layer])]);
        let message = contents(&layout.open().unwrap()).unwrap_err();
        let expected = format!("its uncompressed content is {}", Digest::sha256(&given));
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn sizes_in_descriptors_that_are_none() {
    let layout = Layout::new();
    let good = layout.image(&[]);
    for size in [
        json!(-1),
        json!(1.5),
        json!("100"),
        Value::Null,
        json!(u64::MAX),
        json!(1e300),
    ] {
        let mut descriptor = good.clone();
        descriptor["size"] = size.clone();
        layout.index(&[descriptor]);
        let reason = reason(layout.open());
        let why = if size == json!(u64::MAX) {
            "is 18446744073709551615 bytes long, more than the limit of 4 MiB"
        } else {
            "is not valid: "
        };
        assert!(reason.contains(why), "{reason}");
    }
}

/// Blobs are what their digests say, wherever a descriptor says that they could be had.
#[test]
fn descriptors_that_bring_or_point_to_other_data() {
    let (layout, content) = Layout::simple();
    let mut layer = layout.blob(LAYER, &content);
    layer["data"] = json!("b3RoZXI=");
    layer["urls"] = json!(["file:///etc/passwd", "http://169.254.169.254/"]);
    layout.index(&[layout.image_of(&config(&[&content]), std::slice::from_ref(&layer))]);
    assert_eq!(contents(&layout.open().unwrap()).unwrap(), [content]);
    fs::remove_file(layout.blob_path(&digest(&layer))).unwrap();
    assert!(reason(layout.open()).ends_with("its blob is missing"));
}

/// 16 MiB of zeroes in as few bytes as gzip can.
fn gzip_of_zeroes() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 16 << 20]).unwrap();
    encoder.finish().unwrap()
}

fn zstd_of_zeroes() -> Vec<u8> {
    zstd::bulk::compress(&vec![0; 16 << 20], 1).unwrap()
}

/// A layer that expands: what is read is bounded, whoever reads it.
fn bomb(stored: &[u8], unpacked: u64) {
    let layout = Layout::new();
    let layer = layout.blob(LAYER, stored);
    layout.index(&[layout.image_of(&config(&[b"never reached"]), &[layer])]);
    let reference = format!("oci:{}", layout.root().display());
    let reference = ImageReference::parse(reference.as_ref()).unwrap();
    let limits = Limits {
        layer_bytes: 64 << 20,
        ..Limits::default()
    };
    let options = ImageOptions {
        limits,
        ..ImageOptions::new(std::env::temp_dir())
    };
    let image = Image::open(&reference, &options).unwrap();
    let mut reader = image.layers[0].open().unwrap();
    let mut read = 0;
    let mut buffer = vec![0; 1 << 16];
    let message = loop {
        match reader.read(&mut buffer) {
            Ok(0) => panic!("it was read to its end"),
            Ok(length) => read += length as u64,
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        message.ends_with("it decompresses to more than 64 MiB, the limit"),
        "{message}"
    );
    assert!(read <= limits.layer_bytes && limits.layer_bytes < unpacked);
}

#[test]
fn a_gzip_bomb() {
    bomb(&gzip_of_zeroes().repeat(64), 1 << 30);
}

#[test]
fn a_zstd_bomb() {
    bomb(&zstd_of_zeroes().repeat(64), 1 << 30);
}

/// A few bytes that ask for two terabytes of memory to look back at.
#[test]
fn a_zstd_window_bomb() {
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 31 << 3, 0x01, 0x00, 0x00];
    let second = [&zstd::bulk::compress(b"first", 1).unwrap()[..], &frame].concat();
    for stored in [&frame[..], &second] {
        let layout = Layout::new();
        let layer = layout.blob(LAYER, stored);
        layout.index(&[layout.image_of(&config(&[b""]), &[layer])]);
        let message = contents(&layout.open().unwrap()).unwrap_err();
        assert!(
            message.contains("needs a window of more than 32 MiB"),
            "{message}"
        );
    }
}

/// A whole image as a bomb: it would be unpacked onto the disk.
#[test]
fn an_archive_bomb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    for member in [gzip_of_zeroes(), zstd_of_zeroes()] {
        fs::write(&path, member.repeat(8)).unwrap();
        let reference = format!("oci-archive:{}", path.display());
        let reference = ImageReference::parse(reference.as_ref()).unwrap();
        let limits = Limits {
            expansion_allowance: 32 << 20,
            ..Limits::default()
        };
        let options = ImageOptions {
            limits,
            ..ImageOptions::new(folder.path().to_owned())
        };
        let message = Image::open(&reference, &options).unwrap_err().to_string();
        let expected = "unpacks to more than 200 times its size, the limit beyond 32 MiB";
        assert!(message.ends_with(expected), "{message}");
        // Nothing is left of it.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

/// Names in an archive of an image, and in its `manifest.json`, that lead out of it.
#[test]
fn path_traversal_out_of_an_image_archive() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, config(&[]).to_string()).unwrap();
    let path = folder.path().join("image.tar");
    for name in [
        secret.to_str().unwrap(),
        "../secret",
        "a/../../secret",
        "link",
        "hard",
        "",
        ".",
        "secret\u{0}",
    ] {
        let manifest = json!([{"Config": name, "Layers": []}]).to_string();
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(manifest.len() as u64);
        builder
            .append_data(&mut header, "manifest.json", manifest.as_bytes())
            .unwrap();
        for (name, kind) in [
            ("link", tar::EntryType::Symlink),
            ("hard", tar::EntryType::Link),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, name, &secret).unwrap();
        }
        fs::write(&path, builder.into_inner().unwrap()).unwrap();
        let shown = path.to_str().unwrap();
        let message = open(shown).map(drop).unwrap_err();
        assert!(
            message.contains("the archive has no file"),
            "{name}: {message}"
        );
    }
}

/// Nobody waits for a pipe, and no device is read.
#[test]
fn special_files_in_a_layout() {
    let (layout, content) = Layout::simple();
    let layer = layout.blob_path(&Digest::sha256(&content));
    let mode = nix::sys::stat::Mode::S_IRUSR;
    for path in [layer, layout.path("index.json")] {
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, mode).unwrap();
        assert!(reason(layout.open()).ends_with("is not a regular file"));
        fs::remove_file(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(reason(layout.open()).ends_with("is not a regular file"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        let reason = reason(layout.open());
        assert!(
            reason.contains("is a symbolic link that leads out of the layout"),
            "{reason}"
        );
    }
}
