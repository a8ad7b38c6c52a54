//! Layers that are valid and rare.

use std::io::{self, Read};

use bencher_rootfs::limits::Limits;
use bencher_rootfs::{BoxedError, BuildOptions, LayerSource, NoProgress, build};

use crate::archive::{Archive, Header, seal};
use crate::layers::MemoryLayer;
use crate::survive::{amounts_to, check, survive, survive_bytes};

fn layer() -> Archive {
    Archive::new()
}

#[test]
fn old_v7_entries() {
    let old = |entry_type, name| Header::new(entry_type, name).v7();
    amounts_to(
        vec![
            layer()
                .add_with(&old(0, "d/").mode(0o755), b"")
                .add_with(&old(0, "d/f"), b"x")
                .add(&old(b'1', "d/h").link("d/f"))
                .add(&old(b'2', "d/s").link("f")),
        ],
        &["/d/", "/d/f 1 = /d/f", "/d/h 1 = /d/f", "/d/s -> f"],
    );
}

#[test]
fn gnu_long_names_and_links() {
    let name = ["n"; 200].join("/");
    let target = "t".repeat(4000);
    let lines = survive(vec![
        layer()
            .gnu_long(b'K', target.as_bytes())
            .gnu_long(b'L', name.as_bytes())
            .symlink("short", "short")
            .file("next", ""),
    ]);
    let lines = lines.unwrap();
    assert_eq!(lines.len(), 201);
    assert_eq!(lines[199], format!("/{name} -> {target}"));
    assert_eq!(lines[200], "/next 0");
}

#[test]
fn pax_global_headers() {
    // As `git archive` writes them.
    amounts_to(
        vec![
            layer()
                .pax_global(&[("comment", "0123456789012345678901234567890123456789")])
                .file("a", "1")
                .pax_global(&[("mtime", "5.5"), ("uid", "7")])
                .file("b", "22"),
        ],
        &["/a 1", "/b 2"],
    );
}

/// A file of 5 GiB and a little, of which 8 bytes are stored: 5 at 10 and 3 at 5 GiB.
fn sparse(encoding: &str) -> Archive {
    const FAR: u64 = 5 << 30;
    let far = FAR.to_string();
    let size = (FAR + 3).to_string();
    let data = b"helloend";
    let stored = Header::file("GNUSparseFile.0/f");
    match encoding {
        "GNU" => {
            let mut block = Header::new(b'S', "f").gnu().size(8).block();
            let fields = [(386, 10), (398, 5), (410, FAR), (422, 3), (483, FAR + 3)];
            for (at, value) in fields {
                block[at..at + 12].copy_from_slice(format!("{value:011o}\0").as_bytes());
            }
            seal(&mut block);
            layer().raw(&block).raw(data).padded()
        }
        "PAX 0.0" => layer()
            .pax(&[
                ("path", "f"),
                ("GNU.sparse.size", &size),
                ("GNU.sparse.numblocks", "2"),
                ("GNU.sparse.offset", "10"),
                ("GNU.sparse.numbytes", "5"),
                ("GNU.sparse.offset", &far),
                ("GNU.sparse.numbytes", "3"),
            ])
            .add_with(&stored, data),
        "PAX 0.1" => layer()
            .pax(&[
                ("GNU.sparse.name", "f"),
                ("GNU.sparse.size", &size),
                ("GNU.sparse.numblocks", "2"),
                ("GNU.sparse.map", &format!("10,5,{far},3")),
            ])
            .add_with(&stored, data),
        _ => {
            let mut body = format!("2\n10\n5\n{far}\n3\n").into_bytes();
            body.resize(512, 0);
            body.extend_from_slice(data);
            layer()
                .pax(&[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", "0"),
                    ("GNU.sparse.name", "f"),
                    ("GNU.sparse.realsize", &size),
                ])
                .add_with(&stored, &body)
        }
    }
}

#[test]
fn sparse_files_of_every_encoding() {
    for encoding in ["GNU", "PAX 0.0", "PAX 0.1", "PAX 1.0"] {
        let layer = sparse(encoding).file("after", "x").end();
        let layers = [MemoryLayer::new("layer", layer)];
        let image = tempfile::NamedTempFile::new().unwrap();
        let options = BuildOptions::new(8 << 20);
        let sources = crate::layers::sources(&layers);
        let report = build(&sources, image.as_file(), &options, &NoProgress).unwrap();
        // Two blocks of the one, and one of the other.
        assert_eq!(report.content_bytes, 3 * 4096, "{encoding}");
        assert_eq!(report.nodes, 3, "{encoding}");
        check(image.path());
    }
}

#[test]
fn trailing_garbage() {
    let archive = layer().file("a", "1").end();
    for garbage in [&[b'x'; 777][..], &[0; 9000], &layer().file("b", "").end()] {
        let bytes = [&archive[..], garbage].concat();
        assert_eq!(
            survive_bytes(vec![bytes], &Limits::default()).unwrap(),
            ["/a 1"]
        );
    }
}

#[test]
fn a_missing_end_of_archive_marker() {
    let archive = layer().file("a", "1").unterminated();
    let half = [&archive[..], &[0; 512]].concat();
    let unpadded = archive[..513].to_vec();
    for bytes in [archive, half, unpadded] {
        assert_eq!(
            survive_bytes(vec![bytes], &Limits::default()).unwrap(),
            ["/a 1"]
        );
    }
}

#[test]
fn empty_layers() {
    let base = layer().file("a", "1").end();
    for empty in [vec![], vec![0; 512], vec![0; 1024], vec![0; 10_240]] {
        let layers = vec![empty.clone(), base.clone(), empty];
        assert_eq!(survive_bytes(layers, &Limits::default()).unwrap(), ["/a 1"]);
    }
    assert_eq!(survive(vec![]), Ok(vec![]));
}

#[test]
fn duplicated_layers() {
    let change = || {
        layer()
            .file(".wh.a", "")
            .file("b", "22")
            .hard_link("c", "b")
    };
    let expected = ["/b 2 = /b", "/c 2 = /b"];
    amounts_to(
        vec![layer().file("a", "1"), change(), change(), change()],
        &expected,
    );
}

#[test]
fn a_hundred_and_twenty_seven_layers() {
    let stack = |count: usize| -> Vec<Archive> {
        let upper = |number: usize| {
            let layer = layer().file(format!("f{number:03}"), number.to_string());
            // Each takes away what the one before has added.
            match number {
                0 => layer,
                _ => layer.file(format!(".wh.f{:03}", number - 1), ""),
            }
        };
        (0..count).map(upper).collect()
    };
    amounts_to(stack(127), &["/f126 3"]);
    let layers: Vec<_> = stack(129)
        .into_iter()
        .map(|layer| MemoryLayer::new("layer", layer.end()))
        .collect();
    let image = tempfile::tempfile().unwrap();
    let options = BuildOptions::new(64 << 20);
    let error = build(
        &crate::layers::sources(&layers),
        &image,
        &options,
        &NoProgress,
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("layers of an image, which is 128"),
        "{message}"
    );
}

/// A layer of more bytes than 32 bits count, which nobody holds: a file of zeroes and a small one.
struct Large;

impl Large {
    const ZEROES: u64 = (4 << 30) + (1 << 20);
    /// What `sha256sum` says of it.
    const DIFF_ID: [u8; 32] = *b"\xe7\x7d\x55\xf3\x58\xb4\x0b\x49\xca\xe3\xd9\xb1\xa9\x6e\x7f\xc3\
        \x83\x26\x4e\x12\x15\x62\x92\xea\xa0\x01\x21\x8c\x2d\x37\xdd\x05";

    fn ends() -> [Vec<u8>; 2] {
        let large = Header::file("large").size(Self::ZEROES).block();
        [large.to_vec(), layer().file("small", "x").end()]
    }
}

impl LayerSource for Large {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxedError> {
        let [beginning, end] = Self::ends();
        let zeroes = io::repeat(0).take(Self::ZEROES);
        let beginning = io::Cursor::new(beginning);
        Ok(Box::new(
            beginning.chain(zeroes).chain(io::Cursor::new(end)),
        ))
    }

    fn compressed_size(&self) -> u64 {
        Self::ZEROES
    }

    fn uncompressed_size_hint(&self) -> Option<u64> {
        None
    }

    fn diff_id(&self) -> [u8; 32] {
        Self::DIFF_ID
    }

    fn name(&self) -> String {
        "large".to_owned()
    }
}

/// Its file does not fit on the disk, and need not: the layer above takes it away.
#[test]
fn a_layer_beyond_four_gibibytes() {
    let upper = MemoryLayer::new("upper", layer().file(".wh.large", "").end());
    let image = tempfile::NamedTempFile::new().unwrap();
    let options = BuildOptions::new(16 << 20);
    let report = build(&[&Large, &upper], image.as_file(), &options, &NoProgress).unwrap();
    assert!(report.read_twice);
    assert_eq!((report.nodes, report.content_bytes), (2, 4096));
    check(image.path());
}
