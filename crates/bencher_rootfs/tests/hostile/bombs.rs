//! Layers that are small where they are stored, and without bounds where they are read.
//!
//! What gzip and zstd make of a bomb is below the limits of a stream, so these are the streams.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use bencher_rootfs::limits::{Limit, Limits};
use bencher_rootfs::{BuildOptions, LayerError, LayerSource, NoProgress, RootfsError, build};

use crate::archive::{Archive, Header, seal};
use crate::stream::{Endless, within};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What is read ahead of what is judged.
const AHEAD: u64 = MIB;

/// Limits that end a test sooner: 20 MiB of one layer here.
fn few() -> Limits {
    Limits {
        expansion_allowance: 10 * MIB,
        expansion_ratio: 20,
        ..Limits::default()
    }
}

/// Builds, and gives the limit that ended it.
fn ended_by(layer: &dyn LayerSource, image: &File) -> Limit {
    ended_by_one_of(layer, image, Limits::default())
}

fn ended_by_one_of(layer: &dyn LayerSource, image: &File, limits: Limits) -> Limit {
    let options = BuildOptions {
        limits,
        ..BuildOptions::new(64 * MIB)
    };
    match build(&[layer], image, &options, &NoProgress).unwrap_err() {
        RootfsError::Layer {
            source: LayerError::Limit(error),
            ..
        } => error.limit,
        other => panic!("{other}"),
    }
}

/// Everything that the image takes on the host's disk.
fn stored(image: &File) -> u64 {
    image.metadata().unwrap().blocks() * 512
}

#[test]
fn ten_million_entries() {
    within(64, "bombs::ten_million_entries", || {
        let bomb = Endless::new(Vec::new(), |number, piece| {
            assert!(number < 10_000_000, "it was read to its end");
            let name = format!("{:07}", number % 10_000_000);
            piece.resize(512, 0);
            piece.copy_from_slice(&Header::file(name).block());
        });
        // As well compressed as to pass for honest.
        let bomb = bomb.stored_in(5 * GIB);
        let image = tempfile::tempfile().unwrap();
        assert_eq!(ended_by(&bomb, &image), Limit::Entries);
        let limit = Limits::default().entries;
        assert!(bomb.read() <= limit * 512 + AHEAD, "{}", bomb.read());
    });
}

#[test]
fn ten_million_hard_links() {
    within(64, "bombs::ten_million_hard_links", || {
        let bomb = Endless::new(
            Archive::new().file("f", "").unterminated(),
            |number, piece| {
                let name = format!("{number:07}");
                piece.resize(512, 0);
                piece.copy_from_slice(&Header::hard_link(name, "f").block());
            },
        );
        let bomb = bomb.stored_in(5 * GIB);
        let image = tempfile::tempfile().unwrap();
        assert_eq!(ended_by(&bomb, &image), Limit::Entries);
        assert!(bomb.read() <= Limits::default().entries * 512 + AHEAD);
    });
}

/// Few entries with much to remember of each.
#[test]
fn names_and_attributes_without_end() {
    within(64, "bombs::names_and_attributes_without_end", || {
        let bomb = Endless::new(Vec::new(), |number, piece| {
            let records = [
                ("path", format!("{number:0>250}").into_bytes()),
                ("SCHILY.xattr.user.x", number.to_le_bytes().repeat(8000)),
            ];
            let entry = Archive::new().pax(&records).file("f", "").unterminated();
            *piece = entry;
        });
        let image = tempfile::tempfile().unwrap();
        assert_eq!(ended_by(&bomb, &image), Limit::MetadataBytes);
        assert!(bomb.read() <= 2 * Limits::default().metadata_bytes + AHEAD);
    });
}

fn endless_file(byte: u8) -> Endless<impl Fn(u64, &mut Vec<u8>) + Send + Sync> {
    let size = 1 << 40;
    let header = Header::file("f").size(size).block();
    Endless::new(header.to_vec(), move |_, piece| piece.resize(1 << 16, byte))
}

/// A gigabyte is what a layer may be whatever it is stored in; then its first bytes tell. What does
/// not fit on the disk is not written.
#[test]
fn contents_without_end() {
    within(64, "bombs::contents_without_end", || {
        for byte in [0, b'x'] {
            let bomb = endless_file(byte);
            let image = tempfile::tempfile().unwrap();
            assert_eq!(ended_by(&bomb, &image), Limit::ExpansionRatio);
            // Once up to where the disk is full, and once to tell how much would do.
            let most = GIB + 64 * MIB + 2 * AHEAD;
            assert!(bomb.read() <= most, "{}", bomb.read());
            assert!(stored(&image) <= 64 * MIB, "{}", stored(&image));
        }
    });
}

/// Nothing of this is ever an entry.
#[test]
fn bytes_without_end_and_without_an_entry() {
    let end = vec![0; 1024];
    let label = {
        let mut block = Header::new(b'V', "label").gnu().block();
        block[124..136].copy_from_slice(b"77777777777\0");
        seal(&mut block);
        block.to_vec()
    };
    let whiteout = Header::file(".wh.x").size(1 << 40).block().to_vec();
    let directory = Header::file("d/").size(1 << 40).block().to_vec();
    for beginning in [end, label, whiteout, directory] {
        let bomb = Endless::new(beginning, |_, piece| piece.resize(1 << 16, b'\0'));
        let image = tempfile::tempfile().unwrap();
        assert_eq!(ended_by_one_of(&bomb, &image, few()), Limit::ExpansionRatio);
        let most = few().expansion_ratio * MIB + AHEAD;
        assert!(bomb.read() <= most, "{}", bomb.read());
        assert!(stored(&image) < MIB, "{}", stored(&image));
    }
}

#[test]
fn extended_headers_without_end() {
    for entry_type in *b"xgLKV" {
        let bomb = Endless::new(Vec::new(), move |_, piece| {
            let header = Header::new(entry_type, "h").gnu();
            *piece = header.block().repeat(100);
        });
        let image = tempfile::tempfile().unwrap();
        assert_eq!(ended_by_one_of(&bomb, &image, few()), Limit::ExpansionRatio);
        let most = few().expansion_ratio * MIB + AHEAD;
        assert!(bomb.read() <= most, "{}", bomb.read());
    }
}
