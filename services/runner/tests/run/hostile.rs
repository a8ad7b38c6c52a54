//! Bombs through the real binary: an early error, little memory, little disk, nothing left.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use test_support::alone;

use crate::support::{Ran, Runner};

/// What pulling and building may take at most, whatever the image.
const MEMORY_MEBIBYTES: i64 = 64;

/// What a layer may be, whatever it is stored in, is 1 GiB; this is well beyond.
const BOMB_MEBIBYTES: usize = 5 << 10;

/// An image with one layer, which is stored as `write` does.
struct Bomb {
    folder: TempDir,
}

impl Bomb {
    fn new(media_type: &str, write: impl FnOnce(&mut BufWriter<File>)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = folder.path().join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let layer = folder.path().join("layer");
        let mut file = BufWriter::new(File::create(&layer).unwrap());
        write(&mut file);
        file.flush().unwrap();
        let stored = fs::read(&layer).unwrap();
        let (digest, size) = (hex::encode(Sha256::digest(&stored)), stored.len());
        fs::rename(&layer, blobs.join(&digest)).unwrap();
        let blob = |media_type: &str, bytes: &[u8]| {
            let digest = hex::encode(Sha256::digest(bytes));
            fs::write(blobs.join(&digest), bytes).unwrap();
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
        };
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["true"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "0".repeat(64))]},
        });
        let manifest = json!({
            "schemaVersion": 2,
            "config": blob(
                "application/vnd.oci.image.config.v1+json",
                config.to_string().as_bytes(),
            ),
            "layers": [{
                "mediaType": media_type,
                "digest": format!("sha256:{digest}"),
                "size": size,
            }],
        });
        let manifest = blob(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.to_string().as_bytes(),
        );
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        fs::write(folder.path().join("index.json"), index.to_string()).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Builds a root filesystem of it, which fails with `text`, and looks at what that took.
    #[track_caller]
    fn is_refused(&self, text: &str) {
        let runner = Runner::new();
        let out = tempfile::tempdir().unwrap();
        let image: PathBuf = out.path().join("image.ext4");
        let mut command = runner.command();
        command
            .args(["rootfs", "build", "--disk", "256MiB", "--image"])
            .arg(self.path())
            .arg("--out")
            .arg(&image);
        let ran = Ran::of(command.output().unwrap()).exits(125);
        let errors: Vec<_> = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("runner: error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{}", ran.stderr);
        assert!(errors[0].contains(text), "{}", errors[0]);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "left over");
        let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() >> 10;
        println!("{peak} MiB at most");
        assert!(peak <= MEMORY_MEBIBYTES, "{peak} MiB");
    }
}

/// The header of a file of a tebibyte, which zeroes follow.
fn beginning() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_mode(0o644);
    header.set_size(1 << 40);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

/// Zeroes behind the header of a file, each 16 MiB of them compressed as one.
fn zeroes(file: &mut BufWriter<File>, compress: fn(&[u8]) -> Vec<u8>) {
    file.write_all(&compress(&beginning())).unwrap();
    let member = compress(&vec![0; 16 << 20]);
    for _ in 0..BOMB_MEBIBYTES / 16 {
        file.write_all(&member).unwrap();
    }
}

#[test]
fn a_gzip_bomb() {
    alone("hostile::a_gzip_bomb", || {
        let bomb = Bomb::new("application/vnd.oci.image.layer.v1.tar+gzip", |file| {
            zeroes(file, gzip);
        });
        bomb.is_refused("\"bomb\": beyond the limit on the expansion ratio of a layer");
    })
    .unwrap();
}

#[test]
fn a_zstd_bomb() {
    alone("hostile::a_zstd_bomb", || {
        let bomb = Bomb::new("application/vnd.oci.image.layer.v1.tar+zstd", |file| {
            zeroes(file, zstd);
        });
        bomb.is_refused("\"bomb\": beyond the limit on the expansion ratio of a layer");
    })
    .unwrap();
}

#[test]
fn very_many_entries() {
    alone("hostile::very_many_entries", || {
        let bomb = Bomb::new("application/vnd.oci.image.layer.v1.tar+zstd", |file| {
            let mut encoder = zstd::stream::write::Encoder::new(file, 1).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(0);
            for number in 0..500_000 {
                header.set_path(format!("{number:06}")).unwrap();
                header.set_cksum();
                encoder.write_all(header.as_bytes()).unwrap();
            }
            encoder.finish().unwrap();
        });
        bomb.is_refused("\"400000\": beyond the limit on the entries of an image, which is 400000");
    })
    .unwrap();
}
